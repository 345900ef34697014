"""Lines that could not be read, said like a compiler says it: file, line, field, reason; many are counted only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from reex.cli import exits, output

if TYPE_CHECKING:
    from reex.types import Rejection

SHOWN = 100


class Rejections:
    def __init__(self, file: str) -> None:
        self.count = 0
        self._file = file

    def add(self, rejection: Rejection) -> None:
        self.count += 1
        if self.count <= SHOWN:
            where = f"{self._file}:{rejection.line}: "
            field = f"{rejection.field}: " if rejection.field else ""
            output.note(where + output.safe(field + rejection.reason))
        elif self.count == SHOWN + 1:
            output.note(f"{self._file}: more lines were rejected; they are counted only")

    def end(self) -> None:
        """How many there were, where not all were shown. Raises typer.Exit when there was any."""
        if self.count > SHOWN:
            output.note(f"{self._file}: {self.count:,} lines were rejected")
        if self.count:
            raise typer.Exit(exits.FAILED)
