"""The daemon's settings: flag > `REEX_*` variable > the user's TOML file > default. Owns names and bounds.

Every setting is a field of `Settings`; its variable is `REEX_` and the name in capitals, its TOML key is the
name. Paths are not made here (see `paths.py`); nothing is read at import.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reexd.errors import InvalidSetting

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

LOG_LEVELS = ("debug", "info", "warning", "error")

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")


def _setting(
    default: object, about: str, *, low: float | None = None, high: float | None = None, words: tuple = ()
):
    return field(default=default, metadata={"about": about, "low": low, "high": high, "words": words})


@dataclass(frozen=True, slots=True)
class Settings:
    """What one daemon runs with. Sizes in bytes, times in seconds."""

    models: str = _setting("", "folder of language models; empty: `models` below the data folder")
    offline: bool = _setting(False, "refuse every download")
    workers: int = _setting(0, "engine processes; 0: one per core, one on Metal", low=0, high=256)
    cache_size_max_bytes: int = _setting(
        256 * MIB, "freed buffers that an engine process keeps for the next forward pass", low=0, high=2**40
    )
    models_loaded_max: int = _setting(
        2, "language models in memory at once; more only while in use", low=1, high=64
    )
    model_idle_max_s: float = _setting(
        1_800.0,
        "an unused language model leaves the memory after this time; 0: never",
        low=0,
        high=31_536_000,
    )

    document_size_max_bytes: int = _setting(MIB, "longest document, UTF-8", low=KIB, high=64 * MIB)
    field_size_max_bytes: int = _setting(4 * KIB, "longest info, group or prompt, UTF-8", low=64, high=MIB)
    attributes_max: int = _setting(4096, "most attributes of one document", low=0, high=65_536)
    chunk_size_max_bytes: int = _setting(
        MIB, "largest upload chunk of several documents", low=KIB, high=16 * MIB
    )
    chunk_documents_max: int = _setting(256, "most documents in one upload chunk", low=1, high=10_000)
    exchange_size_max_bytes: int = _setting(4 * GIB, "largest model or dataset that is imported", low=MIB)
    queries_queued_max: int = _setting(1024, "texts waiting for the engine before callers are refused", low=1)

    # LMDB maps are opened large and sparse; the figure bounds growth, it reserves nothing.
    project_map_size_bytes: int = _setting(64 * GIB, "largest project", low=16 * MIB, high=2**46)
    catalogue_map_size_bytes: int = _setting(
        GIB, "largest catalogue, jobs included", low=16 * MIB, high=2**46
    )

    checkpoint_s: float = _setting(15.0, "time between checkpoints of a training job", low=0.1, high=3600)
    drain_s: float = _setting(10.0, "time that running calls are given at shutdown", low=0, high=600)

    log_level: str = _setting("info", "least level written to the log", words=LOG_LEVELS)
    log_size_max_bytes: int = _setting(8 * MIB, "a log file is rotated at this size", low=64 * KIB, high=GIB)
    log_files_max: int = _setting(4, "rotated log files kept", low=1, high=100)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and for each where it came from: `flag`, the variable, the file's path, or `default`."""

    settings: Settings
    origins: dict[str, str]


def variable(name: str) -> str:
    return f"REEX_{name.upper()}"


def load(
    file: Path, *, environ: Mapping[str, str] | None = None, flags: Mapping[str, object] | None = None
) -> Loaded:
    """Read the settings. `flags` holds what the command line gave; None values there mean "not given".

    An empty variable counts as not set. Raises InvalidSetting, naming the setting and where it was read.
    """
    environ = os.environ if environ is None else environ
    written = _read_file(file)
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    _refuse_unknown(given, "the command line")
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    for declared in dataclasses.fields(Settings):
        name = declared.name
        if name in given:
            value, origin = given[name], "flag"
        elif environ.get(variable(name)):
            value, origin = environ[variable(name)], variable(name)
        elif name in written:
            value, origin = written[name], str(file)
        else:
            value, origin = declared.default, "default"
        values[name] = _checked(declared, value, origin)
        origins[name] = origin
    values["models"] = _absolute_folder(str(values["models"]), file.parent, origins["models"] == str(file))
    return Loaded(settings=Settings(**values), origins=origins)


def _read_file(file: Path) -> dict[str, object]:
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InvalidSetting(
            f"expected to read {file}, got: {error.strerror}. Repair it or move it away."
        ) from error
    try:
        written = tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"expected TOML in {file}, got: {error}. Repair the line.") from error
    _refuse_unknown(written, str(file))
    return written


def _refuse_unknown(given: Mapping[str, object], origin: str) -> None:
    names = [declared.name for declared in dataclasses.fields(Settings)]
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Known settings: {', '.join(names)}."
            raise InvalidSetting(f"unknown setting {name!r} in {origin}. {hint}", setting=name)


def _checked(declared: dataclasses.Field, value: object, origin: str) -> object:
    """The value in the field's own type and within its bounds. Text is parsed only where it came as text."""
    kind = type(declared.default)
    if isinstance(value, str) and kind is not str:
        value = _parsed(value, kind)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    low, high, words = (declared.metadata[key] for key in ("low", "high", "words"))
    accepted = type(value) is kind
    if accepted and words:
        accepted = value in words
    if accepted and low is not None:
        accepted = value >= low  # False for NaN as well
    if accepted and high is not None:
        accepted = value <= high
    if accepted:
        return value
    expected = " | ".join(words) if words else kind.__name__
    if low is not None or high is not None:
        expected += f" from {low if low is not None else '-'} to {high if high is not None else '-'}"
    raise InvalidSetting(
        f"{declared.name} ({declared.metadata['about']}): expected {expected}, got {value!r} from {origin}. "
        f"Change it there; the default is {declared.default!r}.",
        setting=declared.name,
        origin=origin,
    )


def _parsed(text: str, kind: type) -> object:
    """Text from a variable in the field's type, or the text itself, which the check then refuses."""
    text = text.strip()
    if kind is bool:
        lowered = text.lower()
        return True if lowered in _TRUE else False if lowered in _FALSE else text
    try:
        return kind(text)
    except ValueError:
        return text


def _absolute_folder(value: str, beside: Path, from_file: bool) -> str:
    """A relative folder is beside the file that names it, or below the working folder."""
    if not value:
        return ""
    written = Path(value).expanduser()
    return str(beside / written if from_file else Path.cwd() / written)
