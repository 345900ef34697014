"""`reexctl recalibrate`: fit the regions of the live classifier to its present support."""

from __future__ import annotations

from reex.cli import overview
from reex.cli.options import AsJson, Name, example
from reex.cli.progress import Progress
from reex.cli.session import connected

EXAMPLES = example("reexctl recalibrate sentiment")


def recalibrate(name: Name, as_json: AsJson = False) -> None:
    """Fit distance distributions and reliability regions again, as a new version that is live at once.

    Worth it after `add`, and after calibration documents were relabelled. Weights and predictions stay.
    """
    with connected() as client:
        with Progress() as progress:
            progress.show("matching", 0, 0)
            found = client.recalibrate(name)
        overview.made(found, name, as_json)
