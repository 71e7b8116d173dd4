"""Wide residual networks for small images (Zagoruyko & Komodakis 2016)."""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field, field_validator
from torch import nn

from heatproof.lipschitz import Bound, lipschitz_bound
from heatproof.networks._base import NetworkBase, check_image_shape
from heatproof.networks.noise_settings import NoiseLayers, residual_layer

__all__ = ["WideResNet", "WideResNetBackbone", "WideningBlock"]

_LEAST = 8  # two halvings leave 2×2 pixels
_STEM = 16


class WideResNet(NetworkBase):
    """Wide residual network WRN-`depth`-`widen`, depth 6n + 4; images of 8×8 and more.

    A 3×3 convolution to 16 channels, three stages of n blocks with 16·widen, 32·widen and 64·widen channels
    (the second and third halve the image), BN, ReLU, global average pooling, a linear head. Block: x ↦ x +
    conv(ReLU(BN(conv(ReLU(BN(x)))))), with `dropout` (the probability of dropping, as in the paper) between
    the convolutions; a block that changes the channels takes shortcut and branch from ReLU(BN(x)), the
    shortcut through a 1×1 convolution. Parameters on 3×32×32 with 10 classes: WRN-16-4 2.7 million, WRN-28-10
    36.5 million. `noise_layers` puts noise on every block that keeps the shape.

    Convolutions start He-normal (He et al. 2015, fan-out), batch normalisation at scale 1 and shift 0. Where
    we differ: the head starts as PyTorch's `Linear` does.
    """

    takes: ClassVar[Literal["images"]] = "images"
    usual_input: ClassVar[tuple[int, ...]] = (3, 32, 32)

    name: Literal["wide_resnet"] = "wide_resnet"
    depth: Annotated[int, Field(strict=True)] = 16
    widen: Annotated[int, Field(strict=True, ge=1, le=64)] = 4
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    noise_layers: NoiseLayers | None = None

    @field_validator("depth")
    @classmethod
    def _depth_of_paper(cls, depth: int) -> int:
        if 10 <= depth <= 1204 and depth % 6 == 4:
            return depth
        raise ValueError("6n + 4 from 10 to 1204 (10, 16, 22, 28, 34, 40, …)")

    def _seen(self, event: tuple[int, ...]) -> tuple[int, ...]:
        return check_image_shape(event, _LEAST, self.name)

    def _backbone(self, event: tuple[int, ...], classes: int) -> WideResNetBackbone:
        return WideResNetBackbone(self, event[0], classes)


class WideningBlock(nn.Module):
    """conv₁ₓ₁(a) + branch(a), a = ReLU(BN(x)); the image becomes 1/stride as large, rounded up."""

    def __init__(self, wide_in: int, wide_out: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.before = nn.Sequential(nn.BatchNorm2d(wide_in), nn.ReLU())
        self.shortcut = nn.Conv2d(wide_in, wide_out, 1, stride, bias=False)
        self.branch = _branch(wide_in, wide_out, stride, dropout)

    def forward(
        self, x: Float[torch.Tensor, "batch channels height width"]
    ) -> Float[torch.Tensor, "batch wider lower narrower"]:
        """Return the state after the block."""
        a = self.before(x)
        state: torch.Tensor = self.shortcut(a) + self.branch(a)
        return state

    def lipschitz_bound(self, event_shape: tuple[int, ...]) -> Bound:
        """Return Λ of BN and ReLU, times the sum of those of shortcut and branch."""
        before = lipschitz_bound(self.before, event_shape)
        short, branch = (lipschitz_bound(part, event_shape) for part in (self.shortcut, self.branch))
        both = math.nextafter(short.value + branch.value, math.inf)
        value = math.nextafter(before.value * both, math.inf)
        return Bound(value, f"{before.how} · ({short.how} + {branch.how})", branch.event_shape)


class WideResNetBackbone(nn.Module):
    """Convolution, three stages of blocks, average pooling, head: (B, C, H, W) to logits (B, classes)."""

    def __init__(self, settings: WideResNet, channels: int, classes: int) -> None:
        super().__init__()
        wide = [_STEM, *(_STEM * settings.widen * factor for factor in (1, 2, 4))]
        stages = [
            _stage(settings, *sizes, stride=1 if number == 0 else 2)
            for number, sizes in enumerate(pairwise(wide))
        ]
        self.stem = nn.Conv2d(channels, _STEM, 3, padding=1, bias=False)
        self.stages = nn.Sequential(*stages)
        self.after = nn.Sequential(nn.BatchNorm2d(wide[-1]), nn.ReLU())
        self.head = nn.Linear(wide[-1], classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(
        self, x: Float[torch.Tensor, "batch channels height width"]
    ) -> Float[torch.Tensor, "batch classes"]:
        """Return logits (B, K)."""
        logits: torch.Tensor = self.head(self.after(self.stages(self.stem(x))).mean(dim=(2, 3)))
        return logits

    def lipschitz_parts(self) -> list[nn.Module]:
        """Return the modules that this is the composition of."""
        return [self.stem, self.stages, self.after, nn.AdaptiveAvgPool2d(1), nn.Flatten(), self.head]


def _branch(wide_in: int, wide_out: int, stride: int, dropout: float) -> nn.Sequential:
    """Return conv, BN, ReLU, dropout, conv, without what comes before."""
    return nn.Sequential(
        nn.Conv2d(wide_in, wide_out, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(wide_out),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Conv2d(wide_out, wide_out, 3, padding=1, bias=False),
    )


def _whole_branch(wide: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(wide), nn.ReLU(), *_branch(wide, wide, 1, dropout))


def _stage(settings: WideResNet, wide_in: int, wide_out: int, *, stride: int) -> nn.Sequential:
    """Return the blocks of one stage; the first one has the stride."""
    stage = nn.Sequential()
    for _ in range((settings.depth - 4) // 6):
        if wide_in == wide_out:
            make = partial(_whole_branch, wide_out, settings.dropout)
            stage.append(residual_layer(settings.noise_layers, make))
        else:
            stage.append(WideningBlock(wide_in, wide_out, stride, settings.dropout))
        wide_in = wide_out
    return stage
