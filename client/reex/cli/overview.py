"""How the daemon at a glance and what a training made are shown: splits, the live version, its regions or why none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reex.cli import output, views
from reex.cli.output import Column, safe

if TYPE_CHECKING:
    from reex import Client
    from reex.status import ProjectStatus, ServerInfo, Status
    from reex.types import Job
    from reex.versions import ClassifierSummary, Undone

# After a training, and of each project in a list of several; `status NAME` shows all.
WARNINGS_SHOWN = 4
_NAMES_SHOWN = 10
_TRAINED = ("train", "calibration")  # the splits that a training uses
_ORIGINS = {
    "add": "added to",
    "continue": "continues",
    "import": "imported",
    "recalibrate": "recalibrated from",
    "train": "",
}


def ended(client: Client, job: Job) -> None:
    """A job that succeeded: for a training, the version, its regions, and why any is missing."""
    if job.kind != "train":
        views.pulled(job, False)
        return
    (found,) = client.status(job.project).projects
    if found.classifier is None:
        output.line(f"{job.name} succeeded")
        return
    _classifier(found.classifier, job.project, WARNINGS_SHOWN)
    durations = job.result.get("durations", {})
    spent = ", ".join(f"{name.removesuffix('_s')} {value:.1f} s" for name, value in durations.items())
    if spent:
        output.line(f"  time       {spent}")
    output.note(f'next: {_measured(found)}    reexctl query {job.project} "TEXT"')


def _measured(found: ProjectStatus) -> str:
    """How to see what a version is worth: on documents with labels that it never used, once there are some."""
    held = [
        split.split
        for split in found.splits
        if split.split not in _TRAINED and any(each.label >= 0 for each in split.labels)
    ]
    if not held:
        return f"reexctl upload {found.project.name} FILE --split test"
    return f"reexctl evaluate {found.project.name} --split {'test' if 'test' in held else held[0]}"


def _confidence(record: Mapping[str, Any]) -> None:
    """On how many documents the probability rests, which classes no prediction set can exclude, and which can only
    together."""
    if "probability_documents" not in record:
        return
    said = f"fitted to {record['probability_documents']:,} documents that were not trained on"
    if always := record.get("set_uncalibrated_classes"):
        said += (
            f"; too few of {_some(always)} to leave them out of a set at coverage {record['set_coverage']:g}"
        )
    if shared := record.get("set_shared_classes"):
        said += f"; few of {_some(shared)}, whose sets keep their coverage together, not each"
    output.line(f"  probable   {said}")


def _some(names: Sequence[str]) -> str:
    return safe(", ".join(names[:_NAMES_SHOWN]) + (", ..." if len(names) > _NAMES_SHOWN else ""))


def _classifier(found: ClassifierSummary, project_name: str, warnings_shown: int | None) -> None:
    record = found.training
    title = "live" if found.live else "version"
    made = f"{_ORIGINS.get(found.origin, safe(found.origin))} {found.parent}".strip()
    facts = [found.name, views.when(found.create_time)]
    read = ", ".join(filter(None, [safe(found.pooling), views.prefixes(found.document_prefix)]))
    read = f" ({read})" if read else ""
    facts += [f"model {safe(found.model)}{read}" if found.model else "vectors of no model here"]
    output.line(f"  {title:<9}  {', '.join([*facts, *filter(None, [made])])}")
    output.line(f"  documents  {found.support_count:,} support, {found.calibration_count:,} calibration")
    best = (record.get("history") or [{}])[record.get("best_epoch", 0) - 1]
    if "balanced_calibration_accuracy" in best:
        kept = "the regression" if "regression_strength" in best else f"epoch {record['best_epoch']}"
        output.line(
            f"  accuracy   {output.percent(best['balanced_calibration_accuracy'])} balanced on calibration, "
            f"{kept} of shuffle {record['shuffle']} of {len(record['shuffle_losses'])}"
        )
    _tuning(record)
    _spread(record)
    if found.ensemble_size:
        output.line(f"  ensemble   {found.ensemble_size} members: answers say what all of them admit")
    for region in record.get("regions", []):
        interval = region.get("calibration_interval")
        bounds = f" ({output.percent(interval[0])} to {output.percent(interval[1])})" if interval else ""
        output.line(
            f"  region     alpha {region['alpha']:g}: {region['calibration_admitted']:,} calibration documents, "
            f"{output.percent(region['calibration_accuracy'])} right{bounds}"
        )
    _confidence(record)
    if not found.regions:
        output.styled("  NO RELIABILITY REGION: every answer of this version is rejected", "bold red")
    for warning in found.warnings[:warnings_shown]:
        output.styled(f"  warning    {safe(warning)}", "yellow")
    left = len(found.warnings[warnings_shown:]) if warnings_shown is not None else 0
    if left:
        output.line(f"             and {left} more: reexctl status {project_name}")
    if found.added_since_calibration:
        output.line(
            f"  added      {found.added_since_calibration:,} to the support since its calibration, which follows with: "
            f"reexctl recalibrate {project_name}"
        )
    if found.stale:
        output.styled(
            f"  stale      {safe(found.stale)}; train again: reexctl train {project_name}", "yellow"
        )
    if found.unused_count:
        output.line(f"  unused     {found.unused_count:,} documents were added since")


def _tuning(record: Mapping[str, Any]) -> None:
    """What was tuned of the language model; nothing where it was left as it is."""
    tuning = record.get("tuning")
    if not tuning:
        return
    best = tuning["history"][tuning["best_epoch"] - 1]
    layers = f"top {tuning['settings']['layers']} of {tuning['layers']} layers"
    accuracy = f"{output.percent(best['held_accuracy'])} balanced on {tuning['held_out']:,} held out"
    epoch = f"epoch {tuning['best_epoch']} of {len(tuning['history'])}"
    output.line(f"  tuned      {layers} on {tuning['tuned_on']:,} documents: {accuracy}, {epoch}")


def _spread(record: Mapping[str, Any]) -> None:
    """How far the shuffles lie apart, and why one was kept; nothing where there is one only."""
    spread = record.get("spread")
    if not spread or len(record["shuffles"]) < 2:
        return
    accuracy, highest = spread["balanced_calibration_accuracy"], spread["highest_alpha"]
    parts = [f"accuracy {output.percent(accuracy['min'])} to {output.percent(accuracy['max'])}"]
    parts.append(f"highest region {highest['min']:g} to {highest['max']:g}")
    rung = next((each for each in spread["admitted"] if each["max"] > 0), None)
    if rung:
        shares = " to ".join(output.percent(rung[name]) for name in ("min", "max"))
        parts.append(f"admitted at {rung['alpha']:g} {shares}")
    output.line(f"  shuffles   {', '.join(parts)}")
    output.line(f"  chosen     shuffle {record['chosen']['shuffle']}: {safe(record['chosen']['reason'])}")


def version(found: ClassifierSummary, project_name: str, as_json: bool) -> None:
    """One version, with all its warnings."""
    if as_json:
        output.object_line(found.to_dict())
    else:
        _classifier(found, project_name, None)


def made(found: ClassifierSummary, project_name: str, as_json: bool) -> None:
    """A version that was just derived from another, and the way back."""
    if as_json:
        output.object_line(found.to_dict())
        return
    if found.origin == "add":
        count = len(found.training.get("added", ()))
        output.line(
            f"{found.name} is live: {count:,} document{'s' * (count != 1)} joined the support of {found.parent}, "
            f"which holds {found.support_count:,} now"
        )
        output.note(f"to undo: reexctl add {project_name} --undo")
        return
    _classifier(found, project_name, WARNINGS_SHOWN)
    output.note(f"to undo: reexctl classifiers use {project_name} {found.parent}")


def undone(found: Undone, as_json: bool) -> None:
    """An `add` that was taken back, and the documents that stay as somebody edited them."""
    if as_json:
        output.object_line(found.to_dict())
        return
    count, kept = found.restored_count, found.kept_ids
    what = "1 document has its" if count == 1 else f"{count:,} documents have their"
    output.line(f"{found.classifier.name} is live again; {what} former label and split")
    if kept:
        named = _some(kept)
        output.note(f"edited since and left as they are: {safe(named)}")


def imported(found: ClassifierSummary, project_name: str, as_json: bool) -> None:
    """A version that was just imported, and how it gets to answer."""
    if as_json:
        output.object_line(found.to_dict())
        return
    _classifier(found, project_name, WARNINGS_SHOWN)
    if not found.live:
        output.note(f"to let it answer: reexctl classifiers use {project_name} {found.name}")


def _kinds(found: ClassifierSummary) -> str:
    """What sets a version apart from a plain training."""
    said = ["tuned"] * found.tuned + ["official"] * found.official
    return ", ".join(said + [f"{found.ensemble_size} members"] * (found.ensemble_size > 0))


def versions(found: Iterable[ClassifierSummary], project_name: str, as_json: bool) -> None:
    columns = [Column("version"), Column("live"), Column("made"), Column("by"), Column("support", right=True)]
    columns += [Column("calibration", right=True), Column("regions"), Column("stale", long=True)]

    def row(each: ClassifierSummary) -> list[str]:
        by = f"{each.origin} {each.parent}" if each.parent else each.origin
        by += f" ({kinds})" if (kinds := _kinds(each)) else ""
        alphas = ", ".join(f"{region.alpha:g}" for region in each.regions) or "none"
        counts = [f"{each.support_count:,}", f"{each.calibration_count:,}"]
        made = views.when(each.create_time)
        return [each.name, "live" if each.live else "", made, safe(by), *counts, alphas, safe(each.stale)]

    views.listed(found, columns, row, as_json, f"nothing trained yet; train: reexctl train {project_name}")


def status(found: Status, server: ServerInfo, as_json: bool) -> None:
    if as_json:
        output.object_line({"server": server.to_dict(), **found.to_dict()})
        return
    engine = found.engine
    busy = sum(worker.state == "busy" for worker in engine.workers)
    memory = output.size(sum(worker.memory_bytes for worker in engine.workers))
    output.line(
        f"daemon {server.version}, pid {server.pid}, since {views.when(server.start_time)}, {server.home}"
    )
    output.line(
        f"engine {engine.backend}, {len(engine.workers)} workers, {busy} busy, {memory}; {safe(engine.blas)}"
    )
    for model in engine.models:
        idle = output.duration(model.idle_s)
        output.line(
            f"model  {safe(model.name)}, {output.size(model.size_bytes)} in a worker, unused for {idle}"
        )
    for warning in found.warnings:
        output.styled(f"warning: {safe(warning)}", "yellow")
    for each in found.projects:
        output.line()
        _project_status(each, warnings_shown=None if len(found.projects) == 1 else WARNINGS_SHOWN)
    if found.jobs:
        output.line()
        views.jobs(found.jobs, False)
    if not found.projects:
        output.note("no projects; create one: reexctl project create NAME --classes A,B")


def _project_status(each: ProjectStatus, warnings_shown: int | None) -> None:
    project = each.project
    output.styled(f"{project.name}  {_some(project.classes)}", "bold")
    if each.problem:
        output.styled(f"  {safe(each.problem)}", "bold red")
        return
    width = max([10, *(len(split.split) for split in each.splits)])
    for split in each.splits:
        shares = f": {views.shares(split, _NAMES_SHOWN)}" if split.documents else ""
        left = len(split.labels) - _NAMES_SHOWN
        more = f", and {left:,} more: reexctl split summary {project.name}" if left > 0 else ""
        output.line(f"  {split.split:<{width}} {split.documents:,}{shares}{more}")
    if each.classifier is None:
        output.line("  live       nothing trained yet")
    else:
        _classifier(each.classifier, project.name, warnings_shown)
    kept = f"{each.version_count} version{'s' * (each.version_count != 1)} kept"
    size = output.size(each.store_size_bytes)
    output.line(f"  store      {kept}, {each.embedded_count:,} texts embedded, {size}")
