"""Exactly one daemon per home, and a socket nobody else can open."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys

import pytest
from reex.location import Location
from reexd.claim import claim
from reexd.errors import DaemonRunning, InvalidSetting

HOLD = """
import sys
from reex.location import Location
from reexd.claim import claim
from reexd.errors import DaemonRunning
try:
    held = claim(Location.from_environment({"REEX_HOME": sys.argv[1]}))
except DaemonRunning as error:
    print("lost", error.metadata["pid"], flush=True)
else:
    print("won", flush=True)
    sys.stdin.read()
    held.release()
"""


@pytest.fixture
def location(tmp_path):
    return Location.from_environment({"REEX_HOME": str(tmp_path / "home")})


def bind(held, **how):
    server = socket.socket(socket.AF_UNIX)
    with held.binding(**how) as path:
        server.bind(str(path))
        server.listen()
    return server


def hold(location):
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(location.home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def end(process):
    process.stdin.close()
    process.wait(30)
    process.stdout.close()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_modes_under_any_umask(location, umask):
    before = os.umask(umask)
    try:
        with claim(location) as held, bind(held):
            assert stat.S_IMODE(location.socket.lstat().st_mode) == 0o600
            assert stat.S_IMODE(location.lock.lstat().st_mode) == 0o600
            assert stat.S_IMODE(location.data.lstat().st_mode) == 0o700
            assert os.umask(umask) == umask  # given back
    finally:
        os.umask(before)


def test_the_second_claim_names_the_first_ones_pid(location):
    with claim(location), pytest.raises(DaemonRunning, match=f"already running, pid {os.getpid()}") as caught:
        claim(location)
    assert caught.value.metadata["pid"] == str(os.getpid())
    claim(location).release()


def test_many_at_once_have_one_winner(location):
    holders = [hold(location) for _ in range(6)]
    answers = [holder.stdout.readline().split() for holder in holders]
    winners = [holder for holder, answer in zip(holders, answers, strict=True) if answer == ["won"]]
    assert len(winners) == 1
    assert {answer[1] for answer in answers if answer[0] == "lost"} == {str(winners[0].pid)}
    for holder in holders:
        end(holder)


def test_a_killed_daemon_leaves_nothing_that_stops_the_next(location):
    first = hold(location)
    assert first.stdout.readline().strip() == "won"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(location.socket))
    stale.close()
    first.send_signal(signal.SIGKILL)
    end(first)
    with claim(location) as held, bind(held):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(location.socket))
        client.close()


def test_release_removes_only_our_own_socket(location):
    held = claim(location)
    ours = bind(held)
    location.socket.unlink()
    theirs = socket.socket(socket.AF_UNIX)
    theirs.bind(str(location.socket))
    assert not held.still_ours()
    held.release()
    assert location.socket.exists()
    ours.close()
    theirs.close()


def test_release_leaves_the_lock_file_and_no_socket_and_may_be_repeated(location):
    held = claim(location)
    bind(held).close()
    held.release()
    held.release()
    assert not location.socket.exists()
    assert location.lock.read_bytes() == b""


def test_a_file_in_the_sockets_place_is_refused_and_kept(location):
    with claim(location) as held:
        location.socket.write_text("precious")
        with pytest.raises(InvalidSetting, match="Move it away"), held.binding():
            pass
    assert location.socket.read_text() == "precious"


def test_nothing_bound_is_an_error(location):
    with claim(location) as held, pytest.raises(InvalidSetting, match="nothing there"), held.binding():
        pass


def test_a_linked_lock_file_is_refused(location, tmp_path):
    location.data.mkdir(mode=0o700)
    location.lock.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidSetting, match="a link"):
        claim(location)
    assert not (tmp_path / "elsewhere").exists()


def test_a_planted_runtime_folder_is_refused(tmp_path):
    location = Location.from_environment({"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}, platform="linux")
    location.socket.parent.mkdir()
    location.socket.parent.chmod(0o777)
    with pytest.raises(InvalidSetting, match="chmod 700"):
        claim(location)


def test_a_runtime_folder_of_our_own_goes_with_the_socket(tmp_path):
    location = Location.from_environment({"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}, platform="linux")
    with claim(location) as held, bind(held):
        assert location.socket.exists()
        assert location.lock.read_text().splitlines() == [str(os.getpid()), str(location.socket)]
    assert not location.socket.parent.exists()


def test_a_runtime_folder_that_was_taken_away_is_made_again(tmp_path):
    location = Location.from_environment({"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}, platform="linux")
    before = os.umask(0)
    try:
        with claim(location) as held, bind(held):
            shutil.rmtree(location.socket.parent)
            assert not held.still_ours()
            with bind(held, again=True):
                assert held.still_ours()
                modes = [
                    stat.S_IMODE(each.stat().st_mode) for each in (location.socket.parent, location.socket)
                ]
                assert modes == [0o700, 0o600]
    finally:
        os.umask(before)


def test_a_lock_file_that_was_taken_away_is_noticed(location):
    with claim(location) as held:
        assert held.has_home()
        location.lock.unlink()
        assert not held.has_home()
        location.lock.touch()  # another daemon's, by now
        assert not held.has_home()
