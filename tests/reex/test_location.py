"""Where things live, from an environment given as a dictionary."""

import os
from pathlib import Path

import pytest
from reex.location import SOCKET_PATH_MAX_BYTES, Location, LocationError, digest


def located(environ, platform="linux"):
    return Location.from_environment(environ, platform=platform)


def test_reex_home_moves_everything(tmp_path):
    location = located({"REEX_HOME": str(tmp_path), "HOME": "/elsewhere", "XDG_DATA_HOME": "/elsewhere/data"})
    places = (
        location.data,
        location.config,
        location.cache,
        location.logs,
        location.lock,
        location.standard_error,
    )
    assert all(place.is_relative_to(tmp_path) for place in places)
    assert location.socket == tmp_path / "reexd.sock"
    assert location.variables == (("REEX_HOME", str(tmp_path)),)


def test_a_relative_home_becomes_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert located({"REEX_HOME": "here"}).home == tmp_path / "here"


def test_an_empty_home_is_not_set(tmp_path):
    assert located({"REEX_HOME": "", "HOME": str(tmp_path)}).home is None


def test_linux_follows_xdg(tmp_path):
    location = located(
        {"HOME": str(tmp_path), "XDG_DATA_HOME": "/somewhere/data", "XDG_CACHE_HOME": "relative"}
    )
    assert location.data == Path("/somewhere/data/reex")
    assert location.cache == tmp_path / ".cache/reex"  # a relative value is invalid and ignored
    assert location.config == tmp_path / ".config/reex/config.toml"
    assert location.logs == tmp_path / ".local/state/reex/logs"
    assert location.variables == (("XDG_DATA_HOME", "/somewhere/data"),)


def test_macos_uses_the_library(tmp_path):
    location = located({"HOME": str(tmp_path), "XDG_DATA_HOME": "/ignored"}, "darwin")
    assert location.data == tmp_path / "Library/Application Support/reex"
    assert location.logs == tmp_path / "Library/Logs/reex"
    assert location.cache == tmp_path / "Library/Caches/reex"
    assert location.variables == ()


def test_the_default_socket_is_below_the_runtime_folder(tmp_path):
    location = located({"HOME": "/home/somebody", "XDG_RUNTIME_DIR": str(tmp_path)})
    assert location.socket == tmp_path / f"reex-{os.getuid()}-{digest(location.data)}" / "reexd.sock"


@pytest.mark.parametrize("runtime", ["", "relative", "/does/not/exist"])
def test_without_a_runtime_folder_the_socket_is_below_the_temporary_one(tmp_path, runtime):
    location = located({"HOME": "/home/somebody", "XDG_RUNTIME_DIR": runtime, "TMPDIR": str(tmp_path)})
    assert location.socket.parent.parent == tmp_path
    assert located({"HOME": "/home/somebody"}).socket.parent.parent == Path("/tmp")


def test_somebody_elses_runtime_folder_is_not_used(tmp_path):
    environ = {"HOME": "/home/somebody", "XDG_RUNTIME_DIR": str(tmp_path)}
    location = Location.from_environment(environ, platform="linux", uid=os.getuid() + 1)
    assert location.socket.parent.parent == Path("/tmp")


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_the_socket_moves_exactly_when_it_is_too_long(platform):
    limit = SOCKET_PATH_MAX_BYTES[platform]
    longest = "/" + "a" * (limit - len("//reexd.sock"))
    fits = located({"REEX_HOME": longest}, platform)
    assert fits.socket == Path(longest, "reexd.sock")
    assert len(os.fsencode(fits.socket)) == limit
    moved = located({"REEX_HOME": longest + "a"}, platform)
    assert moved.socket.parent.name == f"reex-{os.getuid()}-{digest(Path(longest + 'a'))}"
    assert moved.data == Path(longest + "a")


def test_the_limit_counts_bytes_not_characters():
    assert located({"REEX_HOME": "/" + "é" * 60}).socket.parent.parent == Path("/tmp")


def test_no_place_at_all_is_said_clearly():
    with pytest.raises(LocationError, match=r"at most 107 bytes.*REEX_HOME"):
        located({"REEX_HOME": "/" + "a" * 200, "TMPDIR": "/" + "t" * 120})


def test_a_user_without_a_home_is_told_what_to_set():
    with pytest.raises(LocationError, match="REEX_HOME"):
        Location.from_environment({}, platform="linux", uid=2**31 - 7)


def test_two_homes_never_share_a_socket(tmp_path):
    homes = ["/" + "a" * 120 + letter for letter in "bcde"]
    sockets = {located({"REEX_HOME": home}).socket for home in homes}
    sockets.add(located({"HOME": str(tmp_path)}).socket)
    assert len(sockets) == len(homes) + 1


def test_one_home_through_a_link_is_one_socket(tmp_path):
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    link = tmp_path / ("l" * 100)
    link.symlink_to(deep)
    assert located({"REEX_HOME": str(deep)}).socket == located({"REEX_HOME": str(link)}).socket
