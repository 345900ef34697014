"""Fast float32 products on the CPU, and an allocator that keeps its pages. Worker processes only.

Owns where OpenBLAS is looked for and what cures its absence. `load` must run before `import mlx.core`: the
MLX wheel for Linux bundles a reference BLAS (3-4 GFLOP/s on the reference machine), and the dynamic linker
takes the first library that offers `cblas_sgemm` (OpenBLAS: 160 GFLOP/s on two cores).
"""

from __future__ import annotations

import ctypes
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

_NAMES = ("libopenblas.so.0", "libopenblas.so")
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 1 << 30

CURE = "sudo apt install libopenblas0"


@dataclass(frozen=True, slots=True)
class Blas:
    """What float32 products run on. `text` is for people."""

    fast: bool
    text: str


def load(path: str = "", threads: int = 1) -> Blas:
    """Load OpenBLAS into this process: from `path`, the system, or beside the environment.

    `threads` of its products; a NumPy that brings an OpenBLAS of its own goes by the environment.
    """
    if sys.platform == "darwin":
        return Blas(True, "Accelerate")
    if "mlx.core" in sys.modules:
        raise RuntimeError("OpenBLAS must be loaded before mlx.core is imported")
    for candidate in (path, *_NAMES, *_beside_environment()):
        if not candidate:
            continue
        try:
            library = ctypes.CDLL(candidate, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        if hasattr(library, "cblas_sgemm"):
            if hasattr(library, "openblas_set_num_threads"):
                library.openblas_set_num_threads(threads)
            return Blas(True, f"OpenBLAS ({candidate})")
    return Blas(False, f"OpenBLAS was not found, so products run about 40 times slower. Install it: {CURE}")


def set_threads(threads: int) -> None:
    """How many cores MLX's products run on from now on, where OpenBLAS was loaded; elsewhere nothing changes."""
    setter = getattr(ctypes.CDLL(None), "openblas_set_num_threads", None)
    if setter is not None:
        setter(threads)


def _beside_environment() -> list[str]:
    """Copies unpacked from the distribution's package below this environment's lib folder."""
    folder = Path(sys.prefix) / "lib"
    return [str(path) for name in _NAMES for path in sorted(folder.glob(f"**/{name}"))]


def keep_freed_memory() -> None:
    """Make glibc keep large freed buffers, which otherwise page-fault anew for every temporary."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def return_freed_memory() -> None:
    """Give what `keep_freed_memory` holds back to the system, when there is nothing to do."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
