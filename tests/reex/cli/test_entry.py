"""The program before it has a command."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
