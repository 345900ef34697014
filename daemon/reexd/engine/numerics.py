"""Whatever changes the numbers of a hidden state, as one digest; and what a backend can do in a second.

Free of mlx: the daemon process computes fingerprints.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from reexd.pooling import parse
from reexd.records import ModelFiles

# Counts changes of the kernels that move hidden states by more than rounding. Cached hidden states of another
# revision are embedded anew.
REVISION = 1
DTYPE = "float32"

# Floating-point operations per second that a unit of work is cut for, one worker. Constants, not measurements, so that
# the same corpus is cut into the same batches on every run; low, for too large a unit makes others wait.
_OPERATIONS_PER_S = {"metal": 2e12, "cpu": 8e10, "cpu without blas": 3e9}


def operations_per_s(backend: str, blas_fast: bool) -> float:
    return _OPERATIONS_PER_S["metal" if backend == "metal" else "cpu" if blas_fast else "cpu without blas"]


def fingerprint(
    files: ModelFiles,
    digests: Mapping[str, str],
    *,
    window: int,
    stride: int,
    backend: str,
    form: int = 0,
) -> str:
    """Hex digest of everything that changes a hidden state (architecture.md 4).

    `digests`: SHA-256 of config, tokenizer and weights by file name. `window` and `stride` in tokens.
    `form`: of what a decoder reads around a text; 0 for an encoder.
    """
    facts = {
        "digests": dict(sorted(digests.items())),
        "pooling": str(parse(files.pooling)),
        "prefix": files.document_prefix,
        "window": window,
        "stride": stride,
        "normalised": False,
        "dtype": DTYPE,
        "backend": backend,
        "revision": REVISION,
    }
    if form:
        facts["form"] = form
    if files.adapter is not None:
        facts["adapter"] = files.adapter.digest
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
