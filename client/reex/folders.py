"""Private folders: made, or checked, before anything of ours is put into them. For client and daemon alike."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from reex.errors import InvalidSetting


class FolderRefused(InvalidSetting):
    """A folder that is not ours alone. The message says what was found and what to run."""


def private_folder(folder: Path) -> None:
    """Make `folder` exist, ours, no link, closed to group and others; refuse it otherwise.

    An empty folder of ours that others may only read (a fresh `mkdir`) is closed; one that holds files is
    refused, since somebody may rely on its mode. Raises FolderRefused.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            _close_if_empty(folder)
        else:
            folder.chmod(0o700)  # mkdir's mode passed through the umask
        found = folder.lstat()
    except OSError as error:
        raise _refused(
            folder,
            f"expected to create or read the folder {folder}, got: {error.strerror}. "
            "Choose another with REEX_HOME or repair its permissions.",
        ) from error
    _check(folder, found)
    if found.st_mode & 0o077:
        raise _refused(
            folder,
            f"expected {folder} closed to other users (mode 0700), got {stat.S_IMODE(found.st_mode):04o}. "
            f"Run: chmod 700 {folder}",
        )


def own_folder(folder: Path) -> None:
    """Refuse to trust what lies in a folder of somebody else, or in one that others may write to.

    A socket found there may be anybody's, and would be sent documents. One that is absent holds nothing. Raises
    FolderRefused.
    """
    try:
        found = folder.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise _refused(
            folder,
            f"expected to see whose the folder {folder} is, got: {error.strerror}. "
            "Choose another with REEX_HOME or repair its permissions.",
        ) from error
    _check(folder, found)
    if found.st_mode & 0o022:
        raise _refused(
            folder,
            f"expected {folder} to be writable by its owner alone, got mode {stat.S_IMODE(found.st_mode):04o}. "
            f"Remove what is not yours in it, then run: chmod 700 {folder}",
        )


def _check(folder: Path, found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise _refused(folder, f"expected a folder, got a link: {folder}. Name the folder it leads to.")
    if not stat.S_ISDIR(found.st_mode):
        raise _refused(folder, f"expected a folder, got a file: {folder}. Move it away.")
    if found.st_uid != os.getuid():
        raise _refused(
            folder,
            f"expected {folder} to belong to user {os.getuid()}, its owner is user {found.st_uid}. "
            "Choose another folder with REEX_HOME.",
        )


def _close_if_empty(folder: Path) -> None:
    """Through a descriptor, so that a link put in its place meanwhile is not followed."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return  # a link, a file, or somebody else's: the checks that follow name it
    try:
        found = os.fstat(descriptor)
        readable_only = found.st_mode & 0o077 and not found.st_mode & 0o022
        if found.st_uid == os.getuid() and readable_only and not os.listdir(descriptor):  # noqa: PTH208
            os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)


def _refused(folder: Path, message: str) -> FolderRefused:
    return FolderRefused(message, reason="INVALID_SETTING", metadata={"folder": str(folder)})
