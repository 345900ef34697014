"""Train: the job that embeds what is missing, fits the adaptor, calibrates, and makes a new version live.

The store is the only hand-over between phases. The pool is frozen once everything in it is embedded: from there on
the job's checkpoint says which documents, revisions and rows it works on, so that a resumed job ends in the same
classifier as an uninterrupted one, whatever happens to the documents meanwhile.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from reexd.engine.adaptor.settings import ROWS_PER_CLASS_MIN, FitSettings, choose, official
from reexd.engine.client import Engine
from reexd.engine.tuning.settings import TRAINING_SHARE
from reexd.errors import InvalidSetting, NotEnoughData, StoreCorrupt
from reexd.jobs import JobQueue, RunningJob
from reexd.records import CALIBRATION, TRAIN, Classifier, Job, Project
from reexd.registry import Registry
from reexd.steps import attribute_scale, continuation, ensemble, tune
from reexd.steps import pool as pool_record
from reexd.steps.calibrate import Calibrate
from reexd.steps.classifiers import version_of
from reexd.steps.embed import Embed
from reexd.steps.fit import Fit
from reexd.steps.pool import Pool
from reexd.steps.tune import Tune, Tuned
from reexd.store import adapters, classifiers, documents, spaces, splits
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Environment, Txn
from reexd.store.spaces import Space

ROUNDS_ALIKE_MAX = 3
PARENT = "continue_from"  # of a job's request: the name of the version it goes on from

BOUNDS = {
    "epochs": (1, 10_000),
    "shuffles": (1, 100),
    "batch_size": (1, 65_536),
    "exemplar_size": (1, 4_096),
    "patience": (0, 10_000),
}


class Train:
    def __init__(
        self,
        catalogue: Catalogue,
        engine: Engine,
        embed: Embed,
        registry: Registry,
        work: Path,
        checkpoint_s: float,
    ) -> None:
        """`work`: where a tuning keeps what it works on until its job has ended, over restarts of the daemon."""
        self._catalogue = catalogue
        self._embed = embed
        self._registry = registry
        self._tune = Tune(catalogue, engine, embed, work, checkpoint_s)
        self._fit = Fit(engine, checkpoint_s)
        self._calibrate = Calibrate()
        self._jobs: JobQueue | None = None

    def attach(self, jobs: JobQueue) -> None:
        """The queue takes this step's runner, and this step submits to the queue: the root ties the knot."""
        self._jobs = jobs

    def submit(self, project: str, settings: Mapping[str, object], continue_from: str | None = None) -> Job:
        """Check what can be checked at once, then queue. `continue_from` is a version's name, empty for the live one.

        Raises ModelMissing, NotEnoughData, InvalidSetting, ProjectBusy; ClassifierNotFound, NotTrained, Unready.
        """
        assert self._jobs is not None
        record = self._catalogue.get(project)
        self._registry.find(record.model)
        with self._catalogue.open(project).read() as txn:
            counts = [splits.summary(txn).get(name, {}) for name in (TRAIN, CALIBRATION)]
            parent = None if continue_from is None else version_of(txn, project, continue_from)
            if parent is not None:
                numbers = pool_record.numbers(txn, len(record.classes))
                continuation.check(txn, record, parent, numbers, settings.get("exemplar_size"))
        tune.check(settings, continued=parent is not None)
        self._check_layers(record.model, settings.get("tune_layers"))
        rows = [sum(count.get(label, 0) for count in counts) for label in range(len(record.classes))]
        fit_settings(record, rows, settings)
        request = dict(settings)
        if parent is not None:
            request |= {
                PARENT: parent.name,
                "exemplar_size": parent.exemplar_size,
                "calibrated_scale": False,  # the parent's logits have theirs, and training goes on from there
                **_bias_of(parent, settings),
            }
        return self._jobs.submit("train", project, request)

    def _check_layers(self, model: str, asked: object) -> None:
        """As the model's files say it; where they do not, the job finds out when the model is opened."""
        layers = self._registry.describe(model).facts.layers if asked else 0
        if layers:
            tune.check_layers(asked, model, layers)

    def run(self, running: RunningJob) -> dict:
        """The runner of training jobs: embed, fit, calibrate."""
        started = time.monotonic()
        project = self._catalogue.get(running.job.project)
        environment = self._catalogue.open(project.name)
        if (written := _written_by(environment, running.job)) is not None:
            self._tune.end(running.job)
            return _result(written)  # a crash came between the version and the end of the job's record
        pool = pool_record.load(environment, running.job.number)
        if pool is None:
            pool = self._embed_and_freeze(running, self._embed.with_defaults(project), environment)
        project = replace(project, **pool.read_with)  # it may have changed since a resumed job began
        embedded = time.monotonic()
        with environment.read() as txn:
            space = spaces.get(txn, pool.space)
            features = pool_record.features(txn, space, pool)
        counts = np.bincount(pool.labels, minlength=len(project.classes)).tolist()
        settings = fit_settings(project, counts, running.request)
        best = self._fit.run(running, environment, features, pool, settings)
        fitted = time.monotonic()
        running.report("calibrate", 0, 1)
        durations = {"embed_s": embedded - started, "fit_s": fitted - embedded}
        if pool.sides is not None:
            tuned_s = min(pool.sides.report["seconds"], embedded - started)
            durations = {"tune_s": tuned_s, **durations, "embed_s": embedded - started - tuned_s}
        record = self._calibrate.run(
            project,
            environment,
            space,
            pool,
            settings,
            best,
            job=running.job.name,
            durations=durations,
            close=lambda txn: pool_record.forget(txn, space, pool, running.job.number),
            together=bool(running.request.get(ensemble.SETTING)),
            warnings=attribute_scale.warnings(features, pool.attributes.shape[1]),
        )
        self._tune.end(running.job)
        return _result(record)

    def discard(self, job: Job) -> None:
        """Drop the checkpoints of a job that will not go on, and unpin the rows of its pool."""
        self._tune.end(job)
        environment = self._catalogue.open(job.project)
        pool = pool_record.load(environment, job.number)
        if pool is not None:
            environment.write(
                lambda txn: pool_record.forget(txn, spaces.get(txn, pool.space), pool, job.number)
            )
        environment.write(self._tune.discard)

    def _embed_and_freeze(self, running: RunningJob, project: Project, environment: Environment) -> Pool:
        """Embed the pool, then everything else of the project; freeze what the pool is then."""
        parent, project = self._check_parent(running, project, environment)
        tuned = self._tune.run(running, project, environment) if running.request.get("tune") else None
        project = project if tuned is None else tuned.view
        pool = self._embed_pool(running, project, environment, parent, tuned)
        with environment.read() as txn:
            rest = np.setdiff1d(documents.numbers(txn), pool.documents)
        base, total = len(pool.documents), len(pool.documents) + len(rest)
        self._embed.documents(
            project,
            rest,
            cancel=running.cancel,
            progress=lambda done: running.report("embed", base + done, total),
        )
        return pool

    def _check_parent(
        self, running: RunningJob, project: Project, environment: Environment
    ) -> tuple[int | None, Project]:
        """The version that the job continues, if it does, and the project with its language model as that version's.

        Raises ClassifierNotFound, Unready.
        """
        name = running.request.get(PARENT)
        if name is None:
            return None, project
        with environment.read() as txn:
            record = version_of(txn, project.name, name)
            numbers = pool_record.numbers(txn, len(project.classes))
            continuation.check(txn, project, record, numbers, None)
        view = self._embed.tuned_as(project, record)
        continuation.check_representation(view, record, self._embed.model(view)[1])
        return record.version, view

    def _embed_pool(
        self,
        running: RunningJob,
        project: Project,
        environment: Environment,
        parent: int | None,
        tuned: Tuned | None,
    ) -> Pool:
        """Rounds until nothing in the pool lacks a hidden state: documents may change while others are read.

        Raises StoreCorrupt where none has changed for some rounds, and there is still one without.
        """
        seen: list[int] = []  # the documents' generation at the beginning of each round
        while True:
            with environment.read() as txn:
                seen.append(documents.generation(txn))
                numbers = pool_record.numbers(txn, len(project.classes))
                total = len(documents.numbers(txn))
            self._embed.documents(
                project,
                numbers,
                cached=tuned.cached if tuned is not None else None,
                cancel=running.cancel,
                progress=lambda done, total=total: running.report("embed", done, total),
            )
            space = self._embed.space(project)
            number = running.job.number

            def work(txn: Txn, space: Space = space, number: int = number) -> Pool | None:
                if tuned is None:
                    return pool_record.freeze(txn, space, project, number, parent)
                adapters.put(txn, space, tuned.changes)  # deleting a version may have dropped it meanwhile
                return pool_record.freeze(txn, space, project, number, sides=tuned.sides)

            pool = environment.write(work)
            if pool is not None:
                return pool
            if len(seen) > ROUNDS_ALIKE_MAX and len(set(seen[-ROUNDS_ALIKE_MAX:])) == 1:
                raise StoreCorrupt(
                    f"a split of project {project.name!r} lists a document that is not stored; the store is damaged."
                    " Restore the project from a backup",
                    project=project.name,
                )


