"""The only place in the daemon that names a path. Owns the layout below the location's folders.

The folders come from `reex.location`, which the client shares; what is in the files is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reex import folders
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
    def tuning(self) -> Path:
        """What trainings that tune work on until they end; kept over a restart."""
        return self.location.cache / "tuning"

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
            "tuning": str(self.tuning),
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
            self.tuning,
            self.catalogue,
        ):
            private_folder(folder)


def private_folder(folder: Path) -> None:
    """Make `folder` exist, ours, no link, closed to group and others. Raises InvalidSetting."""
    try:
        folders.private_folder(folder)
    except folders.FolderRefused as error:
        raise InvalidSetting(error.message, **error.metadata) from error
