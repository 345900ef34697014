"""Reading safetensors files that nobody vouches for: digest, then header, then MLX. Knows no architecture."""

from __future__ import annotations

import hashlib
from pathlib import Path

import mlx.core as mx

from reexd.weights import safetensors
from reexd.weights.tensor import corrupt


def load(path: Path, digest: str | None) -> dict[str, mx.array]:
    """The tensors of a checked file. `digest`: hex SHA-256 pinned when the model was pulled, or None."""
    verify(path, digest)
    safetensors.tensors(path)
    return mx.load(str(path), format="safetensors")


def verify(path: Path, digest: str | None) -> None:
    """Raises ModelCorrupt unless a file of weights is the one that was pinned, if it was."""
    if digest is not None:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != digest:
            raise corrupt(path, f"SHA-256 {digest} was pinned when it was pulled, the file has {found}")
