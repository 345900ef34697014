"""Housekeeping: what keeps the stores tidy while nobody asks for anything. Called hourly; never while it still runs."""

from __future__ import annotations

import logging

from reexd.errors import ReexError
from reexd.store import compaction, jobs, spaces
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Environment

logger = logging.getLogger(__name__)


class Housekeeping:
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def run(self) -> None:
        """Free reader slots of dead threads, forget the oldest ended jobs, and give back the bytes of dropped vectors.

        A project that cannot be opened is left alone: `status` shows it.
        """
        self._catalogue.reader_check()
        self._catalogue.environment.write(jobs.prune)
        for project in self._catalogue.listed():
            try:
                freed = _compact(self._catalogue.open(project.name))
            except ReexError as error:
                logger.warning("project %s was not compacted: %s", project.name, error.message)
                continue
            if freed:
                logger.info("project %s: %d hidden states that nothing needs were freed", project.name, freed)


def _compact(environment: Environment) -> int:
    """Rows freed. Bounded transactions: uploads and predictions go between them."""
    with environment.read() as txn:
        known = spaces.listed(txn)
    freed = 0
    for space in known:
        block: int | None = 0
        while block is not None:
            done = environment.write(
                lambda txn, space=space, block=block: compaction.compact(txn, space, first_block=block)
            )
            freed += done.rows_freed
            block = done.next_block
    return freed
