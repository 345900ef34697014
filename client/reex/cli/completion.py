"""Names for shell completion, asked of a running daemon. A daemon is never started for a press of the tab key."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import typer

from reex.errors import ReexError
from reex.types import SPLITS

if TYPE_CHECKING:
    from reex import Client

_PATIENCE_S = 1.0


def _names(incomplete: str, ask: Callable[[Client], Iterable[str]]) -> list[str]:
    from reex.location import Location, LocationError
    from reex.running import running

    try:
        if running(Location.from_environment()) is None:
            return []
    except (LocationError, ReexError):
        return []
    from reex import Client

    try:
        with Client(timeout=_PATIENCE_S) as client:
            return [name for name in ask(client) if name.startswith(incomplete)]
    except ReexError:
        return []


def projects(incomplete: str) -> list[str]:
    return _names(incomplete, lambda client: [project.name for project in client.list_projects()])


def splits(ctx: typer.Context, incomplete: str) -> list[str]:
    """Of the project already on the command line, and the three that always stand."""
    project = ctx.params.get("name") or ""
    known = _names(incomplete, lambda client: [each.split for each in client.split_summary(project)])
    standing = [name for name in SPLITS if name.startswith(incomplete)]
    return list(dict.fromkeys(standing + known))


def versions(ctx: typer.Context, incomplete: str) -> list[str]:
    """Of the project already on the command line."""
    project = ctx.params.get("name") or ""
    return _names(incomplete, lambda client: [each.name for each in client.list_classifiers(project)])


def jobs(incomplete: str) -> list[str]:
    return _names(incomplete, lambda client: [job.name for job in client.list_jobs()])


def models(incomplete: str) -> list[str]:
    return _names(incomplete, lambda client: [model.name for model in client.list_models()])
