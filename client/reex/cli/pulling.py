"""A missing language model is announced, pulled with a progress bar, and the work goes on. Never silently."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from reex.cli import output
from reex.cli.jobs import follow
from reex.errors import ModelMissing

if TYPE_CHECKING:
    from reex import Client

T = TypeVar("T")


def with_model(client: Client, project: str, action: Callable[[], T], *, offline: bool) -> T:
    """`action()`, after pulling the model when it asks for one. Raises ModelMissing when `offline`."""
    try:
        return action()
    except ModelMissing as error:
        if offline:
            raise
        name = error.metadata.get("model") or client.get_project(project).model
    found = next((model for model in client.list_models() if model.name == name), None)
    facts = f" ({output.size(found.size_bytes)} from {' or '.join(found.sources)})" if found else ""
    output.note(f"the language model {name} is not installed; pulling it{facts}")
    follow(client, client.pull_model(name))
    return action()
