"""The daemon's log: one JSON object a line, rotated here (launchd does not). Owns the form of a line.

Never document text: callers log names, numbers and reasons, and the fields that carry text are dropped
should one slip through. Rotation keeps `files_max` older files beside the current one.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

# A message is a sentence. Longer ones are traces of data that ended up in an exception's text.
MESSAGE_MAX_CHARACTERS = 2000
TRACE_MAX_CHARACTERS = 8000

TEXT_FIELDS = frozenset({"text", "document", "texts", "documents", "prompt", "info", "query", "line"})

# What `logging` itself puts on a record; everything else came through `extra=`.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """{"time", "level", "logger", "message", ...extra, "trace"?} with UTC time in milliseconds."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _clipped(record.getMessage(), MESSAGE_MAX_CHARACTERS),
        }
        for key, value in vars(record).items():
            if key not in _OWN and key not in TEXT_FIELDS and not key.startswith("_"):
                line[key] = (
                    value if isinstance(value, bool | int | float | type(None)) else _clipped(str(value), 500)
                )
        if record.exc_info:
            line["trace"] = _clipped(self.formatException(record.exc_info), TRACE_MAX_CHARACTERS, tail=True)
        return json.dumps(line, ensure_ascii=True)


class PrivateRotatingFile(logging.handlers.RotatingFileHandler):
    """A rotating file that is 0600 under any umask and never written through a link."""

    def _open(self):
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self.baseFilename, flags, 0o600)
        os.fchmod(descriptor, 0o600)
        return os.fdopen(descriptor, "a", encoding="utf-8")

    def emit(self, record: logging.LogRecord) -> None:
        """Into a file that is there: one that somebody moved or removed is begun anew."""
        if self.stream is not None:
            try:
                there = os.path.samestat(os.fstat(self.stream.fileno()), os.lstat(self.baseFilename))
            except FileNotFoundError:
                there = False
            except OSError:
                there = True
            if not there:
                self.stream.close()
                self.stream = None  # opened by the rotation, which looks at its size
        super().emit(record)


def configure(
    file: Path, *, level: str = "info", size_max_bytes: int, files_max: int, foreground: bool = False
) -> Callable[[], None]:
    """Send everything logged in this process to `file`, and in the foreground also to standard error.

    Returns the function that undoes it and closes the file. The folder must exist.
    """
    root = logging.getLogger()
    handlers: list[logging.Handler] = [
        PrivateRotatingFile(file, maxBytes=size_max_bytes, backupCount=files_max, encoding="utf-8")
    ]
    if foreground:
        handlers.append(logging.StreamHandler(sys.stderr))
    for handler in handlers:
        handler.setFormatter(JsonLines())
        root.addHandler(handler)
    before = root.level
    root.setLevel(level.upper())

    def close() -> None:
        root.setLevel(before)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()

    return close


def _clipped(text: str, limit: int, *, tail: bool = False) -> str:
    """At most `limit` characters, from the end for a trace, whose last lines name the cause."""
    if len(text) <= limit:
        return text
    return "..." + text[-limit:] if tail else text[:limit] + "..."
