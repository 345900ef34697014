"""Records as a data frame of pandas, with the extra `pandas`. Owns the shape; the library does the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from reex.errors import InvalidArgument
from reex.types import Record

if TYPE_CHECKING:
    import pandas


def to_pandas(records: Record | Iterable[Record]) -> pandas.DataFrame:
    """A row for each record, or one for a single one, and a column for each key of its JSON; lists stay lists.

    What is null in JSON is missing. Raises InvalidArgument without the library, and for what is no record.
    """
    try:
        import pandas
    except ImportError:
        raise InvalidArgument("data frames take one more package: pip install 'reex[pandas]'") from None
    rows = [records] if isinstance(records, Record) else list(records)
    for row in rows:
        if not isinstance(row, Record):
            raise InvalidArgument(
                f"expected records, as the client's methods return, received {type(row).__name__}"
            )
    return pandas.DataFrame([row.to_dict() for row in rows])
