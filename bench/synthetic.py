"""Documents made up from a seed, for benches where only their number and size matter."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

CLASSES = ("red", "green", "blue")
WORDS_PER_DOCUMENT = 12
_VOWELS, _CONSONANTS = "aeiou", "bdfgklmnprstvz"


def documents(count: int, seed: int) -> list[dict[str, Any]]:
    """`count` different short documents in three classes that differ in a quarter of their words."""
    rng = random.Random(seed)
    common = _words(rng, 400)
    own = [_words(rng, 60) for _ in CLASSES]
    made = []
    for number in range(count):
        label = number % len(CLASSES)
        words = rng.choices(own[label], k=WORDS_PER_DOCUMENT // 4)
        words += rng.choices(common, k=WORDS_PER_DOCUMENT - len(words))
        rng.shuffle(words)
        made.append(
            {"id": f"made-{seed}-{number}", "label": label, "document": f"{' '.join(words)} {number}"}
        )
    return made


def _words(rng: random.Random, count: int) -> list[str]:
    return [
        "".join(rng.choice(_CONSONANTS) + rng.choice(_VOWELS) for _ in range(rng.randint(2, 4)))
        for _ in range(count)
    ]


def write(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path
