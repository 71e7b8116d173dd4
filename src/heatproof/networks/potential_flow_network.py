"""A network whose layers move no two points apart: potential flows, isometries between, a dense head."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import nn
from torch.nn.utils import parametrize

from heatproof._check import message
from heatproof.errors import InputError
from heatproof.networks._base import Depth, NetworkBase, Width
from heatproof.networks._isometries import BoundedNorm, SpaceToDepth, ZeroPad
from heatproof.networks.convolutional_potential_flow import ConvolutionalPotentialFlow
from heatproof.networks.potential_flow import PotentialFlow

__all__ = ["PotentialFlowBackbone", "PotentialFlowNetwork"]


class PotentialFlowNetwork(NetworkBase):
    """Gradient flows of convex potentials, 1-Lipschitz each (Meunier et al. 2022); images or vectors.

    Images (C, H, W): each of `stages` stages halves the image (every 2×2 square becomes one pixel of four
    times the channels: no distance changes), fills up to `channels` channels with zeros in the first stage,
    and applies `blocks` convolutional flows of `width` channels inside (`ConvolutionalPotentialFlow`).
    Anything else is flattened, filled up to `width` features with zeros, and goes through stages·blocks dense
    flows (`PotentialFlow`) of `width` rows. Then a dense head.

    All before the head is 1-Lipschitz, so `lipschitz_bound` is the norm of the head, from its singular
    values, over the std of the normalisation. With `gain` g the head is g·W/c, c ≥ ‖W‖₂: the logits are
    g-Lipschitz throughout training, and g is the inverse temperature of the softmax: the larger, the more a
    loss cares for accuracy and the less for margins. Without a gain the head is free. Margin certificates are
    those of `certify_margin`; noise inside: `diffusion_chain`.

    Parameters, images: Σ over stages of blocks·width·(C_s·k² + 1), C_1 = max(channels, 4C), C_{s+1} = 4·C_s,
    and the head. Where we differ from the source: norms are proved bounds, down-sampling loses nothing.
    """

    takes: ClassVar[Literal["anything"]] = "anything"
    usual_input: ClassVar[tuple[int, ...]] = (1, 28, 28)

    name: Literal["potential_flow"] = "potential_flow"
    width: Width = 32
    blocks: Depth = 3
    stages: Annotated[int, Field(strict=True, ge=1, le=10)] = 2
    channels: Width = 32
    kernel_size: Annotated[int, Field(strict=True, ge=1, le=15)] = 3
    padding: Literal["zeros", "circular"] = "zeros"
    activation: Literal["relu", "tanh"] = "relu"
    gain: Annotated[float, Field(gt=0, le=1e6)] | None = 5.0

    def _seen(self, event: tuple[int, ...]) -> tuple[int, ...]:
        if len(event) != 3:
            return (torch.Size(event).numel(),)
        if min(event[1:]) < 2**self.stages:
            allowed = (
                f"images of at least {2**self.stages} pixels a side for {self.stages} stages, or vectors"
            )
            advice = "Use fewer stages, or mlp for any input."
            raise InputError(message("event_shape", event, allowed, advice), name="event_shape")
        return event

    def _backbone(self, event: tuple[int, ...], classes: int) -> PotentialFlowBackbone:
        return PotentialFlowBackbone(self, event, classes)


class PotentialFlowBackbone(nn.Module):
    """The layers, from (B, *event) to logits (B, classes)."""

    def __init__(self, settings: PotentialFlowNetwork, event: tuple[int, ...], classes: int) -> None:
        super().__init__()
        make = _convolutional if len(event) == 3 else _dense
        layers, features = make(settings, event)
        self.flows = nn.Sequential(*layers)
        self.head = nn.Linear(features, classes)
        nn.init.orthogonal_(self.head.weight)
        if settings.gain is not None:
            parametrize.register_parametrization(self.head, "weight", BoundedNorm(settings.gain), unsafe=True)

    def forward(self, x: Float[torch.Tensor, "batch *event"]) -> Float[torch.Tensor, "batch classes"]:
        """Return logits (B, K)."""
        logits: torch.Tensor = self.head(self.flows(x))
        return logits

    def lipschitz_parts(self) -> list[nn.Module]:
        """Return the modules that this is the composition of."""
        return [self.flows, self.head]


def _dense(settings: PotentialFlowNetwork, event: tuple[int, ...]) -> tuple[list[nn.Module], int]:
    """Return the layers for vectors, and how many features they end with."""
    features = max(settings.width, torch.Size(event).numel())
    count = settings.stages * settings.blocks
    flows = [PotentialFlow(features, settings.width, settings.activation) for _ in range(count)]
    return [nn.Flatten(), ZeroPad(features), *flows], features


def _convolutional(settings: PotentialFlowNetwork, event: tuple[int, ...]) -> tuple[list[nn.Module], int]:
    """Return the layers for images, and how many features they end with."""
    layers: list[nn.Module] = []
    shape = event
    for stage in range(settings.stages):
        layers.append(SpaceToDepth())
        shape = (4 * shape[0], (shape[1] + 1) // 2, (shape[2] + 1) // 2)
        if stage == 0:
            shape = (max(settings.channels, shape[0]), *shape[1:])
            layers.append(ZeroPad(shape[0]))
        for _ in range(settings.blocks):
            flow = ConvolutionalPotentialFlow(
                shape,
                settings.width,
                kernel_size=settings.kernel_size,
                padding=settings.padding,
                activation=settings.activation,
            )
            layers.append(flow)
    return [*layers, nn.Flatten()], torch.Size(shape).numel()
