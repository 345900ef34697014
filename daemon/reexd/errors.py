"""Every error the daemon can name, as one tree. Owns reasons and messages; knows nothing of gRPC.

    ReexError
    ├── InvalidInput          what was sent can never succeed as it is
    │   ├── InvalidName
    │   ├── InvalidLabel
    │   ├── InvalidDocument
    │   └── InvalidSetting
    ├── NotFound
    │   ├── ProjectNotFound
    │   ├── DocumentNotFound
    │   ├── SplitNotFound
    │   ├── ClassifierNotFound
    │   ├── ModelNotFound
    │   └── JobNotFound
    ├── Conflict
    │   ├── ProjectExists
    │   ├── ProjectBusy
    │   └── DaemonRunning
    ├── Unready               the state of the project does not allow it yet
    │   ├── ModelMissing
    │   ├── NotTrained
    │   ├── NotEnoughData
    │   └── StoreTooNew
    ├── Exhausted
    │   ├── StorageFull
    │   ├── ModelTooLarge
    │   └── QueueFull
    ├── JobCancelled
    ├── EngineDied            a worker process ended under the call; a retry may succeed
    ├── DaemonStopping        the stream ends because the daemon does; ask the next one
    ├── StoreCorrupt
    ├── ModelCorrupt
    └── SourceUnreachable     a download source did not answer

Each leaf carries a `reason`, the stable word that crosses the wire. A message says what was expected,
what was received, and what to do next. `metadata` holds the same facts for programs.
"""


class ReexError(Exception):
    """Base of all declared errors. An exception outside this tree is a defect."""

    reason = "INTERNAL"

    def __init__(self, message: str, **metadata: object) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = {key: str(value) for key, value in metadata.items()}


class InvalidInput(ReexError):
    reason = "INVALID_INPUT"


class InvalidName(InvalidInput):
    reason = "INVALID_NAME"


class InvalidLabel(InvalidInput):
    reason = "INVALID_LABEL"


class InvalidDocument(InvalidInput):
    reason = "INVALID_DOCUMENT"


class InvalidSetting(InvalidInput):
    reason = "INVALID_SETTING"


class NotFound(ReexError):
    reason = "NOT_FOUND"


class ProjectNotFound(NotFound):
    reason = "PROJECT_NOT_FOUND"


class DocumentNotFound(NotFound):
    reason = "DOCUMENT_NOT_FOUND"


class SplitNotFound(NotFound):
    reason = "SPLIT_NOT_FOUND"


class ClassifierNotFound(NotFound):
    reason = "CLASSIFIER_NOT_FOUND"


class ModelNotFound(NotFound):
    reason = "MODEL_NOT_FOUND"


class JobNotFound(NotFound):
    reason = "JOB_NOT_FOUND"


class Conflict(ReexError):
    reason = "CONFLICT"


class ProjectExists(Conflict):
    reason = "PROJECT_EXISTS"


class ProjectBusy(Conflict):
    reason = "PROJECT_BUSY"


class DaemonRunning(Conflict):
    reason = "DAEMON_RUNNING"


class Unready(ReexError):
    reason = "UNREADY"


class ModelMissing(Unready):
    reason = "MODEL_MISSING"


class NotTrained(Unready):
    reason = "NOT_TRAINED"


class NotEnoughData(Unready):
    reason = "NOT_ENOUGH_DATA"


class StoreTooNew(Unready):
    reason = "STORE_TOO_NEW"


class Exhausted(ReexError):
    reason = "EXHAUSTED"


class StorageFull(Exhausted):
    reason = "STORAGE_FULL"


class ModelTooLarge(Exhausted):
    reason = "MODEL_TOO_LARGE"


class QueueFull(Exhausted):
    reason = "QUEUE_FULL"


class JobCancelled(ReexError):
    reason = "JOB_CANCELLED"


class EngineDied(ReexError):
    reason = "ENGINE_DIED"


class DaemonStopping(ReexError):
    reason = "DAEMON_STOPPING"


class StoreCorrupt(ReexError):
    reason = "STORE_CORRUPT"


class ModelCorrupt(ReexError):
    reason = "MODEL_CORRUPT"


class SourceUnreachable(ReexError):
    reason = "SOURCE_UNREACHABLE"
