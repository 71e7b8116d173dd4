"""What all networks of the package share: settings that build a module around a backbone."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from numbers import Integral
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import nn

from heatproof._check import check_whole, message
from heatproof._specification import Specification
from heatproof.errors import InputError
from heatproof.networks.normalise import Normalised, Numbers, normaliser
from heatproof.networks.time import TimeConditioned

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Depth",
    "NetworkBase",
    "Width",
    "check_event_shape",
    "check_image_shape",
]

Activation = Literal["relu", "tanh", "silu"]
"""relu is piecewise linear: an exact (autodiff) Laplacian of its logits is zero almost everywhere."""

ACTIVATIONS: dict[Activation, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "silu": nn.SiLU}

Width = Annotated[int, Field(strict=True, ge=1, le=65_536)]
Depth = Annotated[int, Field(strict=True, ge=1, le=10_000)]


class NetworkBase(Specification, ABC):
    """Settings of one kind of network; `build` makes the module.

    Subclasses say which inputs they take, what they are usually fed, whether the network in evaluation mode
    has a proved Lipschitz bound, and how to make the backbone: the module from normalised inputs (and time,
    where that is asked for) to logits. Time enters as one more feature or channel of the backbone's input,
    or, where `time_enters` is "argument", as its second argument (B,).
    """

    takes: ClassVar[Literal["vectors", "images", "graphs", "anything"]]
    usual_input: ClassVar[tuple[int, ...] | None]
    lipschitz: ClassVar[bool] = True
    time_enters: ClassVar[Literal["input", "argument"]] = "input"

    name: str
    time_conditioned: bool = False

    def build(
        self,
        event_shape: Sequence[int],
        classes: int,
        mean: Numbers | None = None,
        std: Numbers | None = None,
    ) -> nn.Module:
        """Return a new network from raw inputs (B, *event_shape) to logits (B, classes).

        `mean` and `std` normalise inside the model, one number or one for each channel (images) or feature
        (vectors). Weights come from PyTorch's global generator: `torch.manual_seed` before it makes them
        repeat. Errors: `InputError` for an event shape that the network cannot take, for fewer than two
        classes, for `mean` or `std` that do not fit.
        """
        event = check_event_shape(event_shape)
        count = check_whole("classes", classes, at_least=2)
        seen = self._seen(event)
        normalise = normaliser(mean, std, event[0])
        as_argument = self.time_enters == "argument"
        more = int(self.time_conditioned and not as_argument)
        backbone = self._backbone((seen[0] + more, *seen[1:]), count)
        if self.time_conditioned:
            flatten = len(seen) < len(event)
            return TimeConditioned(backbone, normalise, event, flatten=flatten, as_argument=as_argument)
        return Normalised(backbone, normalise, event)

    @abstractmethod
    def _backbone(self, event: tuple[int, ...], classes: int) -> nn.Module:
        """Return the module from (B, *event), time in it unless an argument, to logits (B, classes)."""

    def _seen(self, event: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape that the backbone sees, time left out; raise `InputError` if it cannot."""
        return (math.prod(event),) if self.takes == "vectors" else event


def check_event_shape(event_shape: object) -> tuple[int, ...]:
    """Return the shape of one input as a tuple of whole numbers ≥ 1, at least one of them."""
    sizes = tuple(event_shape) if isinstance(event_shape, Sequence) else ()
    whole = all(isinstance(size, Integral) and not isinstance(size, bool) for size in sizes)
    if not sizes or not whole or min(sizes) < 1:
        allowed = "the shape of one input without the batch, such as (2,) or (3, 32, 32)"
        raise InputError(message("event_shape", repr(event_shape), allowed), name="event_shape")
    return tuple(int(size) for size in sizes)


def check_image_shape(event: tuple[int, ...], least: int, network: str) -> tuple[int, int, int]:
    """Return `event` if it is (C, H, W) with H and W of at least `least`."""
    if len(event) != 3 or min(event[1:]) < least:
        allowed = f"(channels, height, width) with height and width ≥ {least} for {network}"
        advice = "Use resnet for images of 8×8 and more, mlp or residual_mlp for any input."
        raise InputError(message("event_shape", event, allowed, advice), name="event_shape")
    return event[0], event[1], event[2]
