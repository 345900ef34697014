"""Puts the default model into the folder that REEX_MODELS names, for the tests that read it; offline they skip."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from reexd.errors import ReexError
from reexd.records import MODEL_DEFAULT
from reexd.registry import Registry


def main() -> None:
    folder = Path(os.environ["REEX_MODELS"])
    folder.mkdir(parents=True, exist_ok=True)
    registry = Registry(folder)
    try:
        registry.find(MODEL_DEFAULT)
    except ReexError:
        print(f"pulling {MODEL_DEFAULT} into {folder}", file=sys.stderr)
        try:
            registry.pull(MODEL_DEFAULT)
        except ReexError as error:
            print(f"not pulled, tests that need it skip: {error.message}", file=sys.stderr)


if __name__ == "__main__":
    main()
