"""The inner functions of the encoders, in two forms: MLX's own for Metal, fast ones for the CPU.

Owns approximations, their error bounds and masks; knows no model and no checkpoint. MLX's scalar exp and erf are
slow on the CPU, and its fused attention and layer norm fall back to many passes there; the forms below use
only additions, multiplications, one division and matrix products. `mx.compile` would save 7 % more, but on the
CPU it runs the system's C++ compiler, seconds at a first start and not there on every machine.
Figures: bench/embedding.py.
"""

from __future__ import annotations

import math

import mlx.core as mx
import mlx.nn as nn

# erfc(z) = (1 + a1 z + ... + a6 z^6)^-16, |error| <= 3e-7 for z >= 0 (Abramowitz and Stegun 7.1.28).
_ERFC = (1.0, 0.0705230784, 0.0422820123, 0.0092705272, 0.0001520143, 0.0002765672, 0.0000430638)
# The same polynomial in |x| = z sqrt(2), times 2^(1/16), so that its -16th power is erfc(|x| / sqrt 2) / 2.
_HALF_ERFC = tuple(a * 2.0 ** (1 / 16 - i / 2) for i, a in enumerate(_ERFC))
# exp(y) = 1 + c1 y + ... + c5 y^5 for -20/32 <= y <= 0: least squares of the relative error at Chebyshev's nodes.
_EXP = (0.99999692, 0.499934205, 0.166198677, 0.040179011, 0.00610586316)
_EXP_FLOOR = -20.0  # exp(-20) = 2e-9: below the rounding of a sum that holds a 1
_MASKED = -1e9
_SCORES_MAX = 16 << 20  # scores held at once, 64 MB: only texts of more than a thousand tokens have more


def on_metal() -> bool:
    """Whether MLX's own kernels are the fast ones here."""
    return mx.default_device() == mx.Device(mx.gpu)


@mx.custom_function
def _gelu(x: mx.array) -> mx.array:
    """x Phi(x), absolute error <= 1e-6: max(x, 0) - |x| erfc(|x| / sqrt 2) / 2."""
    a = mx.abs(x)
    return mx.maximum(x, 0) - a / _inverse_tail(a)


@_gelu.vjp
def _gelu_slope(x: mx.array, cotangent: mx.array, _: mx.array) -> mx.array:
    """Phi(x) + x phi(x), absolute error <= 2e-6. Where the approximation overflows its own slope is not a number."""
    tail = 1 / _inverse_tail(mx.abs(x))
    density = _exp_nonpositive(-0.5 * x * x) * (2 * math.pi) ** -0.5
    return cotangent * (mx.where(x > 0, 1 - tail, tail) + x * density)


def _inverse_tail(a: mx.array) -> mx.array:
    """2 / erfc(a / sqrt 2) for a >= 0."""
    c = _HALF_ERFC
    p = c[0] + a * (c[1] + a * (c[2] + a * (c[3] + a * (c[4] + a * (c[5] + a * c[6])))))
    p = p * p  # 2
    p = p * p  # 4
    p = p * p  # 8
    return p * p  # 16; overflows to infinity for large a, where the quotient is rightly zero


def _exp_nonpositive(x: mx.array) -> mx.array:
    """exp(x) for x <= 0, relative error <= 1e-5: a polynomial in x/32, squared five times.

    The error is relative, not only absolute, since the small shares of many tokens add up to a large one.
    """
    c = _EXP
    y = mx.maximum(x, _EXP_FLOOR) * (1 / 32)
    p = 1 + y * (c[0] + y * (c[1] + y * (c[2] + y * (c[3] + y * c[4]))))
    for _ in range(5):
        p = p * p
    return p


def _relu(x: mx.array) -> mx.array:
    return mx.maximum(x, 0)


def activation(name: str):
    """The function that a checkpoint's `hidden_act` names; KeyError for an unknown one."""
    gelu = nn.gelu if on_metal() else _gelu
    return {"gelu": gelu, "gelu_new": nn.gelu_approx, "gelu_pytorch_tanh": nn.gelu_approx, "relu": _relu}[
        name
    ]


def additive_mask(lengths: mx.array, width: int) -> mx.array:
    """(n,) token counts -> (n, 1, 1, width): zero on tokens, hugely negative on padding."""
    padding = mx.arange(width)[None, :] >= lengths[:, None]
    return mx.where(padding, _MASKED, 0.0).astype(mx.float32)[:, None, None, :]


