"""Starting, finding and stopping a daemon. A small program that claims the home stands in for the real one."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from reex import daemon, running
from reex.errors import DaemonDown, DeadlineExceeded, InvalidSetting
from reex.location import Location

# Claims the home as the daemon does, and answers when a file named `ready` is wanted of it.
STAND_IN = """
import os, signal, sys, time
from reex.location import Location
from reexd.claim import claim
from reexd.errors import DaemonRunning
mode = sys.argv[1]
if mode == "broken":
    sys.exit("cannot open the store.")
location = Location.from_environment()
try:
    held = claim(location)
except DaemonRunning as error:
    sys.exit(error.message)
def end(*ignored):
    (location.data / "ready").unlink()
    if mode == "lingering":
        time.sleep(1.5)
    held.release()
    os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if mode == "stubborn" else end)
with open(location.data / "ready", "w") as file:
    file.write(os.environ.get("REEX_MODELS", "") + " " + os.getcwd())
for _ in range(600):
    time.sleep(0.1)
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An environment of its own; whatever daemon is left in it is ended."""
    monkeypatch.setenv("REEX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("REEX_MODELS", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    location = Location.from_environment()
    yield location
    holder = running.running(location)
    if holder is not None and holder.pid:
        os.kill(holder.pid, signal.SIGKILL)


@pytest.fixture
def use(monkeypatch):
    def choose(mode="orderly"):
        program = (sys.executable, "-c", STAND_IN, mode)
        monkeypatch.setattr("reex.daemon.program_of_this_environment", lambda: program)

    choose()
    return choose


def ready(location):
    return (location.data / "ready").exists


def begin_to_stop(location, pid):
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not ready(location)())


def wait_until(holds):
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_nothing_runs_in_a_fresh_home(home):
    assert daemon.status(home) == daemon.DaemonStatus(running=False, pid=0, socket=home.socket, service="")
    assert daemon.stop(home) is False
    assert not home.data.exists()  # asking writes nothing


def test_start_find_and_stop(home, use):
    started = daemon.start(home, probe=ready(home))
    assert started.running
    assert started.pid not in (0, os.getpid())
    assert os.getsid(started.pid) != os.getsid(0)  # a hang-up of our terminal does not reach it
    assert daemon.start(home, probe=ready(home)).pid == started.pid
    assert daemon.stop(home) is True
    assert daemon.status(home).running is False


def test_it_reads_paths_as_we_do_but_does_not_stay_in_our_folder(home, use, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REEX_MODELS", "models")
    daemon.start(home, probe=ready(home))
    assert (home.data / "ready").read_text() == f"{tmp_path / 'models'} /"


def test_many_clients_at_once_get_one_daemon(home, use):
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(daemon.start(home, probe=ready(home)).pid))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 4
    assert len(set(results)) == 1


def test_one_that_is_stopping_is_followed_by_another(home, use):
    """While it lets go of the home nothing can be started; a start that begins then must still start one."""
    use("lingering")
    first = daemon.start(home, probe=ready(home)).pid
    begin_to_stop(home, first)
    assert running.running(home).pid == first
    second = daemon.start(home, probe=ready(home))
    assert second.running
    assert second.pid != first


def test_a_start_that_lost_to_one_that_stops_tries_again(home, use, monkeypatch):
    spawned = []
    spawn = daemon._spawn

    def spawn_after_another(*given):
        """Another client's daemon has the home by the time ours claims it, and is told to stop at once."""
        if not spawned:
            spawned.append(spawn(*given)[1])
            wait_until(ready(home))
            begin, process = spawn(*given)
            process.wait(60)  # "already running"
            begin_to_stop(home, spawned[0].pid)
            return begin, process
        return spawn(*given)

    monkeypatch.setattr("reex.daemon._spawn", spawn_after_another)
    use("lingering")
    started = daemon.start(home, probe=ready(home))
    assert started.pid not in (0, spawned[0].pid)


def test_a_daemon_that_cannot_start_says_why_at_once(home, use):
    use("broken")
    with pytest.raises(DaemonDown, match=r"cannot open the store\. Try"):
        daemon.start(home, 60, probe=lambda: False)


def test_only_its_own_last_words_are_quoted(home, use):
    home.logs.mkdir(parents=True, mode=0o700)
    home.data.chmod(0o700)
    home.standard_error.write_text("an older failure\n")
    use("broken")
    with pytest.raises(DaemonDown) as caught:
        daemon.start(home, 60, probe=lambda: False)
    assert "older" not in str(caught.value)


def test_one_that_never_answers_is_given_up(home, use):
    def probe():
        raise DaemonDown("nothing answers")

    with pytest.raises(DaemonDown, match="healthy within 1 s"):
        daemon.start(home, 1, probe=probe)


def test_one_that_does_not_end_is_said_with_its_pid(home, use):
    use("stubborn")
    pid = daemon.start(home, probe=ready(home)).pid
    with pytest.raises(DeadlineExceeded, match=f"kill -9 {pid}"):
        daemon.stop(home, 0.3)


