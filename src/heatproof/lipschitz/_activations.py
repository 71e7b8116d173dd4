"""Functions of one number: the largest slope, which is the ℓ2 constant of applying them to each coordinate.

SiLU: f = x·s(x), s the logistic function; f′ is largest where x·tanh(x/2) = 2, x* = 2.39935…, and is
½ + x*/4 there, and 1 − f′(x) at −x. GELU (exact): f′ = Φ(x) + x·φ(x), largest at √2, Φ(√2) + √2·φ(√2), and
1 − f′(x) at −x. Softplus is missing on purpose: PyTorch's jumps at its threshold.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import nn

from heatproof.lipschitz._bound import refused

__all__ = ["ACTIVATIONS"]

_SILU = 0.5 + 2.39935728053 / 4
"""x·tanh(x/2) ≥ 2 at this x, so it is not below the root."""
_GELU = 0.5 * (1 + math.erf(1.0)) + math.exp(-1.0) / math.sqrt(math.pi) + 1e-15
_SELU = 1.0507009873554805 * 1.6732632423543773 * (1 + 1e-15)


def _one(module: Any) -> float:
    del module
    return 1.0


def _gelu(module: Any) -> float:
    if module.approximate != "none":
        raise refused("GELU in its tanh approximation", "Use GELU(approximate='none').")
    return _GELU


def _slope(module: Any) -> float:
    return _at_least_one(module, float(module.negative_slope))


def _prelu(module: Any) -> float:
    return _at_least_one(module, float(module.weight.detach().abs().max()))


def _at_least_one(module: Any, slope: float) -> float:
    """Return the larger of 1 and |slope|; `max` alone would drop a NaN."""
    if not math.isfinite(slope):
        raise refused(f"{type(module).__name__} with slope {slope}", "Clean its weights.")
    return max(1.0, abs(slope))


def _elu(module: Any) -> float:
    if not module.alpha >= 0:
        raise refused(f"ELU with alpha {module.alpha}", "Use alpha ≥ 0.")
    return max(1.0, float(module.alpha))


def _dropout(module: Any) -> float:
    if module.training and module.p > 0:
        raise refused(f"{type(module).__name__} in training mode", "Call model.eval() first.")
    return 1.0


ACTIVATIONS: dict[type[nn.Module], Callable[[Any], float]] = {
    nn.Identity: _one,
    nn.ReLU: _one,
    nn.ReLU6: _one,
    nn.Tanh: _one,
    nn.Hardtanh: _one,
    nn.Softsign: _one,
    nn.LeakyReLU: _slope,
    nn.PReLU: _prelu,
    nn.ELU: _elu,
    nn.SELU: lambda _: _SELU,
    nn.GELU: _gelu,
    nn.SiLU: lambda _: _SILU,
    nn.Hardswish: lambda _: 1.5,
    nn.Sigmoid: lambda _: 0.25,
    nn.Dropout: _dropout,
    nn.Dropout1d: _dropout,
    nn.Dropout2d: _dropout,
    nn.Dropout3d: _dropout,
}
"""The largest slope of each, from the module; the shape does not change."""
