"""What a language model takes in memory, and what the machine has to give. Reads counters; opens nothing.

On CPU a model is held in float32, four bytes per parameter, whatever its file holds; on Metal in its file's own
type. Every worker that embeds holds a copy. Reading and fusing them takes a while a sixth more (mpnet in float32) to a
quarter (in bfloat16), measured as MLX's peak; a forward pass takes less.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from reexd.errors import ModelTooLarge
from reexd.weights.measure import Measure

_BYTES_PER_PARAMETER = 4
_READING_SHARE = 0.25
# Weights, the two moments of their updates, gradient, the weights as they were and as they were best.
_TUNING_COPIES = 6
_PHYSICAL_SHARE_MAX = 0.8  # where the system does not say what is available

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Needs:
    """Bytes. `each` in one worker, `total` in all of them."""

    each: int
    workers: int

    @property
    def total(self) -> int:
        return self.each * self.workers


def needs(measure: Measure, *, backend: str, workers: int) -> Needs:
    """An estimate from the headers of a model's files, made before anything is read into memory."""
    weights = measure.stored_bytes if backend == "metal" else measure.parameters * _BYTES_PER_PARAMETER
    return Needs(int(weights * (1 + _READING_SHARE)), max(1, workers))


def available_bytes() -> int:
    """What the system can give without swapping, within the limit of the control group when there is one."""
    available = _meminfo("MemAvailable")
    if available is None:
        pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        available = int(pages * _PHYSICAL_SHARE_MAX)
    limit, used = _number(_CGROUP / "memory.max"), _number(_CGROUP / "memory.current")
    if limit is None or used is None:
        return available
    return max(0, min(available, limit - used + _reclaimable()))


def refuse_too_large(name: str, measure: Measure, needed: Needs, *, workers_set: int) -> None:
    """Raises ModelTooLarge, with what is needed, what there is, and what helps, unless the model fits.

    `workers_set`: the setting that `needed` follows from, bulk workers alone.
    """
    available = available_bytes()
    if needed.total <= available:
        return
    fewer = ""
    if workers_set > 1 and needed.each * 2 <= available:
        fewer = f" One worker would do with {2 * needed.each / 1e9:.1f} GB: REEX_WORKERS=1."
    raise ModelTooLarge(
        f"model {name} has {measure.parameters / 1e6:,.0f} million parameters and takes {needed.each / 1e9:.1f} GB in "
        f"each of {needed.workers} workers, {needed.total / 1e9:.1f} GB in all; {available / 1e9:.1f} GB are "
        f"available.{fewer} End other programs, or choose a smaller model: reexctl models list",
        model=name,
        needed_bytes=needed.total,
        available_bytes=available,
    )


def refuse_tuning_too_large(name: str, parameters: int) -> None:
    """Raises ModelTooLarge unless a worker can hold what tuning `parameters` weights takes beside the model itself.

    Activations come on top: those of a batch's tokens, little beside weights that are worth counting.
    """
    needed, available = _TUNING_COPIES * _BYTES_PER_PARAMETER * parameters, available_bytes()
    if needed > available:
        raise ModelTooLarge(
            f"tuning {parameters / 1e6:,.0f} million parameters of model {name} takes {needed / 1e9:.1f} GB beside the"
            f" model; {available / 1e9:.1f} GB are available. Tune fewer layers (--tune-layers), end other programs, or"
            " choose a smaller model: reexctl models list",
            model=name,
            needed_bytes=needed,
            available_bytes=available,
        )


def _meminfo(key: str) -> int | None:
    try:
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:")), None)


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):  # "max": no limit
        return None


def _reclaimable() -> int:
    """Of what a control group uses, the file pages that are given up when memory is asked for."""
    try:
        lines = (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)