def local_mask(tokens: int, reach: int, mask: mx.array | None) -> mx.array | None:
    """`mask` with everything further than `reach` tokens away masked as well; None when that is nothing."""
    if tokens <= reach + 1:
        return mask
    place = mx.arange(tokens)
    far = mx.where(mx.abs(place[:, None] - place[None, :]) > reach, _MASKED, 0.0)[None, None]
    return far if mask is None else mx.maximum(far + mask, _MASKED)


class Rotation:
    """Rotary positions (Su et al. 2021), halves of a head's components paired: (n, h, t, d) -> the same shape."""

    def __init__(self, tokens: int, width: int, theta: float) -> None:
        """`width` is d; component i turns by position / theta^(2i/d)."""
        self._theta = theta
        if not on_metal():
            angles = mx.arange(tokens)[:, None] * theta ** (-mx.arange(0, width, 2) / width)[None, :]
            cosine, sine = mx.cos(angles), mx.sin(angles)
            self._cosine = mx.concatenate([cosine, cosine], axis=-1)
            self._sine = mx.concatenate([-sine, sine], axis=-1)

    def __call__(self, x: mx.array) -> mx.array:
        width = x.shape[-1]
        if on_metal():
            return mx.fast.rope(x, width, traditional=False, base=self._theta, scale=1.0, offset=0)
        swapped = mx.concatenate([x[..., width // 2 :], x[..., : width // 2]], axis=-1)
        return x * self._cosine + swapped * self._sine


def heads_apart(qkv: mx.array, heads: int) -> tuple[mx.array, mx.array, mx.array]:
    """(n, t, 3 h d) fused projections -> q, k, v of (n, h, t, d), contiguous, as products want them.

    Three copies of four dimensions: one of five takes up to twice as long.
    """
    n, t, width = qkv.shape
    parts = (part.reshape(n, t, heads, width // (3 * heads)) for part in mx.split(qkv, 3, axis=-1))
    q, k, v = (mx.contiguous(part.transpose(0, 2, 1, 3)) for part in parts)
    return q, k, v


def merged(x: mx.array) -> mx.array:
    """(n, h, t, d) -> (n, t, h d)."""
    n, h, t, d = x.shape
    return x.transpose(0, 2, 1, 3).reshape(n, t, h * d)


def attention(q: mx.array, k: mx.array, v: mx.array, mask: mx.array | None) -> mx.array:
    """softmax(q k^T + mask) v, with q already scaled: (n, h, t, d) x3 -> (n, h, t, d).

    `mask`: what is added to the scores (n, h, t, t), or anything that spreads to that shape.
    """
    if on_metal():
        return mx.fast.scaled_dot_product_attention(q, k, v, scale=1.0, mask=mask)
    n, h, t, _ = q.shape
    rows = max(1, _SCORES_MAX // (n * h * t))
    if rows >= t:
        return _attended(q, k, v, mask)
    masks = [
        mask if mask is None or mask.shape[-2] == 1 else mask[..., i : i + rows, :] for i in range(0, t, rows)
    ]
    parts = [_attended(q[:, :, i * rows : (i + 1) * rows], k, v, part) for i, part in enumerate(masks)]
    return mx.concatenate(parts, axis=2)


def _attended(q: mx.array, k: mx.array, v: mx.array, mask: mx.array | None) -> mx.array:
    scores = q @ k.swapaxes(-1, -2)  # (n, h, r, d) x (n, h, d, t) -> (n, h, r, t)
    if mask is not None:
        scores = scores + mask
    shares = _exp_nonpositive(scores - mx.max(scores, axis=-1, keepdims=True))
    # The division follows the product: (r, d) quotients instead of (r, t).
    return (shares @ v) / (shares @ mx.ones((shares.shape[-1], 1)))


class LayerNorm(nn.LayerNorm):
    """nn.LayerNorm whose CPU form takes its two means by matrix products, 2.5 times as fast."""

    def __call__(self, x: mx.array) -> mx.array:
        if on_metal():
            return super().__call__(x)
        width = x.shape[-1]
        average = mx.full((width, 1), 1.0 / width)
        centred = x - x @ average
        variance = (centred * centred) @ average
        scaled = centred * mx.rsqrt(variance + self.eps) * self.weight
        return scaled + self.bias if "bias" in self else scaled
