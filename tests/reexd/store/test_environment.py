"""The environment: acknowledged means on disk, one failure harms no neighbour, bad files are named as such."""

from __future__ import annotations

import os
import random
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lmdb
import pytest
from reexd.errors import InvalidInput, StorageFull, StoreCorrupt, StoreTooNew, Unready
from reexd.store import keys, meta, migrations
from reexd.store.environment import Environment, Txn

MAP_SIZE_BYTES = 64 << 20


def read(environment: Environment, key: bytes) -> bytes | None:
    with environment.read() as txn:
        value = txn.get(key)
        return None if value is None else bytes(value)


def test_a_write_returns_its_result_and_is_read_back(environment: Environment) -> None:
    assert environment.write(lambda txn: txn.put(b"k", b"v")) is True
    assert read(environment, b"k") == b"v"


def test_a_store_is_private_to_its_owner(environment: Environment) -> None:
    assert stat.S_IMODE(environment.path.stat().st_mode) == 0o700
    for name in ("data.mdb", "lock.mdb"):
        assert stat.S_IMODE((environment.path / name).stat().st_mode) == 0o600


def test_the_lock_file_has_no_holes(environment: Environment) -> None:
    """LMDB maps it: a hole that finds no room on a full disk, at the first reader or writer, ends the daemon."""
    file = (environment.path / "lock.mdb").stat()
    assert 0 < file.st_size <= file.st_blocks * 512


def test_what_was_written_is_there_after_reopening(tmp_path: Path) -> None:
    first = Environment(tmp_path / "p", MAP_SIZE_BYTES)
    first.write(lambda txn: txn.put(b"k", b"v"))
    first.close()
    second = Environment(tmp_path / "p", MAP_SIZE_BYTES)
    assert read(second, b"k") == b"v"
    second.close()


def test_a_failing_closure_undoes_itself_alone(environment: Environment) -> None:
    """The first closure holds the writer until three more wait, so that those three share one commit."""
    started, go = threading.Event(), threading.Event()

    def hold(txn: Txn) -> None:
        started.set()
        go.wait(10)

    def fail(txn: Txn) -> None:
        txn.put(b"bad", b"v")
        raise InvalidInput("refused")

    with ThreadPoolExecutor(4) as pool:
        held = pool.submit(environment.write, hold)
        started.wait(10)
        before = pool.submit(environment.write, lambda txn: txn.put(b"before", b"v"))
        failed = pool.submit(environment.write, fail)
        after = pool.submit(environment.write, lambda txn: txn.put(b"after", b"v"))
        go.set()
        held.result(), before.result(), after.result()
        with pytest.raises(InvalidInput, match="refused"):
            failed.result()
    assert [read(environment, key) for key in (b"before", b"bad", b"after")] == [b"v", None, b"v"]


def test_waiting_closures_share_a_commit(environment: Environment) -> None:
    started, go = threading.Event(), threading.Event()
    seen: list[int] = []

    def hold(txn: Txn) -> None:
        started.set()
        go.wait(10)

    def note(txn: Txn) -> None:
        seen.append(txn.id())

    with ThreadPoolExecutor(9) as pool:
        pool.submit(environment.write, hold)
        started.wait(10)
        waiting = [pool.submit(environment.write, note) for _ in range(8)]
        while environment._queue.qsize() < 8:
            threading.Event().wait(0.001)
        go.set()
        for future in waiting:
            future.result()
    assert len(seen) == 8 and len(set(seen)) == 1


def test_a_write_inside_a_write_is_a_defect_not_a_deadlock(environment: Environment) -> None:
    with pytest.raises(RuntimeError, match="inside a write"):
        environment.write(lambda txn: environment.write(lambda inner: None))


def test_a_reader_sees_the_moment_it_began(environment: Environment) -> None:
    with environment.read() as txn:
        environment.write(lambda writing: writing.put(b"k", b"v"))
        assert txn.get(b"k") is None
    assert read(environment, b"k") == b"v"


