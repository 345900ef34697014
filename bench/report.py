"""What a bench hands back, and where it goes: a table on the screen, raw JSON and Markdown in `bench/results/`.

RESULTS.md is put together from the Markdown of complete runs on one machine. Owns no figure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import machine

BENCH = Path(__file__).resolve().parent
FOLDER = BENCH / "results"
RESULTS = BENCH / "RESULTS.md"


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True, slots=True)
class Check:
    """A claim beside its figure. `must` is for outcomes that no machine excuses: the bench then exits with 1."""

    claim: str
    found: str
    holds: bool
    must: bool = False


@dataclass(slots=True)
class Result:
    """`raw` is everything measured, as JSON; `tables` what a person reads; `notes` how it was measured."""

    raw: dict[str, object] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return any(check.must and not check.holds for check in self.checks)


def show(result: Result) -> None:
    for table in result.tables:
        print(f"\n{table.title}")
        print("\n".join(_plain(table)))
    if result.notes:
        print()
    for note in result.notes:
        print(f"* {note}")
    if result.checks:
        print("\n" + "\n".join(_plain(_checks(result.checks))))


def save(name: str, claim: str, command: str, result: Result, *, quick: bool) -> Path:
    """Write the raw figures; those of a complete run also become its section of RESULTS.md."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}{'-quick' if quick else ''}.json"
    facts = {
        "bench": name,
        "command": command,
        "machine": machine.describe(),
        "packages": machine.packages(),
        "figures": result.raw,
    }
    path.write_text(json.dumps(facts, indent=1, default=str) + "\n", encoding="utf-8")
    if not quick:
        path.with_suffix(".md").write_text(_section(name, claim, command, result), encoding="utf-8")
    return path


def write_results(pages: Mapping[str, str]) -> None:
    """RESULTS.md from the sections of benches that were measured on this machine; those with a page stand there.

    A section whose raw figures are not here (they are not kept with the pages) stays as it stands, where the page is
    of a machine like this one; each says of which packages it is.
    """
    here = machine.describe()
    kept = {page: _sections(_path(page)) for page in {"", *pages.values()}}
    texts: dict[str, list[str]] = {}
    for name, page in pages.items():
        raw, section = FOLDER / f"{name}.json", FOLDER / f"{name}.md"
        if section.exists() and json.loads(raw.read_text(encoding="utf-8"))["machine"] == here:
            texts.setdefault(page, []).append(section.read_text(encoding="utf-8"))
        elif name in kept[page]:
            texts.setdefault(page, []).append(kept[page][name])
    sections = texts.pop("", [])
    for page, own in texts.items():
        _write(_path(page), own)
    links = [f"* [{page}.md]({page}.md)" for page in texts]
    _write(RESULTS, ["\n".join([*links, ""]) if links else "", *sections])


def _path(page: str) -> Path:
    return BENCH / f"{page}.md" if page else RESULTS


def _sections(path: Path) -> dict[str, str]:
    """The sections of a page as it stands, by the names of their benches; none where another machine wrote it."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    head, *sections = text.split("\n## ")
    if not head.startswith("\n".join(_head())):
        return {}
    return {each.partition("\n")[0]: f"## {each.rstrip()}\n\n" for each in sections}


def _write(path: Path, sections: Sequence[str]) -> None:
    path.write_text("\n".join([*_head(), "", *filter(None, sections)]).rstrip() + "\n", encoding="utf-8")


def _head() -> list[str]:
    return [
        "# Figures",
        "",
        "Written by `python -m bench`; [README.md](README.md) says what each bench claims and how it measures.",
        "",
        *(f"* {title}: {value}" for title, value in machine.describe().items()),
    ]


def _section(name: str, claim: str, command: str, result: Result) -> str:
    lines = [f"## {name}", "", claim, "", f"    {command}", ""]
    for table in result.tables:
        lines += [f"**{table.title}**", "", *_markdown(table), ""]
    if result.checks:
        lines += [*_markdown(_checks(result.checks)), ""]
    lines += [f"* {note}" for note in (*result.notes, f"packages: {machine.packages()}")]
    return "\n".join(lines).rstrip() + "\n\n"


def _checks(checks: Sequence[Check]) -> Table:
    rows = [(check.claim, check.found, "yes" if check.holds else "NO") for check in checks]
    return Table("", ("claim", "found", "holds"), rows)


def _plain(table: Table) -> list[str]:
    cells = [list(map(str, table.columns)), *([str(cell) for cell in row] for row in table.rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(table.columns))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def _markdown(table: Table) -> list[str]:
    rows = [table.columns, ["---"] * len(table.columns), *table.rows]
    return ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
