"""Classifiers: the versions of a project: show, list, switch, delete. Owns what is said of a version and its name."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from reexd.errors import ClassifierNotFound, InvalidName
from reexd.records import Classifier
from reexd.steps.staleness import Staleness
from reexd.store import adapters, classifiers
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Txn

NAME = re.compile(r"v([1-9][0-9]{0,8})")


@dataclass(frozen=True)
class Origin:
    """What made a version, and from which one: a name, empty for one that was trained anew or imported."""

    made_by: str  # train | continue | add | recalibrate | import
    parent: str


def origin_of(report: Mapping[str, object]) -> Origin:
    """As a training record says it."""
    return Origin(str(report.get("origin", "train")), str(report.get("parent", "")))


@dataclass(frozen=True)
class ClassifierStatus:
    record: Classifier
    live: bool
    support_count: int
    calibration_count: int
    tuned: bool  # its language model, by it or by the version that it was made from
    stale: str
    unused_count: int
    report: dict  # the training record, parsed

    @property
    def warnings(self) -> list[str]:
        return self.report.get("warnings", [])

    @property
    def origin(self) -> Origin:
        return origin_of(self.report)

    @property
    def ensemble_size(self) -> int:
        """Members, the version itself included; 0 without an ensemble."""
        return self.report.get("ensemble_size", 0)

    @property
    def official(self) -> bool:
        """Trained as the package trains: its halves alone are not stratified. What was imported says so itself."""
        return "imported" not in self.report and self.report.get("settings", {}).get("stratified") is False

    @property
    def added_since_calibration(self) -> int:
        return self.report.get("added_since_calibration", 0)


class Classifiers:
    def __init__(self, catalogue: Catalogue, staleness: Staleness) -> None:
        self._catalogue = catalogue
        self._staleness = staleness

    def get(self, project: str, name: str = "") -> ClassifierStatus:
        """A version, or the live one. Raises InvalidName, ClassifierNotFound, NotTrained."""
        with self._catalogue.open(project).read() as txn:
            record = version_of(txn, project, name)
        return self.status(project, record)

    def list(self, project: str, before: int, limit: int) -> list[ClassifierStatus]:
        """Newest first, numbers below `before`; 0 begins with the newest."""
        with self._catalogue.open(project).read() as txn:
            records = classifiers.listed(txn)[::-1]
        found = []
        for record in [each for each in records if not before or each.version < before][:limit]:
            with contextlib.suppress(ClassifierNotFound):  # deleted meanwhile
                found.append(self.status(project, record))
        return found

    def use(self, project: str, name: str) -> ClassifierStatus:
        """Make a version live: whoever asks next is answered by it. Raises InvalidName, ClassifierNotFound."""
        version = number_of(name)
        self._catalogue.open(project).write(lambda txn: classifiers.set_live(txn, version))
        return self.get(project, name)

    def delete(self, project: str, name: str) -> None:
        """With its predictions. Raises InvalidName, ClassifierNotFound, and Conflict for the live one."""
        version = number_of(name)
        self._catalogue.open(project).write(lambda txn: classifiers.delete(txn, version))

    def status(self, project: str, record: Classifier) -> ClassifierStatus:
        """What there is to say of a version now. Raises ClassifierNotFound when it was deleted meanwhile."""
        with self._catalogue.open(project).read() as txn:
            live = classifiers.live(txn)
            support = classifiers.array(txn, record.version, "support_labels")
            calibration = classifiers.array(txn, record.version, "calibration_labels")
            tuned = adapters.find(txn, record.space) is not None
        staleness = self._staleness.report(project, record.version)
        return ClassifierStatus(
            record,
            live=record.version == live,
            support_count=len(support),
            calibration_count=len(calibration),
            tuned=tuned,
            stale=staleness.reason,
            unused_count=staleness.unused_count,
            report=json.loads(record.training_json),
        )


def version_of(txn: Txn, project: str, name: str) -> Classifier:
    """A version, or with an empty name the live one. Raises InvalidName, ClassifierNotFound, NotTrained."""
    return classifiers.get(txn, number_of(name)) if name else classifiers.live_classifier(txn, project)


def number_of(name: str) -> int:
    """The number in a version's name. Raises InvalidName."""
    matched = NAME.fullmatch(name)
    if matched is None:
        raise InvalidName(f"a version is named like v3; received {name!r}; see `reexctl classifiers list`")
    return int(matched[1])
