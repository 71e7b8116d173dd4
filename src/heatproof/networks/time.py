"""Networks of input and time: g(x, t), and the network at one time.

In the split model u_t = v·∇u on [0, T−1], u_t = σ²Δu on [T−1, T] (arXiv 2307.12333) one network stands for u
on the last unit of time. Here t is the time *within* that diffusion stage: t = 0 is the network before
diffusion, t = 1 the whole network. Time enters as one more input, a feature of a vector or a constant channel
of an image, so any backbone can be made time-conditioned; or as an argument, for a backbone that makes a
token of it. A module that takes x alone, unchanged: `heatproof.networks.with_time`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import torch
from jaxtyping import Float, Shaped
from torch import nn

from heatproof._check import check_number, message
from heatproof.errors import InputError
from heatproof.lipschitz import Bound, lipschitz_bound, product
from heatproof.networks.normalise import Normalise, check_event

__all__ = ["AtTime", "Time", "TimeConditioned", "append_time", "at_time", "checked_times"]

Time: TypeAlias = torch.Tensor | float | None
"""A time in [0, 1]: one number, a tensor () or (B,), or None for 1."""


class TimeConditioned(nn.Module):
    """g(x, t) = backbone([normalise(x), t]): any backbone that takes one feature or channel more than x has.

    The normalisation is held outside of the backbone, so time is not normalised. Vectors (B, d) become
    (B, d + 1), images (B, C, H, W) become (B, C + 1, H, W) with a constant last channel. With `flatten` x is
    flattened first and time is a single feature whatever the event: dense backbones use it, for which a whole
    channel would be one feature repeated H·W times. With `as_argument` the backbone takes time itself:
    backbone(normalise(x), times), times (B,) like x and checked.

    Errors: `InputError` for inputs that do not fit `event_shape` (where it is given) or are not
    floating-point, for times outside [0, 1] and for tensors of times that are neither () nor (B,). See
    `append_time` on what is done where an error cannot be raised.
    """

    time_conditioned = True

    def __init__(
        self,
        backbone: nn.Module,
        normalise: Normalise | None = None,
        event_shape: Sequence[int] | None = None,
        *,
        flatten: bool = False,
        as_argument: bool = False,
    ) -> None:
        super().__init__()
        self.event_shape = None if event_shape is None else torch.Size(event_shape)
        self.flatten, self.as_argument = flatten, as_argument
        self.normalise = normalise
        self.backbone = backbone

    def forward(
        self, x: Shaped[torch.Tensor, "batch *event"], t: Time = None
    ) -> Float[torch.Tensor, "batch classes"]:
        """Return logits (B, K) at time t: a number or a tensor () or (B,) in [0, 1]; None is 1."""
        check_event(x, self.event_shape)
        values = x if self.normalise is None else self.normalise(x)
        seen = values.flatten(1) if self.flatten else values
        given = (seen, checked_times(t, x).expand(len(x))) if self.as_argument else (append_time(seen, t),)
        logits: torch.Tensor = self.backbone(*given)
        return logits

    def lipschitz_bound(self, event_shape: tuple[int, ...]) -> Bound:
        """Return a bound in x, at any one time: x ↦ [x, t] keeps distances."""
        seen = (math.prod(event_shape),) if self.flatten else event_shape
        inner = lipschitz_bound(self.backbone, (seen[0] + int(not self.as_argument), *seen[1:]))
        if self.normalise is None:
            return inner
        return product([lipschitz_bound(self.normalise, event_shape), inner])


class AtTime(nn.Module):
    """The network at one time: x ↦ model(x, t), t a number in [0, 1]. It shares the weights of `model`.

    t = 0 is the classifier whose smoothing with noise_std = √2·σ is the equation's own solution.
    Errors: `InputError` for a model that is not time-conditioned or a t that is not such a number.
    """

    time_conditioned = False

    def __init__(self, model: nn.Module, t: float) -> None:
        super().__init__()
        if not getattr(model, "time_conditioned", False):
            advice = "Build it with time_conditioned = true, or use the model as it is."
            got = f"{type(model).__name__} without time"
            raise InputError(message("model", got, "a time-conditioned model", advice), name="model")
        self.t = check_number("t", t, at_least=0.0, at_most=1.0)
        self.model = model

    def forward(self, x: Shaped[torch.Tensor, "batch *event"]) -> Float[torch.Tensor, "batch classes"]:
        """Return logits (B, K) at the fixed time."""
        logits: torch.Tensor = self.model(x, self.t)
        return logits

    def lipschitz_parts(self) -> list[nn.Module]:
        """Return the model, whose bound in x holds at any one time."""
        return [self.model]

    def extra_repr(self) -> str:
        """Return the time for `print(model)`."""
        return f"t={self.t:g}"


def at_time(model: nn.Module, t: float) -> AtTime:
    """Return the time-conditioned `model` at the number t in [0, 1], as a model of x alone (see `AtTime`)."""
    return AtTime(model, t)


def append_time(
    x: Float[torch.Tensor, "batch channels *rest"], t: Time = None
) -> Float[torch.Tensor, "batch channels+1 *rest"]:
    """Return x with time as its last feature or channel, in the type and on the device of x.

    Numbers and shapes are checked always. The values of a tensor are checked, with an error, on the CPU; on
    an accelerator, under `torch.compile` and under `torch.func.vmap` looking at them would wait for the
    device or is impossible: there a time outside [0, 1] becomes NaN, so that it can never pass for an answer.
    """
    times = checked_times(t, x).view(-1, *(1,) * (x.ndim - 1))
    return torch.cat([x, times.expand(len(x), 1, *x.shape[2:])], dim=1)


def checked_times(t: Time, x: torch.Tensor) -> torch.Tensor:
    """Return the times, () or (B,), like x; None is 1. Errors: those of `append_time`."""
    if t is None:
        return x.new_ones(())
    if isinstance(t, torch.Tensor):
        return _tensor_of_times(t, len(x)).to(x)
    if not _is_time(t):  # torch.compile traces this test, and not the one that words the error
        check_number("t", t, at_least=0.0, at_most=1.0)
    return x.new_full((), t)


def _is_time(t: object) -> bool:
    return isinstance(t, float | int) and not isinstance(t, bool) and 0 <= t <= 1


def _tensor_of_times(t: torch.Tensor, batch: int) -> torch.Tensor:
    allowed = f"a real number or tensor of shape () or ({batch},), within 0…1"
    if tuple(t.shape) not in {(), (batch,)} or t.dtype is torch.bool or t.is_complex():
        raise InputError(message("t", f"{t.dtype} of shape {tuple(t.shape)}", allowed), name="t")
    inside = (t >= 0) & (t <= 1)
    known = _known(inside)
    if known is None:
        return torch.where(inside, t, torch.nan)
    if not known:
        got = f"values from {float(t.detach().min()):g} to {float(t.detach().max()):g}"
        raise InputError(message("t", got, allowed), name="t")
    return t


def _known(inside: torch.Tensor) -> bool | None:
    """Return whether all are true, or None where that cannot be read cheaply."""
    if inside.device.type != "cpu" or torch.compiler.is_compiling():
        return None
    try:
        return bool(inside.all())
    except RuntimeError:  # a batch of torch.func.vmap has no single truth
        return None
