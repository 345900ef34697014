"""One client of the latency bench, a process with a channel of its own.

    python -m bench.query_client SOCKET PROJECT TEXTS(JSON Lines) FIRST

Says `ready`, then for each line `SECONDS` on stdin queries one text after the other for so long and answers with one
line of JSON: the milliseconds of each. Ends with stdin.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from reex import Client

from bench.datasets import documents


def main() -> None:
    socket, project, file, first = sys.argv[1:]
    texts = documents(Path(file))
    at = int(first)  # clients begin at different texts
    with Client(Path(socket)) as client:
        client.query(project, texts[at % len(texts)])
        print("ready", flush=True)
        for line in sys.stdin:
            until = time.perf_counter() + float(line)
            took = []
            while (begun := time.perf_counter()) < until:
                client.query(project, texts[at % len(texts)])
                took.append(1e3 * (time.perf_counter() - begun))
                at += 1
            print(json.dumps(took), flush=True)


if __name__ == "__main__":
    main()
