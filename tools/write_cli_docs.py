"""Writes docs/cli.md from the commands themselves. `--check` writes nothing and fails when the page is stale.

The page is made from names, options and help texts rather than from rendered help, so that it reads the same
whatever release of Typer is installed and however wide the terminal is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from reex.cli import exits
from reex.cli.main import app

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"

HEAD = """# reexctl

Written by `tools/write_cli_docs.py` from the program itself; do not edit.

Data goes to stdout, everything else to stderr. With `--json` a command prints one JSON object, or one a line where
results are many; without it, tables on a terminal and aligned text elsewhere. `NO_COLOR` is respected, and control
characters in documents are shown as escapes. A daemon is started when none runs, unless `REEX_NO_START` is set.
Ctrl-C in `train`, `jobs watch` or `models pull` stops watching, not the job. `reexctl --install-completion` sets up
completion of commands and of project, split, version, model and job names.

| exit code | meaning |
|---|---|
"""

MEANINGS = {
    "OK": "done",
    "FAILED": "failed, or a line of the input was rejected",
    "USAGE": "the command line, or a value sent, can never succeed as it is",
    "NOT_FOUND": "no such project, document, split, classifier, model or job",
    "DAEMON_DOWN": "no daemon answers",
    "UNHEALTHY": "the daemon, a store or a model is damaged or does not answer",
    "NOT_PERMITTED": "not permitted",
    "CONFLICT": "the name is taken, or a job, a daemon or a version holds it",
    "CANCELLED": "interrupted, or the job was cancelled",
    "TRY_AGAIN": "busy, restarting, or unreachable: try again",
}


def render() -> str:
    """The whole page."""
    codes = "".join(f"| {getattr(exits, name)} | {meaning} |\n" for name, meaning in MEANINGS.items())
    return HEAD + codes + "".join(_section(words, command) for words, command in _leaves())


def _leaves() -> Iterator[tuple[list[str], Any]]:
    def walk(words: list[str], command: Any) -> Iterator[tuple[list[str], Any]]:
        children = getattr(command, "commands", None)
        if children is None:
            yield words, command
            return
        for name, child in children.items():
            yield from walk([*words, name], child)

    yield from walk(["reexctl"], typer.main.get_command(app))


def _section(words: list[str], command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    usage = " ".join([*words, *(each.metavar or each.name.upper() for each in arguments), "[OPTIONS]"])
    lines = [f"\n## {' '.join(words)}\n", f"```\n{usage}\n```\n", _prose(command.help), ""]
    lines += [f"* `{each.metavar or each.name.upper()}`: {each.help}" for each in arguments if each.help]
    lines += [f"* `{_forms(each)}`: {each.help}" for each in options]
    example = command.epilog.replace("\b\n", "").splitlines()[1:]
    lines += ["", "```", *(line.strip() for line in example), "```", ""]
    return "\n".join(lines)


def _prose(text: str) -> str:
    return "\n".join(line.strip() for line in (text or "").strip().splitlines())


def _forms(option: Any) -> str:
    forms = sorted(option.opts, key=len)
    value = option.metavar or forms[-1].lstrip("-").upper()
    return ", ".join(forms) if option.is_flag else f"{', '.join(forms)} {value}"


def main() -> None:
    page = render()
    if sys.argv[1:] == ["--check"]:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page:
            raise SystemExit("docs/cli.md is stale; run: python tools/write_cli_docs.py")
        return
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
