"""Noise added to a batch in plain floating point: for training and for looking, never for a certificate."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import check_whole, message
from heatproof.errors import InputError
from heatproof.noise._noise import Noise
from heatproof.noise.interior import InteriorDiffusion

__all__ = ["check_additive", "draw"]


def draw(
    noise: Noise, x: Float[Tensor, "batch *event"], copies: int, generator: torch.Generator
) -> Float[Tensor, "copies batch *event"]:
    """Return `copies` independent draws of a noise for each row of x, in x's type, on x's device.

    Drawn in float32 on the generator's device. Unit: that of x. Not on the lattice: sums x + noise round, so
    no certificate is sampled from them. Errors: `InputError` for a noise that is not added to the input
    (`check_additive`) or does not fit inputs of this shape, and for fewer than one copy.
    """
    check_additive(noise)
    noise.check_event(x.shape[1:])
    rows = check_whole("copies", copies) * len(x)
    values = torch.empty(rows, *x.shape[1:], dtype=torch.float32, device=generator.device)
    noise.fill(values, generator)
    drawn: Tensor = values.mul_(noise.scale).to(x).unflatten(0, (copies, len(x)))
    return drawn


def check_additive(noise: Noise) -> None:
    """Raise `InputError` for a noise that enters elsewhere than at the input."""
    if isinstance(noise, InteriorDiffusion):
        advice = "A network with noise inside is trained as it is, by natural."
        raise InputError(
            message("noise", noise.describe(), "a noise that is added to the input", advice), name="noise"
        )
