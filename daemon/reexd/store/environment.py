"""One LMDB environment: short readers in any thread, one writer thread with group commit. Owns locking,
syncing and the translation of LMDB's errors; knows nothing of records.

Acknowledged means committed and synced: `write` returns after fsync (F_FULLFSYNC on macOS). Closures that
wait while a commit is under way share the next one, so that many small writers pay for one sync.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import lmdb

from reexd.errors import ReexError, Unready
from reexd.store import migrations
from reexd.store.failures import translate
from reexd.store.soundness import check_length

Txn = lmdb.Transaction
T = TypeVar("T")

MAP_SIZE_BYTES = 64 << 30  # address space, not disk: the file grows with what is written
GROUP_MAX = 64  # closures in one commit: bounds how long the first waits, and the dirty pages
_READERS_MAX = 510
_LOCK_FILE_SIZE_BYTES = 40 << 10  # LMDB asks for 64 bytes a reader and a header
_CLOSE_WAIT_S = 60.0

_Item = tuple[Callable[[Txn], Any], "Future[Any]"]


class Environment:
    """An open store in the folder `path`, created when absent (directory 0700, files 0600).

    Raises StoreTooNew, StoreCorrupt or StorageFull, and QueueFull where the process may open or map no more.
    """

    def __init__(self, path: Path, map_size_bytes: int = MAP_SIZE_BYTES) -> None:
        self.path = path
        self._state = threading.Condition()
        self._open_readers = 0
        self._closing = False
        self._refusal: Callable[[], ReexError] = lambda: Unready(f"the store in {path} is closed")
        self._lmdb = _open(path, map_size_bytes)
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_forever, name=f"store-{path.name}", daemon=True)
        self._writer.start()

    @contextlib.contextmanager
    def read(self) -> Iterator[Txn]:
        """A snapshot, for this thread only. Buffers and array views die with it: copy what must live on."""
        with self._mapped(), self._lmdb.begin(buffers=True) as txn:
            yield txn

    def write(self, work: Callable[[Txn], T]) -> T:
        """Runs `work` in the writer thread and returns its result once it is committed and synced.

        What `work` raises is raised here and undoes only `work`. Raises StorageFull when the disk or the map
        is full; nothing of `work` is then stored, and a later call may succeed.
        """
        if threading.current_thread() is self._writer:
            raise RuntimeError("write() was called from inside a write; do both in one closure")
        future: Future[T] = Future()
        with self._state:
            self._refuse_when_closed()
            self._queue.put((work, future))
        return future.result()

    def backup(self, folder: Path) -> None:
        """A consistent copy as `folder`/data.mdb (0600), without unused pages, while others read and write.

        Raises StorageFull; what was written until then stays behind. The folder exists and holds no data.mdb.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with self._mapped(folder):
            descriptor = os.open(folder / "data.mdb", flags, 0o600)
            try:
                self._lmdb.copyfd(descriptor, compact=True)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def reader_check(self) -> int:
        """Frees the slots of readers whose process died; how many. To be called hourly."""
        with self._mapped():
            return self._lmdb.reader_check()

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""
        return (self.path / "data.mdb").stat().st_size

    def close(self, refusal: Callable[[], ReexError] | None = None) -> None:
        """Finishes what is queued, waits for readers, closes. Idempotent. Later calls raise Unready, or `refusal()`.

        A reader that stays longer than a minute keeps the environment mapped: unmapping under it would crash.
        """
        with self._state:
            if self._closing:
                return
            self._closing = True
            self._refusal = refusal or self._refusal
            self._queue.put(None)
        self._writer.join()
        with self._state:
            drained = self._state.wait_for(lambda: self._open_readers == 0, timeout=_CLOSE_WAIT_S)
        if drained:
            self._lmdb.close()

    @contextlib.contextmanager
    def _mapped(self, blamed: Path | None = None) -> Iterator[None]:
        """Keeps `close` from unmapping under its body, and names LMDB's errors after the folder to blame."""
        with self._state:
            self._refuse_when_closed()
            self._open_readers += 1
        try:
            yield
        except lmdb.Error as error:
            raise translate(error, blamed or self.path) from error
        except OSError as error:
            if blamed is None:
                raise
            raise translate(error, blamed) from error
        finally:
            with self._state:
                self._open_readers -= 1
                self._state.notify_all()

    def _refuse_when_closed(self) -> None:
        if self._closing:
            raise self._refusal()

    def _write_forever(self) -> None:
        stopping = False
        while not stopping:
            items = [self._queue.get()]
            while len(items) < GROUP_MAX and not self._queue.empty():
                items.append(self._queue.get())
            stopping = None in items
            group = [item for item in items if item is not None]
            if group:
                self._commit(group)

    def _commit(self, group: list[_Item]) -> None:
        """One commit for the group. Only after it has succeeded does any caller hear of success."""
        done: list[tuple[Future[Any], Any]] = []
        try:
            with self._lmdb.begin(write=True, buffers=True) as outer:
                for work, future in group:
                    try:
                        with self._lmdb.begin(write=True, buffers=True, parent=outer) as inner:
                            result = work(inner)
                    except BaseException as error:
                        future.set_exception(self._translated(error))
                    else:
                        done.append((future, result))
        except BaseException as error:
            for _, future in group:
                if not future.done():
                    future.set_exception(self._translated(error))
            return
        for future, result in done:
            future.set_result(result)

    def _translated(self, error: BaseException) -> BaseException:
        if not isinstance(error, lmdb.Error):
            return error
        translated: ReexError = translate(error, self.path)
        translated.__cause__ = error
        return translated


def _open(path: Path, map_size_bytes: int) -> lmdb.Environment:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_lock_file(path / "lock.mdb")
        environment = lmdb.open(
            os.fspath(path), map_size=map_size_bytes, max_readers=_READERS_MAX, mode=0o600, max_dbs=0
        )
    except (lmdb.Error, OSError) as error:
        raise translate(error, path) from error
    try:
        check_length(environment, path)
        environment.reader_check()
        migrations.bring_up_to_date(environment, path)
        _sync_folders(path)
    except (lmdb.Error, OSError) as error:
        environment.close()
        raise translate(error, path) from error
    except BaseException:
        environment.close()
        raise
    return environment


def _write_lock_file(path: Path) -> None:
    """Its blocks, unless it is there: LMDB maps a hole, and a page of it that finds no room on a full disk ends the
    process."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        return
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(bytes(_LOCK_FILE_SIZE_BYTES))
    except OSError:
        path.unlink()
        raise


def _sync_folders(path: Path) -> None:
    """LMDB syncs its file; a new file's name is safe only once the folders that lead to it are synced too."""
    for folder in (path, path.parent):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
