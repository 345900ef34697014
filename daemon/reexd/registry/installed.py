"""The models folder as it is: what is installed, whether it is whole, and what `models list` says of it.

Reads only, so a shared, read-only folder will do. A model that somebody put there without reex.json counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from reexd.errors import InvalidInput, ModelCorrupt, ModelMissing, ModelNotFound
from reexd.records import ModelFiles
from reexd.registry import manifest, references, selection
from reexd.registry.builtin import BUILTIN
from reexd.registry.facts import Facts
from reexd.registry.facts import read as read_facts


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model with a short name, or one that is installed. Zero or empty: not known."""

    name: str
    description: str
    licence: str
    facts: Facts
    size_bytes: int  # on disk; of a model that is not installed, what it will take
    sources: tuple[str, ...]  # references, in the order they are tried
    digest: str  # of the weights, twelve hex digits
    installed: bool
    folder: Path | None
    revision: str = ""
    pulled_at: float = 0.0
    pooling: str = ""
    window_tokens: int = 0  # 0: what `facts` say
    document_prefix: str = ""
    query_prefix: str = ""
    digests: dict[str, str] = field(default_factory=dict)  # hex SHA-256 by file
    sizes: dict[str, int] = field(default_factory=dict)  # bytes by file
    pinned: bool = False  # by this build; else they were recorded when it was pulled
    problem: str = ""  # why it cannot be used, though its folder is there


@dataclass(frozen=True, slots=True)
class FileCheck:
    """One file of an installed model against what was pinned; intact when `problem` is empty."""

    file: str
    size_bytes: int
    digest: str  # expected, hex SHA-256
    problem: str


