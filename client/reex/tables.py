"""Rows of tables with typed columns: Parquet files and data frames. Owns what columns and cells become; the library of
the extra `parquet` reads and writes them.

Columns have types, so that a cell is taken as in JSON: a number is a class index, a string a name. What a data frame
makes of a missing value is absent, and ids may be numbers, as in a CSV. Rows are made a few at a time; of a file a row
group is held.
"""

from __future__ import annotations

import datetime
import decimal
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, BinaryIO, Protocol, runtime_checkable

from reex.columns import check_header
from reex.errors import InvalidArgument

_BATCH_ROWS = 256
ROWS_WRITTEN, CHARACTERS_WRITTEN = 10_000, 16 << 20  # of a row group
_INDEX = "__index_level_"  # columns that pandas writes beside those of the data frame


@dataclass(frozen=True, slots=True)
class Row:
    """`problem` says why it, and the rest of its row group, cannot be read."""

    number: int  # 1-based
    value: Mapping[str, Any] | None
    problem: str = ""
    share: float = 0.0  # of a file's rows, up to and including it


def rows_of_file(file: BinaryIO) -> Iterator[Row]:
    """Every row of a Parquet file, in order. What is damaged costs what is left of its row group.

    Raises InvalidArgument without the library, for what is no Parquet file, a pipe, and columns without a `document`.
    """
    arrow = _arrow("Parquet")
    from pyarrow import parquet

    if not file.seekable():
        raise InvalidArgument("a Parquet file is read from its end: expected a file, received a pipe")
    try:
        table = parquet.ParquetFile(file)
    except (arrow.ArrowException, OSError) as error:
        raise InvalidArgument(f"not a Parquet file: {_first_line(error)}") from None
    plain = _plain(arrow, table.schema_arrow)
    end, total = 0, table.metadata.num_rows
    for group in range(table.num_row_groups):
        number, end = end, end + table.metadata.row_group(group).num_rows
        try:
            for batch in table.iter_batches(_BATCH_ROWS, row_groups=[group], columns=plain.names):
                for line in _lines(batch, plain):
                    number += 1
                    yield Row(number, line, share=number / total)
        except (arrow.ArrowException, OSError, ValueError) as error:
            reason = f"rows {number + 1:,} to {end:,} cannot be read: {_first_line(error)}"
            yield Row(number + 1, None, reason, end / total)


@runtime_checkable
class DataFrame(Protocol):
    """What hands out its columns by Arrow's C stream: the data frames of pandas and polars, tables of pyarrow."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any: ...


def rows_of_frame(frame: DataFrame) -> Iterator[Row]:
    """Every row of a data frame, in order. Raises InvalidArgument without the library, for columns that Arrow has no
    type for, without a `document` among them, and where a stream of one breaks off."""
    arrow = _arrow("data frames")
    try:
        reader = arrow.RecordBatchReader.from_stream(frame)
    except (arrow.ArrowException, ValueError, TypeError) as error:
        raise InvalidArgument(f"a data frame that Arrow cannot carry: {_first_line(error)}") from None
    plain, number = _plain(arrow, reader.schema), 0
    try:
        for batch in reader:
            for start in range(0, batch.num_rows, _BATCH_ROWS):
                for line in _lines(batch.slice(start, _BATCH_ROWS), plain):
                    number += 1
                    yield Row(number, line)
    except (arrow.ArrowException, OSError, ValueError) as error:
        raise InvalidArgument(f"the data frame ends after row {number:,}: {_first_line(error)}") from None


def write_parquet(
    stream: Any, columns: Sequence[str], rows: Callable[[], Iterator[Mapping[str, Any]]]
) -> None:
    """A file of the rows, which are gone over three times: for their types, to try these, and to write.

    A column whose values have no one type holds JSON. Raises InvalidArgument without the library.
    """
    arrow = _arrow("Parquet")
    from pyarrow import parquet

    types = dict.fromkeys(columns, arrow.null())

    def column(name: str, part: Sequence[Mapping[str, Any]]) -> Any:
        values = [row.get(name) for row in part]
        if types[name] is None:
            return arrow.array([None if v is None else json.dumps(v) for v in values], arrow.string())
        return arrow.array(values, types[name])

    for part in _parts(rows()):
        for name in columns:
            if types[name] is not None:
                types[name] = _common(arrow, types[name], [row.get(name) for row in part])
    for part in _parts(rows()):
        for name in columns:
            try:
                column(name, part)
            except (arrow.ArrowException, OverflowError):  # 2^60 among floats
                types[name] = None
    schema = arrow.schema(
        [(name, arrow.string() if types[name] is None else types[name]) for name in columns]
    )
    with parquet.ParquetWriter(stream, schema) as writer:
        for part in _parts(rows()):
            writer.write_table(arrow.table([column(name, part) for name in columns], schema=schema))


def _parts(rows: Iterator[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Row groups: of so many rows, fewer where their texts are long."""
    part: list[Mapping[str, Any]] = []
    characters = 0
    for row in rows:
        part.append(row)
        characters += len(row.get("document", ""))
        if len(part) >= ROWS_WRITTEN or characters >= CHARACTERS_WRITTEN:
            yield part
            part, characters = [], 0
    if part:
        yield part


def _common(arrow: ModuleType, known: Any, values: Sequence[Any]) -> Any:
    """The type of these values and of those before them; None when there is none."""
    if len({tuple(value) for value in values if isinstance(value, dict)}) > 1:
        return None  # it would be read back with the keys of all
    try:
        found = arrow.array(values).type
        if arrow.types.is_struct(known) and arrow.types.is_struct(found) and known != found:
            return None
        both = [arrow.schema([("column", each)]) for each in (known, found)]
        return arrow.unify_schemas(both, promote_options="permissive").field("column").type
    except (arrow.ArrowException, OverflowError):
        return None


def _arrow(wanted: str) -> ModuleType:
    try:
        import pyarrow as arrow
    except ImportError:
        raise InvalidArgument(
            f"{wanted} take{'s' * (wanted == 'Parquet')} one more package: pip install 'reex[parquet]'; or use CSV"
        ) from None
    return arrow


def _plain(arrow: ModuleType, schema: Any) -> Any:
    """The columns that are read, in types that Python has. Raises InvalidArgument for those without a `document`."""
    names = [name for name in schema.names if not name.startswith(_INDEX)]
    check_header(names)
    return arrow.schema([_in_microseconds(arrow, schema.field(name)) for name in names])


def _in_microseconds(arrow: ModuleType, column: Any) -> Any:
    """A column of nanoseconds, for which Python has no type, in what it has one for."""
    kind = column.type
    if getattr(kind, "unit", "") != "ns":
        return column
    if arrow.types.is_timestamp(kind):
        return column.with_type(arrow.timestamp("us", kind.tz))
    return column.with_type(arrow.time64("us") if arrow.types.is_time(kind) else arrow.duration("us"))


def _lines(batch: Any, plain: Any) -> Iterator[dict[str, Any]]:
    return map(_line, batch.select(plain.names).cast(plain, safe=False).to_pylist())


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    """As a line of JSON would have said it."""
    line = {name: _value(cell) for name, cell in row.items() if not _missing(cell)}
    given, label = line.get("id"), line.get("label")
    if isinstance(given, int) and not isinstance(given, bool):
        line["id"] = str(given)
    if isinstance(label, float) and label.is_integer():
        line["label"] = int(label)
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
