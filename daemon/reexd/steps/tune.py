"""Tune: the phase of a training job that adapts the top layers of the language model to the project's labels.

The split is made before it and kept: what calibrates the version was seen neither by the tuning nor, in any shuffle, by
the adaptor's training. Everything the phase works on lies in a folder of the job's own, written before it begins; so a
resumed job ends in the same model, whatever happens to the documents meanwhile.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reexd.engine.client import Engine, State, TuneProgress, cached_exactly, kept_with_corpus, write_adapter
from reexd.engine.tuning import settings as tuning
from reexd.errors import InvalidSetting, NotEnoughData
from reexd.jobs import RunningJob
from reexd.records import AdapterFiles, Job, ModelFacts, Project, Role
from reexd.sdm import stratified_split
from reexd.steps import pool as pool_record
from reexd.steps.embed import Embed, read_prompt
from reexd.steps.pool import Sides
from reexd.steps.tuned import Cached, View, viewed
from reexd.store import adapters, documents, spaces
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Environment, Txn

REQUESTED = ("tune", "tune_layers", "tune_epochs")  # what a job's request says of it
BOUNDS = {"tune_layers": (1, 1_000), "tune_epochs": (1, 1_000)}
FORM = 1  # of a tuning's folder: what another program version left is made anew
_ADAPTER = "adapter"  # the changes, as workers read them, in the job's folder


@dataclass(frozen=True, eq=False)
class Tuned:
    """What the rest of the job goes on with."""

    view: View  # the project with the tuned model
    sides: Sides
    cached: Cached | None  # of the training side, where it is exact
    changes: Mapping[str, np.ndarray]


def check(requested: Mapping[str, object], *, continued: bool) -> None:
    """Raises InvalidSetting for what cannot be asked together."""
    for name, (least, most) in BOUNDS.items():
        value = requested.get(name)
        if value is None:
            continue
        if not requested.get("tune"):
            raise InvalidSetting(f"{name} belongs to a training that tunes; add --tune", name=name)
        if not isinstance(value, int) or not least <= value <= most:
            raise InvalidSetting(f"{name} lies between {least} and {most:,}; received {value}", name=name)
    if requested.get("tune") and requested.get("official"):
        raise InvalidSetting(
            "a training with --official follows the published package, which tunes nothing; leave out one of the two",
            name="tune",
        )
    if requested.get("tune") and continued:
        raise InvalidSetting(
            "a training goes on from a version over that version's hidden states, and --tune makes others; leave out"
            " --tune or --continue",
            name="tune",
        )


def check_layers(asked: int, model: str, layers: int) -> None:
    """Raises InvalidSetting for more layers than the model has."""
    if asked > layers:
        raise InvalidSetting(
            f"model {model} has {layers} layers; received tune_layers {asked}", name="tune_layers"
        )


class Tune:
    """`work` is where the folders of jobs lie that have not ended; it outlives the daemon."""

    def __init__(
        self, catalogue: Catalogue, engine: Engine, embed: Embed, work: Path, checkpoint_s: float
    ) -> None:
        self._catalogue = catalogue
        self._engine = engine
        self._embed = embed
        self._work = work
        self._checkpoint_s = checkpoint_s

    def run(self, running: RunningJob, project: Project, environment: Environment) -> Tuned:
        """From the last checkpoint. Raises NotEnoughData, InvalidSetting, JobCancelled, EngineDied."""
        started = time.monotonic()
        running.report("tune", 0, 1)
        files, facts = self._embed.model(project)
        folder = self._work / running.job.name
        read_as = {
            "form": FORM,
            "fingerprint": facts.fingerprint,
            "prompt": read_prompt(project, facts, ""),
        }
        kept = kept_with_corpus(folder)
        if kept is None or kept.facts != read_as:
            self._lay_out(project, environment, folder, running, read_as)
            kept = kept_with_corpus(folder)
        assert kept is not None
        settings = chosen(facts, kept, running.request)
        result = self._engine.tunings.run(
            files,
            folder,
            settings,
            checkpoint_s=self._checkpoint_s,
            on_progress=_Told(running).progress,
            cancel=running.cancel,
        )
        view = self._view(project, folder, result.arrays)
        _, tuned = self._embed.model(view)

        def keep(txn: Txn) -> None:
            space = spaces.find_or_create(txn, tuned.fingerprint, tuned.hidden_size)
            adapters.put(txn, space, result.arrays)

        environment.write(keep)
        report = {
            "settings": settings.to_dict(),
            "layers": facts.layers,
            "seconds": time.monotonic() - started,  # of this attempt
            **result.facts,
        }
        arrays = kept.arrays
        divided = Sides(arrays["documents"], arrays["revisions"], arrays["roles"], report)
        return Tuned(view, divided, _cached(folder, settings.layers, divided), result.arrays)

    def end(self, job: Job) -> None:
        """Remove what the job worked on."""
        shutil.rmtree(self._work / job.name, ignore_errors=True)

    def discard(self, txn: Txn) -> None:
        """Forget tuned models that neither a version nor a job under way needs."""
        adapters.sweep(txn)

    def _lay_out(
        self,
        project: Project,
        environment: Environment,
        folder: Path,
        running: RunningJob,
        read_as: dict[str, object],
    ) -> None:
        """Choose the sides, and write the training side's windows into a new folder."""
        shutil.rmtree(folder, ignore_errors=True)
        with environment.read() as txn:
            numbers = pool_record.numbers(txn, len(project.classes))
            pool_record.attributes_of(txn, project, numbers)
            states = documents.states(txn, numbers)
            found = documents.read_many(txn, numbers)
        texts = [each.text for each in found]
        roles = sides(states.labels, texts, running.request)
        training = np.flatnonzero(roles == Role.SUPPORT)
        keep = State(
            {"documents": numbers, "revisions": states.revisions, "labels": states.labels, "roles": roles},
            read_as,
        )
        files, facts = self._embed.model(project)
        folder.mkdir(mode=0o700, parents=True)
        self._engine.tunings.read(
            files,
            folder,
            [texts[at] for at in training],
            states.labels[training],
            keep,
            [read_prompt(project, facts, found[at].prompt) for at in training],
        )

    def _view(self, project: Project, folder: Path, changes: Mapping[str, np.ndarray]) -> View:
        digest = adapters.digest(changes)
        target = folder / f"{_ADAPTER}-{digest[:16]}"
        shutil.rmtree(target, ignore_errors=True)
        write_adapter(target, changes)
        return viewed(project, adapter=AdapterFiles(target, digest))


