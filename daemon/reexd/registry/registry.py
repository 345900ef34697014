"""`Registry`: the models folder as the rest of the daemon sees it.

Owns which sources are tried, in what order, under which name; only `pull` and `delete` write.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from reexd.errors import (
    Conflict,
    InvalidInput,
    JobCancelled,
    ModelCorrupt,
    ModelNotFound,
    ReexError,
    SourceUnreachable,
    Unready,
)
from reexd.records import ModelFiles
from reexd.registry import references
from reexd.registry.arrival import Arrival, Progress
from reexd.registry.builtin import BUILTIN, BuiltinModel, identify
from reexd.registry.installed import FileCheck, Installed, KnownModel
from reexd.registry.references import Named, OnDisk, OnHub, Source

logger = logging.getLogger(__name__)

SIZE_MAX_BYTES = 64 << 30

# A dead hub must not keep the next source waiting; the only source gets the time a slow machine needs.
ANSWER_MAX_S = 10.0
ANSWER_ONLY_SOURCE_MAX_S = 30.0


class Registry:
    """Models below one folder. Safe to use from several threads, and from several daemons that share it."""

    def __init__(self, folder: Path, *, offline: bool = False, endpoint: str | None = None) -> None:
        """`endpoint` replaces the hub's address; None leaves it to HF_ENDPOINT or the library's default."""
        self._folder = folder
        self._offline = offline
        self._endpoint = endpoint
        self._installed = Installed(folder)

    def known(self) -> list[KnownModel]:
        """The built-in models, then the other installed ones by name. A damaged one is listed, not raised."""
        names = list(BUILTIN) + [name for name in self._installed.names() if name not in BUILTIN]
        return [self._installed.describe(name) for name in names]

    def installed(self) -> list[KnownModel]:
        return [model for model in self.known() if model.installed]

    def describe(self, name: str) -> KnownModel:
        """One model, installed or not. Raises ModelNotFound, InvalidName."""
        if references.check_name(name) not in BUILTIN and self._installed.folder_of(name) is None:
            raise self._installed.not_found(name)
        return self._installed.describe(name)

    def check(self, reference: str) -> None:
        """Whether `pull` could begin with it. Raises InvalidInput, ModelNotFound, Conflict, or Unready (offline)."""
        name, sources, _ = self._recipe(references.parse(reference))
        local = any(isinstance(source, OnDisk) for source in sources)
        if self._offline and not local and self._installed.manifest(name) is None:
            raise Unready(
                f"expected to download {name}, but the daemon is offline by its settings. "
                "Start it without `offline`, or pull a folder: reexctl models pull /path/to/model",
                model=name,
            )

    def find(self, name: str) -> ModelFiles:
        """The files of an installed model, sizes checked; the engine verifies the digests at load.

        Raises ModelMissing for a known model that was not pulled, ModelNotFound, ModelCorrupt, InvalidName.
        """
        return self._installed.find(name)

    def verify(self, name: str) -> ModelFiles:
        """As `find`, after reading every byte. Raises ModelCorrupt for a digest that differs."""
        return self._installed.verify(name)

    def check_files(self, name: str) -> list[FileCheck]:
        """Every pinned file of an installed model, its bytes read anew.

        Raises ModelMissing, ModelNotFound, InvalidName, and ModelCorrupt when it cannot be said what is pinned.
        """
        return self._installed.check(name)

    def pull(
        self, reference: str, on_progress: Progress | None = None, cancel: threading.Event | None = None
    ) -> ModelFiles:
        """Install a model from the first of its sources that serves it; an intact one is only verified.

        `on_progress(done_bytes, total_bytes, phase)` may raise to stop. Raises InvalidInput, ModelNotFound,
        Conflict, Unready (offline), SourceUnreachable, ModelCorrupt, StorageFull, JobCancelled.
        """
        progress = on_progress or _silent
        name, sources, pins = self._recipe(references.parse(reference))
        with self._exclusive(name, cancel, progress):
            intact = self._intact(name, progress)
            return intact or self._first_that_serves(name, sources, pins, progress, cancel)

    def delete(self, name: str) -> None:
        """Remove an installed model. Raises ModelNotFound, and Conflict while one is pulled."""
        folder = self._installed.folder_of(references.check_name(name))
        if folder is None:
            raise self._installed.not_found(name)
        with self._exclusive(name, None, _refuse_to_wait):
            grave = self._folder / ".incoming" / f"deleted-{name}-{os.getpid()}"
            grave.parent.mkdir(exist_ok=True)
            folder.rename(grave)  # gone in one step; what follows may be interrupted
            shutil.rmtree(grave, ignore_errors=True)

    def _first_that_serves(
        self,
        name: str,
        sources: list[Source],
        pins: BuiltinModel | None,
        progress: Progress,
        cancel: threading.Event | None,
    ) -> ModelFiles:
        failures: list[ReexError] = []
        recorded = self._recorded(name)
        for number, source in enumerate(sources, 1):
            last = number == len(sources)
            try:
                return Arrival(
                    models=self._folder,
                    name=name,
                    source=source,
                    pins=pins,
                    recorded=recorded,
                    endpoint=self._endpoint,
                    offline=self._offline,
                    size_max_bytes=SIZE_MAX_BYTES,
                    answer_max_s=ANSWER_ONLY_SOURCE_MAX_S if last else ANSWER_MAX_S,
                    progress=progress,
                    cancel=cancel,
                ).run()
            except (SourceUnreachable, ModelCorrupt, ModelNotFound, InvalidInput) as error:
                failures.append(error)
                logger.warning("%s did not serve model %s", source, name, extra={"cause": error.message})
                if not last:
                    progress(0, 0, f"{source} did not serve it, try {sources[number]}")
        raise _together(name, failures)

    def _recipe(self, parsed: references.Reference) -> tuple[str, list[Source], BuiltinModel | None]:
        """Name to install as, sources in order, and the pins of a built-in model."""
        if isinstance(parsed, Named):
            pins = BUILTIN.get(parsed.name)
            if pins is not None:
                return pins.name, [references.source(text) for text in pins.sources], pins
            return parsed.name, [self._source_of(parsed.name)], None
        if isinstance(parsed, OnDisk) and not parsed.path.exists():
            raise ModelNotFound(f"expected a model folder or a wheel at {parsed.path}, found none.")
        pins = identify(parsed)
        if pins is not None:
            return pins.name, [parsed], pins
        self._refuse_other(parsed)
        return parsed.name, [parsed], None

    def _source_of(self, name: str) -> Source:
        """Where an installed model came from, at the commit that was installed."""
        written = self._installed.manifest(name)
        if written is None:
            raise self._installed.not_found(name)
        source = references.source(written.source)
        if isinstance(source, OnHub) and written.revision:
            return OnHub(source.repository, written.revision)
        return source

    def _refuse_other(self, source: Source) -> None:
        """A name stands for one set of weights: what was trained on it must not find others under it."""
        name = source.name
        held = "a built-in model" if name in BUILTIN else ""
        if not held and (written := self._installed.manifest(name)) is not None:
            same = [written.source, f"{written.source.partition('@')[0]}@{written.revision}"]
            held = "" if str(source) in same else f"the model from {written.source}"
        if held:
            raise Conflict(
                f"expected the name {name} to be free for {source}, it stands for {held}. "
                f"Remove {self._folder / name} first, or pull a copy of the folder under another name.",
                model=name,
            )

    def _recorded(self, name: str) -> dict[str, str]:
        """Digests of a damaged model's last pull; nothing where they cannot be read or nobody pulled it."""
        try:
            written = self._installed.manifest(name)
        except (ModelCorrupt, InvalidInput):
            return {}
        return dict(written.digests) if written is not None and written.pulled_at else {}

    def _intact(self, name: str, progress: Progress) -> ModelFiles | None:
        try:
            if self._installed.folder_of(name) is None:
                return None
            progress(0, 0, "verify")
            return self.verify(name)
        except ModelCorrupt as error:
            logger.warning("model %s is damaged", name, extra={"cause": error.message})
            return None

    @contextlib.contextmanager
    def _exclusive(self, name: str, cancel: threading.Event | None, progress: Progress) -> Iterator[None]:
        """One writer in the folder, among threads and daemons that share it."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self._folder / ".lock", flags, 0o600)
        except OSError as error:
            raise Unready(
                f"expected to write below {self._folder}, got: {error.strerror}. "
                "Repair its permissions or set REEX_MODELS to another folder."
            ) from error
        try:
            while not _locked(descriptor):
                if cancel is not None and cancel.is_set():
                    raise JobCancelled(f"the pull of model {name} was cancelled while another one ran")
                progress(0, 0, "wait for another pull")
                time.sleep(0.2)
            yield
        finally:
            os.close(descriptor)


def _refuse_to_wait(done: int, total: int, phase: str) -> None:  # noqa: ARG001  a `Progress`
    raise Conflict(
        "expected the models folder to be free, a model is being pulled. Wait for it: reexctl jobs list"
    )


def _silent(done: int, total: int, phase: str) -> None:
    """Nobody listens to the progress."""


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _together(name: str, failures: list[ReexError]) -> ReexError:
    """One error for all sources: the worst kind, with every cause."""
    if len(failures) == 1:
        return failures[0]
    causes = "; ".join(f"({number}) {error.message}" for number, error in enumerate(failures, 1))
    corrupt = any(isinstance(error, ModelCorrupt) for error in failures)
    kind = ModelCorrupt if corrupt else SourceUnreachable
    return kind(f"model {name}: none of its {len(failures)} sources served it: {causes}", model=name)