def test_close_waits_for_readers_and_refuses_the_next(environment: Environment) -> None:
    environment.write(lambda txn: txn.put(b"k", b"v"))
    reading, go = threading.Event(), threading.Event()

    def slow_reader() -> bytes:
        with environment.read() as txn:
            value = txn.get(b"k")
            reading.set()
            go.wait(10)
            return bytes(value)

    with ThreadPoolExecutor(2) as pool:
        reader = pool.submit(slow_reader)
        reading.wait(10)
        closing = pool.submit(environment.close)
        assert not closing.done()
        go.set()
        assert reader.result() == b"v"
        closing.result()
    with pytest.raises(Unready, match="closed"):
        environment.write(lambda txn: None)
    with pytest.raises(Unready, match="closed"), environment.read():
        pass


def test_a_backup_is_a_store_of_its_own(environment: Environment, tmp_path: Path) -> None:
    environment.write(lambda txn: txn.put(b"k", b"v"))
    (tmp_path / "copy").mkdir()
    environment.backup(tmp_path / "copy")
    environment.write(lambda txn: txn.put(b"k", b"later"))
    assert stat.S_IMODE((tmp_path / "copy" / "data.mdb").stat().st_mode) == 0o600
    restored = Environment(tmp_path / "copy", MAP_SIZE_BYTES)
    assert read(restored, b"k") == b"v"
    restored.close()


def test_a_full_map_is_storage_full_and_then_recovers(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "small", 256 << 10)
    environment.write(lambda txn: txn.put(b"kept", b"v"))
    with pytest.raises(StorageFull, match="map size"):
        environment.write(lambda txn: txn.put(b"large", bytes(1 << 20)))
    environment.write(lambda txn: txn.put(b"next", b"v"))
    assert [read(environment, key) for key in (b"kept", b"large", b"next")] == [b"v", None, b"v"]
    environment.close()


def test_a_full_disk_is_storage_full_and_then_recovers(tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk: the same failing write, without a file system."""
    script = f"""
        import resource, signal
        from pathlib import Path
        from reexd.errors import StorageFull
        from reexd.store.environment import Environment
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        environment = Environment(Path({str(tmp_path / "p")!r}), 64 << 20)
        environment.write(lambda txn: txn.put(b"kept", b"v"))
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, hard))
        try:
            environment.write(lambda txn: txn.put(b"large", bytes(1 << 20)))
        except StorageFull as error:
            assert "no restart is needed" in error.message, error.message
        else:
            raise SystemExit("the write was acknowledged")
        with environment.read() as txn:
            assert bytes(txn.get(b"kept")) == b"v" and txn.get(b"large") is None
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        environment.write(lambda txn: txn.put(b"large", bytes(1 << 20)))
        environment.close()
        print("recovered")
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.stdout == "recovered\n", run.stderr


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "p", MAP_SIZE_BYTES)
    newer = migrations.SCHEMA_VERSION + 1
    environment.write(lambda txn: meta.put(txn, keys.Meta.SCHEMA_VERSION, newer))
    environment.close()
    with pytest.raises(StoreTooNew, match=f"schema version {newer}"):
        Environment(tmp_path / "p", MAP_SIZE_BYTES)


def test_migrations_run_one_by_one_and_once(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path), map_size=1 << 20) as raw:
        migrations.bring_up_to_date(raw, tmp_path, current=1)
        ran: list[int] = []
        steps = {1: lambda txn: ran.append(1), 2: lambda txn: ran.append(2)}
        for _ in range(2):
            migrations.bring_up_to_date(raw, tmp_path, current=3, migrations=steps)
        assert ran == [1, 2]
        with pytest.raises(StoreCorrupt, match="no migration"):
            migrations.bring_up_to_date(raw, tmp_path, current=4, migrations=steps)


def test_a_foreign_lmdb_file_is_refused(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path), map_size=1 << 20) as raw, raw.begin(write=True) as txn:
        txn.put(b"foreign", b"record")
    with pytest.raises(StoreCorrupt, match="not written by reexd"):
        Environment(tmp_path, MAP_SIZE_BYTES)


