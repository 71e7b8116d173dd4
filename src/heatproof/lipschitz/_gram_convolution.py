"""A differentiable upper bound of the norm of a convolution that keeps the size of the image.

A kernel W of odd sizes k = 2p + 1 with p zeros, or p pixels from the other side, on either edge has at most
the norm of the circular convolution on a torus of n + p pixels (zeros; why: `_convolution`) or n pixels
(circular, where it is equal), which is the largest ‖Ŵ(ω)‖₂ over the frequencies ω of the torus, Ŵ(ω) = Σ_t
W_t e^{−iωt}. Each is bounded by Gram iteration.

A torus of more than 32 pixels along an axis is replaced by N = 32 equally spaced frequencies: for unit
vectors a, b and a suitable phase, p(ω) = Re(e^{iω·centre}·a*Ŵ(ω)b) is a real trigonometric polynomial of
degree p with max p = max ‖Ŵ‖, and p(ω) ≥ max p·cos(p·|ω − ω₀|) within π/p of its maximum ω₀ (M. Riesz 1914);
one of the N frequencies lies within π/N. So max over all ω ≤ max over the N frequencies / cos(πp/N), an axis
at a time, and this holds for images of any size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from heatproof.lipschitz._bound import refused
from heatproof.lipschitz._spectral import dot_error, gram_bound

__all__ = ["convolution_gram_bound"]

_MOST = 32
"""Frequencies an axis, at most."""
_PHASE_ERROR = 128 * 2.0**-53
"""More than the error of a computed e^{−iωt}: an angle below 2π, a cosine and a sine."""


def convolution_gram_bound(
    weight: Float[Tensor, "out in *taps"], pixels: Sequence[int], padding_mode: str
) -> Float64[Tensor, ""]:
    """Return an upper bound () of the norm of the convolution on images of `pixels`, float64.

    Stride and dilation 1, `padding_mode` "zeros" or "circular", padding (k − 1)/2 for odd sizes k. The
    gradient is that of the frequency with the largest value. It exceeds the largest ‖Ŵ(ω)‖₂ by a factor of at
    most (2r)^(2⁻⁹), r = min(out, in), 1.008 for 32, times 1/cos(πp/32) for each axis of more than 32 pixels:
    1.005 for k = 3.

    Cost: Gram iteration (8 products of matrices of size 2r, float64) for each of about half as many
    frequencies as there are pixels, at most 528 for images. Errors: `LipschitzError` for even sizes, or
    sizes above 15.
    """
    flat = weight.double().flatten(2)
    angles, factor = _angles(weight.shape[2:], pixels, padding_mode)
    waves = torch.tensor(angles, dtype=torch.float64, device=weight.device)
    with torch.no_grad():
        found = gram_bound(_symbols(flat, waves))
        size = torch.linalg.matrix_norm(flat.abs().sum(dim=-1)) * (1 + dot_error(flat.numel()))
        error = size * (_PHASE_ERROR + dot_error(flat.shape[-1]))
        worst = waves.index_select(0, found.argmax().view(1))  # no number is read, which would wait for it
    one = gram_bound(_symbols(flat, worst))[0]
    bound: Tensor = (found.max() + (one - one.detach()) + error) * factor
    return bound


def _symbols(flat: Tensor, angles: Tensor) -> Tensor:
    """Return Ŵ(ω) as real matrices [[Re, −Im], [Im, Re]] (frequencies, 2·out, 2·in) of the same norm."""
    real = torch.einsum("oit,ft->foi", flat, torch.cos(angles))
    imaginary = -torch.einsum("oit,ft->foi", flat, torch.sin(angles))
    above = torch.cat([real, -imaginary], dim=-1)
    return torch.cat([above, torch.cat([imaginary, real], dim=-1)], dim=-2)


def _angles(taps: Sequence[int], pixels: Sequence[int], mode: str) -> tuple[list[list[float]], float]:
    """Return ω·t for each frequency and tap, and the factor for the frequencies that were left out.

    Real kernels need half of the last axis only: Ŵ(−ω) is the conjugate of Ŵ(ω).
    """
    rows, factor = [[0.0]], 1.0 + 2.0**-50
    for axis, (count, size) in enumerate(zip(taps, pixels, strict=True)):
        if count % 2 == 0 or count > _MOST // 2:
            raise refused(f"a kernel of {count} taps", f"Use odd sizes up to {_MOST // 2 - 1}.")
        reach = count // 2
        torus = size + reach if mode == "zeros" else size
        if torus > _MOST:
            torus, factor = _MOST, factor / math.cos(math.pi * reach / _MOST)
        torus = 1 if count == 1 else torus
        used = torus // 2 + 1 if axis == len(taps) - 1 else torus
        steps = [[2 * math.pi * ((f * t) % torus) / torus for t in range(count)] for f in range(used)]
        rows = [[one + other for one in row for other in step] for row in rows for step in steps]
    return rows, factor
