"""Internal errors to statuses, in one table, and the interceptor that applies it to every call.

Every refusal carries one google.rpc.ErrorInfo: the reason, the domain, and the metadata a program needs.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from reexd import errors

logger = logging.getLogger(__name__)

DOMAIN = "reex"
# Characters: a refusal repeats what was sent, and trailing metadata must stay below the 8 KiB that peers allow.
METADATA_VALUE_MAX = 256
MESSAGE_MAX = 1_000

STATUSES: dict[type[errors.ReexError], grpc.StatusCode] = {
    errors.InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    errors.InvalidName: grpc.StatusCode.INVALID_ARGUMENT,
    errors.InvalidLabel: grpc.StatusCode.INVALID_ARGUMENT,
    errors.InvalidDocument: grpc.StatusCode.INVALID_ARGUMENT,
    errors.InvalidSetting: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.ProjectNotFound: grpc.StatusCode.NOT_FOUND,
    errors.DocumentNotFound: grpc.StatusCode.NOT_FOUND,
    errors.SplitNotFound: grpc.StatusCode.NOT_FOUND,
    errors.ClassifierNotFound: grpc.StatusCode.NOT_FOUND,
    errors.ModelNotFound: grpc.StatusCode.NOT_FOUND,
    errors.JobNotFound: grpc.StatusCode.NOT_FOUND,
    errors.Conflict: grpc.StatusCode.ALREADY_EXISTS,
    errors.ProjectExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.ProjectBusy: grpc.StatusCode.ALREADY_EXISTS,
    errors.DaemonRunning: grpc.StatusCode.ALREADY_EXISTS,
    errors.Unready: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ModelMissing: grpc.StatusCode.FAILED_PRECONDITION,
    errors.NotTrained: grpc.StatusCode.FAILED_PRECONDITION,
    errors.NotEnoughData: grpc.StatusCode.FAILED_PRECONDITION,
    errors.StoreTooNew: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Exhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.StorageFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.ModelTooLarge: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.QueueFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.JobCancelled: grpc.StatusCode.CANCELLED,
    errors.EngineDied: grpc.StatusCode.UNAVAILABLE,
    errors.DaemonStopping: grpc.StatusCode.UNAVAILABLE,
    errors.StoreCorrupt: grpc.StatusCode.DATA_LOSS,
    errors.ModelCorrupt: grpc.StatusCode.DATA_LOSS,
    errors.SourceUnreachable: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ReexError: grpc.StatusCode.INTERNAL,
}


def to_status(error: errors.ReexError) -> status_pb2.Status:
    """The rich status of a declared error."""
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN)
    for key, value in error.metadata.items():
        info.metadata[key] = value[:METADATA_VALUE_MAX]
    detail = any_pb2.Any()
    detail.Pack(info)
    message = error.message
    if len(message) > MESSAGE_MAX:
        message = f"{message[:MESSAGE_MAX]}... ({len(message):,} characters)"
    code = STATUSES[type(error)].value[0]
    return status_pb2.Status(code=code, message=message, details=[detail])


async def _refuse(context: grpc.aio.ServicerContext, error: Exception, method: str) -> None:
    if isinstance(error, DecodeError):
        error = errors.InvalidInput(f"expected a request of {method}; received bytes that are none")
    if not isinstance(error, errors.ReexError):
        logger.exception("%s failed on a defect", method, exc_info=error)
        error = errors.ReexError(f"internal error: {type(error).__name__}; the daemon's log has the details")
    status = rpc_status.to_status(to_status(error))
    await context.abort(status.code, status.details, status.trailing_metadata)


class TranslateErrors(grpc.aio.ServerInterceptor):
    """Turns what a handler raises into a rich status; a defect becomes INTERNAL and a line in the log."""

    def __init__(self) -> None:
        self._translating: dict[
            str, grpc.RpcMethodHandler
        ] = {}  # by method: there are as many as the protos name

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        method = handler_call_details.method
        if known := self._translating.get(method):
            return known
        handler = await continuation(handler_call_details)
        if handler is None or method.startswith("/grpc."):
            return handler
        self._translating[method] = _translating(handler, method)
        return self._translating[method]


def _translating(handler: grpc.RpcMethodHandler, method: str) -> grpc.RpcMethodHandler:
    if handler.unary_unary:
        return grpc.unary_unary_rpc_method_handler(
            _unary(handler.unary_unary, method),
            _reader(handler.request_deserializer),
            handler.response_serializer,
        )
    if handler.unary_stream:
        return grpc.unary_stream_rpc_method_handler(
            _stream(handler.unary_stream, method),
            _reader(handler.request_deserializer),
            handler.response_serializer,
        )
    if handler.stream_unary:
        return grpc.stream_unary_rpc_method_handler(
            _unary(handler.stream_unary, method), handler.request_deserializer, handler.response_serializer
        )
    return grpc.stream_stream_rpc_method_handler(
        _stream(handler.stream_stream, method), handler.request_deserializer, handler.response_serializer
    )


def _reader(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Hands bytes that are no message on as the error: raised here, gRPC would answer UNKNOWN without a reason."""

    def read(raw: bytes) -> Any:
        try:
            return deserialize(raw)
        except DecodeError as error:
            return error

    return read


def _unary(inner: Callable[..., Awaitable[Any]], method: str) -> Callable[..., Awaitable[Any]]:
    async def call(request: Any, context: grpc.aio.ServicerContext) -> Any:
        try:
            if isinstance(request, DecodeError):
                raise request
            return await inner(request, context)
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            return await _refuse(context, error, method)

    return call


def _stream(inner: Callable[..., AsyncIterator[Any]], method: str) -> Callable[..., AsyncIterator[Any]]:
    async def call(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        try:
            if isinstance(request, DecodeError):
                raise request
            async for response in inner(request, context):
                yield response
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            await _refuse(context, error, method)

    return call
