"""Folders of the exchange formats on the client's side: what is sent, what is written, and what is refused."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from reex import AsyncClient, Client, errors, portable
from reex.v1 import classifiers_pb2, documents_pb2, interchange_pb2

CONTENT = {
    "manifest.json": b"{}",
    "weights.f32": bytes(range(256)) * 9_000,  # more than two parts
    "support.f32": b"",
    "support.jsonl": b'{"id":"a"}\n',
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "m.sdmkitmodel"
    folder.mkdir()
    for name, data in CONTENT.items():
        (folder / name).write_bytes(data)
    return folder


def parts_of(content: dict[str, bytes]) -> Iterator[interchange_pb2.ExportClassifierResponse]:
    for name, data in content.items():
        for start in range(0, max(len(data), 1), 1 << 20):
            part = interchange_pb2.FilePart(name=name, data=data[start : start + (1 << 20)])
            yield interchange_pb2.ExportClassifierResponse(part=part)


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def keeps(received: dict[str, bytes], answer: Any) -> Callable[[Iterator[Any], Any], Any]:
    """An import that keeps what came, and its first message under ''."""

    def take(requests: Iterator[Any], context: Any) -> Any:
        request = None
        for request in requests:
            received.setdefault("", request)
            assert len(request.part.data) <= 1 << 20
            if request.HasField("part"):
                received[request.part.name] = received.get(request.part.name, b"") + request.part.data
        received["complete"] = request.complete
        return answer

    return take


def test_a_folder_is_sent_whole_and_in_parts(client: Client, daemon: Any, model: Path) -> None:
    received: dict[str, Any] = {}
    answer = interchange_pb2.ImportClassifierResponse(
        classifier=classifiers_pb2.ClassifierSummary(name="v4", origin="import")
    )
    daemon.answers["ImportClassifier"] = keeps(received, answer)
    found = client.import_classifier("p", model, assume_model=True)
    first = received.pop("")
    assert received.pop("complete")
    assert (found.name, found.origin) == ("v4", "import")
    assert (first.project, first.assume_model) == ("p", True)
    assert received == CONTENT


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_export_is_written_whole(
    client: Client, daemon: Any, socket: Path, tmp_path: Path, asynchronous: bool
) -> None:
    daemon.answers["ExportClassifier"] = lambda request, context: parts_of(CONTENT)
    target = tmp_path / "deep" / "out.sdmkitmodel"

    async def export() -> Path:
        async with AsyncClient(socket) as other:
            return await other.export_classifier("p", target, "v2", with_documents=True)

    written = (
        asyncio.run(export())
        if asynchronous
        else client.export_classifier("p", target, "v2", with_documents=True)
    )
    assert written == target
    assert content_of(target) == CONTENT
    assert [each.name for each in target.parent.iterdir()] == [target.name]
    ((_, request),) = [each for each in daemon.requests if each[0] == "ExportClassifier"]
    assert (request.project, request.name, request.with_documents) == ("p", "v2", True)
    assert target.stat().st_mode & 0o777 == 0o777 & ~umask()


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_dataset_is_an_upload(client: Client, daemon: Any, socket: Path, tmp_path: Path) -> None:
    folder = tmp_path / "d.sdmdataset"
    folder.mkdir()
    for name in ("manifest.json", "rows.jsonl"):
        (folder / name).write_text("{}\n")
    answer = interchange_pb2.ImportDocumentsResponse(added=3, total=4, rejected=1, vectors=2)
    answer.rejections.append(documents_pb2.Rejection(line=2, field="document", reason="expected text"))
    received: dict[str, Any] = {}
    daemon.answers["ImportDocuments"] = keeps(received, answer)
    seen: list[Any] = []
    result = client.upload("p", folder, "train", validate_only=True, on_progress=seen.append)
    first = received.pop("")
    assert (first.project, first.split, first.validate_only) == ("p", "train", True)
    assert (result.added, result.total, result.rejected, result.vectors) == (3, 4, 1, 2)
    assert result.rejections[0].line == 2
    assert seen[-1].read_bytes == seen[-1].total_bytes == 6

    async def upload(**given: Any) -> Any:
        async with AsyncClient(socket) as other:
            return await other.upload("p", str(folder), "train", validate_only=True, **given)

    assert asyncio.run(upload()) == result
    with pytest.raises(errors.InvalidArgument, match="'jsonl' with it"):
        asyncio.run(upload(form="jsonl"))


def test_a_refusal_comes_as_what_it_is(client: Client, daemon: Any, model: Path) -> None:
    def refuse(requests: Any, context: grpc.ServicerContext) -> Any:
        next(requests)
        daemon.abort(context, grpc.StatusCode.INVALID_ARGUMENT, "weights.f32: changed", "INVALID_INPUT")

    daemon.answers["ImportClassifier"] = refuse
    with pytest.raises(errors.InvalidArgument, match=r"weights\.f32: changed"):
        client.import_classifier("p", model)


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "stranger", "no manifest"])
def test_only_regular_files_of_the_format_are_sent(client: Client, model: Path, kind: str) -> None:
    """A link in a folder from elsewhere must not carry a private file of ours away."""
    if kind == "no manifest":
        (model / "manifest.json").unlink()
    else:
        target = model / ("notes.txt" if kind == "stranger" else "calibration.jsonl")
        make = {
            "link": lambda: target.symlink_to("/etc/hostname"),
            "pipe": lambda: os.mkfifo(target),
            "folder": target.mkdir,
            "stranger": target.touch,
        }
        make[kind]()
    with pytest.raises(errors.InvalidArgument):
        client.import_classifier("p", model)


def test_a_linked_folder_is_refused(client: Client, model: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.sdmkitmodel"
    link.symlink_to(model)
    with pytest.raises(errors.InvalidArgument, match="no link"):
        client.import_classifier("p", link)
    with pytest.raises(errors.InvalidArgument, match=r"ends in \.sdmkitmodel"):
        client.import_classifier("p", tmp_path)


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "evil", ""])
def test_a_daemon_cannot_write_elsewhere(client: Client, daemon: Any, tmp_path: Path, name: str) -> None:
    daemon.answers["ExportClassifier"] = lambda request, context: parts_of({**CONTENT, name: b"x"})
    target = tmp_path / "out" / "out.sdmkitmodel"
    with pytest.raises(errors.InvalidArgument, match="match in version"):
        client.export_classifier("p", target)
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []
    assert not target.exists()


def test_an_export_that_breaks_off_leaves_nothing(client: Client, daemon: Any, tmp_path: Path) -> None:
    def breaks(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        yield from parts_of({"manifest.json": b"{}"})
        daemon.abort(context, grpc.StatusCode.NOT_FOUND, "gone", "CLASSIFIER_NOT_FOUND")

    daemon.answers["ExportClassifier"] = breaks
    with pytest.raises(errors.NotFound):
        client.export_classifier("p", tmp_path / "out.sdmkitmodel")
    assert list(tmp_path.iterdir()) == []


def test_a_cancelled_export_is_not_removed_while_it_is_given_its_name(
    daemon: Any, socket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its thread: between the two half of a folder could stand under the name of the whole."""
    begun, go_on, told = threading.Event(), threading.Event(), []
    publish, discard = portable.NewFolder.publish, portable.NewFolder.discard

    def published(self: portable.NewFolder) -> Path:
        begun.set()
        go_on.wait(60)
        found = publish(self)
        told.append("published")
        return found

    def discarded(self: portable.NewFolder) -> None:
        told.append("discarded")
        discard(self)

    monkeypatch.setattr(portable.NewFolder, "publish", published)
    monkeypatch.setattr(portable.NewFolder, "discard", discarded)
    daemon.answers["ExportClassifier"] = lambda request, context: parts_of(CONTENT)
    target = tmp_path / "out.sdmkitmodel"

    async def cancelled() -> None:
        async with AsyncClient(socket) as client:
            export = asyncio.create_task(client.export_classifier("p", target))
            await asyncio.to_thread(begun.wait, 60)
            export.cancel()
            asyncio.get_running_loop().call_later(0.2, go_on.set)
            with pytest.raises(asyncio.CancelledError):
                await export

    asyncio.run(cancelled())
    assert told == ["published", "discarded"]
    assert content_of(target) == CONTENT


