"""`reexctl`: puts the commands together, and turns what they raise into a message and an exit code."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from reex.cli import (
    add,
    classifiers,
    daemon,
    discover,
    documents,
    evaluate,
    exits,
    export,
    jobs,
    labels,
    models,
    output,
    predict,
    prepare,
    project,
    query,
    recalibrate,
    search,
    service,
    split,
    status,
    train,
    upload,
)
from reex.cli.options import example
from reex.errors import ReexError

app = typer.Typer(
    name="reexctl",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Turn labelled documents into a classifier that knows when it does not know. All on this machine.",
    epilog=example(
        "reexctl project create sentiment --classes negative,neutral,positive",
        "reexctl upload sentiment train.jsonl --split train",
        "reexctl train sentiment",
        'reexctl query sentiment "Operating profit rose."',
    ),
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        output.line(f"reexctl {version('reex')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Turn labelled documents into a classifier that knows when it does not know. All on this machine."""


app.add_typer(project.app, name="project")
app.add_typer(labels.app, name="labels")
app.command("upload", epilog=upload.EXAMPLES)(upload.upload)
app.command("export", epilog=export.EXAMPLES)(export.export)
app.add_typer(split.app, name="split")
app.add_typer(documents.app, name="documents")
app.command("train", epilog=train.EXAMPLES)(train.train)
app.add_typer(jobs.app, name="jobs")
app.add_typer(classifiers.app, name="classifiers")
app.command("add", epilog=add.EXAMPLES)(add.add)
app.command("recalibrate", epilog=recalibrate.EXAMPLES)(recalibrate.recalibrate)
app.command("query", epilog=query.EXAMPLES)(query.query)
app.command("predict", epilog=predict.EXAMPLES)(predict.predict)
app.command("evaluate", epilog=evaluate.EXAMPLES)(evaluate.evaluate)
app.add_typer(discover.app, name="discover")
app.command("search", epilog=search.EXAMPLES)(search.search)
app.command("status", epilog=status.EXAMPLES)(status.status)
app.add_typer(models.app, name="models")
app.add_typer(prepare.app, name="prepare")
app.add_typer(daemon.app, name="daemon")
app.add_typer(service.app, name="service")


# What newer releases of Typer make of Ctrl-C; older ones raise Abort.
_INTERRUPTED = 130


def run(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code. Messages go to stderr."""
    try:
        code = app(arguments, standalone_mode=False)
    except ReexError as error:
        output.note(f"error: {output.safe(error.message)}")
        return exits.code_of(error)
    except (typer.Abort, KeyboardInterrupt):
        code = _INTERRUPTED
    except OSError as error:
        output.note(f"error: {output.safe(str(error))}")
        return exits.FAILED
    except Exception as error:
        # Usage errors: their class has moved between releases of Typer, their two members have not.
        if not hasattr(error, "show") or not hasattr(error, "exit_code"):
            raise
        error.show()
        if command := _takes_for_options(error, sys.argv[1:] if arguments is None else arguments):
            output.note(
                "a text that begins with - is taken for options; -- ends them: "
                f'reexctl {command} NAME -- "-5 degrees"'
            )
        return exits.USAGE
    if code == _INTERRUPTED:
        output.note("interrupted")
        return exits.CANCELLED
    return code if isinstance(code, int) else exits.OK


def _takes_for_options(error: Any, arguments: Sequence[str]) -> str:
    """The command that takes a text, when what was refused may be one: no slip of an option, or one with blanks."""
    command = getattr(getattr(error, "ctx", None), "command", None)
    if not any(each.name == "text" for each in getattr(command, "params", ())):
        return ""
    unknown = hasattr(error, "possibilities") and not error.possibilities  # those that are spelled alike
    spaced = any(each.startswith("-") and " " in each for each in arguments)
    return command.name if unknown or spaced else ""


def _open_standard_streams() -> None:
    """Those that whoever started this has closed read nothing and write to nowhere.

    What the encoding of standard output cannot say (a Latin-1 terminal, and a document in Greek) is shown as escapes.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 (open until the end)
            setattr(sys, name, stream)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def main() -> None:
    """What the script `reexctl` runs."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its own lines on stderr say nothing to a user
    _open_standard_streams()
    try:
        code = run()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else exits.FAILED
    sys.stdout.flush()
    sys.stderr.flush()
    if threading.active_count() > 1:
        os._exit(code)  # a thread that waits for stdin would hold the interpreter up, or abort it
    sys.exit(code)
