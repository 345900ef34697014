"""`python -m bench`: lists the benches. `python -m bench NAME [options]` runs one, `python -m bench all` every one."""

from __future__ import annotations

import argparse
import importlib
import shlex
import signal
import sys
import time
from dataclasses import dataclass

from reex.errors import ReexError

from bench import peers, report, scripts
from bench.daemon import BenchFailed
from bench.datasets import DataAbsent

EXIT_FAILED, EXIT_USAGE, EXIT_ABSENT = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Bench:
    """One claim. `minutes` of a complete run on two quiet cores; `script` for those that also run by themselves,
    `page` names the page of its own, or with others, that its figures fill."""

    module: str
    minutes: float
    claim: str
    script: bool = False
    page: str = ""


BENCHES = {
    "phrasebank": Bench(
        "bench.phrasebank",
        4,
        "The reference job through a real daemon: wall time and its parts, accuracy beside logistic regression,"
        " admission and accuracy at each alpha.",
    ),
    "off-distribution": Bench(
        "bench.off_distribution",
        5,
        "The same classifiers admit at most 2 % of texts that belong to no class.",
    ),
    "training": Bench(
        "bench.training_vs_official",
        8,
        "The same training takes at least ten times less CPU time than the published package at 4,000 documents,"
        " fifteen times less at 20,000.",
        script=True,
    ),
    "scoring": Bench(
        "bench.scoring",
        3,
        "Scoring 10,000 documents against 10,000 support rows costs at least five times less CPU time than the"
        " published package.",
    ),
    "scale": Bench(
        "bench.scale",
        8,
        "20,000 documents: the default training takes at most ten minutes on two cores, all processes under 1.5 GB.",
    ),
    "defaults": Bench(
        "bench.defaults",
        40,
        "Defaults on 60 to 18,000 documents and 2 to 150 classes: accuracy beside tuned regression, rungs at .9,"
        " classes certified.",
    ),
    "estimator": Bench(
        "bench.estimator",
        30,
        "Our estimator, the published package, softmax, temperature scaling and APS on the same hidden states:"
        " accuracy, admission, calibration, off distribution, CPU time, memory.",
        page="estimator",
    ),
    "models": Bench(
        "bench.tuning",
        60,
        "Each model as it was pulled and tuned, on the Financial PhraseBank: accuracy over three seeds, wall and CPU"
        " seconds, memory; at least 87.11 % in less than 21 minutes.",
        page="models",
    ),
    "curve": Bench(
        "bench.curve",
        60,
        "What accuracy depends on, on the Financial PhraseBank: the model, how many documents, how many tuned layers, a"
        " decoder's prompt; with the seconds of each.",
        page="models",
    ),
    "embedding": Bench(
        "bench.embedding",
        15,
        "Documents embedded per CPU second: 1.15 times sentence-transformers on torch, 75 % of the bare products.",
        script=True,
    ),
    "whole-path": Bench(
        "bench.whole_path",
        4,
        "From a JSON Lines file to stored hidden states: at most 15 % more CPU seconds than the bare forward passes.",
        page="models",
    ),
    "multilingual": Bench(
        "bench.multilingual",
        12,
        "One classifier for tweets in eight languages, with a multilingual model and an English one: accuracy,"
        " admission and calibration in each language.",
        page="models",
    ),
    "long-texts": Bench(
        "bench.long_texts",
        15,
        "Whole reviews, in windows, against their first window: accuracy and seconds; throughput by length of text.",
        page="models",
    ),
    "latency": Bench(
        "bench.latency",
        5,
        "`query` end to end: the forward pass and at most 3 ms; p99 while training at most five times idle p99."
        " Uploads per second.",
    ),
    "loop-lag": Bench(
        "bench.loop_lag",
        5,
        "The daemon's event loop lags at most 50 ms while 20,000 rows are evaluated.",
    ),
    "start-up": Bench(
        "bench.start_up", 0.5, "`reexctl --help` costs what Typer costs, and at most 100 ms more."
    ),
    "durability": Bench(
        "bench.durability",
        6,
        "kill -9 of the daemon loses and doubles nothing that was acknowledged; an interrupted training resumes.",
    ),
    "bad-input": Bench(
        "bench.bad_input", 0.5, "Bad lines are reported with line and field, good ones stored, exit code 1."
    ),
    "store-scan": Bench(
        "bench.store_scan",
        0.5,
        "Scanning stored hidden states takes at least 87 % of the speed of NumPy's product over the same bytes.",
        script=True,
    ),
}


def main(arguments: list[str]) -> int:
    """Exit code: 0 done, 1 an outcome that must hold does not, 2 usage, 3 data or a peer is absent."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that daemons are taken down
    name, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if name in ("", "list", "-h", "--help"):
        return _list()
    if name == "peers":
        return peers.main(rest)
    if name not in (*BENCHES, "all"):
        print(f"no bench {name!r}; `python -m bench` lists them", file=sys.stderr)
        return EXIT_USAGE
    if name == "all":
        return max(_run(each, rest, among_all=True) for each in BENCHES)
    return _run(name, rest)


def _list() -> int:
    print("python -m bench NAME [--quick] [options]     NAME --help for a bench's own options\n")
    for name, bench in BENCHES.items():
        print(f"{name:18s}{bench.minutes:4g} min  {bench.claim}")
    print(
        f"\n{'all':18s}{sum(bench.minutes for bench in BENCHES.values()):4g} min  every one, one after the other"
    )
    print(
        f"{'peers':18s}  5 min  builds the environment of torch and the published package (once; a download)"
    )
    return 0


def _run(name: str, rest: list[str], *, among_all: bool = False) -> int:
    bench = BENCHES[name]
    module = importlib.import_module(bench.module)
    parser = argparse.ArgumentParser(
        prog=f"python -m bench {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--quick", action="store_true", help="few repeats and small sizes: does it work, roughly what"
    )
    parser.add_argument(
        "--peer-python", default="", help="python of the peers' environment; default: .cache/peers"
    )
    if not bench.script:
        module.add_options(parser)
    # Options of one bench mean nothing to the others, and a script takes what is left as its own.
    options, unknown = parser.parse_known_args(rest)
    if unknown and not (bench.script or among_all):
        parser.error(f"unknown options: {shlex.join(unknown)}")
    own = [] if among_all else unknown
    print(f"\n== {name}: {bench.claim}", flush=True)
    begun = time.perf_counter()
    try:
        result = scripts.run(name, bench.module, options, own) if bench.script else module.run(options)
    except (DataAbsent, peers.PeersAbsent) as absent:
        print(f"left out: {absent}", file=sys.stderr)
        return EXIT_ABSENT
    except (BenchFailed, ReexError) as failed:
        print(f"failed: {failed}", file=sys.stderr)
        return EXIT_FAILED
    report.show(result)
    shown = own if bench.script else _asked([each for each in rest if not among_all or each not in unknown])
    command = shlex.join(["python", "-m", "bench", name, *shown])
    path = report.save(name, bench.claim, command, result, quick=options.quick)
    if not options.quick:
        report.write_results({name: each.page for name, each in BENCHES.items()})
    print(
        f"\n{time.perf_counter() - begun:.0f} s; raw figures in {path.relative_to(report.BENCH.parent)}",
        flush=True,
    )
    return EXIT_FAILED if result.failed else 0


def _asked(rest: list[str]) -> list[str]:
    """What was asked of a bench, without where the peers lie on this machine."""
    if "--peer-python" in rest:
        at = rest.index("--peer-python")
        rest = rest[:at] + rest[at + 2 :]
    return [each for each in rest if not each.startswith("--peer-python=")]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
