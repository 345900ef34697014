"""The daemon under launchd: a property list in ~/Library/LaunchAgents, in the user's graphical domain."""

from __future__ import annotations

import contextlib
import os
import plistlib
import re
import subprocess
import time
from collections.abc import Mapping

from reex.errors import FailedPrecondition
from reex.folders import private_folder
from reex.location import Location
from reex.running import running
from reex.supervision import COMMAND_MISSING, Runner, Service, ServiceStatus, template

LABEL = "local.reex.reexd"

# `launchctl bootout` returns while the old process is still ending; a bootstrap then fails with error 5 or 37.
BOOTSTRAP_TRIES = 10
BOOTSTRAP_PAUSE_S = 0.5


class LaunchAgent(Service):
    """~/Library/LaunchAgents/<label>.plist in the user's graphical domain."""

    def __init__(
        self, location: Location, environ: Mapping[str, str], program: tuple[str, ...], run: Runner
    ) -> None:
        super().__init__(location, environ, program, run)
        self.name = ".".join(filter(None, (LABEL, location.suffix)))
        self.file = self._home / "Library" / "LaunchAgents" / f"{self.name}.plist"
        self._domain = f"gui/{os.getuid()}"
        self._target = f"{self._domain}/{self.name}"

    def render(self) -> str:
        keys = plistlib.loads(template("reexd.plist").encode())
        keys["Label"] = self.name
        keys["ProgramArguments"] = list(self.program)
        keys["StandardErrorPath"] = str(self.location.standard_error)
        if self.location.home is None:
            del keys["EnvironmentVariables"]
        else:
            keys["EnvironmentVariables"] = {"REEX_HOME": str(self.location.home)}
        return plistlib.dumps(keys, sort_keys=False).decode()

    def install(self) -> None:
        text = self.render()
        for folder in (self.location.data, self.location.logs):  # launchd creates the file, not its folder
            private_folder(folder)
        before = self._definition()
        ran = before is not None and self.status().active
        holder = running(self.location)
        self._bootout()
        try:
            self._free_the_home()
            self._write(text)
            self._bootstrap()
            self._must("launchctl", "kickstart", self._target)
        except BaseException:
            self._bootout()
            if before is None:
                self._clear()
            else:
                self._put_back(before, ran or holder is not None)
            raise

    def uninstall(self) -> bool:
        found = self.installed()
        refused = self._bootout()
        self._clear()
        if found:
            self._report(refused)
        return found

    def start(self) -> None:
        if self._try("launchctl", "print", self._target).returncode:
            self._bootstrap()
        self._must("launchctl", "kickstart", self._target)

    def stop(self) -> None:
        # It exits with 0 on SIGTERM, which KeepAlive does not answer with a restart; and it stays loaded.
        if self.status().active:
            self._must("launchctl", "kill", "SIGTERM", self._target)

    def status(self) -> ServiceStatus:
        said = self._try("launchctl", "print", self._target)
        pid = re.search(r"^\s*pid = (\d+)", said.stdout or "", re.MULTILINE)
        alive = said.returncode == 0 and pid is not None
        program: tuple[str, ...] = ()
        with contextlib.suppress(OSError, plistlib.InvalidFileException, ValueError):
            program = tuple(plistlib.loads(self.file.read_bytes()).get("ProgramArguments", ()))
        return ServiceStatus(
            self.name, self.installed(), alive, int(pid[1]) if alive and pid else 0, self.file, program
        )

    def _bootout(self) -> subprocess.CompletedProcess[str]:
        """Stop and unload it. A refusal counts only while it is loaded: one that is not is refused as well."""
        done = self._try("launchctl", "bootout", self._target)
        if done.returncode == 0 or done.returncode == COMMAND_MISSING:
            return done
        for _ in range(BOOTSTRAP_TRIES):  # "in progress" is a refusal too
            if self._try("launchctl", "print", self._target).returncode:
                return subprocess.CompletedProcess(done.args, 0, "", "")
            time.sleep(BOOTSTRAP_PAUSE_S)
        return done

    def _put_back(self, definition: str, start: bool) -> None:
        """What was installed before; loaded, and thereby started, when a daemon ran before."""
        self._write(definition)
        if start:
            with contextlib.suppress(FailedPrecondition):
                self._bootstrap()

    def _bootstrap(self) -> None:
        command = ("launchctl", "bootstrap", self._domain, str(self.file))
        for _ in range(BOOTSTRAP_TRIES - 1):
            if self._try(*command).returncode == 0:
                return
            time.sleep(BOOTSTRAP_PAUSE_S)
        self._must(*command)

    def _clear(self) -> None:
        self.location.standard_error.unlink(missing_ok=True)
        self._remove(self.file.parent, self.location.logs, self.location.data)

    def _hint(self, said: str) -> str:  # noqa: ARG002
        return "Log in to the desktop of this user and try again, or use `reexctl daemon start`."
