"""The program `reexd`: serve in the foreground, check an installation, show its places."""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import resource
import sys
from collections.abc import Sequence

from reexd.errors import DaemonRunning, ReexError

EXIT_FAILED, EXIT_CONFLICT = 1, 7
FILES_OPEN_MAX = 4096  # as in the launchd plist
# What is said where a disk is full or not ours to write to, where a link, folder or file stands in another's place, and
# where the process has all that it may have.
_NO_DEFECT = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.ELOOP, errno.EISDIR, errno.ENOTDIR, errno.EEXIST),
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM),
)

ENGINE_FLAGS = (
    ("cache_size_max_bytes", int, "BYTES", "freed buffers an engine process keeps; default: 256 MiB"),
    ("models_loaded_max", int, "N", "language models in memory at once; default: 2"),
    ("model_idle_max_s", float, "SECONDS", "unload a model unused for so long; 0: never; default: 1800"),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one of the commands and exit: 0 done, 1 failed, 2 usage, 7 a daemon runs already."""
    parsed = _parser().parse_args(arguments)
    try:
        parsed.run(parsed)
    except DaemonRunning as error:
        print(f"reexd: {error.message}", file=sys.stderr)
        raise SystemExit(EXIT_CONFLICT) from error
    except ReexError as error:
        print(f"reexd: {error.message}", file=sys.stderr)
        raise SystemExit(EXIT_FAILED) from error
    except OSError as error:
        if error.errno not in _NO_DEFECT:
            raise
        print(f"reexd: the daemon could not write what it needs to start: {error}", file=sys.stderr)
        raise SystemExit(EXIT_FAILED) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reexd", description="The reex daemon. People use reexctl; a service manager uses `reexd serve`."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="run in the foreground until SIGTERM, SIGINT or SIGHUP")
    serve.add_argument("--offline", action="store_const", const=True, help="refuse every download")
    serve.add_argument("--workers", type=int, metavar="N", help="engine processes; 0: one per core")
    for setting, kind, metavar, about in ENGINE_FLAGS:
        serve.add_argument(f"--{setting.replace('_', '-')}", type=kind, metavar=metavar, help=about)
    serve.add_argument("--log-level", choices=("debug", "info", "warning", "error"), help="default: info")
    serve.set_defaults(run=_serve)
    check = commands.add_parser("check", help="start the engine once and say what it runs on")
    check.set_defaults(run=_check)
    paths = commands.add_parser("paths", help="print every file and folder, as JSON")
    paths.set_defaults(run=_paths)
    return parser


def _serve(parsed: argparse.Namespace) -> None:
    # Before gRPC is loaded: where CPython starts a program by fork (macOS), gRPC would start its threads anew in the
    # child, which then aborts before it becomes that program (grpc/grpc#43055). Ours never stay forks.
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    # Imported here: `reexd paths` and usage errors must not pay for gRPC and NumPy.
    from reexd.server import serve

    _raise_file_limit()
    flags = {"offline": parsed.offline, "workers": parsed.workers, "log_level": parsed.log_level}
    serve(flags=flags | {setting: getattr(parsed, setting) for setting, *_ in ENGINE_FLAGS})


def _raise_file_limit() -> None:
    """Each project and each client takes descriptors, and a login shell on macOS allows 256."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_OPEN_MAX if hard == resource.RLIM_INFINITY else min(hard, FILES_OPEN_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _check(_: argparse.Namespace) -> None:
    from reexd.server import check

    print(json.dumps(check(), indent=2))


def _paths(_: argparse.Namespace) -> None:
    from reex.location import Location

    from reexd.config import load
    from reexd.paths import Paths

    location = Location.from_environment()
    settings = load(location.config).settings
    print(json.dumps(Paths(location, settings.models).table(), indent=2))
