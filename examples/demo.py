"""The main job end to end on the shipped corpus, with the commands a person would type, in a home of its own.

Run by `make demo`. Everything happens below --home (default: .cache/demo in the checkout); the daemon it starts is
stopped at the end, the project stays, and the last lines say how to go on with it.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORPUS = Path(__file__).resolve().parent / "corpus"
PROJECT = "bikes"
CLEAR = "You took the monthly fee from my card twice in March, please send one of the two payments back."
HARD = "So kind of you to charge me for a bike that would not even let go of its dock."
OFF_TOPIC = "Simmer the chickpeas with cumin and tomato until the sauce is thick, then add the spinach."
SEARCH = "someone was kind to an elderly person"


class Demo:
    """Runs reexctl against one home and shows each command before its output."""

    def __init__(self, home: Path, models: Path) -> None:
        self._environment = {**os.environ, "REEX_HOME": str(home), "REEX_MODELS": str(models)}

    def say(self, text: str) -> None:
        print(f"\n{'=' * 4} {text}", flush=True)

    def run(self, *arguments: str, shown: bool = True) -> None:
        """Run one command; a failure ends the demo with the command's own exit code."""
        if shown:
            print(f"\n$ reexctl {shlex.join(arguments)}", flush=True)
        # The program beside this interpreter: a demo must not pick up another installation from PATH.
        done = subprocess.run(
            [sys.executable, "-m", "reex.cli", *arguments], env=self._environment, check=False
        )
        if done.returncode:
            raise SystemExit(done.returncode)


def main() -> None:
    parser = argparse.ArgumentParser(description="The main job end to end on the shipped corpus.")
    parser.add_argument("--home", type=Path, default=ROOT / ".cache" / "demo")
    parser.add_argument("--models", type=Path, default=ROOT / ".cache" / "models")
    parsed = parser.parse_args()
    demo = Demo(parsed.home, parsed.models)
    if parsed.home.exists():
        # Whoever followed the last lines of an earlier demo has started its daemon again.
        demo.run("daemon", "stop", shown=False)
        shutil.rmtree(parsed.home)
    started = time.monotonic()
    try:
        play(demo)
    finally:
        demo.run("daemon", "stop", shown=False)
    print(f"\nDone in {time.monotonic() - started:.0f} s. To go on with this project:\n")
    print(f"  export REEX_HOME={shlex.quote(str(parsed.home))} REEX_MODELS={shlex.quote(str(parsed.models))}")
    print(f"  export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH")
    print(f'  reexctl query {PROJECT} "the front tyre is flat again"')


def play(demo: Demo) -> None:
    demo.say("A language model (once; 22 million parameters, 91 MB)")
    demo.run("models", "pull", "minilm")
    demo.say("A project: messages to a bicycle-sharing scheme, four classes, and its documents")
    demo.run("project", "create", PROJECT, "--labels", str(CORPUS / "labels.jsonl"))
    for split in ("train", "calibration", "test", "off_topic"):
        demo.run("upload", PROJECT, str(CORPUS / f"{split}.jsonl"), "--split", split)
    demo.say("Training: hidden states, adaptor, calibration")
    demo.run("train", PROJECT)
    demo.say("How right is it on documents it never saw? A quarter of them are hard on purpose")
    demo.run("evaluate", PROJECT, "--split", "test")
    demo.say("What does it make of texts that belong to no class?")
    demo.run("evaluate", PROJECT, "--split", "off_topic")
    demo.say("A clear question: admitted, with the training documents that explain it")
    demo.run("query", PROJECT, CLEAR)
    demo.say("A hard one: irony, and two classes at once")
    demo.run("query", PROJECT, HARD)
    demo.say("One that has nothing to do with bicycles")
    demo.run("query", PROJECT, OFF_TOPIC)
    demo.say("Semantic search over every document, by meaning rather than by words")
    demo.run("search", PROJECT, SEARCH, "-k", "5")


if __name__ == "__main__":
    main()
