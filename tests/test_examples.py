"""The example programs do what they say, and end as a program in a pipe is expected to."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

STREAM = Path(__file__).parent.parent / "examples" / "stream_predictions.py"
# A test run in the background ignores SIGINT, and its children inherit that.
PROGRAM = (
    "import runpy, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    " runpy.run_path(sys.argv.pop(1), run_name='__main__')"
)


@pytest.fixture
def streaming(trained):
    """The example on the trained project, after its first answer."""
    command = [sys.executable, "-c", PROGRAM, str(STREAM), trained.project]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environ = {**trained.daemon.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environ, text=True, bufsize=1, **pipes) as process:
        process.stdin.write("profit rose in the quarter\n")
        assert process.stdout.readline().startswith("1\t")
        yield process
        process.kill()


def test_a_line_is_answered_before_the_next_is_given(streaming):
    streaming.stdin.write("\nprofit fell\n")
    assert streaming.stdout.readline().startswith("3\t")
    streaming.stdin.close()
    assert (streaming.wait(60), streaming.stderr.read()) == (0, "")


def test_ctrl_c_ends_it_without_a_traceback(streaming):
    streaming.send_signal(signal.SIGINT)
    assert (streaming.wait(60), streaming.stderr.read()) == (130, "")


def test_a_reader_that_leaves_ends_it_quietly(streaming):
    streaming.stdout.close()
    streaming.stdin.write("profit fell\n")
    assert (streaming.wait(60), streaming.stderr.read()) == (0, "")