def _bias_of(parent: Classifier, requested: Mapping[str, object]) -> dict[str, object]:
    """Over the states of a tuned model the bias stays the calibration documents'; the package knows no such thing."""
    told = json.loads(parent.training_json).get("settings", {})
    calibrated = bool(told.get("calibrated_bias")) and not requested.get("official")
    return {"calibrated_bias": True} if calibrated else {}


def _written_by(environment: Environment, job: Job) -> Classifier | None:
    """The version that an earlier attempt of the job has written, live or not."""
    with environment.read() as txn:
        records = classifiers.listed(txn)
    return next((each for each in records if json.loads(each.training_json).get("job") == job.name), None)


def _result(record: Classifier) -> dict:
    report = json.loads(record.training_json)
    del report["history"]  # curves are read from the version
    return {"version": record.name, **report}


def fit_settings(project: Project, class_rows: list[int], requested: Mapping[str, object]) -> FitSettings:
    """The settings of one training: what was asked for, and what the data's size suggests for the rest.

    Raises InvalidSetting, NotEnoughData.
    """
    changes = {
        name: value
        for name, value in requested.items()
        if name not in ("official", ensemble.SETTING, PARENT, *tune.REQUESTED)
    }
    if requested.get("tune"):
        changes.setdefault("training_share", TRAINING_SHARE)
    for name, (least, most) in BOUNDS.items():
        value = changes.get(name)
        if value is not None and not least <= value <= most:
            raise InvalidSetting(f"{name} lies between {least} and {most:,}; received {value}", name=name)
    _check_counts(project, class_rows)
    following = requested.get("official")
    settings = (
        official(len(project.classes), **changes)
        if following
        else choose(class_rows, tuned=bool(requested.get("tune")), **changes)
    )
    if requested.get(ensemble.SETTING):
        ensemble.check(settings.shuffles)
    return settings


def _check_counts(project: Project, class_rows: list[int]) -> None:
    """Raises NotEnoughData when a class has too few documents to train on one and calibrate on another."""
    short = [
        (name, rows)
        for name, rows in zip(project.classes, class_rows, strict=True)
        if rows < ROWS_PER_CLASS_MIN
    ]
    if not short:
        return
    absent = [name for name, rows in short if rows == 0]
    named = absent or [name for name, _ in short]
    listed = ", ".join(named[:5]) + (" and others" if len(named) > 5 else "")
    need = f"every class needs at least {ROWS_PER_CLASS_MIN} labelled documents in train and calibration together"
    if absent:
        advice = "label some, or make a project without such classes, for classes are never removed"
        raise NotEnoughData(f"{need}; there are none of {listed}: {advice}", project=project.name)
    raise NotEnoughData(f"{need}; there is 1 of {listed}", project=project.name)
