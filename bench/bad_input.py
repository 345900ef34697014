"""Claim: bad lines cost no good one: good ones stored, bad ones reported with line and field, exit code 1.

Every kind of bad line is strewn at random places among good ones, in a JSON Lines and in a CSV file, and sent with
`reexctl upload`. The report must name exactly the bad lines, each with the field expected of its kind; the store must
hold exactly the good ones, as they were sent. Lines that look odd and are good (a NUL inside a text, every kind of
white space, a label as a number or a name, newlines and quotes inside a cell) must be stored; of a repeated id the
last line stands, of a repeated text without id one document.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import random
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.daemon import Daemon
from bench.report import Check, Result, Table

PROJECT, CLASSES = "hostile", ("negative", "neutral", "positive")
MEBIBYTE = 1 << 20


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--good", type=int, default=5_000, help="good lines in the JSON Lines file")
    parser.add_argument("--each", type=int, default=10, help="bad lines of each kind; 3 of those with 5 MB")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file, or one record of a CSV, which may span several.

    `field`: what must be reported, None when it must be stored as `document`.
    """

    kind: str
    raw: bytes
    field: str | None
    id: str = ""
    document: str = ""
    label: int = 0


def run(options: argparse.Namespace) -> Result:
    good, each = (500, 2) if options.quick else (options.good, options.each)
    result = Result()
    with tempfile.TemporaryDirectory() as name:
        for form, lines, head in (
            ("jsonl", _json_lines(good, each), b""),
            ("csv", _csv_lines(good // 10, each), b"id,label,document\n"),
        ):
            random.Random(11).shuffle(lines)
            file = Path(name) / f"hostile.{form}"
            file.write_bytes(head + b"".join(line.raw for line in lines))
            with Daemon() as daemon:
                _send(daemon, file, lines, first=1 + bool(head), form=form, result=result)
    return result


# Lines


def _json_lines(good: int, each: int) -> list[Line]:
    lines = [_good(f"good-{at}", f"A plain text, number {at}.", at % 3) for at in range(good)]
    for at in range(each):
        lines += _odd_but_good(at)
        lines += _broken(at)
        lines += _wrong_fields(at)
    for at in range(min(each, 3)):
        large = "x" * (5 * MEBIBYTE)
        lines.append(_bad("document of 5 MB", "document", id=f"large-{at}", document=large))
        fits = f"{at}" * MEBIBYTE
        lines.append(_good(f"fits-{at}", fits, 1, "document of 1 MiB exactly"))
    return lines


def _good(name: str, document: str, label: int, kind: str = "good") -> Line:
    raw = json.dumps({"id": name, "label": label, "document": document}).encode() + b"\n"
    return Line(kind, raw, None, name, document, label)


def _bad(kind: str, field: str, **keys: object) -> Line:
    return Line(kind, json.dumps(keys).encode() + b"\n", field, str(keys.get("id", "")))


def _odd_but_good(at: int) -> Iterator[Line]:
    yield _good(f"nul-{at}", f"before\0after {at}", 0, "NUL inside a text")
    yield _good(f"blank-{at}", f"tab\tline\nreturn\r\u2028\u00a0end {at}", 1, "white space of every kind")
    yield _good(
        f"emoji-{at}", f"\U0001f600 e\u0301 \u202eright to left {at}", 2, "pairs, combining, reordering"
    )
    for turn in range(2):
        yield _good(f"twice-{at}", f"the same id, text {turn} of {at}", turn, "repeated id, other text")
        yield _good(f"same-{at}", f"the same line again {at}", 1, "repeated id, same text")
        text = f"a text without an id {at}"
        digest = hashlib.sha256(text.encode()).hexdigest()[:32]
        yield Line(
            "repeated text without id",
            json.dumps({"document": text}).encode() + b"\n",
            None,
            digest,
            text,
            -1,
        )
    named = {"id": f"named-{at}", "label": "positive", "document": f"label as a name {at}"}
    yield Line(
        "label as a name", json.dumps(named).encode() + b"\r\n", None, named["id"], named["document"], 2
    )


def _broken(at: int) -> Iterator[Line]:
    """Lines that cannot be read: no field can be named."""
    for kind, raw in (
        ("cut in the middle", b'{"id": "cut-%d", "document": "never en' % at),
        ("not JSON", b"id=%d; text=hello" % at),
        ("not an object", b'["id", "document", %d]' % at),
        ("not UTF-8", b'{"id": "latin-%d", "document": "caf\xe9"}' % at),
        ("a raw NUL", b'{"id": "raw-%d", "document": "a\0b"}' % at),
        ("nested too deeply", b'{"document": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    ):
        yield Line(kind, raw + b"\n", "")


def _wrong_fields(at: int) -> Iterator[Line]:
    text = f"A text of a bad line, {at}"
    yield _bad("unknown class name", "label", id=f"name-{at}", label="bullish", document=text)
    yield _bad("class index too large", "label", id=f"index-{at}", label=3, document=text)
    yield _bad("negative index", "label", id=f"minus-{at}", label=-2, document=text)
    yield _bad("label 1.5", "label", id=f"float-{at}", label=1.5, document=text)
    yield _bad("label true", "label", id=f"true-{at}", label=True, document=text)
    yield _bad("label of 30 digits", "label", id=f"digits-{at}", label=10**29, document=text)
    yield _bad("empty document", "document", id=f"empty-{at}", label=0, document="")
    yield _bad("only white space", "document", id=f"white-{at}", label=0, document=" \n\t\u3000")
    yield _bad("no document", "document", id=f"none-{at}", label=0)
    yield _bad("document a number", "document", id=f"number-{at}", label=0, document=7)
    yield _bad("half a surrogate pair, high", "document", id=f"high-{at}", label=0, document=f"\ud83d {at}")
    yield _bad("half a surrogate pair, low", "document", id=f"low-{at}", label=0, document=f"{at} \ude00")
    yield _bad("half a pair in the id", "id", id=f"half-\udc00-{at}", label=0, document=text)
    yield _bad("id a number", "id", id=at, label=0, document=text)
    yield _bad("empty id", "id", id="", label=0, document=text)
    yield _bad("id of 257 bytes", "id", id=f"{at:0257d}", label=0, document=text)
    yield _bad("info of 5 KiB", "info", id=f"info-{at}", label=0, document=text, info="i" * 5120)
    yield _bad("attribute NaN", "attributes", id=f"nan-{at}", document=text, attributes=[1.0, float("nan")])
    yield _bad("attribute 1e999", "attributes", id=f"inf-{at}", document=text, attributes=[float("inf")])
    yield _bad("attribute a string", "attributes", id=f"string-{at}", document=text, attributes=["1"])


def _csv_lines(good: int, each: int) -> list[Line]:
    def record(*cells: object) -> bytes:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerow(cells)
        return buffer.getvalue().encode()

    lines = []
    for at in range(good):
        name, text = f"good-{at}", f'A text, "quoted", number {at}'
        lines.append(Line("good", record(name, at % 3, text), None, name, text, at % 3))
    for at in range(each):
        text = f"A text of a bad record, {at}"
        lines += [
            Line("unknown class name", record(f"name-{at}", "bullish", text), "label"),
            Line("class index too large", record(f"index-{at}", 3, text), "label"),
            Line("empty document", record(f"empty-{at}", 0, ""), "document"),
            Line("a column too many", record(f"many-{at}", 0, text, "more"), ""),
            Line("a column too few", record(f"few-{at}", 0), ""),
            Line("not UTF-8", b"latin-%d,0,caf\xe9\n" % at, ""),
            Line("a quote never closed", b'open-%d,0,"A quote that stays open\n' % at, ""),
            Line("a quote inside a quoted cell", b'inner-%d,0,"He said "no" to it"\n' % at, ""),
            Line("text after a quoted cell", b'after-%d,0,"A text" and more\n' % at, ""),
        ]
        for kind, text in (
            ("newlines in a cell", f"Two lines,\none of them\n\nempty, {at}"),
            ("a comma first in a cell", f",and a text, {at}"),
            ("quotes around and inside a cell", f'"A quote", he said, "{at}"'),
        ):
            name = f"{kind.replace(' ', '-')}-{at}"
            lines.append(Line(kind, record(name, at % 3, text), None, name, text, at % 3))
        name, text = f"inch-{at}", f'A rim of 26" or 28", number {at}'.replace(",", ";")
        lines.append(Line("a quote in a plain cell", f"{name},1,{text}\n".encode(), None, name, text, 1))
    return lines


# Sending and checking


@dataclass(slots=True)
class Count:
    """What became of the lines of one kind."""

    field: str | None
    lines: int = 0
    reported: int = 0  # with their line, the field and a reason
    misreported: int = 0
    stored: int = 0  # as they were sent

    @property
    def as_expected(self) -> bool:
        reported, stored = (0, self.lines) if self.field is None else (self.lines, 0)
        return (self.reported, self.misreported, self.stored) == (reported, 0, stored)


def _send(daemon: Daemon, file: Path, lines: list[Line], *, first: int, form: str, result: Result) -> None:
    """`first`: number of the first line in the file that is not its header."""
    daemon.reexctl("project", "create", PROJECT, "--classes", ",".join(CLASSES))
    done = daemon.run("upload", PROJECT, str(file), "--split", "train", "--json")
    told = json.loads(done.stdout.splitlines()[-1])
    with daemon.client() as client:
        stored = {each.id: (each.label, each.text) for each in client.list_documents(PROJECT)}
    wanted = {
        line.id: (line.label, line.document) for line in lines if line.field is None
    }  # the last one stands
    reported = {each["line"]: each for each in told["rejections"]}
    counts: dict[str, Count] = {}
    number = first
    for line in lines:
        count = counts.setdefault(line.kind, Count(line.field))
        found = reported.pop(number, None)
        number += line.raw.count(b"\n")
        rightly = found is not None and found["field"] == line.field and bool(found["reason"])
        count.lines += 1
        count.reported += rightly
        count.misreported += found is not None and not rightly
        count.stored += line.field is None and stored.get(line.id) == wanted[line.id]
    _tell(result, form, lines, counts, told)
    bad, surprises = (
        sum(line.field is not None for line in lines),
        [kind for kind, count in counts.items() if not count.as_expected],
    )
    result.checks += [
        Check(f"{form}: exit code 1", str(done.returncode), done.returncode == 1, must=True),
        Check(
            f"{form}: every bad line reported with line and field, and no other",
            f"{told['rejected']} of {bad}" + (f"; not: {', '.join(surprises)}" if surprises else ""),
            told["rejected"] == bad and not surprises and not reported,
            must=True,
        ),
        Check(
            f"{form}: good lines stored as they were sent, and nothing else",
            f"{sum(stored.get(name) == content for name, content in wanted.items())} of {len(wanted)}",
            stored == wanted,
            must=True,
        ),
    ]


def _tell(result: Result, form: str, lines: list[Line], counts: dict[str, Count], told: dict) -> None:
    """Table, raw figures, and whether the summary adds up."""
    summary = {
        key: told[key]
        for key in ("total", "rejected", "added", "replaced", "unchanged", "repeated", "merged")
    }
    result.raw[form] = {"summary": summary, "kinds": {kind: asdict(count) for kind, count in counts.items()}}
    rows = [
        (
            kind,
            "-" if count.field is None else count.field or "the line",
            count.lines,
            count.reported,
            count.stored,
        )
        for kind, count in sorted(counts.items(), key=lambda pair: (pair[1].field is not None, pair[0]))
    ]
    result.tables.append(
        Table(f"{form}: lines of each kind", ("kind", "field", "sent", "reported", "stored"), rows)
    )
    good = sum(line.field is None for line in lines)
    adds_up = summary["total"] == len(lines) and good == sum(
        summary[key] for key in ("added", "replaced", "unchanged")
    )
    figure = ", ".join(f"{key} {value}" for key, value in summary.items())
    result.checks.append(
        Check(f"{form}: the summary adds up to {len(lines)} lines", figure, adds_up, must=True)
    )