def test_a_file_of_garbage_is_store_corrupt(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(random.Random(1).randbytes(1 << 16))
    with pytest.raises(StoreCorrupt, match="backup"):
        Environment(tmp_path, MAP_SIZE_BYTES)


@pytest.mark.parametrize("pages", [3, 5, 60])
def test_a_truncated_file_is_store_corrupt_and_kills_nobody(tmp_path: Path, pages: int) -> None:
    """In a process of its own: reading a missing page of a mapped file ends a process with SIGBUS."""
    environment = Environment(tmp_path / "p", MAP_SIZE_BYTES)
    for start in range(0, 3000, 500):
        environment.write(
            lambda txn, start=start: [txn.put(b"%d" % (start + n), bytes(100)) for n in range(500)]
        )
    environment.close()
    os.truncate(tmp_path / "p" / "data.mdb", pages * os.sysconf("SC_PAGE_SIZE"))
    script = f"""
        from pathlib import Path
        from reexd.errors import StoreCorrupt
        from reexd.store.environment import Environment
        try:
            Environment(Path({str(tmp_path / "p")!r}), 64 << 20)
        except StoreCorrupt as error:
            print("refused")
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stdout) == (0, "refused\n"), run.stderr


def test_a_file_without_its_last_unused_pages_is_sound(tmp_path: Path) -> None:
    """LMDB itself may leave such a file: what is missing was never part of the tree."""
    environment = Environment(tmp_path / "p", MAP_SIZE_BYTES)
    environment.write(lambda txn: txn.put(b"kept", b"v"))
    environment.write(lambda txn: txn.put(b"large", bytes(1 << 20)))
    environment.write(lambda txn: txn.delete(b"large"))
    for n in range(6):  # the tree moves into the pages that became free, away from the end
        environment.write(lambda txn, n=n: txn.put(b"small", b"%d" % n))
    environment.close()
    data = tmp_path / "p" / "data.mdb"
    size = data.stat().st_size
    os.truncate(data, size - 4 * os.sysconf("SC_PAGE_SIZE"))
    environment = Environment(tmp_path / "p", MAP_SIZE_BYTES)
    assert data.stat().st_size == size
    environment.write(lambda txn: txn.put(b"large", bytes(1 << 20)))
    assert read(environment, b"kept") == b"v"
    environment.close()


WRITER = """
    import os, sys, threading
    from pathlib import Path
    from reexd.records import Document
    from reexd.store import documents
    from reexd.store.environment import Environment

    environment = Environment(Path(sys.argv[1]), 256 << 20)

    def upload(thread):
        for chunk in range(100000):
            batch = [Document(f"{thread}-{chunk}-{n}", "text " * 50, label=n) for n in range(8)]
            environment.write(lambda txn: documents.upsert(txn, batch))
            os.write(1, f"{thread}-{chunk}\\n".encode())  # one write for one line: never torn

    for thread in range(3):
        threading.Thread(target=upload, args=(thread,), daemon=True).start()
    threading.Event().wait()
"""


def test_acknowledged_documents_survive_kill_9(tmp_path: Path) -> None:
    from reexd.store import documents, splits

    for round_number in range(4):
        path = tmp_path / str(round_number)
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(20 + 37 * round_number)]
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()
        acknowledged += rest[: rest.rfind("\n") + 1].split()
        process.wait()

        environment = Environment(path, 256 << 20)
        with environment.read() as txn:
            for chunk in acknowledged:
                for number in range(8):
                    assert documents.get(txn, f"{chunk}-{number}").text == "text " * 50
            numbers = documents.numbers(txn)
            assert len(numbers) % 8 == 0  # a chunk is there whole or not at all
            assert len(set(documents.ids(txn, numbers))) == len(numbers)
            assert sum(splits.summary(txn)["train"].values()) == len(numbers)
        environment.close()
