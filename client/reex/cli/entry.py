"""The script `reexctl`: loads the commands and runs one. Knows only that loading them takes a moment, too."""

import sys


def main() -> None:
    """Ends quietly where Ctrl-C comes before there is a command to interrupt; 130 is what shells say of it."""
    try:
        from reex.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)
