"""How language models are shown: the list with what each needs, one with its files and users, a verification."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from reex.cli import output, views
from reex.cli.output import Column, safe

if TYPE_CHECKING:
    from reex.models import FileCheck, Model, ModelDetails, ModelUse

ABSENT = "not installed"
UNREADABLE = "unreadable"  # whole as it may be


def models(records: Iterable[Model], as_json: bool) -> None:
    """The list fits 80 columns; widths and windows are in `model`."""
    columns = [Column("model"), Column("state"), Column("params", right=True), Column("disk", right=True)]
    columns += [Column("memory", right=True), Column("licence"), Column("description", long=True)]

    def row(each: Model) -> list[str]:
        state = _state(each)
        shown = [
            each.name,
            "-" if state == ABSENT else state,
            _count(each.parameters),
            _size(each.size_bytes),
        ]
        shown += [_size(each.memory_bytes), each.licence, each.problem or each.description]
        return [safe(cell) for cell in shown]

    views.listed(records, columns, row, as_json, "no models are known")


def model(found: ModelDetails, as_json: bool) -> None:
    if as_json:
        output.object_line(found.to_dict())
        return
    each = found.model
    unread = "" if each.readable else ", which this release does not open"
    stored = f", stored as {each.dtype}" if each.dtype else ""
    workers = f"{found.workers} worker{'s' * (found.workers != 1)}"
    memory = f"{_size(each.memory_bytes)}: {_size(found.worker_memory_bytes)} in each of {workers}"
    views.facts(
        [
            ("model", each.name),
            ("", safe(each.description)),
            ("state", _state(each)),
            ("problem", safe(each.problem)),
            ("architecture", safe(each.architecture) + unread),
            ("parameters", f"{each.parameters:,}{safe(stored)}" if each.parameters else ""),
            ("hidden size", str(each.hidden_size or "")),
            ("pooling", safe(each.pooling)),
            ("prefixes", views.prefixes(each.document_prefix, each.query_prefix)),
            ("prompts", "read, around each text" if each.reads_prompts else "not read"),
            ("window", f"{each.window_tokens:,} tokens" if each.window_tokens else ""),
            ("licence", safe(each.licence)),
            ("source", safe("\n".join(each.sources)).replace("\\n", " or ")),
            ("revision", safe(each.revision)),
            ("pulled", views.when(each.pull_time)),
            ("folder", safe(each.folder) if each.installed else ""),
            ("disk", _size(each.size_bytes)),
            ("memory", memory if each.memory_bytes else ""),
            ("digests", _origin(found)),
            ("used by", "; ".join(map(_use, found.uses)) or "no project"),
        ]
    )
    if found.files:
        output.line()
        columns = [Column("file"), Column("size", right=True), Column("SHA-256")]
        output.table(
            columns, ([safe(file.name), _size(file.size_bytes), file.sha256] for file in found.files)
        )


def verified(name: str, checks: Sequence[FileCheck], as_json: bool) -> None:
    if as_json:
        intact = not any(check.problem for check in checks)
        output.object_line({"name": name, "intact": intact, "files": [check.to_dict() for check in checks]})
        return
    for check in checks:
        if not check.problem:
            output.line(f"intact   {safe(check.file.name)}  {_size(check.file.size_bytes)}")
    for check in checks:
        if check.problem:
            output.styled(f"DAMAGED  {safe(check.file.name)}  {safe(check.problem)}", "bold red")


def _state(each: Model) -> str:
    if each.problem:
        return "damaged"
    if not each.readable:
        return UNREADABLE
    if not each.installed:
        return ABSENT
    return "loaded" if each.loaded else "installed"


def _origin(found: ModelDetails) -> str:
    if found.pinned:
        return "pinned by this release"
    return (
        "recorded at the first pull, held to since" if found.files else "will be recorded at the first pull"
    )


def _use(use: ModelUse) -> str:
    said = ["chosen"] * use.chosen + list(use.versions)
    return f"{use.project} ({', '.join(said)})"


def _size(count: int) -> str:
    return output.size(count) if count else "-"


def _count(parameters: int) -> str:
    """Millions or billions, three digits."""
    if not parameters:
        return "-"
    return f"{parameters / 1e9:.2f} B" if parameters >= 1e9 else f"{parameters / 1e6:.1f} M"
