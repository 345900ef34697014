"""Seeds whose trials share nothing: shuffle i of seed s is drawn from s + i, so near ones would share shuffles."""

from __future__ import annotations

STRIDE = 1000


def seeds(count: int) -> list[int]:
    return [STRIDE * number for number in range(count)]
