"""Rows of a Parquet file. Owns what its columns and cells become; the library of the extra `parquet` reads them.

Columns have types, so that a cell is taken as in JSON: a number is a class index, a string a name. What a data frame
makes of a missing value is absent, and ids may be numbers, as in a CSV. Memory is bounded by a row group.
"""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from reex.columns import check_header
from reex.errors import InvalidArgument

_BATCH_ROWS = 256
_INDEX = "__index_level_"  # columns that pandas writes beside those of the data frame


@dataclass(frozen=True, slots=True)
class Row:
    """`problem` says why it, and the rest of its row group, cannot be read."""

    number: int  # 1-based
    value: Mapping[str, Any] | None
    problem: str
    share: float  # of the file's rows, up to and including it


def rows(file: BinaryIO) -> Iterator[Row]:
    """Every row, in order. What is damaged costs what is left of its row group.

    Raises InvalidArgument without the library, for what is no Parquet file, a pipe, and columns without a `document`.
    """
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise InvalidArgument(
            "reading Parquet takes one more package: pip install 'reex[parquet]'; or save the table as CSV"
        ) from None
    if not file.seekable():
        raise InvalidArgument("a Parquet file is read from its end: expected a file, received a pipe")
    try:
        table = parquet.ParquetFile(file)
    except (arrow.ArrowException, OSError) as error:
        raise InvalidArgument(f"not a Parquet file: {_first_line(error)}") from None
    columns = [name for name in table.schema_arrow.names if not name.startswith(_INDEX)]
    check_header(columns)
    plain = arrow.schema([_in_microseconds(table.schema_arrow.field(name)) for name in columns])
    end, total = 0, table.metadata.num_rows
    for group in range(table.num_row_groups):
        number, end = end, end + table.metadata.row_group(group).num_rows
        try:
            for batch in table.iter_batches(_BATCH_ROWS, row_groups=[group], columns=columns):
                for row in batch.cast(plain, safe=False).to_pylist():
                    number += 1
                    yield Row(number, _line(row), "", number / total)
        except (arrow.ArrowException, OSError, ValueError) as error:
            reason = f"rows {number + 1:,} to {end:,} cannot be read: {_first_line(error)}"
            yield Row(number + 1, None, reason, end / total)


def _in_microseconds(column: Any) -> Any:
    """A column of nanoseconds, for which Python has no type, in what it has one for."""
    import pyarrow as arrow

    kind, types = column.type, arrow.types
    if getattr(kind, "unit", "") != "ns":
        return column
    if types.is_timestamp(kind):
        return column.with_type(arrow.timestamp("us", kind.tz))
    return column.with_type(arrow.time64("us") if types.is_time(kind) else arrow.duration("us"))


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    """As a line of JSON would have said it."""
    line = {name: _value(cell) for name, cell in row.items() if not _missing(cell)}
    if isinstance(given := line.get("id"), int) and not isinstance(given, bool):
        line["id"] = str(given)
    return line


def _missing(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def _value(cell: Any) -> Any:
    """Times and decimals as text; the rest as it is, bytes too, which JSON cannot carry and are told of."""
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    if isinstance(cell, decimal.Decimal | datetime.timedelta):
        return str(cell)
    if isinstance(cell, list):
        return [_value(each) for each in cell]
    if isinstance(cell, dict):
        return {name: _value(each) for name, each in cell.items()}
    return cell


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
