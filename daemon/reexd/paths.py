"""The only place in the daemon that names a path. Owns the layout below the location's folders.

The folders come from `reex.location`, which the client shares; what is in the files is not known here.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from reex.location import Location

from reexd.errors import InvalidSetting


@dataclass(frozen=True, slots=True)
class Paths:
    """Every file and folder of one daemon. `models_folder` is the setting; empty: below the data folder."""

    location: Location
    models_folder: str = ""

    @property
    def catalogue(self) -> Path:
        """Root of the catalogue and of one folder per project."""
        return self.location.data / "store"

    @property
    def models(self) -> Path:
        return Path(self.models_folder) if self.models_folder else self.location.data / "models"

    @property
    def scratch(self) -> Path:
        """Files that pass between the daemon and its workers; emptied at start."""
        return self.location.cache / "scratch"

    @property
    def log(self) -> Path:
        return self.location.logs / "reexd.log"

    @property
    def standard_error(self) -> Path:
        return self.location.standard_error

    @property
    def lock(self) -> Path:
        return self.location.lock

    @property
    def socket(self) -> Path:
        return self.location.socket

    @property
    def config(self) -> Path:
        return self.location.config

    def table(self) -> dict[str, str]:
        """Name to path, for `reexd paths`."""
        return {
            "data": str(self.location.data),
            "config": str(self.config),
            "store": str(self.catalogue),
            "models": str(self.models),
            "scratch": str(self.scratch),
            "log": str(self.log),
            "lock": str(self.lock),
            "socket": str(self.socket),
        }

    def prepare(self) -> None:
        """Create the private folders that are missing (0700) and check those that are there.

        The models folder is left alone: it may be shared and read-only. Raises InvalidSetting.
        """
        for folder in (
            self.location.data,
            self.location.cache,
            self.location.logs,
            self.scratch,
            self.catalogue,
        ):
            private_folder(folder)


def private_folder(folder: Path) -> None:
    """Make `folder` exist, ours, no link, closed to group and others; refuse it otherwise.

    An empty folder of ours that others may only read (a fresh `mkdir`) is closed; one that holds files is
    refused, since somebody may rely on its mode. Raises InvalidSetting.
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
        raise InvalidSetting(
            f"expected to create or read the folder {folder}, got: {error.strerror}. "
            "Choose another with REEX_HOME or repair its permissions.",
            folder=folder,
        ) from error
    if stat.S_ISLNK(found.st_mode):
        raise InvalidSetting(
            f"expected a folder, got a link: {folder}. Name the folder it leads to.", folder=folder
        )
    if not stat.S_ISDIR(found.st_mode):
        raise InvalidSetting(f"expected a folder, got a file: {folder}. Move it away.", folder=folder)
    if found.st_uid != os.getuid():
        raise InvalidSetting(
            f"expected {folder} to belong to user {os.getuid()}, its owner is user {found.st_uid}. "
            "Choose another folder with REEX_HOME.",
            folder=folder,
        )
    if found.st_mode & 0o077:
        raise InvalidSetting(
            f"expected {folder} closed to other users (mode 0700), got {stat.S_IMODE(found.st_mode):04o}. "
            f"Run: chmod 700 {folder}",
            folder=folder,
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
