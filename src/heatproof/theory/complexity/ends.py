"""Where the paths of the equation end: draws of X_T for each input, however they are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from heatproof._check import check_inputs, check_number, check_whole, message
from heatproof.errors import InputError, ModelError

__all__ = ["Ends", "draw_ends", "feature_ends", "features"]


Ends: TypeAlias = Callable[[Tensor, int, torch.Generator], Tensor]
"""`ends(x, draws, generator)`: end points of `draws` paths from each input, (B, draws, d), independent of
each other and of those from other inputs.

A velocity without diffusion ends in one point: all draws are the same. u(x, T) = E f(X_T) (Feynman–Kac).
"""


def draw_ends(
    ends: Ends, x: Float[Tensor, "rows *event"], draws: int, generator: torch.Generator
) -> Float64[Tensor, "rows draws d"]:
    """Return the draws, checked, in float64 on the CPU.

    Errors: `InputError` for empty inputs or draws that are not (B, draws, d), `DataError` for values that are
    not finite (a flow that blows up).
    """
    points, wanted = check_inputs("x", x), check_whole("draws", draws)
    found = ends(points, wanted, generator)
    fits = isinstance(found, Tensor) and found.ndim == 3 and found.shape[:2] == (len(points), wanted)
    if not fits or not found.is_floating_point():
        got = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise InputError(message("ends", got, f"floating-point ({len(points)}, {wanted}, d)"), name="ends")
    return check_inputs("ends", found).detach().cpu().double()


def features(
    network: nn.Module, head: nn.Linear, x: Float[Tensor, "rows *event"]
) -> Float64[Tensor, "rows d"]:
    """Return what enters the network's last dense layer, with a constant 1 for its bias where it has one.

    One forward pass in evaluation mode; the modes come back, and x stays as it is.
    Errors: `ModelError` where the head does not run once on (B, features) in that pass, or does not make
    the network's output.
    """
    seen: list[Tensor] = []
    handle = head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    modes = [(module, module.training) for module in network.modules()]
    try:
        for module, _ in modes:
            module.training = False
        with torch.no_grad():
            output = network(x.clone())
    finally:
        handle.remove()
        for module, training in modes:
            module.training = training
    _check_head(head, seen, output)
    rows = seen[0].double().cpu()
    return rows if head.bias is None else torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1)


def _check_head(head: nn.Linear, seen: list[Tensor], output: object) -> None:
    fits = len(seen) == 1 and seen[0].ndim == 2 and isinstance(output, Tensor)
    if fits:
        with torch.no_grad():
            again = nn.functional.linear(seen[0], head.weight, head.bias)
        fits = isinstance(output, Tensor) and again.shape == output.shape and torch.allclose(again, output)
    if not fits:
        advice = "Give the nn.Linear that makes the logits."
        got = f"a layer that ran {len(seen)} times and does not make the output"
        raise ModelError(message("head", got, "the network's last layer", advice), name="head")


def feature_ends(network: nn.Module, head: nn.Linear, noise_std: float = 0.0) -> Ends:
    """Return X_T = features(x + s·ξ): heat flow at the input, then the network as a fixed velocity.

    With noise_std s = 0 nothing is random. Cost: draws·B forward passes. Errors: those of `features`.
    """
    check_number("noise_std", noise_std, at_least=0)

    def ends(x: Tensor, draws: int, generator: torch.Generator) -> Tensor:
        repeated = x.repeat_interleave(draws if noise_std else 1, dim=0)
        if noise_std:
            repeated = repeated + noise_std * torch.randn(
                repeated.shape, generator=generator, dtype=x.dtype
            ).to(x.device)
        found = torch.cat([features(network, head, part) for part in repeated.split(4096)])
        return found.view(len(x), -1, found.shape[1]).expand(-1, draws, -1)

    return ends
