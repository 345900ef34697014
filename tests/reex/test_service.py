"""The service, with recording stand-ins for launchctl and systemctl first on PATH."""

import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from reex.errors import FailedPrecondition
from reex.location import Location
from reex.service import installed_service, service_for

DOMAIN = f"gui/{os.getuid()}"
LABEL = "local.reex.reexd"


def test_the_plist_has_exactly_the_keys_that_matter(machine):
    keys = plistlib.loads(machine.service("darwin").render().encode())
    assert keys == {
        "Label": LABEL,
        "ProgramArguments": list(machine.program),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 10,
        "ExitTimeOut": 30,
        "ProcessType": "Interactive",
        "SoftResourceLimits": {"NumberOfFiles": 4096},
        "Umask": 0o077,
        "StandardErrorPath": str(machine.home / "Library/Logs/reex/reexd.stderr"),
    }


def test_the_plist_carries_reex_home_and_nothing_else(machine, tmp_path):
    home = str(tmp_path / "a <b> & c")
    keys = plistlib.loads(machine.service("darwin", REEX_HOME=home, REEX_MODELS="/m").render().encode())
    assert keys["EnvironmentVariables"] == {"REEX_HOME": home}
    assert keys["Label"].startswith(f"{LABEL}.")


def test_the_unit_restarts_on_failure_and_is_private(machine):
    lines = machine.service("linux").render().splitlines()
    expected = {"Type=notify", "Restart=on-failure", "UMask=0077", "NoNewPrivileges=yes"}
    assert expected <= set(lines)
    assert 'ExecStart="/opt/some python/bin/python" -P -m reexd serve' in lines
    assert "WantedBy=default.target" in lines
    assert not [line for line in lines if line.startswith("Environment=") or "@" in line]


def test_the_unit_takes_along_what_decides_the_home(machine):
    unit = machine.service("linux", XDG_DATA_HOME="/data of mine", XDG_RUNTIME_DIR="/run/user/1").render()
    assert 'Environment="XDG_DATA_HOME=/data of mine"' in unit
    assert "XDG_RUNTIME_DIR" not in unit
    assert "Environment=REEX_HOME=/h" in machine.service("linux", REEX_HOME="/h").render()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_accepts_the_unit(machine, tmp_path):
    program = tmp_path / 'a "b" 50% $HOME \\ folder' / "python"
    program.parent.mkdir()
    program.symlink_to(sys.executable)
    location = Location.from_environment({"REEX_HOME": str(program.parent), "HOME": str(machine.home)})
    service = service_for(location, platform="linux", program=(str(program), "-P", "-m", "reexd", "serve"))
    unit = tmp_path / "reexd.service"
    unit.write_text(service.render())
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    complaints = [line for line in done.stderr.splitlines() if "reexd.service" in line]
    assert (done.returncode, complaints) == (0, [])


@pytest.mark.parametrize("platform", ["darwin", "linux"])
def test_install_and_uninstall_leave_nothing_behind(machine, platform):
    before = machine.files()
    service = machine.service(platform)
    service.install()
    assert service.installed()
    assert service.file.read_text() == service.render()
    assert service.file.stat().st_mode & 0o022 == 0
    assert service.uninstall()
    assert not service.installed()
    ours = [name for name in machine.files() if "reex" in name]
    assert ours == [name for name in before if "reex" in name]
    assert not [path for path in machine.home.rglob("*") if path.is_file()]


def test_launchd_is_called_in_order(machine):
    service = machine.service("darwin")
    service.install()
    assert machine.calls() == [
        f"launchctl bootout {DOMAIN}/{LABEL}",
        f"launchctl bootstrap {DOMAIN} {service.file}",
        f"launchctl kickstart {DOMAIN}/{LABEL}",
    ]
    service.uninstall()
    assert machine.calls() == [f"launchctl bootout {DOMAIN}/{LABEL}"]


def test_systemd_is_called_in_order(machine):
    service = machine.service("linux")
    service.install()
    assert machine.calls() == [
        "systemctl --user daemon-reload",
        "systemctl --user enable --now reexd.service",
    ]
    service.install()
    assert machine.calls()[-1] == "systemctl --user restart reexd.service"
    service.uninstall()
    assert machine.calls() == [
        "systemctl --user disable --now reexd.service",
        "systemctl --user daemon-reload",
        "systemctl --user reset-failed reexd.service",
    ]


def test_launchd_start_and_stop(machine):
    service = machine.service("darwin")
    service.install()
    machine.calls()
    machine.answer("print", "\tstate = running\n\tpid = 4711\n")
    service.start()
    service.stop()
    assert [call for call in machine.calls() if " print " not in call] == [
        f"launchctl kickstart {DOMAIN}/{LABEL}",
        f"launchctl kill SIGTERM {DOMAIN}/{LABEL}",
    ]
    assert service.status().pid == 4711
    machine.refuse("print")  # not loaded
    machine.calls()
    service.start()
    assert f"launchctl bootstrap {DOMAIN} {service.file}" in machine.calls()
    assert not service.status().active
    service.stop()
    assert not [call for call in machine.calls() if " kill " in call]


def test_systemd_start_stop_and_status(machine):
    service = machine.service("linux")
    service.install()
    machine.calls()
    service.start()
    service.stop()
    assert machine.calls() == ["systemctl --user start reexd.service", "systemctl --user stop reexd.service"]
    machine.answer("show", "MainPID=4711\nActiveState=active\n")
    status = service.status()
    assert (status.installed, status.active, status.pid) == (True, True, 4711)


@pytest.mark.parametrize("platform", ["darwin", "linux"])
def test_status_knows_the_program_that_the_file_starts(machine, platform):
    service = machine.service(platform)
    assert service.status().program == ()
    odd = ("/a b/python 50%", "-P", "$HOME", '"quoted"\\', "serve")
    service.program = odd
    service.install()
    assert service.status().program == odd


def test_two_homes_have_two_services(machine):
    files = {machine.service("linux", REEX_HOME=home).file for home in ("/a", "/b")}
    files.add(machine.service("linux").file)
    assert len(files) == 3


def test_other_platforms_are_refused(machine):
    with pytest.raises(FailedPrecondition, match="sunos5"):
        machine.service("sunos5")


@pytest.mark.skipif(sys.platform != "linux", reason="finds the service of this platform")
def test_an_installed_service_is_found_by_its_home(machine):
    environ = {"HOME": str(machine.home), "REEX_HOME": str(machine.home / "h")}
    location = Location.from_environment(environ)
    assert installed_service(location, environ=environ) is None
    service_for(location, environ=environ).install()
    assert installed_service(location, environ=environ).name == f"reexd-{location.suffix}.service"
    assert installed_service(Location.from_environment({"HOME": str(machine.home)}), environ=environ) is None


def test_the_readme_names_every_template():
    folder = Path(__file__).parents[2] / "launchd"
    readme = (folder / "README.md").read_text()
    assert all(f"`{path.name}`" in readme for path in folder.iterdir() if path.name != "README.md")
