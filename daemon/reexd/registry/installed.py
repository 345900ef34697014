"""The models folder as it is: what is installed, whether it is whole, and what `models list` says of it.

Reads only, so a shared, read-only folder will do. A model that somebody put there without reex.json counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reexd.errors import InvalidInput, ModelCorrupt, ModelMissing, ModelNotFound
from reexd.records import ModelFiles
from reexd.registry import manifest, references, selection
from reexd.registry.builtin import BUILTIN


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model with a short name, or one that is installed. `digest` is of the weights, twelve hex digits."""

    name: str
    description: str
    licence: str
    parameters: int  # 0: not known
    size_bytes: int
    sources: tuple[str, ...]  # references, in the order they are tried
    digest: str
    installed: bool
    folder: Path | None
    revision: str = ""
    pulled_at: float = 0.0


class Installed:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._measured: dict[Path, tuple[int, str]] = {}  # modification time and digest
        self._read: dict[
            Path, tuple[tuple[int, ...], manifest.Manifest]
        ] = {}  # what it was read from, by its stat

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
        folder = self._folder / name
        if not folder.is_dir():
            return None
        return self._recorded(folder) or self._by_hand(folder)

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
        if written is None and name in BUILTIN:
            raise ModelMissing(
                f"model {name} is not installed below {self._folder}. Run: reexctl models pull {name} "
                f"({BUILTIN[name].size_bytes / 1e6:.0f} MB from {' or '.join(BUILTIN[name].sources)})",
                model=name,
            )
        if written is None:
            raise self.not_found(name)
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
        manifest.check_digests(files.folder, files.digests, name)
        return files

    def describe(self, name: str) -> KnownModel:
        """One line of the list; a damaged model is described, not raised."""
        folder, pins = self._folder / name, BUILTIN.get(name)
        problem, written = "", None
        try:
            written = self.manifest(name)
        except (ModelCorrupt, InvalidInput) as error:
            problem = error.message
        said = pins or written
        digests = said.digests if said else {}
        weights = sorted(
            digest for file, digest in digests.items() if file.endswith(selection.WEIGHTS_SUFFIX)
        )
        return KnownModel(
            name=name,
            description=problem or (pins.description if pins else f"pulled from {written.source}"),
            licence=said.licence if said else "",
            parameters=pins.parameters if pins else 0,
            size_bytes=sum(said.sizes.values()) if said else 0,
            sources=pins.sources if pins else (written.source,) if written else (),
            digest=weights[0][:12] if weights else "",
            installed=written is not None,
            folder=folder if folder.is_dir() else None,
            revision=written.revision if written else "",
            pulled_at=written.pulled_at if written else 0.0,
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
        said = BUILTIN.get(folder.name)
        if said is not None:
            digests, sizes, licence = said.digests, said.sizes, said.licence
        else:
            said, licence = selection.reading(folder), ""
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
