"""Draws of one layer at one state, independent of each other."""

from __future__ import annotations

import hashlib

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import check_finite
from heatproof.theory.effective_diffusivity._calls import Call

__all__ = ["draws_at", "shares_noise", "start_draws"]

_NUMBERS = 1 << 22
"""Numbers of states in one pass, at most (unless one state has more)."""
_ROWS, _CALLS = 8, 16


def draws_at(call: Call, row: int, count: int, *, one_by_one: bool) -> Float[Tensor, "count *event"]:
    """Return `count` draws of the layer at the state of one input. Memory: those, and one pass."""
    state = call.states[row : row + 1]
    size = 1 if one_by_one else max(1, min(count, _NUMBERS // state.numel()))
    with torch.no_grad():
        parts = [_answers(call, state, min(size, count - start)) for start in range(0, count, size)]
    drawn = torch.cat(parts)
    check_finite(f"output of {call.label}", drawn)
    return drawn


def shares_noise(call: Call) -> bool:
    """Return whether all rows of a batch may get the same noise: none of a few calls of equal rows differ.

    So does stochastic depth by others, one z a batch; its draws are then taken one a call. A layer without
    noise, or whose noise is rarely felt, may be taken for one: only slower. Whether calls differ from each
    other does not count: with a survival of 0.99 most often none of them does.
    """
    state = call.states[:1]
    with torch.no_grad():
        passes = torch.stack([_answers(call, state, _ROWS) for _ in range(_CALLS)])
    tolerance = 8 * torch.finfo(passes.dtype).eps * float(passes.abs().max())
    return float((passes - passes[:, :1]).abs().max()) <= tolerance


def start_draws(seed: int, label: str, device: torch.device) -> None:
    """Seed PyTorch's generators for one layer, so that its draws depend on no other layer that is measured.

    Those of the CPU and of the device, and no other: nobody would give those their state back.
    """
    number = int.from_bytes(hashlib.blake2b(f"{seed}/{label}".encode(), digest_size=7).digest(), "big")
    torch.default_generator.manual_seed(number)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(number)


def _answers(call: Call, state: Tensor, count: int) -> Tensor:
    rows = state.repeat(count, *(1,) * (state.ndim - 1))  # a copy even of one: layers may work in place
    answer: Tensor = call.layer(rows, *call.others, **call.options)
    return answer
