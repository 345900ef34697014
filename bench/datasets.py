"""Where the data of the benches is: the user's own files, or an optional folder `shared` beside the checkout.

The sets are not part of this project (their licences forbid or restrict copies); a bench whose set is absent says
which option names it.
"""

from __future__ import annotations

import json
from pathlib import Path

from bench.daemon import ROOT

SHARED = ROOT.parent / "shared" / "data"
PHRASEBANK = SHARED / "financial_phrasebank" / "all-data.csv"
OUT_OF_SCOPE = SHARED / "clinc150" / "oos_test.jsonl"
REVIEWS = SHARED / "movie_reviews_2000" / "test.jsonl"
CORPUS = ROOT / "examples" / "corpus"


class DataAbsent(Exception):
    """A file that a bench needs is not there. The message names the option that points to it."""


def needed(path: Path, option: str) -> Path:
    if not path.is_file():
        raise DataAbsent(f"{path} is absent; say where it is: {option} FILE")
    return path.resolve()


def documents(path: Path, limit: int | None = None) -> list[str]:
    """Texts of a JSON Lines file."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line)["document"] for line in lines][:limit]
