"""The daemon under systemd: a unit of the user's own manager, wanted by its default target."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from reex.errors import FailedPrecondition
from reex.location import Location
from reex.running import running
from reex.supervision import Runner, Service, ServiceStatus, template

UNIT = "reexd"


class SystemdUnit(Service):
    """$XDG_CONFIG_HOME/systemd/user/<unit>.service, wanted by the user's default target."""

    def __init__(
        self, location: Location, environ: Mapping[str, str], program: tuple[str, ...], run: Runner
    ) -> None:
        super().__init__(location, environ, program, run)
        configured = environ.get("XDG_CONFIG_HOME", "")
        base = Path(configured) if configured.startswith("/") else self._home / ".config"
        self.name = "-".join(filter(None, (UNIT, location.suffix))) + ".service"
        self.file = base / "systemd" / "user" / self.name

    def render(self) -> str:
        # A user manager knows none of the variables of the shell that installs; those that decide the home stay.
        environment = [f"Environment={_quoted(f'{key}={value}')}" for key, value in self.location.variables]
        words = self.program
        if re.search(r"""["'\\$]""", words[0]):  # systemd takes these literally in every word but the first
            words = ("/usr/bin/env", *words)
        return (
            template("reexd.service")
            .replace("@PROGRAM@", " ".join(_quoted(word, command=True) for word in words))
            .replace("@ENVIRONMENT@\n", "".join(f"{line}\n" for line in environment))
        )

    def install(self) -> None:
        text, before = self.render(), self._definition()
        ran = running(self.location) is not None
        try:
            self._write(text)
            self._must("systemctl", "--user", "daemon-reload")
            self._free_the_home_of_others(before)
            self._must("systemctl", "--user", "enable", "--now", self.name)
            if before is not None:  # `enable --now` leaves a running one with its old program
                self._must("systemctl", "--user", "restart", self.name)
        except BaseException:
            if before is None:
                self._discard()
            else:
                self._write(before)
                self._try("systemctl", "--user", "daemon-reload")
                self._try("systemctl", "--user", "restart" if ran else "stop", self.name)
            raise

    def _free_the_home_of_others(self, before: str | None) -> None:
        """The installed service's own daemon is restarted later; any other would keep it from starting."""
        holder = running(self.location)
        if holder is not None and (before is None or holder.pid != self.status().pid or not holder.pid):
            self._free_the_home()

    def uninstall(self) -> bool:
        found = self.installed() or self._wanted.is_symlink()
        refused = self._discard()
        if found:
            self._report(*refused)
        return found

    @property
    def _wanted(self) -> Path:
        """The link that starts it at login; `systemctl enable` makes it."""
        return self.file.parent / "default.target.wants" / self.name

    def _discard(self) -> tuple[subprocess.CompletedProcess[str], ...]:
        """Stop it and remove every trace; what systemctl said to that."""
        stopped = self._try("systemctl", "--user", "disable", "--now", self.name)
        self._wanted.unlink(missing_ok=True)
        self._remove(self._wanted.parent, self.file.parent, self.file.parent.parent)
        reloaded = self._try("systemctl", "--user", "daemon-reload")
        self._try("systemctl", "--user", "reset-failed", self.name)  # refused unless it had failed
        return stopped, reloaded

    def start(self) -> None:
        self._must("systemctl", "--user", "start", self.name)

    def stop(self) -> None:
        self._must("systemctl", "--user", "stop", self.name)

    def status(self) -> ServiceStatus:
        said = self._try("systemctl", "--user", "show", self.name, "--property=ActiveState,MainPID")
        facts = dict(line.split("=", 1) for line in (said.stdout or "").splitlines() if "=" in line)
        active = facts.get("ActiveState") in ("active", "activating", "reloading", "deactivating")
        pid = facts.get("MainPID", "0")
        program: tuple[str, ...] = ()
        with contextlib.suppress(OSError):
            line = re.search(r"^ExecStart=(.*)$", self.file.read_text(encoding="utf-8"), re.MULTILINE)
            program = tuple(_unquoted(line[1])) if line else ()
        return ServiceStatus(
            self.name, self.installed(), active, int(pid) if pid.isdigit() else 0, self.file, program
        )

    def _hint(self, said: str) -> str:
        if "bus" in said.lower():
            return "No user manager runs: log in, or `loginctl enable-linger`; or use `reexctl daemon start`."
        return f"See: systemctl --user status {self.name}"


def _quoted(word: str, *, command: bool = False) -> str:
    """One word for systemd (systemd.syntax): quotes, specifiers, and in commands variables, taken literally."""
    if any(ord(character) < 32 for character in word):
        raise FailedPrecondition(f"expected no control characters in a service's paths, got {word!r}.")
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    if command:
        escaped = escaped.replace("$", "$$")
    return f'"{escaped}"' if re.search(r"[^A-Za-z0-9/._=@:+-]", word) else escaped


def _unquoted(line: str) -> list[str]:
    """The words that `_quoted` wrote."""
    words = [plain or quoted for quoted, plain in re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line)]
    return [re.sub(r"\\(.)|(%|\$)\2", lambda found: found[1] or found[2], word) for word in words]
