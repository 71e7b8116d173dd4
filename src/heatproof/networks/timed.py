"""A module of x alone, made time-conditioned by one call, without a change to it.

timed = with_time(module, (3, 32, 32))    # timed(x, t), trained like any time-conditioned network
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import Any, final

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from heatproof._check import check_choice, message
from heatproof.errors import InputError
from heatproof.lipschitz import Bound, lipschitz_bound
from heatproof.networks._base import check_event_shape
from heatproof.networks._first_layer import first_layer, time_layer
from heatproof.networks.normalise import check_event
from heatproof.networks.time import Time, checked_times

__all__ = ["WithTime", "with_time"]


@final
class WithTime(nn.Module):
    """g(x, t) of a copy of a module that takes x alone; at the start g(x, t) = module(x) at every t.

    `module` is the copy; its parameters have the names and shapes of the original, so that
    `timed.module.load_state_dict(original.state_dict())` works both ways. What is new is `time`, zero at the
    start. "widen": the first dense or convolutional layer that sees x gets one more input, a feature or a
    channel of the value t: its output y becomes y + time(t), and no other layer changes. "shift": x becomes
    x + t·time, with one number a channel of an image, or a feature of a vector. Both are learned by whatever
    trains the model.

    Made by `with_time`. Errors at the call: those of `TimeConditioned`.
    """

    time_conditioned = True

    def __init__(self, module: nn.Module, event_shape: Sequence[int], how: str) -> None:
        super().__init__()
        self.module, self.how = module, how
        self.event_shape = torch.Size(event_shape)
        self._times: Tensor | None = None
        self._first = ""
        if how == "shift":
            ones = (1,) * (len(event_shape) - 1)
            self.time: Any = nn.Parameter(_like(module).new_zeros(event_shape[0], *ones))
        else:
            self._first, layer = first_layer(module, event_shape)
            self.time = time_layer(layer)
            self._hook = layer.register_forward_hook(self._add_time)

    def forward(self, x: Shaped[Tensor, "batch *event"], t: Time = None) -> Float[Tensor, "batch classes"]:
        """Return logits (B, K) at time t: a number or a tensor () or (B,) in [0, 1]; None is 1."""
        check_event(x, self.event_shape)
        times = checked_times(t, x).expand(len(x))
        if self.how == "shift":
            logits: Tensor = self.module(x + times.view(-1, *(1,) * (x.ndim - 1)) * self.time)
            return logits
        self._times = times
        try:
            logits = self.module(x)
        finally:
            self._times = None
        return logits

    def lipschitz_bound(self, event_shape: tuple[int, ...]) -> Bound:
        """Return the module's bound: at any one time its input or its first layer is moved by a constant."""
        with self._without_hook():
            return lipschitz_bound(self.module, event_shape)

    def extra_repr(self) -> str:
        """Return the way that time enters, for `print(model)`."""
        return f"how={self.how!r}" + (f", first layer {self._first!r}" if self._first else "")

    def _add_time(self, layer: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> Tensor:
        """Return the first layer's output with the part of time."""
        if self._times is None:
            return out
        times = self._times.to(out.dtype)
        if isinstance(layer, nn.Linear):
            part: Tensor = self.time(times.view(-1, *(1,) * (out.ndim - 1)))
            return out + part
        whole: Tensor = self.time(given[0].new_ones(1, 1, *given[0].shape[2:]))
        return out + times.view(-1, *(1,) * (out.ndim - 1)) * whole

    @contextlib.contextmanager
    def _without_hook(self) -> Iterator[None]:
        if self.how == "shift":
            yield
            return
        self._hook.remove()
        try:
            yield
        finally:
            layer = self.module.get_submodule(self._first)
            self._hook = layer.register_forward_hook(self._add_time)


def with_time(module: nn.Module, event_shape: Sequence[int], *, how: str = "widen") -> WithTime:
    """Return a time-conditioned copy of `module`, which takes raw inputs x (B, *event_shape) alone.

    The answer, timed(x, t=None), takes t as `TimeConditioned` does, and equals module(x) at every t until it
    is trained; the module itself is not changed. A module that takes one more feature or channel already is
    made time-conditioned by `TimeConditioned`.

    Args:
        module: (B, *event_shape) to logits (B, K).
        event_shape: the shape of one input, without the batch.
        how: "widen" (one more input of the first layer that sees x, which a trial pass of random inputs
            finds: `Linear`, `Conv1d`, `Conv2d` or `Conv3d`, called once a pass), or "shift" (of x, for any
            module, with one number a channel: less can be learned).

    Cost: a copy, two forward passes of two rows. Errors: `InputError` for a module that takes time already or
    cannot be copied or run, and, with "widen", where no such layer is found: it says what was.
    """
    check_choice("how", how, ("widen", "shift"))
    event = check_event_shape(event_shape)
    if not isinstance(module, nn.Module) or getattr(module, "time_conditioned", False):
        got = f"a {type(module).__name__}" + (" that takes time already" * isinstance(module, nn.Module))
        raise InputError(message("module", got, "an nn.Module of x alone"), name="module")
    try:
        copied = copy.deepcopy(module)
    except Exception as error:
        said = f"one that cannot be copied ({type(error).__name__}: {' '.join(str(error).split())})"
        raise InputError(
            message("module", said, "a module that copy.deepcopy takes"), name="module"
        ) from error
    return WithTime(copied, event, how).train(module.training)


def _like(module: nn.Module) -> Tensor:
    """Return a tensor of the type and on the device of the module."""
    return next((one for one in module.parameters() if one.is_floating_point()), torch.zeros(())).detach()
