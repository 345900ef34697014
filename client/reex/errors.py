"""What can go wrong, as a caller sees it. Owns the tree and the table reason -> class; knows nothing of gRPC.

    ReexError
    ├── InvalidArgument       what was sent can never succeed as it is
    │   ├── InvalidName
    │   ├── InvalidLabel
    │   ├── InvalidDocument
    │   └── InvalidSetting
    ├── NotFound              no such project, document, split, classifier, model or job
    ├── Conflict
    │   ├── AlreadyExists     the name is taken
    │   └── Busy              another job or daemon holds it; wait for it or stop it
    ├── FailedPrecondition    the state of the project does not allow it yet
    │   ├── ModelMissing      pull the language model first
    │   ├── NotTrained        train first
    │   ├── NotEnoughData     upload more first
    │   └── StoreTooNew       written by a newer release
    ├── ResourceExhausted
    │   ├── StorageFull
    │   ├── ModelTooLarge
    │   └── QueueFull         try again in a moment
    ├── Cancelled
    ├── ClientClosed          a call through a client after its `close`
    ├── PermissionDenied
    ├── Unavailable           a retry may succeed
    │   ├── DaemonDown        nothing answers at the socket
    │   ├── EngineDied        a worker process ended under the call
    │   └── SourceUnreachable a download source did not answer
    ├── DeadlineExceeded      no answer within the call's timeout
    ├── DataLoss              a store or a model on disk is damaged
    │   ├── StoreCorrupt
    │   └── ModelCorrupt
    └── Internal              a defect of the daemon; its log says more

`reason` is the stable word that crosses the wire (google.rpc.ErrorInfo.reason, domain "reex"); `metadata`
holds the facts of the message for programs. The daemon adds reasons over time: one that is not in `REASONS`
falls back to the class of its gRPC status in `STATUSES`, so that old clients still catch the right branch.
"""

from __future__ import annotations

from collections.abc import Mapping


class ReexError(Exception):
    """Base of everything this package raises on purpose."""

    def __init__(self, message: str, *, reason: str = "", metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.metadata = dict(metadata or {})


class InvalidArgument(ReexError):
    pass


class InvalidName(InvalidArgument):
    pass


class InvalidLabel(InvalidArgument):
    pass


class InvalidDocument(InvalidArgument):
    pass


class InvalidSetting(InvalidArgument):
    pass


class NotFound(ReexError):
    pass


class Conflict(ReexError):
    pass


class AlreadyExists(Conflict):
    pass


class Busy(Conflict):
    pass


class FailedPrecondition(ReexError):
    pass


class ModelMissing(FailedPrecondition):
    pass


class NotTrained(FailedPrecondition):
    pass


class NotEnoughData(FailedPrecondition):
    pass


class StoreTooNew(FailedPrecondition):
    pass


class ResourceExhausted(ReexError):
    pass


class StorageFull(ResourceExhausted):
    pass


class ModelTooLarge(ResourceExhausted):
    pass


class QueueFull(ResourceExhausted):
    pass


class Cancelled(ReexError):
    pass


class ClientClosed(ReexError):
    def __init__(
        self,
        message: str = "expected an open client, this one is closed; open another: reex.Client()",
        *,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, reason=reason, metadata=metadata)


class PermissionDenied(ReexError):
    pass


class Unavailable(ReexError):
    pass


class DaemonDown(Unavailable):
    pass


class EngineDied(Unavailable):
    pass


class SourceUnreachable(Unavailable):
    pass


class DeadlineExceeded(ReexError):
    pass


class DataLoss(ReexError):
    pass


class StoreCorrupt(DataLoss):
    pass


class ModelCorrupt(DataLoss):
    pass


class Internal(ReexError):
    pass


REASONS: dict[str, type[ReexError]] = {
    "INTERNAL": Internal,
    "INVALID_INPUT": InvalidArgument,
    "INVALID_NAME": InvalidName,
    "INVALID_LABEL": InvalidLabel,
    "INVALID_DOCUMENT": InvalidDocument,
    "INVALID_SETTING": InvalidSetting,
    "NOT_FOUND": NotFound,
    "PROJECT_NOT_FOUND": NotFound,
    "DOCUMENT_NOT_FOUND": NotFound,
    "SPLIT_NOT_FOUND": NotFound,
    "CLASSIFIER_NOT_FOUND": NotFound,
    "MODEL_NOT_FOUND": NotFound,
    "JOB_NOT_FOUND": NotFound,
    "CONFLICT": Conflict,
    "PROJECT_EXISTS": AlreadyExists,
    "PROJECT_BUSY": Busy,
    "DAEMON_RUNNING": Busy,
    "UNREADY": FailedPrecondition,
    "MODEL_MISSING": ModelMissing,
    "NOT_TRAINED": NotTrained,
    "NOT_ENOUGH_DATA": NotEnoughData,
    "STORE_TOO_NEW": StoreTooNew,
    "EXHAUSTED": ResourceExhausted,
    "STORAGE_FULL": StorageFull,
    "MODEL_TOO_LARGE": ModelTooLarge,
    "QUEUE_FULL": QueueFull,
    "JOB_CANCELLED": Cancelled,
    "DAEMON_STOPPING": DaemonDown,
    "ENGINE_DIED": EngineDied,
    "STORE_CORRUPT": StoreCorrupt,
    "MODEL_CORRUPT": ModelCorrupt,
    "SOURCE_UNREACHABLE": SourceUnreachable,
}

# By the name of the gRPC status. UNAVAILABLE without an ErrorInfo did not come from the daemon: nobody
# answered.
STATUSES: dict[str, type[ReexError]] = {
    "CANCELLED": Cancelled,
    "INVALID_ARGUMENT": InvalidArgument,
    "OUT_OF_RANGE": InvalidArgument,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": AlreadyExists,
    "ABORTED": Conflict,
    "PERMISSION_DENIED": PermissionDenied,
    "UNAUTHENTICATED": PermissionDenied,
    "RESOURCE_EXHAUSTED": ResourceExhausted,
    "UNIMPLEMENTED": FailedPrecondition,
    "FAILED_PRECONDITION": FailedPrecondition,
    "UNAVAILABLE": DaemonDown,
    "DATA_LOSS": DataLoss,
}


def from_reason(reason: str, message: str, metadata: Mapping[str, str] | None = None) -> ReexError:
    """The exception for a reason, as the error of a finished job carries it."""
    return REASONS.get(reason, Internal)(message, reason=reason, metadata=metadata)
