"""Checkpoints that MLX packed in few bits: how each matrix is packed, and the same in floating point again.

Knows no architecture. On the CPU floating point is the faster form: MLX's packed products are no BLAS there
(docs/models.md has the figures).
"""

from __future__ import annotations

import mlx.core as mx


def packing(tensors: dict[str, mx.array], quantization: dict, module: str) -> dict:
    """Group size, bits and mode of one module, as MLX's functions take them.

    `quantization`: config.json's, `group_size` and `mode` for all and, under a module's name, for that one. The bits
    follow from the shapes: a row of codes and its scales are of the same width.
    """
    own = quantization.get(module)
    said = {**quantization, **(own if isinstance(own, dict) else {})}
    width = tensors[f"{module}.scales"].shape[-1] * said["group_size"]
    bits = 32 * tensors[f"{module}.weight"].shape[-1] // width
    return {"group_size": said["group_size"], "bits": bits, "mode": said.get("mode", "affine")}


def unpacked(tensors: dict[str, mx.array], quantization: dict) -> dict[str, mx.array]:
    """The same with every packed matrix in float32 in the place of its codes, scales and biases.

    Raises KeyError, ValueError for what does not fit together.
    """
    plain = {}
    for name, value in tensors.items():
        module, _, part = name.rpartition(".")
        if f"{module}.scales" not in tensors or part not in ("weight", "scales", "biases"):
            plain[name] = value
        elif part == "weight":
            how = packing(tensors, quantization, module)
            affine = how["mode"] == "affine"  # of the others the scales are codes themselves
            scales, biases = tensors[f"{module}.scales"], tensors.get(f"{module}.biases")
            plain[name] = mx.dequantize(
                value,
                scales.astype(mx.float32) if affine else scales,
                None if biases is None else biases.astype(mx.float32),
                **how,
            )
    return plain