@pytest.mark.skipif(
    sys.platform != "linux", reason="root reads everything but where its privilege is dropped"
)
def test_a_home_that_is_closed_to_us_is_not_one_without_a_daemon(home):
    home.data.mkdir(mode=0o700)
    home.lock.touch(mode=0)
    program = textwrap.dedent("""
        import ctypes, os
        from reex import daemon
        from reex.errors import PermissionDenied
        from reex.location import Location
        location = Location.from_environment()
        os.environ["HOME"] = "/"  # where no service is looked for behind a closed folder
        if os.getuid() == 0:
            ctypes.CDLL(None).setfsuid(65534)
        for ask in (daemon.status, daemon.stop):
            try:
                raise SystemExit(f"it was answered: {ask(location)}")
            except PermissionDenied as error:
                assert str(location.lock) in error.message
    """)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_stale_pid_is_not_a_daemon(home):
    home.data.mkdir(mode=0o700)
    home.lock.write_text(f"{os.getpid()}\n")
    assert daemon.status(home).running is False
    assert daemon.stop(home) is False


def test_an_open_home_is_refused_before_anything_is_written(home, use):
    home.data.mkdir()
    (home.data / "file").touch()
    home.data.chmod(0o755)
    with pytest.raises(InvalidSetting, match="chmod 700"):
        daemon.start(home, probe=lambda: False)
    assert sorted(path.name for path in home.data.iterdir()) == ["file"]


@pytest.mark.skipif(sys.platform != "linux", reason="a recording stand-in for systemctl")
class TestWithAService:
    """The stand-in for systemctl starts and stops the stand-in for the daemon, and records that it did."""

    SYSTEMCTL = """#!/bin/sh
here=$(dirname "$0")
echo "$*" >> "$here/calls"
case "$2" in
  show) echo "MainPID=$(cat "$here/pid" 2>/dev/null || echo 0)"; echo ActiveState=active ;;
  start|enable)
    [ -f "$here/pid" ] && kill -0 "$(cat "$here/pid")" 2> /dev/null && exit 0
    setsid {python} "$here/daemon.py" orderly > /dev/null 2>&1 & echo $! > "$here/pid" ;;
  restart) [ -f "$here/pid" ] && kill "$(cat "$here/pid")"
    setsid {python} "$here/daemon.py" orderly > /dev/null 2>&1 & echo $! > "$here/pid" ;;
  stop|disable) [ -f "$here/pid" ] && kill "$(cat "$here/pid")"; rm -f "$here/pid" ;;
esac
exit 0
"""

    @pytest.fixture
    def calls(self, tmp_path, monkeypatch):
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "daemon.py").write_text(STAND_IN)
        (folder / "systemctl").write_text(self.SYSTEMCTL.replace("{python}", sys.executable))
        (folder / "systemctl").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return folder / "calls"

    def test_start_and_stop_go_through_it_and_nothing_is_spawned(self, home, calls, monkeypatch):
        from reex.service import service_for

        service = service_for(home)
        service.file.parent.mkdir(parents=True)
        service.file.write_text(service.render())

        def spawn(*ignored, **also):
            raise AssertionError("spawned beside the service")

        monkeypatch.setattr("reex.daemon._spawn", spawn)
        started = daemon.start(home, probe=ready(home))
        assert started.service == service.name
        assert "--user start" in calls.read_text()
        assert daemon.stop(home) is True
        assert "--user stop" in calls.read_text()
        assert daemon.status(home).running is False

    def test_a_service_is_started_once_the_daemon_before_it_has_gone(self, home, calls, use):
        from reex.service import service_for

        use("lingering")
        first = daemon.start(home, probe=ready(home)).pid
        service = service_for(home)
        service.file.parent.mkdir(parents=True)
        service.file.write_text(service.render())
        begin_to_stop(home, first)
        second = daemon.start(home, probe=ready(home))
        assert second.pid not in (0, first)
        assert calls.read_text().count("--user start") == 1
        assert daemon.stop(home)

    def test_installing_takes_over_from_a_spawned_daemon(self, home, calls, use):
        from reex.service import service_for

        first = daemon.start(home, probe=ready(home)).pid
        service_for(home).install()
        second = daemon.start(home, probe=ready(home)).pid
        assert second != first
        assert service_for(home).uninstall()
        running.wait_until_free(home, 10)

    def test_installing_again_takes_over_from_one_in_the_foreground(self, home, calls):
        from reex.service import service_for

        service = service_for(home)
        service.file.parent.mkdir(parents=True)
        service.file.write_text(service.render())
        foreground = subprocess.Popen([sys.executable, "-c", STAND_IN, "orderly"])
        wait_until(ready(home))
        service.install()
        assert foreground.wait(60) == 0
        assert daemon.start(home, probe=ready(home)).pid not in (0, foreground.pid)
        assert service.uninstall()
        running.wait_until_free(home, 10)


def test_a_spawned_daemon_outlives_the_client(home):
    program = (
        "import sys; from reex import daemon; from reex.location import Location;"
        "daemon.program_of_this_environment = lambda: (sys.executable, '-c', sys.argv[1], 'orderly');"
        "location = Location.from_environment();"
        "print(daemon.start(location, probe=(location.data / 'ready').exists).pid)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, STAND_IN], capture_output=True, text=True, check=True, timeout=60
    )
    assert running.running(home).pid == int(done.stdout)
    assert daemon.stop(home)
