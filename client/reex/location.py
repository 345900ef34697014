"""Where everything lives on this machine, for client and daemon alike. Owns the rule of the socket's path.

Pure arithmetic on paths: it creates and changes nothing, and must not know what is inside the files it
names. The environment is read once, by `Location.from_environment`.

    REEX_HOME set     everything below that one folder
    Linux             the XDG base directories
    macOS             ~/Library/Application Support, ~/Library/Caches, ~/Library/Logs
"""

from __future__ import annotations

import hashlib
import os
import pwd
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reex.errors import InvalidSetting

APPLICATION = "reex"
SOCKET_NAME = "reexd.sock"
LOCK_NAME = "reexd.lock"

# sizeof(sockaddr_un.sun_path) less the closing NUL.
SOCKET_PATH_MAX_BYTES = {"linux": 107, "darwin": 103}

# The variables that decide a location on Linux; a service started outside a shell must be given them again.
_XDG = ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME")


class LocationError(InvalidSetting):
    """No usable place could be derived from the environment. The message says what to set."""


@dataclass(frozen=True, slots=True)
class Location:
    """The folders of one installation. Two different `data` folders never share a `socket`."""

    home: Path | None  # REEX_HOME, absolute; None when the platform's own folders are used
    data: Path  # projects, models, the lock file
    config: Path  # config.toml
    cache: Path  # may be deleted at any time while the daemon is down
    logs: Path
    socket: Path
    variables: tuple[
        tuple[str, str], ...
    ] = ()  # the environment that leads here, for programs started elsewhere

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        platform: str = sys.platform,
        uid: int | None = None,
    ) -> Location:
        """The location that `environ` (default: this process's environment) asks for.

        Raises LocationError when no socket path fits the platform's limit.
        """
        environ = os.environ if environ is None else environ
        uid = os.getuid() if uid is None else uid
        wanted = environ.get("REEX_HOME", "")
        if wanted:
            home = Path(os.path.abspath(os.path.expanduser(wanted)))  # noqa: PTH100, PTH111
            return cls(
                home=home,
                data=home,
                config=home / "config.toml",
                cache=home / "cache",
                logs=home / "logs",
                socket=_socket_path(home, home / SOCKET_NAME, environ, platform, uid),
                variables=(("REEX_HOME", str(home)),),
            )
        data, config, cache, logs = _platform_folders(environ, platform, uid)
        return cls(
            home=None,
            data=data,
            config=config / "config.toml",
            cache=cache,
            logs=logs,
            socket=_socket_path(data, None, environ, platform, uid),
            variables=tuple((name, environ[name]) for name in _XDG if _absolute(environ.get(name)))
            if platform != "darwin"
            else (),
        )

    @property
    def lock(self) -> Path:
        """Held by the running daemon; it lies beside the data it protects, not beside the socket."""
        return self.data / LOCK_NAME

    @property
    def standard_error(self) -> Path:
        """What the daemon prints before its own log is open, or while it dies."""
        return self.logs / "reexd.stderr"

    @property
    def target(self) -> str:
        """The gRPC target of the socket."""
        return f"unix:{self.socket}"

    @property
    def suffix(self) -> str:
        """Tells the services of two homes apart: empty for the default location, else eight hex digits."""
        return "" if self.home is None else digest(self.home)


def digest(folder: Path) -> str:
    """Eight hex digits naming a folder, the same through whichever link it is reached."""
    return hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()[:8]


def _platform_folders(environ: Mapping[str, str], platform: str, uid: int) -> tuple[Path, Path, Path, Path]:
    user = _user_folder(environ, uid)
    if platform == "darwin":
        library = user / "Library"
        data = library / "Application Support" / APPLICATION
        return data, data, library / "Caches" / APPLICATION, library / "Logs" / APPLICATION

    def base(name: str, default: str) -> Path:
        # The XDG specification: a relative value is invalid and must be ignored.
        return (_absolute(environ.get(name)) or user / default) / APPLICATION

    return (
        base("XDG_DATA_HOME", ".local/share"),
        base("XDG_CONFIG_HOME", ".config"),
        base("XDG_CACHE_HOME", ".cache"),
        base("XDG_STATE_HOME", ".local/state") / "logs",
    )


def _user_folder(environ: Mapping[str, str], uid: int) -> Path:
    if (home := _absolute(environ.get("HOME"))) is not None:
        return home
    try:
        return Path(pwd.getpwuid(uid).pw_dir)
    except KeyError:
        raise LocationError(
            f"expected a home folder: HOME is not set and user {uid} has no entry in the password database. "
            "Set REEX_HOME.",
            reason="INVALID_SETTING",
        ) from None


def _socket_path(
    data: Path, preferred: Path | None, environ: Mapping[str, str], platform: str, uid: int
) -> Path:
    """`preferred` when it fits, else a folder of our own under the runtime or the temporary folder."""
    limit = SOCKET_PATH_MAX_BYTES.get(platform, min(SOCKET_PATH_MAX_BYTES.values()))
    if preferred is not None and _length(preferred) <= limit:
        return preferred
    runtime = _runtime_folder(environ, uid)
    path = runtime / f"{APPLICATION}-{uid}-{digest(data)}" / SOCKET_NAME
    if _length(path) > limit:
        raise LocationError(
            f"expected a socket path of at most {limit} bytes, got {_length(path)}: {path}. "
            "Set REEX_HOME (or TMPDIR) to a shorter path.",
            reason="INVALID_SETTING",
        )
    return path


def _runtime_folder(environ: Mapping[str, str], uid: int) -> Path:
    runtime = _absolute(environ.get("XDG_RUNTIME_DIR"))
    # After `su` or `sudo` the variable may still name another user's folder.
    if runtime is not None and runtime.is_dir() and runtime.stat().st_uid == uid:
        return runtime
    return _absolute(environ.get("TMPDIR")) or Path("/tmp")


def _absolute(value: str | None) -> Path | None:
    return Path(value) if value and value.startswith("/") else None


def _length(path: Path) -> int:
    return len(os.fsencode(path))
