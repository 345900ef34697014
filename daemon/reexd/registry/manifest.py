"""reex.json beside a model's files: where it came from and what its bytes were. Owns that file's form.

{"format": 1, "name", "source", "revision", "digests": {file: hex SHA-256}, "sizes": {file: bytes},
 "pulled_at": seconds since the epoch, "pooling", "window_tokens", "document_prefix", "query_prefix",
 "licence"}
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from reexd.errors import InvalidSetting, ModelCorrupt
from reexd.pooling import parse
from reexd.records import ModelFiles
from reexd.registry.selection import PLAIN_NAME

FILE_NAME = "reex.json"
FORMAT = 1

_RELATIVE = re.compile(rf"{PLAIN_NAME.pattern}(/{PLAIN_NAME.pattern})?")


@dataclass(frozen=True, slots=True)
class Manifest:
    name: str
    source: str
    revision: str
    digests: dict[str, str]
    sizes: dict[str, int]
    pulled_at: float
    pooling: str
    window_tokens: int
    document_prefix: str
    query_prefix: str
    licence: str

    def files(self, folder: Path) -> ModelFiles:
        return ModelFiles(
            name=self.name,
            folder=folder,
            digests=dict(self.digests),
            pooling=self.pooling,
            window_tokens=self.window_tokens,
            document_prefix=self.document_prefix,
            query_prefix=self.query_prefix,
        )


def write(folder: Path, manifest: Manifest) -> None:
    text = json.dumps({"format": FORMAT} | asdict(manifest), indent=2) + "\n"
    descriptor = os.open(folder / FILE_NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def read(folder: Path) -> Manifest | None:
    """The manifest of an installed model, or None where there is none. Raises ModelCorrupt."""
    file = folder / FILE_NAME
    try:
        written = json.loads(file.read_text(encoding="utf-8"))
        if written.pop("format") != FORMAT:
            raise ValueError("written by a newer release")
        # Before there were two, the one stood before every text.
        written.setdefault("document_prefix", written["query_prefix"])
        manifest = Manifest(**written)
        parse(manifest.pooling)
        sound = (
            manifest.name == folder.name
            and manifest.digests.keys() == manifest.sizes.keys()
            and all(_RELATIVE.fullmatch(name) for name in manifest.digests)
            and all(re.fullmatch("[0-9a-f]{64}", digest) for digest in manifest.digests.values())
            and all(type(size) is int for size in manifest.sizes.values())
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, InvalidSetting) as error:
        raise corrupt(folder.name, FILE_NAME, f"cannot be read: {error}") from error
    if not sound:
        raise corrupt(folder.name, FILE_NAME, "does not describe this folder")
    return manifest


def sha256(file: Path) -> str:
    """Hex digest of a regular file's bytes."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def corrupt(name: str, file: str, what: str) -> ModelCorrupt:
    return ModelCorrupt(
        f"model {name}: {file}: {what}. Pull it again: reexctl models pull {name}", model=name, file=file
    )
