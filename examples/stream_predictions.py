"""A local program that streams its texts through a trained project: texts in on stdin, decisions out on stdout.

    python examples/stream_predictions.py PROJECT < texts.txt

Each line is sent as soon as it is read, over one bidirectional stream, and its answer printed as soon as it is
there: the class where the classifier may be trusted at the alpha that is asked for, "ask a person" elsewhere, with
the training document that speaks most for the answer. Many such programs may run at once against one daemon.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator

from reex import Client, ReexError, Text


def texts(lines: Iterable[str]) -> Iterator[Text]:
    """One text a line; its number is its id, which the answer carries back."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield Text(line.strip(), id=str(number))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("project")
    parser.add_argument("--alpha", type=float, default=0.9, help="how often an answer has to be right")
    arguments = parser.parse_args()
    with Client() as client:
        try:
            for answer in client.predict(arguments.project, texts(sys.stdin), neighbors=1):
                trusted = answer.region_alpha >= arguments.alpha
                decision = answer.prediction_name if trusted else "ask a person"
                because = answer.neighbors[0].text if answer.neighbors else ""
                print(answer.id, decision, answer.text, because, sep="\t", flush=True)
        except ReexError as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
        except (
            BrokenPipeError
        ):  # whoever reads the answers has seen enough; what is still buffered goes nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