def _cached(folder: Path, layers: int, divided: Sides) -> Cached | None:
    """The cache holds the training side in the order that `_lay_out` gave it."""
    if not cached_exactly(folder):
        return None
    training = divided.roles == Role.SUPPORT
    pairs = zip(divided.documents[training].tolist(), divided.revisions[training].tolist(), strict=True)
    return Cached(folder, layers, {pair: place for place, pair in enumerate(pairs)})


def sides(labels: np.ndarray, texts: list[str], requested: Mapping[str, object]) -> np.ndarray:
    """(n,) uint8: the Role of each document. A text that trains under one id calibrates under no other.

    Raises NotEnoughData.
    """
    share = float(requested.get("training_share", tuning.TRAINING_SHARE))  # type: ignore[arg-type]
    seed = int(requested.get("seed", 0))  # type: ignore[call-overload]
    first: dict[str, int] = {}
    groups = np.array([first.setdefault(text, at) for at, text in enumerate(texts)], np.int64)
    try:
        training, _ = stratified_split(labels, share, seed, groups=groups)
    except ValueError as error:
        raise NotEnoughData(str(error)) from error
    roles = np.full(len(texts), Role.CALIBRATION, np.uint8)
    roles[training] = Role.SUPPORT
    return roles


def chosen(facts: ModelFacts, kept: State, requested: Mapping[str, object]) -> tuning.TuneSettings:
    """What one tuning is told. Raises InvalidSetting for more layers than the opened model has."""
    layers = int(requested.get("tune_layers") or tuning.layers_tuned(facts.layers, facts.parameters))  # type: ignore[call-overload]
    check_layers(layers, facts.name, facts.layers)
    rows = np.bincount(kept.arrays["labels"]).tolist()
    changes: dict[str, object] = {"seed": int(requested.get("seed", 0))}  # type: ignore[call-overload]
    if requested.get("tune_epochs"):
        changes["epochs"] = int(requested["tune_epochs"])  # type: ignore[call-overload]
    return tuning.choose(rows, layers, **changes)


class _Told:
    """Progress in documents read, with the loss of the present epoch and what the last one came to."""

    def __init__(self, running: RunningJob) -> None:
        self._running = running
        self._last = ""

    def progress(self, progress: TuneProgress) -> None:
        record = progress.record
        if record and record["held_loss"] is not None:
            self._last = (
                f"; after epoch {record['epoch']} held-out loss {record['held_loss']:.4f},"
                f" accuracy {record['held_accuracy']:.3f}"
            )
        now = f"epoch {progress.epoch}: training loss {progress.training_loss:.4f}"
        message = "lower layers" if not progress.epoch else f"{now}{self._last}"
        self._running.report("tune", progress.done, progress.total, message)
