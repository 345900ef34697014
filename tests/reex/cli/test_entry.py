"""The program before it has a command, and the streams it writes to."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from reex.v1 import projects_pb2

# Ctrl-C while the package is loaded that most of the start goes into.
INTERRUPTED = """
import sys

class Interrupt:
    def find_spec(self, name, *_):
        if name == "typer":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
sys.argv = ["reexctl", "--help"]
"""


@pytest.mark.parametrize(
    "start", ["from reex.cli.entry import main; main()", "import runpy; runpy.run_module('reex.cli')"]
)
def test_an_interrupt_while_the_commands_are_loaded_ends_it_quietly(start):
    done = subprocess.run([sys.executable, "-c", INTERRUPTED + start], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_what_an_encoding_cannot_say_is_shown_as_escapes(held, program):
    held.answers["ListProjects"] = lambda request, context: projects_pb2.ListProjectsResponse(
        projects=[projects_pb2.Project(name="p", classes=["né", "καλό"])]
    )
    process = program("project", "list", env={**os.environ, "PYTHONIOENCODING": "latin-1"})
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "né, \\u03ba\\u03b1" in out.decode("latin-1")