class Installed:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._measured: dict[Path, tuple[int, str]] = {}  # modification time and digest
        self._read: dict[
            Path, tuple[tuple[int, ...], manifest.Manifest]
        ] = {}  # what it was read from, by its stat
        self._described: dict[Path, tuple[tuple, Facts]] = {}  # the folder's files, by their stats

    def names(self) -> list[str]:
        try:
            found = [entry.name for entry in self._folder.iterdir() if entry.is_dir()]
        except OSError:
            return []
        return sorted(name for name in found if references.NAME.fullmatch(name))

    def manifest(self, name: str) -> manifest.Manifest | None:
        """What was recorded or can be read of a model; None when there is no such folder.

        Raises ModelCorrupt, or InvalidInput for a folder without reex.json that is no model.
        """
        folder = self.folder_of(name)
        return None if folder is None else self._recorded(folder) or self._by_hand(folder)

    def folder_of(self, name: str) -> Path | None:
        """None when there is none. Raises ModelCorrupt where the folder of models is closed to us."""
        folder = self._folder / name
        try:
            return folder if folder.is_dir() else None
        except OSError as error:
            raise manifest.corrupt(name, str(folder), error.strerror or "cannot be read") from error

    def _recorded(self, folder: Path) -> manifest.Manifest | None:
        """The folder's reex.json, parsed again only when the file is another: every query asks for its model."""
        try:
            found = (folder / manifest.FILE_NAME).stat()
        except OSError:
            return manifest.read(folder)
        seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        kept = self._read.get(folder)
        if kept is not None and kept[0] == seen:
            return kept[1]
        written = manifest.read(folder)
        if written is not None:
            self._read[folder] = seen, written
        return written

    def find(self, name: str) -> ModelFiles:
        """See `Registry.find`."""
        written = self.manifest(references.check_name(name))
        if written is None:
            raise self.missing(name)
        folder = self._folder / name
        for file, size in written.sizes.items():
            try:
                found = (folder / file).stat().st_size
            except OSError as error:
                raise manifest.corrupt(name, file, error.strerror or "cannot be read") from error
            if found != size:
                raise manifest.corrupt(name, file, f"expected {size} bytes, got {found}")
        return written.files(folder)

    def verify(self, name: str) -> ModelFiles:
        """See `Registry.verify`."""
        files = self.find(name)
        for checked in self.check(name):
            if checked.problem:
                raise manifest.corrupt(name, checked.file, checked.problem)
        return files

    def check(self, name: str) -> list[FileCheck]:
        """See `Registry.check_files`."""
        written = self.manifest(references.check_name(name))
        if written is None:
            raise self.missing(name)
        found = []
        for file, digest in written.digests.items():
            problem = ""
            try:
                actual = manifest.sha256(self._folder / name / file)
                if actual != digest:
                    problem = f"expected SHA-256 {digest}, got {actual}"
                elif file.endswith(selection.WEIGHTS_SUFFIXES):
                    selection.check_weights(self._folder / name, [file])
            except OSError as error:
                problem = error.strerror or "cannot be read"
            except (ModelCorrupt, InvalidInput) as error:
                problem = error.message
            found.append(FileCheck(file, written.sizes[file], digest, problem))
        return found

    def describe(self, name: str) -> KnownModel:
        """One line of the list; a damaged model is described, not raised."""
        pins = BUILTIN.get(name)
        folder, problem, written, facts = None, "", None, Facts()
        try:
            folder = self.folder_of(name)
            written = self.manifest(name)
            if folder is not None and written is not None:
                facts = self._facts(folder)
        except (ModelCorrupt, InvalidInput) as error:
            problem = error.message
        except OSError as error:  # it may be deleted at this moment
            problem = f"{folder} cannot be read: {error.strerror or error}"
        if pins is not None and not facts.parameters:
            facts = Facts(
                architecture=pins.architecture,
                hidden_size=pins.hidden_size,
                parameters=pins.parameters,
                stored_bytes=pins.size_bytes,
            )
        said = written or pins
        digests = written.digests if written else pins.digests if pins else {}
        sizes = written.sizes if written else pins.sizes if pins else {}
        weights = sorted(
            digest for file, digest in digests.items() if file.endswith(selection.WEIGHTS_SUFFIXES)
        )
        return KnownModel(
            name=name,
            description=pins.description if pins else f"pulled from {written.source}" if written else "",
            licence=said.licence if said else "",
            facts=facts,
            size_bytes=sum(sizes.values()) or (pins.size_bytes if pins else 0),
            sources=pins.sources if pins else (written.source,) if written else (),
            digest=weights[0][:12] if weights else "",
            installed=written is not None and not problem,
            folder=folder,
            revision=written.revision if written else "",
            pulled_at=written.pulled_at if written else 0.0,
            pooling=said.pooling if said else "",
            window_tokens=said.window_tokens if said else 0,
            document_prefix=said.document_prefix if said else "",
            query_prefix=said.query_prefix if said else "",
            digests=dict(digests),
            sizes=dict(sizes),
            pinned=pins is not None and bool(pins.digests),
            problem=problem,
        )

    def _facts(self, folder: Path) -> Facts:
        """Headers are read again only when a file of the folder has changed: a list asks for all of them."""
        seen = tuple(sorted(_stamp(file) for file in folder.iterdir()))
        if self._described.get(folder, (None,))[0] != seen:
            self._described[folder] = seen, read_facts(folder)
        return self._described[folder][1]

    def missing(self, name: str) -> ModelMissing | ModelNotFound:
        """The error for a model that is not there: one that can be pulled by its name, or one nobody knows."""
        if name not in BUILTIN:
            return self.not_found(name)
        return ModelMissing(
            f"model {name} is not installed below {self._folder}. Run: reexctl models pull {name} "
            f"({BUILTIN[name].size_bytes / 1e6:.0f} MB from {' or '.join(BUILTIN[name].sources)})",
            model=name,
        )

    def not_found(self, name: str) -> ModelNotFound:
        known = ", ".join(sorted(BUILTIN.keys() | set(self.names())))
        return ModelNotFound(
            f"expected the name of a model ({known}), got {name}. "
            "Others come with: reexctl models pull hf:ORG/REPO@REVISION",
            model=name,
        )

    def _by_hand(self, folder: Path) -> manifest.Manifest:
        """A folder without a manifest: pinned if its name is built in, else measured once."""
        pins = BUILTIN.get(folder.name)
        said, licence = pins or selection.reading(folder), pins.licence if pins else ""
        if pins is not None and pins.digests:
            digests, sizes = pins.digests, pins.sizes
        else:
            names = selection.select((entry.name for entry in folder.iterdir()), str(folder))
            digests = {name: self._measure(folder / name) for name in names}
            sizes = {name: (folder / name).stat().st_size for name in names}
        return manifest.Manifest(
            name=folder.name,
            source=str(folder),
            revision="",
            digests=digests,
            sizes=sizes,
            pulled_at=0.0,
            pooling=said.pooling,
            window_tokens=said.window_tokens,
            document_prefix=said.document_prefix,
            query_prefix=said.query_prefix,
            licence=licence,
        )

    def _measure(self, file: Path) -> str:
        try:
            changed = file.stat().st_mtime_ns
            if self._measured.get(file, (0, ""))[0] != changed:
                self._measured[file] = (changed, manifest.sha256(file))
        except OSError as error:
            raise manifest.corrupt(file.parent.name, file.name, error.strerror or "cannot be read") from error
        return self._measured[file][1]


def _stamp(file: Path) -> tuple[str, int, int]:
    try:
        found = file.stat()
    except OSError:  # a link that leads nowhere, beside the model's own files
        return file.name, 0, 0
    return file.name, found.st_mtime_ns, found.st_size
