"""The daemon under the system's own supervision: launchd on macOS, systemd --user on Linux, from login on.

Chooses the supervisor; `launch_agent.py` and `systemd_unit.py` know theirs. Knows nothing of gRPC, nor what the
daemon does.

    service = service_for(Location.from_environment())
    service.render()      what would be installed
    service.install()     write it, load it, start it
    service.uninstall()   nothing is left behind
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from reex.errors import FailedPrecondition
from reex.launch_agent import LaunchAgent
from reex.location import Location
from reex.supervision import Runner, Service, ServiceStatus, run_command
from reex.systemd_unit import SystemdUnit

__all__ = ["Service", "ServiceStatus", "installed_service", "program_of_this_environment", "service_for"]


def program_of_this_environment() -> tuple[str, ...]:
    """How the daemon of the interpreter that runs this is started. -P: no module from the working folder."""
    return (sys.executable, "-P", "-m", "reexd", "serve")


def service_for(
    location: Location,
    *,
    environ: Mapping[str, str] | None = None,
    platform: str = sys.platform,
    program: Sequence[str] | None = None,
    run: Runner = run_command,
) -> Service:
    """The service of this home on this platform, installed or not. Raises FailedPrecondition elsewhere."""
    kind = {"darwin": LaunchAgent, "linux": SystemdUnit}.get(platform)
    if kind is None:
        raise FailedPrecondition(f"expected macOS or Linux for a service, this is {platform}.")
    environ = os.environ if environ is None else environ
    return kind(location, environ, tuple(program or program_of_this_environment()), run)


def installed_service(location: Location, *, environ: Mapping[str, str] | None = None) -> Service | None:
    """The service of this home if one is installed."""
    try:
        service = service_for(location, environ=environ)
    except FailedPrecondition:
        return None
    return service if service.installed() else None
