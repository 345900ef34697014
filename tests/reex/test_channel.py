"""Which socket is trusted: one in a folder that is this user's and that nobody else may write to."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from reex import AsyncClient, Client, errors
from reex.location import Location

NOBODY = 65534


def give_away(folder: Path) -> None:
    os.chown(folder, NOBODY, -1)


def put_a_link(folder: Path) -> None:
    shutil.move(folder, f"{folder}.real")
    folder.symlink_to(f"{folder}.real")


BAD: list[object] = [
    pytest.param(
        give_away,
        rf"belong to user {os.getuid()}, its owner is user {NOBODY}. Choose",
        id="another user's",
        marks=pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away"),
    ),
    pytest.param(
        lambda folder: folder.chmod(0o777), r"by its owner alone, got mode 0777.*chmod 700", id="0777"
    ),
    pytest.param(lambda folder: folder.chmod(0o1777), r"got mode 1777", id="sticky"),
    pytest.param(lambda folder: folder.chmod(0o770), r"got mode 0770", id="0770"),
    pytest.param(put_a_link, r"got a link", id="a link"),
]


@pytest.fixture
def socket() -> Iterator[Path]:
    """Under the name that a home gives its own."""
    with tempfile.TemporaryDirectory(prefix="rx-") as folder:
        yield Path(folder) / "reexd.sock"


@pytest.fixture
def home(socket: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REEX_HOME", str(socket.parent))
    return socket.parent


@pytest.fixture
def served(home: Path, daemon: Any) -> Iterator[Any]:
    """`daemon`, listening in this home; what a test does to the folder is undone."""
    yield daemon
    if home.is_symlink():
        home.unlink()
        shutil.move(f"{home}.real", home)


def info() -> int:
    with Client(timeout=20) as client:
        return client.server_info().pid


async def info_async() -> int:
    async with AsyncClient(timeout=20) as client:
        return (await client.server_info()).pid


def info_by_asyncio() -> int:
    return asyncio.run(info_async())


@pytest.mark.parametrize("ask", [info, info_by_asyncio])
@pytest.mark.parametrize(("spoil", "said"), BAD)
def test_a_folder_that_others_could_have_put_a_socket_into_is_refused(
    served, home: Path, ask: Callable[[], int], spoil: Callable[[Path], None], said: str
):
    spoil(home)
    with pytest.raises(errors.InvalidSetting, match=said) as caught:
        ask()
    assert str(home) in caught.value.message
    assert caught.value.metadata["folder"] == str(home)
    assert not served.requests


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755])
def test_a_folder_that_others_may_read_is_ours_all_the_same(served, home: Path, mode: int):
    home.chmod(mode)
    assert info() == info_by_asyncio() == 4711


@pytest.mark.parametrize(("spoil", "said"), BAD)
def test_a_socket_beside_the_home_is_checked_as_well(tmp_path, monkeypatch, spoil, said):
    """Where the home's path is too long for a socket, it lies below the runtime or temporary folder."""
    monkeypatch.setenv("REEX_HOME", str(tmp_path / ("long" * 30)))
    monkeypatch.setenv("TMPDIR", "/tmp")
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    folder = Location.from_environment().socket.parent
    folder.mkdir(mode=0o700)
    try:
        spoil(folder)
        with pytest.raises(errors.InvalidSetting, match=said):
            Client()
    finally:
        if folder.is_symlink():
            folder.unlink()
            folder = Path(f"{folder}.real")
        folder.rmdir()


def test_an_absent_home_is_no_daemon(tmp_path, monkeypatch):
    monkeypatch.setenv("REEX_HOME", str(tmp_path / "absent"))
    with pytest.raises(errors.DaemonDown):
        info()
    assert not (tmp_path / "absent").exists()


def test_a_socket_that_is_named_is_the_callers_choice(served, home: Path):
    home.chmod(0o777)
    with Client(home / "reexd.sock", timeout=20) as client:
        assert client.server_info().pid == 4711
