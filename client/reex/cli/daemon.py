"""`reexctl daemon`: start, stop, status. Through the installed service when there is one."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from reex.cli import exits, views
from reex.cli.options import AsJson, example
from reex.cli.session import here, start_daemon

if TYPE_CHECKING:
    from reex.daemon import DaemonStatus

app = typer.Typer(no_args_is_help=True, help="The background process that holds models and documents.")


@app.command(epilog=example("reexctl daemon start"))
def start(as_json: AsJson = False) -> None:
    """Start the daemon, or find that it runs. Other commands do this by themselves."""
    status = start_daemon(here())
    views.done(_facts(status, True), _line(status, True), as_json)


@app.command(epilog=example("reexctl daemon stop"))
def stop(as_json: AsJson = False) -> None:
    """Stop the daemon; a running job stops too and goes on at the next start."""
    from reex import daemon

    stopped = daemon.stop(here())
    views.done({"stopped": stopped}, "stopped" if stopped else "no daemon was running", as_json)


@app.command(epilog=example("reexctl daemon status"))
def status(as_json: AsJson = False) -> None:
    """Say whether a daemon runs and answers: exit code 0, 4 when none runs, 5 when it does not answer."""
    from reex import daemon
    from reex.health import serving

    found = daemon.status(here())
    healthy = found.running and serving(found.socket)
    views.done(_facts(found, healthy), _line(found, healthy), as_json)
    if not healthy:
        raise typer.Exit(exits.UNHEALTHY if found.running else exits.DAEMON_DOWN)


def _facts(status: DaemonStatus, healthy: bool) -> dict[str, object]:
    return {**asdict(status), "socket": str(status.socket), "healthy": healthy}


def _line(status: DaemonStatus, healthy: bool) -> str:
    if not status.running:
        return "no daemon runs; start it: reexctl daemon start"
    how = f", service {status.service}" if status.service else ""
    state = "running" if healthy else "running, but it does not answer; see its log, or: reexctl daemon stop"
    return f"{state}: pid {status.pid}{how}, {status.socket}"
