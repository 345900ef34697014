"""`reexctl service`: the daemon at login, under launchd or systemd --user."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from reex.cli import output, views
from reex.cli.options import AsJson, example
from reex.cli.session import here

if TYPE_CHECKING:
    from reex.service import Service

app = typer.Typer(no_args_is_help=True, help="Run the daemon from login on, under the system's supervision.")

_NO_SETTINGS = ("REEX_HOME", "REEX_NO_START")  # the one goes into the definition, the other is the client's

Print = Annotated[bool, typer.Option("--print", help="Print what would be done, and do nothing.")]


def _service() -> Service:
    from reex.service import service_for

    return service_for(here())


def _tell_of_settings() -> None:
    """A supervisor knows no variable of this shell; what they set would be otherwise without a word."""
    left = sorted(name for name, value in os.environ.items() if value and name.startswith("REEX_"))
    left = [name for name in left if name not in _NO_SETTINGS]
    if left:
        output.note(
            f"note: the service does not know {', '.join(left)}, set in this shell alone;"
            f" write what it shall read into {output.safe(str(here().config))}"
        )


@app.command(epilog=example("reexctl service install", "reexctl service install --print"))
def install(show: Print = False, as_json: AsJson = False) -> None:
    """Install the service and start it. `daemon start` and `stop` go through it from then on."""
    service = _service()
    _tell_of_settings()
    if show:
        definition = service.render()
        if as_json:
            output.object_line({"file": str(service.file), "definition": definition})
        else:
            output.note(f"would write {service.file}:")
            for line in definition.splitlines():
                output.line(line)
        return
    service.install()
    views.done({"installed": service.name, "file": str(service.file)}, f"installed {service.file}", as_json)


@app.command(epilog=example("reexctl service uninstall"))
def uninstall(show: Print = False, as_json: AsJson = False) -> None:
    """Stop the service and remove every trace of it. Projects and models stay."""
    service = _service()
    if show:
        views.done({"file": str(service.file)}, f"would remove {service.file}", as_json)
        return
    found = service.uninstall()
    said = f"removed {service.file}" if found else "no service was installed"
    views.done({"uninstalled": found, "file": str(service.file)}, said, as_json)


@app.command(epilog=example("reexctl service status"))
def status(as_json: AsJson = False) -> None:
    """What the supervisor says of the service."""
    found = _service().status()
    facts = {**asdict(found), "file": str(found.file), "program": list(found.program)}
    state = "running" if found.active else "not running"
    said = f"{found.name}: {state}, {found.file}" if found.installed else "no service is installed"
    views.done(facts, said, as_json)
