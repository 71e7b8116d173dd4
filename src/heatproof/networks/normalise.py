"""Input normalisation inside the model: attacks and certificates see raw inputs, the backbone sees z-scores.

It matters for soundness and not only for convenience: a radius is a distance between *raw* inputs, and noise
is added to raw inputs, so whatever rescales them belongs to the network (Cohen, Rosenfeld & Kolter 2019 keep
it in a first layer too).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from jaxtyping import Float, Shaped
from torch import nn

from heatproof._check import message
from heatproof.errors import InputError
from heatproof.lipschitz import Bound

__all__ = ["Normalise", "Normalised", "Numbers", "check_event", "normaliser"]

Numbers: TypeAlias = float | Sequence[float] | torch.Tensor
"""One number, or one for each channel (images) or feature (vectors)."""

_LINE = 80


class Normalise(nn.Module):
    """z = (x − mean) / std, along the first axis of the event.

    That axis is the channel of an image (C, H, W) and the feature of a vector (d,). `mean` and `std` hold one
    number for all of it or one each; None stands for mean 0 or std 1. They are buffers: they travel with the
    weights and with the device, and are not trained.

    Shapes: (B, *event) to (B, *event), in the unit of `x` over the unit of `std`. Cost: one pass over x.
    Errors: `InputError` for numbers that are not finite, a std that is not positive, lengths that differ from
    each other or (at the call) from the axis.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, mean: Numbers | None = None, std: Numbers | None = None) -> None:
        super().__init__()
        centre = _numbers("mean", 0.0 if mean is None else mean)
        scale = _numbers("std", 1.0 if std is None else std)
        if not bool((scale > 0).all()):
            advice = "A feature that never changes takes std = 1."
            raise InputError(message("std", _short(scale.tolist()), "positive numbers", advice), name="std")
        if 1 not in (len(centre), len(scale)) and len(centre) != len(scale):
            got = f"{len(scale)} numbers beside {len(centre)} of mean"
            raise InputError(message("std", got, "as many as mean, or one"), name="std")
        self.register_buffer("mean", centre)
        self.register_buffer("std", scale)

    @property
    def channels(self) -> int:
        """How many channels or features the numbers speak of; 1 fits any number of them."""
        return max(len(self.mean), len(self.std))

    def forward(self, x: Float[torch.Tensor, "batch *event"]) -> Float[torch.Tensor, "batch *event"]:
        """Return (x − mean) / std."""
        self.check_channels(x.shape[1])
        ones = (1,) * (x.ndim - 2)
        normalised: torch.Tensor = (x - self.mean.view(-1, *ones)) / self.std.view(-1, *ones)
        return normalised

    def lipschitz_bound(self, event_shape: tuple[int, ...]) -> Bound:
        """Return 1/min(std)."""
        value = 1.0 / float(self.std.double().min()) * (1 + 2.0**-52)
        return Bound(value, f"Normalise ({value:.6g})", event_shape)

    def check_channels(self, channels: int) -> None:
        """Raise `InputError` unless the numbers fit that many channels or features."""
        if self.channels not in {1, channels}:
            got = f"{self.channels} numbers for {channels} channels or features"
            raise InputError(message("mean and std", got, f"1 or {channels} numbers"), name="mean")

    def extra_repr(self) -> str:
        """Return the numbers for `print(model)`."""
        return f"mean={self.mean.tolist()}, std={self.std.tolist()}" if self.channels <= 4 else ""


class Normalised(nn.Module):
    """A backbone behind its normalisation: x ↦ backbone(normalise(x)), (B, *event) to logits (B, K).

    `normalise` None is the identity. With `event_shape` every call checks the shape of its input. Errors:
    `InputError` for inputs of another shape, or of a type that is not floating-point.
    """

    time_conditioned = False

    def __init__(
        self,
        backbone: nn.Module,
        normalise: Normalise | None = None,
        event_shape: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.event_shape = None if event_shape is None else torch.Size(event_shape)
        self.normalise = normalise
        self.backbone = backbone

    def forward(self, x: Shaped[torch.Tensor, "batch *event"]) -> Float[torch.Tensor, "batch classes"]:
        """Return logits (B, K)."""
        check_event(x, self.event_shape)
        logits: torch.Tensor = self.backbone(x if self.normalise is None else self.normalise(x))
        return logits

    def lipschitz_parts(self) -> list[nn.Module]:
        """Return the modules that this is the composition of."""
        return [part for part in (self.normalise, self.backbone) if part is not None]


def normaliser(mean: Numbers | None, std: Numbers | None, channels: int) -> Normalise | None:
    """Return the layer for an event with that many channels or features, or None where none is asked for."""
    if mean is None and std is None:
        return None
    layer = Normalise(mean, std)
    layer.check_channels(channels)
    return layer


def check_event(x: torch.Tensor, event_shape: Sequence[int] | None) -> None:
    """Raise `InputError` unless x is floating-point, (B, *event_shape) (any event where that is None)."""
    shaped = "(batch, *event)" if event_shape is None else f"(batch, {', '.join(map(str, event_shape))})"
    fits = x.ndim > 1 and (event_shape is None or x.shape[1:] == torch.Size(event_shape))
    if not fits or not x.is_floating_point():
        got, allowed = f"{x.dtype} of shape {tuple(x.shape)}", f"a floating-point tensor {shaped}"
        raise InputError(message("x", got, allowed, "A single input needs x[None]."), name="x")


def _numbers(name: str, values: Numbers) -> torch.Tensor:
    """Return `values` as a vector of finite numbers in the default floating-point type."""
    allowed = "a finite number or a list of finite numbers"
    try:
        vector: torch.Tensor = torch.atleast_1d(
            torch.as_tensor(values, dtype=torch.get_default_dtype(), device="cpu")
        )
    except (TypeError, ValueError, RuntimeError):
        raise InputError(message(name, _short(values), allowed), name=name) from None
    if vector.ndim != 1 or len(vector) == 0 or not bool(torch.isfinite(vector).all()):
        raise InputError(message(name, _short(values), allowed), name=name)
    return vector.detach().clone()


def _short(values: object) -> str:
    """Return one line that shows `values`, cut where it is long."""
    line = " ".join(repr(values).split())
    return line if len(line) <= _LINE else f"{line[:_LINE]}…"
