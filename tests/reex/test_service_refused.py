"""What becomes of the service where launchd or systemd refuse: nothing is lost, nothing is left, and it is said."""

import os
import subprocess
import sys

import pytest
from reex.errors import FailedPrecondition

DOMAIN = f"gui/{os.getuid()}"

# Holds a lock file as a daemon in the foreground does, until it is told to end.
HOLDER = """
import fcntl, os, sys, time
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
print(os.getpid(), file=lock, flush=True)
print("held", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("platform", "verb"), [("darwin", "bootstrap"), ("darwin", "kickstart"), ("linux", "enable")]
)
def test_a_refused_install_says_why_and_leaves_nothing(machine, platform, verb):
    machine.refuse(verb)
    with pytest.raises(FailedPrecondition, match=f"{verb}.*refused: {verb}"):
        machine.service(platform).install()
    assert not [path for path in machine.home.rglob("*") if path.is_file()]
    assert not machine.service(platform).installed()


@pytest.mark.parametrize(
    ("platform", "verb"),
    [("darwin", "bootstrap"), ("darwin", "kickstart"), ("linux", "enable"), ("linux", "restart")],
)
def test_a_refused_install_over_an_installed_one_puts_that_back(machine, platform, verb):
    service = machine.service(platform)
    service.program = ("/the/old/program",)
    service.install()
    before = service.file.read_text()
    files = machine.files()
    service.program = machine.program
    machine.refuse(verb)
    with pytest.raises(FailedPrecondition, match=f"{verb}.*refused: {verb}"):
        service.install()
    assert service.file.read_text() == before
    assert machine.files() == files
    if platform == "linux":
        calls = machine.calls()
        assert calls[-2] == "systemctl --user daemon-reload"
        assert not [call for call in calls if "disable" in call]


@pytest.mark.skipif(sys.platform != "linux", reason="holds a home as the daemon of this platform does")
@pytest.mark.parametrize("platform", ["darwin", "linux"])
def test_a_refused_install_starts_again_what_it_had_ended(machine, platform):
    service = machine.service(platform)
    service.install()
    machine.refuse("kickstart" if platform == "darwin" else "enable")
    service.location.data.mkdir(parents=True, exist_ok=True)
    service.location.data.chmod(0o700)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(service.location.lock)], stdout=subprocess.PIPE
    ) as held:
        held.stdout.readline()
        machine.calls()
        with pytest.raises(FailedPrecondition):
            service.install()
        assert held.wait(30) != 0  # by SIGTERM
    last = machine.calls()[-1]
    if platform == "darwin":
        assert last == f"launchctl bootstrap {DOMAIN} {service.file}"
    else:
        assert last == "systemctl --user restart reexd.service"


def test_uninstall_removes_what_systemctl_did_not_and_says_what_it_refused(machine):
    service = machine.service("linux")
    service.install()
    wanted = service.file.parent / "default.target.wants" / service.name
    wanted.parent.mkdir()
    wanted.symlink_to(service.file)
    machine.refuse("disable")
    with pytest.raises(
        FailedPrecondition, match=r"disable --now reexd.service` failed: refused: disable.*daemon stop"
    ):
        service.uninstall()
    assert not [name for name in machine.files() if "reex" in name or "systemd" in name]
    machine.refuse()
    assert not service.uninstall()


def test_uninstall_finds_a_link_that_lost_its_unit(machine):
    service = machine.service("linux")
    wanted = service.file.parent / "default.target.wants" / service.name
    wanted.parent.mkdir(parents=True)
    wanted.symlink_to(service.file)
    assert service.uninstall()
    assert not wanted.is_symlink()


def test_a_unit_that_had_not_failed_is_uninstalled_without_a_word(machine):
    service = machine.service("linux")
    service.install()
    machine.refuse("reset-failed")
    assert service.uninstall()


def test_uninstall_says_that_launchd_did_not_let_go(machine):
    service = machine.service("darwin")
    service.install()
    machine.refuse("bootout")
    with pytest.raises(FailedPrecondition, match=r"bootout.*refused: bootout.*daemon stop"):
        service.uninstall()
    assert not [path for path in machine.home.rglob("*") if path.is_file()]


def test_an_agent_that_is_not_loaded_is_uninstalled_without_a_word(machine):
    service = machine.service("darwin")
    service.install()
    machine.refuse("bootout", "print")
    assert service.uninstall()


@pytest.mark.parametrize("platform", ["darwin", "linux"])
def test_uninstall_without_the_supervisors_command_says_so(machine, platform, monkeypatch):
    service = machine.service(platform)
    service.install()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(FailedPrecondition, match="on PATH"):
        service.uninstall()
    assert not service.installed()


@pytest.mark.parametrize("platform", ["darwin", "linux"])
def test_without_the_supervisors_command(machine, platform, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    service = machine.service(platform)
    with pytest.raises(FailedPrecondition, match="on PATH"):
        service.install()
    assert not service.installed()
    assert not service.uninstall()
