"""What surrounds the commands: start-up, help, pipes, terminals, colours, interrupts, a daemon that is down."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import typer
from reex.cli import completion
from reex.cli.main import app, run
from reex.v1 import jobs_pb2, predictions_pb2, projects_pb2, training_pb2


def commands(command=None, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    command = command or typer.main.get_command(app)
    yield words, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*words, name))


LEAVES = [(words, command) for words, command in commands() if not hasattr(command, "commands")]


@pytest.mark.parametrize(("words", "command"), LEAVES, ids=[" ".join(words) for words, _ in LEAVES])
def test_every_command_has_json_and_a_help_with_its_own_example(words, command, capsys):
    assert all(parameter.help for parameter in command.params)
    assert any("--json" in parameter.opts for parameter in command.params)
    assert run([*words, "--help"]) == 0
    help_text = capsys.readouterr().out
    example = help_text.split("Example")[-1]
    assert f"reexctl {' '.join(words)}" in example
    about = " ".join((command.help or "").split())
    assert about, "a help text says what the command does"
    assert about[:40] in " ".join(help_text.split())


def test_help_loads_neither_grpc_nor_numpy_nor_rich():
    program = (
        "import sys\n"
        "from reex.cli.main import run\n"
        "code = run(['--help'])\n"
        "heavy = {'grpc', 'numpy', 'google.protobuf', 'rich', 'asyncio'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("command", "given", "told"),
    [
        ("query", ["-5 degrees"], True),
        ("search", ["-no good"], True),
        ("add", ["-5 degrees", "--label", "positive"], True),
        ("query", ["cold", "--neighbours", "3"], False),  # a slip, and the option that is meant is named
        ("upload", ["-5 degrees"], False),
    ],
)
def test_a_text_that_begins_with_a_dash_is_told_what_ends_the_options(capsys, command, given, told):
    assert run([command, "s", *given]) == 2
    assert (f'reexctl {command} NAME -- "-5 degrees"' in capsys.readouterr().err) == told


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["upload", "s"], ["train"], ["query", "s", "x", "--speed"]]
)
def test_a_wrong_call_exits_2_and_says_so_on_stderr(arguments, capsys):
    assert run(arguments) == 2
    seen = capsys.readouterr()
    assert (seen.out, bool(seen.err)) == ("", True)


def test_version(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("reexctl ")


def test_a_daemon_that_is_down_exits_4_with_the_command_that_starts_it(home, capsys):
    assert run(["project", "list"]) == 4
    seen = capsys.readouterr()
    assert (seen.out, "reexctl daemon start" in seen.err) == ("", True)
    assert not (home / "reexd.sock").exists(), "REEX_NO_START was not minded"


def test_daemon_status_tells_down_from_silent(home, held, capsys):
    assert run(["daemon", "status", "--json"]) == 5
    assert json.loads(capsys.readouterr().out)["running"] is True


def test_daemon_status_and_stop_without_a_daemon(home, capsys):
    assert run(["daemon", "status"]) == 4
    assert run(["daemon", "stop"]) == 0
    assert "no daemon was running" in capsys.readouterr().out


def answer_with_projects(held, count: int) -> None:
    held.answers["ListProjects"] = lambda request, context: projects_pb2.ListProjectsResponse(
        projects=[projects_pb2.Project(name=f"p{n}", classes=["a\x1b", "b"]) for n in range(count)]
    )


def test_a_reader_that_leaves_early_ends_it_quietly(held, program):
    answer_with_projects(held, 20_000)
    process = program("project", "list", "--json")
    assert process.stdout.readline().startswith(b'{"name": "p0"')
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(60), errors) == (0, b"")


@pytest.mark.parametrize(
    ("closed", "arguments", "expected"),
    [
        ("<&-", ("query", "s", "-"), (0, b"", b"")),
        (">&-", ("labels", "export", "s"), (0, b"", b"")),
        ("2>&-", ("upload", "s", "missing.csv", "--split", "train"), (2, b"", b"")),
    ],
)
def test_a_standard_stream_may_be_closed(held, closed, arguments, expected):
    command = ["sh", "-c", f'"$@" {closed}', "sh", sys.executable, "-m", "reex.cli", *arguments]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == expected


def on_terminal(program, *arguments: str, **variables: str) -> str:
    """What a person would see: stdout and stderr are one terminal."""
    leader, follower = pty.openpty()
    environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **variables}
    process = program(*arguments, stdin=follower, stdout=follower, stderr=follower, env=environ)
    os.close(follower)
    seen = b""
    while True:
        try:
            block = os.read(leader, 65536)
        except OSError:
            break
        if not block:
            break
        seen += block
    os.close(leader)
    assert process.wait(60) == 0
    return seen.decode()


def test_a_terminal_gets_colours_unless_no_color_is_set(held, program):
    rejected = predictions_pb2.Prediction(
        prediction_name="neutral",
        reliability="lowest",
        probabilities=[0.1, 0.8, 0.1],
        text="evil\x1b]0;t\x07",
    )
    neighbor = rejected.neighbors.add(text="evil\x1b]0;t\x07")
    assert neighbor.text
    held.answers["Query"] = lambda request, context: predictions_pb2.QueryResponse(predictions=[rejected])
    coloured = on_terminal(program, "query", "s", "x")
    plain = on_terminal(program, "query", "s", "x", NO_COLOR="1")
    assert "\x1b[33mneutral" in coloured
    assert "\x1b[3" not in plain
    for seen in (coloured, plain):
        assert "neutral" in seen
        assert "evil\\x1b]0;t\\x07" in seen
        assert "\x1b]0;" not in seen


def test_a_table_fits_the_terminal(held, program):
    held.answers["ListProjects"] = lambda request, context: projects_pb2.ListProjectsResponse(
        projects=[projects_pb2.Project(name="p", classes=["long name"] * 50)]
    )
    seen = on_terminal(program, "project", "list", NO_COLOR="1")
    assert "…" in seen
    drawn = re.sub(r"\x1b\[[0-9;]*m", "", seen)
    assert max(len(line) for line in drawn.splitlines()) <= 100


def test_ctrl_c_ends_a_command_with_8(reexctl, monkeypatch):
    def interrupted(client):
        raise KeyboardInterrupt

    monkeypatch.setattr("reex.Client.list_projects", interrupted)
    ended = reexctl("project", "list")
    assert (ended.code, ended.out, ended.err) == (8, "", "interrupted\n")


@pytest.mark.parametrize(
    "arguments", [("train", "s"), ("jobs", "watch", "train-1"), ("jobs", "watch", "train-1", "--json")]
)
def test_ctrl_c_leaves_the_job_and_says_how_to_watch_it(held, program, arguments):
    watched = threading.Event()

    def watch(request, context):
        yield jobs_pb2.WatchJobResponse(
            job=jobs_pb2.Job(name="train-1", kind="train", state=jobs_pb2.JOB_STATE_RUNNING)
        )
        watched.set()
        while context.is_active():
            threading.Event().wait(0.05)

    held.answers["Train"] = lambda request, context: training_pb2.TrainResponse(
        job=jobs_pb2.Job(name="train-1", kind="train")
    )
    held.answers["GetJob"] = lambda request, context: jobs_pb2.GetJobResponse(
        job=jobs_pb2.Job(name="train-1", kind="train")
    )
    held.answers["WatchJob"] = watch
    process = program(*arguments)
    assert watched.wait(60)
    if "--json" in arguments:
        assert b'"running"' in process.stdout.readline()
    else:
        assert any(b"train-1: running" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 8
    assert b"reexctl jobs watch train-1" in errors
    assert b"Traceback" not in errors
    assert "CancelJob" not in [name for name, _ in held.requests]


def test_ctrl_c_in_an_upload_says_how_to_go_on(held, program):
    stored = threading.Event()
    serve = held.answers["UploadDocuments"]

    def slow(chunks, context):
        for acknowledgement in serve(chunks, context):
            yield acknowledgement
            stored.set()

    held.answers["UploadDocuments"] = slow
    process = program("upload", "s", "-", "--split", "train", stdin=subprocess.PIPE)
    process.stdin.write(b'{"document": "x"}\n' * 300)
    process.stdin.flush()
    assert stored.wait(60)
    threading.Event().wait(0.3)  # the acknowledgement is on its way to the other process
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 8
    assert b"256 documents" in errors
    assert b"run the same upload again" in errors


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"first\n\n  second  \n{third\n", [("1", "first"), ("3", "second"), ("4", "{third")]),
        (b'{"id": "a", "document": "x"}\n{"document": "y"}\n', [("a", "x"), ("", "y")]),
        (b"\xef\xbb\xbfbom\nlast", [("1", "bom"), ("2", "last")]),
        (b"", []),
    ],
)
def test_query_of_stdin_answers_each_line_in_order(held, reexctl, monkeypatch, text, expected):
    held.answers["Query"] = lambda request, context: predictions_pb2.QueryResponse(
        predictions=[predictions_pb2.Prediction(id=each.id, text=each.text) for each in request.texts]
    )
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    ended = reexctl("query", "s", "-")
    assert ended.code == 0
    answers = [json.loads(line) for line in ended.out.splitlines()]
    assert [(answer["id"], answer["text"]) for answer in answers] == expected


def test_query_of_stdin_reports_what_it_cannot_read(held, reexctl, monkeypatch):
    held.answers["Query"] = lambda request, context: predictions_pb2.QueryResponse(
        predictions=[predictions_pb2.Prediction(text=each.text) for each in request.texts]
    )
    text = b'{"document": "x"}\n\xff\n{"text": "y"}\nplain\n{"document": "z"}\n'
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    ended = reexctl("query", "s", "-")
    assert ended.code == 1
    assert [json.loads(line)["text"] for line in ended.out.splitlines()] == ["x", "z"]
    assert [line.split(": ")[0] for line in ended.err.splitlines()] == ["stdin:2", "stdin:3", "stdin:4"]


def test_query_of_stdin_rejects_what_cannot_be_sent_and_goes_on(held, reexctl, monkeypatch):
    held.answers["Query"] = lambda request, context: predictions_pb2.QueryResponse(
        predictions=[predictions_pb2.Prediction(text=each.text, label=each.label) for each in request.texts]
    )
    lines = [
        {"document": "a", "label": "neutral"},
        {"document": "b", "label": "nosuch"},
        {"document": "c", "label": 7},
        {"document": "  "},
        {"document": "d", "id": 5},
        {"document": "e" * (1 << 20) + "e"},
        {"document": "f", "label": 2},
    ]
    text = "\n".join(map(json.dumps, lines)).encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    ended = reexctl("query", "s", "-")
    assert ended.code == 1
    assert [(line["text"], line["label"]) for line in ended.lines] == [("a", 1), ("f", 2)]
    assert [line.split(":")[1:3] for line in ended.err.splitlines()] == [
        ["2", " label"],
        ["3", " label"],
        ["4", " document"],
        ["5", " id"],
        ["6", " document"],
    ]


def test_a_program_may_wait_for_each_answer_of_query(held, program):
    held.answers["Query"] = lambda request, context: predictions_pb2.QueryResponse(
        predictions=[predictions_pb2.Prediction(text=each.text) for each in request.texts]
    )
    process = program("query", "s", "-", stdin=subprocess.PIPE)
    for n in range(3):
        process.stdin.write(f"text {n}\n".encode())
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["text"] == f"text {n}"
    process.stdin.close()
    process.stdin = None
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, b"")


def test_completion_asks_a_running_daemon_and_is_silent_without_one(held, home):
    answer_with_projects(held, 12)
    assert completion.projects("p1") == ["p1", "p10", "p11"]


def test_completion_without_a_daemon_is_empty(home):
    assert completion.projects("") == []
    assert completion.jobs("") == []
    assert completion.models("") == []


@pytest.mark.parametrize("arguments", [("project", "list"), ("query", "s", "a text")])
def test_nothing_is_sent_to_a_socket_that_somebody_else_may_have_made(held, home, reexctl, arguments):
    home.chmod(0o777)
    ended = reexctl(*arguments)
    assert (ended.code, ended.out, held.requests) == (2, "", [])
    assert f"got mode 0777. Remove what is not yours in it, then run: chmod 700 {home}" in ended.err
