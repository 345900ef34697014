"""How the records of projects, documents and jobs are shown.

`overview` shows the daemon and what is trained, `answers` what a classifier says.

Each function takes a record and whether JSON is wanted, and leaves the writing to `output`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from reex.cli import output
from reex.cli.output import Column, safe
from reex.cli.rejections import Rejections

if TYPE_CHECKING:
    from datetime import datetime

    from reex.types import Document, Job, Project, Record, SearchResults, SplitSummary, UploadResult

_NO_CLASS = {-1: "unlabelled", -99: "out-of-distribution"}
_REASONS = {
    "zero-similarity": "the nearest training document is of another class, or was itself predicted wrong",
    "beyond-calibration": "farther from the training documents than anything seen in calibration",
    "no-calibrated-region": "documents like it were not reliably right in calibration",
}


def class_name(label: int, classes: Sequence[str]) -> str:
    return safe(_NO_CLASS.get(label) or (classes[label] if 0 <= label < len(classes) else str(label)))


def reason_told(reason: str) -> str:
    """Why a document was rejected, in plain language."""
    return _REASONS.get(reason, safe(reason))


def prefixes(document_prefix: str, query_prefix: str = "") -> str:
    """What is read before which texts, as far as anything is said of it."""
    named = [("documents", document_prefix), ("search questions", query_prefix)]
    said = [(what, "no prefix" if prefix == "none" else repr(prefix)) for what, prefix in named if prefix]
    return safe(", ".join(f"{prefix} before {what}" for what, prefix in said))


def when(time: datetime | None) -> str:
    return time.astimezone().strftime("%Y-%m-%d %H:%M") if time else ""


def done(facts: dict[str, Any], said: str, as_json: bool) -> None:
    """The outcome of a command that has no record of its own."""
    if as_json:
        output.object_line(facts)
    else:
        output.line(safe(said))


def listed(records: Iterable[Record], columns: list[Column], row: Any, as_json: bool, empty: str) -> None:
    """Many records: JSON Lines, or a table of `row(record)`; `empty` is said when there are none."""
    if as_json:
        for record in records:
            output.object_line(record.to_dict())
        return
    rows = [row(record) for record in records]
    if rows:
        output.table(columns, rows)
    else:
        output.note(empty)


def facts(pairs: Iterable[tuple[str, str]]) -> None:
    shown = [(title, value) for title, value in pairs if value]
    width = max(len(title) for title, _ in shown)
    for title, value in shown:
        output.line(f"{title.ljust(width)}  {value}")


def project(record: Project, as_json: bool) -> None:
    if as_json:
        output.object_line(record.to_dict())
        return
    facts(
        [
            ("project", record.name),
            ("classes", safe(", ".join(f"{label} {name}" for label, name in enumerate(record.classes)))),
            ("model", safe(record.model)),
            ("pooling", safe(record.pooling)),
            ("prefixes", prefixes(record.document_prefix, record.query_prefix)),
            ("prompt", safe(record.prompt)),
            ("alpha", f"{record.alpha:g}"),
            ("attributes", str(record.attribute_count) if record.attribute_count > 0 else ""),
            ("documents", f"{record.document_count:,}"),
            ("live", f"v{record.live_version}" if record.live_version else "nothing trained yet"),
            ("created", when(record.create_time)),
        ]
    )


def projects(records: Iterable[Project], as_json: bool) -> None:
    columns = [Column("project"), Column("documents", right=True), Column("live"), Column("model")]
    columns.append(Column("classes", long=True))

    def row(each: Project) -> list[str]:
        live = f"v{each.live_version}" if each.live_version else "-"
        return [each.name, f"{each.document_count:,}", live, safe(each.model), safe(", ".join(each.classes))]

    empty = "no projects; create one: reexctl project create NAME --classes A,B"
    listed(records, columns, row, as_json, empty)


def splits(records: Iterable[SplitSummary], as_json: bool) -> None:
    columns = [Column("split"), Column("documents", right=True), Column("labels", prose=True)]
    empty = "no documents; upload some: reexctl upload NAME FILE --split train"
    listed(records, columns, lambda each: [each.split, f"{each.documents:,}", shares(each)], as_json, empty)


def shares(split: SplitSummary, shown: int | None = None) -> str:
    """Documents and share of each label, or of the first `shown`."""
    return safe(
        ", ".join(
            f"{each.name} {each.count:,} ({output.percent(each.count / split.documents)})"
            for each in split.labels[:shown]
        )
    )


def documents(records: Iterable[Document], classes: Sequence[str], as_json: bool) -> None:
    columns = [Column("id"), Column("split"), Column("label"), Column("document", long=True)]

    def row(each: Document) -> list[str]:
        return [safe(each.id), each.split, class_name(each.label, classes), safe(each.text)]

    listed(records, columns, row, as_json, "no such documents")


def document(record: Document, classes: Sequence[str], as_json: bool) -> None:
    if as_json:
        output.object_line(record.to_dict())
        return
    facts(
        [
            ("id", safe(record.id)),
            ("split", record.split),
            ("label", class_name(record.label, classes)),
            ("prompt", safe(record.prompt)),
            ("info", safe(record.info)),
            ("group", safe(record.group)),
            ("attributes", ", ".join(f"{value:g}" for value in record.attributes)),
            ("other keys", safe(record.extra_json)),
            ("revision", f"{record.revision}, {when(record.update_time)}"),
        ]
    )
    output.line()
    for line in record.text.splitlines():
        output.line(safe(line))


def search(found: SearchResults, as_json: bool) -> None:
    figures = {"similarity": "similarity", "words": "keyword_score"}  # those that were measured
    shown = [
        title
        for title, name in figures.items()
        if any(getattr(each, name) is not None for each in found.results)
    ]
    columns = [Column(title, right=True) for title in shown]
    columns += [Column("id"), Column("split"), Column("label"), Column("document", long=True)]
    listed(
        found.results,
        columns,
        lambda each: [
            *(_figure(getattr(each, figures[title])) for title in shown),
            safe(each.id),
            each.split,
            safe(each.label_name),
            safe(each.text),
        ],
        as_json,
        f"nothing found among {found.searched:,} documents",
    )
    if found.not_embedded:
        output.note(
            f"{found.not_embedded:,} document{'s are' if found.not_embedded != 1 else ' is'} not embedded yet and not "
            "searched; each search embeds more, so ask again, and a training embeds all"
        )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def pulled(job: Job, as_json: bool) -> None:
    if as_json:
        output.object_line(job.to_dict())
    else:
        output.line(
            safe(f"{job.result.get('name', job.name)} is installed in {job.result.get('folder', '')}")
        )


def jobs(records: Iterable[Job], as_json: bool) -> None:
    columns = [Column("job"), Column("project"), Column("state"), Column("phase"), Column("done", right=True)]
    columns += [Column("started"), Column("message", long=True)]

    def row(each: Job) -> list[str]:
        amount = f"{each.done:,}/{each.total:,}" if each.total and not each.ended else ""
        said = safe(each.error or each.message)
        return [each.name, each.project, each.state, safe(each.phase), amount, when(each.create_time), said]

    listed(records, columns, row, as_json, "no jobs")


def upload(result: UploadResult, file: str, stored: bool, as_json: bool) -> None:
    """What became of the lines; the rejected ones go to stderr like a compiler's messages."""
    if as_json:
        facts = result.to_dict()
        facts["rejections"] = [{"file": file, **each} for each in facts["rejections"]]
        output.object_line({"file": file, "stored": stored, **facts})
        return
    rejections = Rejections(file)
    for rejection in result.rejections:
        rejections.add(rejection)
    # A file whose ids are row numbers takes the documents of another file along, and nobody would notice.
    moved = f" ({result.moved:,} moved out of another split)" if result.moved else ""
    counts = [("added", result.added), ("replaced" + moved, result.replaced), ("unchanged", result.unchanged)]
    counts += [
        ("rejected", result.rejected),
        ("with a text that came before (merged)", result.merged),
        ("with an id that came before (the last one stands)", result.repeated),
        ("brought their vectors", result.vectors),
    ]
    listed = ", ".join(f"{count:,} {what}" for what, count in counts if count) or "nothing"
    prefix = "" if stored else "nothing was stored; it would be: "
    output.line(f"{prefix}{result.total:,} line{'s' * (result.total != 1)}: {listed}")
    if result.kept_labels:
        kept = f"{result.kept_labels:,} document{'s keep labels' if result.kept_labels != 1 else ' keeps a label'}"
        output.note(
            f"{kept} set here since, where {file} says another one; --overwrite-labels takes the file's"
        )
    if result.splits:
        output.line("divided: " + ", ".join(f"{split} {count:,}" for split, count in result.splits.items()))
