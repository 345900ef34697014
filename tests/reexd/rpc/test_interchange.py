"""Folders that come in over the wire: what is refused before it is believed, and that nothing of it stays behind."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from reex.v1 import interchange_pb2, interchange_pb2_grpc

MODEL = Path(__file__).parents[1] / "interchange" / "official" / "trained_here_8" / "model.sdmkitmodel"
CLASSES = ["first", "second", "third"]
Parts = Iterable[tuple[str, bytes]]


class Small:
    """A daemon that takes at most 1 MiB, and a client that sends it parts of files as they are."""

    def __init__(self, daemon: Any, stub: interchange_pb2_grpc.InterchangeServiceStub) -> None:
        self.daemon = daemon
        self._stub = stub

    def send(
        self, parts: Parts, project: str = "p", *, complete: bool = True
    ) -> interchange_pb2.ImportClassifierResponse:
        message, part = interchange_pb2.ImportClassifierRequest, interchange_pb2.FilePart

        def requests() -> Iterator[interchange_pb2.ImportClassifierRequest]:
            for name, data in parts:
                yield message(project=project, part=part(name=name, data=data))
            if complete:
                yield message(project=project, complete=True)

        return self._stub.ImportClassifier(requests(), timeout=60)

    def refused(self, parts: Parts, project: str = "p", *, complete: bool = True) -> grpc.RpcError:
        """The refusal, after which nothing is left and no version was made."""
        with pytest.raises(grpc.RpcError) as caught:
            self.send(parts, project, complete=complete)
        assert self.staged() == []
        assert list(self.daemon.client.list_classifiers("p")) == []
        return caught.value

    def staged(self) -> list[Path]:
        scratch = self.daemon.location.cache / "scratch" / "exchange"
        return list(scratch.iterdir()) if scratch.exists() else []


@pytest.fixture(scope="module")
def small(daemons, models_folder) -> Iterator[Small]:
    with daemons.Daemon(
        models_folder, exchange_size_max_bytes=str(1 << 20), document_size_max_bytes="4096"
    ) as daemon:
        daemon.client.create_project("p", CLASSES, model="tiny")
        with grpc.insecure_channel(daemon.target) as channel:
            yield Small(daemon, interchange_pb2_grpc.InterchangeServiceStub(channel))


@pytest.fixture
def files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(MODEL.iterdir())}


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/passwd", "manifest.json/..", ".", "", "weights.f32\0", "extra.bin", "MANIFEST.JSON"],
)
def test_a_name_that_is_not_the_format_s_reaches_no_disk(small, files, name):
    error = small.refused([*files.items(), (name, b"x")])
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "and no other" in error.details()


def test_a_bomb_is_cut_off_at_the_limit(small):
    sent = []

    def endless() -> Iterator[tuple[str, bytes]]:
        while len(sent) < 10_000:
            sent.append(1)
            yield "support.f32", bytes(1 << 13)

    error = small.refused(endless())
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "exchange_size_max_bytes" in error.details()
    assert len(sent) < 10_000, "the stream went on after it was refused"


def test_a_file_comes_once(small, files):
    (first, data), *others = files.items()
    error = small.refused([(first, data), *others, (first, data)])
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "once" in error.details()


@pytest.mark.parametrize(
    "missing", ["manifest.json", "weights.f32", "support.f32", "support.jsonl", "calibration.jsonl"]
)
def test_a_file_that_is_missing_is_named(small, files, missing):
    del files[missing]
    error = small.refused(files.items())
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert missing in error.details()


def test_one_byte_that_changed_is_noticed(small, files):
    for name in ("weights.f32", "support.jsonl", "calibration.jsonl"):
        data = bytearray(files[name])
        data[len(data) // 2] ^= 1
        error = small.refused((files | {name: bytes(data)}).items())
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert name in error.details()


def test_a_manifest_that_leads_elsewhere_is_refused(small, files):
    manifest = json.loads(files["manifest.json"])
    for place, key in (("weights", "file"), ("support", "vectorsFile")):
        changed = json.loads(files["manifest.json"])
        changed[place][key] = "../../reexd.lock"
        error = small.refused((files | {"manifest.json": json.dumps(changed).encode()}).items())
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "nothing else is part of this format" in error.details()
    assert manifest["weights"]["file"] == "weights.f32"


def test_what_scores_differently_here_is_refused(small, files):
    manifest = json.loads(files["manifest.json"])
    manifest["configuration"]["qOffset"] = 2.5
    error = small.refused((files | {"manifest.json": json.dumps(manifest).encode()}).items())
    assert "qOffset" in error.details()


def test_a_text_longer_than_any_document_is_refused(small, files):
    """It would come with every answer that is near it."""
    manifest = json.loads(files["manifest.json"])
    lines = [json.loads(line) for line in files["support.jsonl"].splitlines()]
    lines[7]["document"] = "x" * 5_000
    changed = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    del manifest["checksums"]
    sent = files | {"manifest.json": json.dumps(manifest).encode(), "support.jsonl": changed}
    error = small.refused(sent.items())
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert lines[7]["id"] in error.details()
    assert "document_size_max_bytes" in error.details()


def test_a_stream_that_says_nothing_or_breaks_off_leaves_nothing(small, files):
    assert small.refused([]).code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "complete" in small.refused(files.items(), complete=False).details()
    assert small.refused(files.items(), project="absent").code() is grpc.StatusCode.NOT_FOUND

    def breaks() -> Iterator[tuple[str, bytes]]:
        yield "manifest.json", files["manifest.json"]
        raise OSError("the disk went away")

    with pytest.raises(grpc.RpcError):
        small.send(breaks())
    for _ in range(200):  # the daemon hears of it a moment later
        if not small.staged():
            break
        small.daemon.client.server_info()
    assert small.staged() == []


def test_after_all_that_it_imports(small, files):
    halves = [
        (name, half)
        for name, data in files.items()
        for half in (data[: len(data) // 2], data[len(data) // 2 :], b"")
    ]
    assert small.send(halves).classifier.origin == "import"
    assert small.staged() == []
    small.daemon.client.delete_project("p")
    small.daemon.client.create_project("p", CLASSES, model="tiny")
