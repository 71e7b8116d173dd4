"""The certified radius as something to train: quantiles of the noise, differentiable in the probabilities.

For Gaussian, uniform and Laplace noise the radius is (scale/2)·(Q(p_A) − Q(p_B)), with Q the quantile of one
coordinate of noise / scale:

    Gaussian  Q = Φ⁻¹    uniform  Q(p) = 2p − 1    Laplace  Q(p) = ln 2p up to ½, −ln 2(1 − p) above

(the formulas of `heatproof.noise`). For an anisotropic Gaussian it is that of the largest ball in the
ellipsoid: Q = Φ⁻¹, and scale is the smallest standard deviation.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import message
from heatproof.errors import InputError
from heatproof.noise import AnisotropicGaussian, Gaussian, Laplace, Noise, Uniform

__all__ = ["quantile"]


def quantile(
    noise: Noise, p: Float[Tensor, " batch"], rest: Float[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    """Return Q(p) for the noise; `rest` is 1 − p, summed by the caller, so that p near 1 stays exact.

    Numbers below the smallest normal one count as that: values and gradients stay finite. Errors:
    `InputError` for a noise without such a formula.
    """
    upper = p > rest
    small = torch.where(upper, rest, p).clamp(min=torch.finfo(p.dtype).tiny)
    if isinstance(noise, Gaussian | AnisotropicGaussian):
        tail = torch.special.ndtri(small)
    elif isinstance(noise, Laplace):
        tail = (2 * small).log()
    elif isinstance(noise, Uniform):
        tail = 2 * small - 1
    else:
        allowed = "Gaussian, anisotropic Gaussian, uniform or Laplace noise"
        raise InputError(message("noise", noise.describe(), allowed), name="noise")
    return torch.where(upper, -tail, tail)
