"""The tests are the same on a busy machine and in a shell that says things: conftest.py sees to it."""

import os
import subprocess
import sys
from pathlib import Path

from hypothesis import settings

TESTS = Path(__file__).parent


def test_an_example_of_hypothesis_may_take_its_time():
    assert settings().deadline is None


def test_what_a_shell_says_reaches_no_program_under_test():
    program = "import conftest, os; print([name for name in os.environ if name[:3] == 'HF_' or name[-6:] == '_COLOR'])"
    said = {"NO_COLOR": "1", "HF_HUB_OFFLINE": "1", "HF_ENDPOINT": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=TESTS,
        env=os.environ | said,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
