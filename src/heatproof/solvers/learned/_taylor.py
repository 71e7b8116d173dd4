"""The equation's operator applied to a dense network, in one forward pass (collapsed Taylor mode).

For a = Wz + b every derivative goes through W. For y = φ(a), with first derivatives a_j along m directions
and c = D_q a + ½Σ_j D²_j a:

    y_j = φ′(a)·a_j,    D_q y + ½Σ_j D²_j y = φ′(a)·c + ½φ″(a)·Σ_j a_j².

So only the value, the m slopes and the one sum c are carried, not m second derivatives (Dangel, Siebert,
Zeinhofer & Walther 2025, "Collapsing Taylor mode automatic differentiation").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from heatproof._check import message
from heatproof.errors import InputError
from heatproof.networks.mlp import MLPBackbone

__all__ = ["Jet", "propagate"]


@dataclass(frozen=True)
class Jet:
    """A value (B, w), its slopes along m directions (m, B, w), and D_q + ½Σ_j D²_j of it (B, w)."""

    value: Float[Tensor, "batch width"]
    slopes: Float[Tensor, "directions batch width"]
    operated: Float[Tensor, "batch width"]


def propagate(network: MLPBackbone, jet: Jet) -> Jet:
    """Return the network's jet from that of its input: (z, directions, q). Cost: m + 2 forward passes."""
    for layer in [*network.hidden, network.head]:
        jet = _through_linear(layer, jet) if isinstance(layer, nn.Linear) else _through_activation(layer, jet)
    return jet


def _through_linear(layer: nn.Linear, jet: Jet) -> Jet:
    weight = layer.weight.T
    return Jet(layer(jet.value), jet.slopes @ weight, jet.operated @ weight)


def _through_activation(layer: nn.Module, jet: Jet) -> Jet:
    if type(layer) not in _DERIVATIVES:
        known = ", ".join(sorted(kind.__name__ for kind in _DERIVATIVES))
        raise InputError(message("activation", type(layer).__name__, known), name="activation")
    value, first, second = _DERIVATIVES[type(layer)](jet.value)
    bend = 0.5 * second * jet.slopes.square().sum(dim=0)
    return Jet(value, first * jet.slopes, first * jet.operated + bend)


def _tanh(a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return φ, φ′, φ″."""
    value = torch.tanh(a)
    first = 1 - value.square()
    return value, first, -2 * value * first


def _silu(a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return φ, φ′, φ″."""
    gate = torch.sigmoid(a)
    bell = gate * (1 - gate)
    return nn.functional.silu(a), gate + a * bell, bell * (2 + a * (1 - 2 * gate))


_DERIVATIVES: dict[type[nn.Module], Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]] = {
    nn.Tanh: _tanh,
    nn.SiLU: _silu,
}