def test_the_umask_of_the_process_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It belongs to all threads, and two that set it at a time could leave the wrong one."""
    before = os.umask(0o027)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "umask", lambda _: pytest.fail("the umask was set"))
            target = portable.publish(tmp_path / "out.sdmkitmodel", iter([("manifest.json", b"{}")]))
    finally:
        os.umask(before)
    assert target.stat().st_mode & 0o777 == 0o750
    assert content_of(target) == {"manifest.json": b"{}"}


def test_nothing_is_overwritten_not_even_what_came_meanwhile(tmp_path: Path) -> None:
    target = tmp_path / "out.sdmkitmodel"

    def slow() -> Iterator[portable.Part]:
        yield "manifest.json", b"{}"
        target.write_text("mine")

    with pytest.raises(errors.Conflict, match="never overwrite"):
        portable.publish(portable.free(target, portable.MODEL), slow())
    assert target.read_text() == "mine"
    assert [each.name for each in tmp_path.iterdir()] == [target.name]


def test_a_file_that_fails_in_mid_sending_is_the_error(
    client: Client, daemon: Any, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: portable.PortableFolder, size_max_bytes: int) -> Iterator[portable.Part]:
        yield "manifest.json", b"{}"
        raise OSError("the disk went away")

    monkeypatch.setattr(portable.PortableFolder, "parts", fails)
    answer = interchange_pb2.ImportClassifierResponse()
    received: dict[str, Any] = {}
    daemon.answers["ImportClassifier"] = keeps(received, answer)
    with pytest.raises(OSError, match="went away"):
        client.import_classifier("p", model)
    assert not received["complete"], "the daemon would take half a model for a whole one"
