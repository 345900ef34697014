"""`reexctl watch`: files that appear in a folder are uploaded and predicted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reex.cli import completion, exits, output
from reex.cli.answers import predictions as show_predictions
from reex.cli.options import AsJson, Coverage, Name, Neighbors, example
from reex.cli.rejections import Rejections
from reex.cli.session import connected
from reex.errors import InvalidArgument, NotTrained
from reex.reading import form_of

if TYPE_CHECKING:
    from reex import Client

EXAMPLES = example(
    "reexctl watch sentiment ./inbox --split incoming",
    "reexctl watch sentiment ./inbox --split incoming --json >> answers.jsonl",
    "reexctl watch sentiment ./inbox --split incoming --once",
)

_State = tuple[int, int]  # size and time of change: what tells that a file is another one


def watch(
    name: Name,
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", exists=True, file_okay=False, help="Where files appear; not below it."),
    ],
    split: Annotated[
        str,
        typer.Option("--split", help="Where their documents go.", autocompletion=completion.splits),
    ],
    interval: Annotated[
        float, typer.Option("--interval", metavar="S", min=0.1, help="Seconds between two looks. Default: 2.")
    ] = 2.0,
    once: Annotated[
        bool, typer.Option("--once", help="Take what is there now, and end; exit code 1 when any was bad.")
    ] = False,
    neighbors: Neighbors = 5,
    coverage: Coverage = 0.9,
    as_json: AsJson = False,
) -> None:
    """Upload files as they appear in a folder, and predict their documents. Ctrl-C ends it.

    JSON Lines, CSV, TSV and Parquet, by their names; others, and those that begin with a dot, are passed over. A file
    is taken when it has not changed between two looks, and again when it changes: what it holds that is stored already
    is neither stored nor answered again. Files are left where they are. A bad line, or file, is reported and holds
    nothing up.
    """
    with connected() as client:
        watching = _Watching(client, name, split, neighbors, coverage, as_json)
        known: dict[Path, _State] = {}  # as they were taken
        before: dict[Path, _State] = {}
        while True:
            now = dict(_files(folder))
            for path, state in now.items():
                if known.get(path) != state and (once or before.get(path) == state):
                    known[path] = state
                    watching.take(path)
            if once:
                break
            before = now
            time.sleep(interval)
    if watching.bad_count:
        raise typer.Exit(exits.FAILED)


def _files(folder: Path) -> Iterator[tuple[Path, _State]]:
    for path in sorted(folder.iterdir()):
        try:
            form_of(path)
            about = path.stat()
        except (InvalidArgument, FileNotFoundError):  # of another kind, or gone meanwhile
            continue
        if path.is_file() and not path.name.startswith("."):
            yield path, (about.st_size, about.st_mtime_ns)


class _Watching:
    """How a file is taken: what it changed in the split is answered, and what was changed before any version could."""

    def __init__(
        self, client: Client, name: str, split: str, neighbors: int, coverage: float, as_json: bool
    ) -> None:
        self.bad_count = 0
        self._client, self._name, self._split = client, name, split
        self._options = {"neighbors": neighbors, "coverage": coverage}
        self._as_json = as_json
        self._classes = client.get_project(name).classes
        self._unanswered_since: datetime | None = None  # what was changed then or later may be

    def take(self, path: Path) -> None:
        begun = datetime.now(UTC)
        try:
            result = self._client.upload(self._name, path, self._split)
        except (InvalidArgument, FileNotFoundError) as error:
            self.bad_count += 1
            output.note(f"{output.safe(str(path))}: {output.safe(str(error))}")
            return
        rejections = Rejections(str(path))
        for each in result.rejections:
            rejections.add(each)
        self.bad_count += result.rejected
        output.note(
            f"{output.safe(str(path))}: {result.total:,} line{'s' * (result.total != 1)}, {result.added:,} added, "
            f"{result.replaced:,} replaced, {result.rejected:,} rejected"
        )
        if result.added or result.replaced:
            self._answer(self._unanswered_since or begun)

    def _answer(self, since: datetime) -> None:
        answers = self._client.predict_split(self._name, self._split, since=since, **self._options)
        try:
            show_predictions(answers, self._classes, self._as_json)
        except NotTrained as error:
            self._unanswered_since = since
            output.note(f"not predicted: {output.safe(error.message)}")
        else:
            self._unanswered_since = None
