"""`reexctl upload`: documents from a file or stdin into a split."""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from reex.cli import completion, exits, output, views
from reex.cli.options import AsJson, Format, Name, example, readable
from reex.cli.progress import Progress
from reex.cli.session import connected
from reex.reading import form_of

if TYPE_CHECKING:
    from reex import Client
    from reex.types import UploadProgress, UploadResult

SPOOLED_MAX_BYTES = 16 << 20  # of stdin, in memory; more goes to a temporary file

EXAMPLES = example(
    "reexctl upload sentiment train.jsonl --split train",
    "reexctl upload sentiment everything.csv --split auto:80/10/10",
    "reexctl upload sentiment reviews.csv --split incoming --dry-run",
    "reexctl upload sentiment from-elsewhere.sdmdataset --split train",
    "zcat *.jsonl.gz | reexctl upload sentiment - --split calibration",
)


def upload(
    name: Name,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            callback=readable,
            help="JSON Lines, CSV (commas or semicolons), TSV or Parquet; a .sdmdataset; - is stdin.",
        ),
    ],
    split: Annotated[
        str,
        typer.Option(
            "--split",
            help="train, calibration, test, or any other name; auto:80/10/10 divides the file over these three.",
            autocompletion=completion.splits,
        ),
    ],
    form: Format = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="S", help="Of the chance by which auto: divides. Default: 0.")
    ] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, store nothing.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Check everything first; store nothing when any line is bad.")
    ] = False,
    overwrite_labels: Annotated[
        bool,
        typer.Option(
            "--overwrite-labels", help="Take the labels of the file also where others were set here."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Store documents. A bad line is reported and costs no good one; exit code 1 when there was any.

    A line holds `document`, and optionally `id`, `label` (an index or a class name; -1 none, -99 belongs to no
    class), `prompt`, `info`, `group`, `attributes` (numbers); other keys are kept. Sending a document again
    changes nothing, so an interrupted upload is resumed by running it again.

    `--split auto:80/10/10` divides a file, class by class, in these percentages over train, calibration and test. Equal
    texts stay together. The same file and seed are divided the same way again.

    A label that was set here since, by `add` or `documents edit`, is kept where the file says another one, and counted;
    --overwrite-labels takes the file's.
    """
    from reex.dividing import shares_of

    with ExitStack() as stack:
        twice = (strict and not dry_run) or shares_of(split) is not None
        source = _source(file, stack, spool=twice)
        if source is not file and str(file) != "-":
            form = form or form_of(file)
        client = stack.enter_context(connected())
        run = partial(
            _run, client, name, source, split, form=form, seed=seed, overwrite_labels=overwrite_labels
        )
        result = None
        if strict or dry_run:
            result = run(validate_only=True)
        if not dry_run and (result is None or not result.rejected):
            if hasattr(source, "seek") and strict:
                source.seek(0)
            result = run(validate_only=False)
            stored = True
        else:
            stored = False
    shown = "stdin" if str(file) == "-" else str(file)
    views.upload(result, shown, stored, as_json)
    if result.rejected:
        raise typer.Exit(exits.FAILED)


def _source(file: Path, stack: ExitStack, *, spool: bool) -> Path | IO[bytes]:
    """The file, or stdin; stdin or another pipe is kept aside when it has to be read twice."""
    stdin = str(file) == "-"
    if not stdin and not (spool and file.is_fifo()):
        return file
    if not spool:
        return sys.stdin.buffer
    read = sys.stdin.buffer if stdin else stack.enter_context(file.open("rb"))
    kept = tempfile.SpooledTemporaryFile(SPOOLED_MAX_BYTES)  # noqa: SIM115 (closed by the stack)
    stack.enter_context(kept)
    while block := read.read(1 << 20):
        kept.write(block)
    kept.seek(0)
    return kept


def _run(
    client: Client, name: str, source: Any, split: str, *, validate_only: bool, **options: Any
) -> UploadResult:
    from reex.upload import resume_hint

    last: UploadProgress | None = None
    verb = "checking" if validate_only else "uploading"
    try:
        with Progress() as progress:

            def show(now: UploadProgress) -> None:
                nonlocal last
                last = now
                if now.total_bytes:
                    progress.show(verb, now.read_bytes, now.total_bytes, unit="bytes")
                else:
                    progress.show(verb, now.documents, 0, unit="documents")

            return client.upload(
                name, source, split, validate_only=validate_only, on_progress=show, **options
            )
    except KeyboardInterrupt:
        if validate_only or last is None:
            output.note("interrupted; nothing was stored")
        else:
            output.note(f"interrupted; {resume_hint(last)}")
        raise typer.Exit(exits.CANCELLED) from None
