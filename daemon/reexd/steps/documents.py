"""Documents: read them, list them, count them."""

from __future__ import annotations

from reexd.records import Document
from reexd.store import documents, splits
from reexd.store.catalogue import Catalogue


class Documents:
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def get(self, project: str, id: str) -> Document:
        """Raises ProjectNotFound, DocumentNotFound."""
        with self._catalogue.open(project).read() as txn:
            return documents.get(txn, id)

    def list(self, project: str, split: str, label: int | None, after: int, limit: int) -> list[Document]:
        """In upload order, numbers above `after`; of one split and one label when given. Raises SplitNotFound."""
        with self._catalogue.open(project).read() as txn:
            return documents.page(txn, split or None, label=label, after=after, limit=limit, with_text=True)

    def summary(self, project: str) -> tuple[tuple[str, ...], dict[str, dict[int, int]]]:
        """Class names, and documents by label by split, the standing splits first."""
        classes = self._catalogue.get(project).classes
        with self._catalogue.open(project).read() as txn:
            return classes, splits.summary(txn)
