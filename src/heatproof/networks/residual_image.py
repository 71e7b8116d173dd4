"""Residual networks for small images, CIFAR style (He, Zhang, Ren & Sun 2016, section 4.2)."""

from __future__ import annotations

from functools import partial
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field, field_validator
from torch import nn
from torch.nn import functional

from heatproof.lipschitz import Bound, lipschitz_bound, residual
from heatproof.networks._base import NetworkBase, check_image_shape
from heatproof.networks.noise_settings import BlockNoise, NoiseLayers

__all__ = ["ResNet", "ResNetBackbone", "ResidualBlock"]

_LEAST = 8  # two halvings leave 2×2 pixels
_SHALLOWEST, _DEEPEST = 8, 1202  # 6n + 2 for n = 1 and n = 200, the deepest of He et al.


class ResNet(NetworkBase):
    """Convolutional residual network of depth 6n + 2, `widen` times as wide; images of 8×8 and more.

    Depths 20, 32, 44, 56 and 110 are the paper's. A 3×3 convolution, three stages of n blocks with
    width·widen, 2·width·widen and 4·width·widen channels (the second and third halve the image), global
    average pooling, a linear head. Block: x ↦ ReLU(shortcut(x) + BN(conv(ReLU(BN(conv(x)))))). Shortcuts have
    no parameters (option A of the paper: every second pixel, new channels zero). ResNet-20 on 3×32×32 with 10
    classes has 269,722 parameters. `noise_layers` puts noise on every block that keeps the shape (all but the
    two that halve the image), before its last ReLU.

    Where we differ: the first convolution is widened like the first stage (Zagoruyko & Komodakis 2016 keep 16
    channels there and widen by a projection), new zero channels come last. Convolutions start He-normal (He
    et al. 2015, fan-out), batch normalisation at scale 1 and shift 0, the head as PyTorch's `Linear` does.
    """

    takes: ClassVar[Literal["images"]] = "images"
    usual_input: ClassVar[tuple[int, ...]] = (3, 32, 32)

    name: Literal["resnet"] = "resnet"
    depth: Annotated[int, Field(strict=True)] = 20
    widen: Annotated[int, Field(strict=True, ge=1, le=64)] = 1
    width: Annotated[int, Field(strict=True, ge=1, le=1024)] = 16
    noise_layers: NoiseLayers | None = None

    @field_validator("depth")
    @classmethod
    def _depth_of_paper(cls, depth: int) -> int:
        if _SHALLOWEST <= depth <= _DEEPEST and depth % 6 == 2:
            return depth
        raise ValueError(
            f"6n + 2 from {_SHALLOWEST} to {_DEEPEST} (8, 14, 20, 32, 44, 56, 110, …); {_near(depth)}"
        )

    def _seen(self, event: tuple[int, ...]) -> tuple[int, ...]:
        return check_image_shape(event, _LEAST, self.name)

    def _backbone(self, event: tuple[int, ...], classes: int) -> ResNetBackbone:
        return ResNetBackbone(event[0], self.depth, self.width * self.widen, classes, self.noise_layers)


class ResidualBlock(nn.Module):
    """ReLU(shortcut(x) + branch(x)), (B, wide_in, H, W) to (B, wide_out, ⌈H/stride⌉, ⌈W/stride⌉)."""

    def __init__(self, wide_in: int, wide_out: int, stride: int) -> None:
        super().__init__()
        self.stride, self.fresh = stride, wide_out - wide_in
        self.branch = _branch(wide_in, wide_out, stride)
        self.activation = nn.ReLU()

    def forward(
        self, x: Float[torch.Tensor, "batch channels height width"]
    ) -> Float[torch.Tensor, "batch wider lower narrower"]:
        """Return the state after the block."""
        state: torch.Tensor = self.activation(self.shortcut(x) + self.branch(x))
        return state

    def shortcut(
        self, x: Float[torch.Tensor, "batch channels height width"]
    ) -> Float[torch.Tensor, "batch wider lower narrower"]:
        """Return every stride-th pixel, with zeros for the new channels."""
        kept = x[:, :, :: self.stride, :: self.stride]
        return functional.pad(kept, (0, 0, 0, 0, 0, self.fresh)) if self.fresh else kept

    def lipschitz_bound(self, event_shape: tuple[int, ...]) -> Bound:
        """Return 1 + Λ of the branch: the shortcut leaves pixels out, ReLU is 1-Lipschitz."""
        return residual(lipschitz_bound(self.branch, event_shape))


class ResNetBackbone(nn.Module):
    """Convolution, three stages of blocks, average pooling, head: (B, C, H, W) to logits (B, classes)."""

    def __init__(
        self, channels: int, depth: int, width: int, classes: int, noise: BlockNoise | None = None
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        blocks = (depth - 2) // 6
        self.stages = nn.Sequential(
            _stage(width, width, blocks, noise),
            _stage(width, 2 * width, blocks, noise),
            _stage(2 * width, 4 * width, blocks, noise),
        )
        self.head = nn.Linear(4 * width, classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(
        self, x: Float[torch.Tensor, "batch channels height width"]
    ) -> Float[torch.Tensor, "batch classes"]:
        """Return logits (B, K)."""
        logits: torch.Tensor = self.head(self.stages(self.stem(x)).mean(dim=(2, 3)))
        return logits

    def lipschitz_parts(self) -> list[nn.Module]:
        """Return the modules that this is the composition of; a bound is large, as each block is 1 + Λ."""
        return [self.stem, self.stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), self.head]


def _branch(wide_in: int, wide_out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(wide_in, wide_out, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(wide_out),
        nn.ReLU(),
        nn.Conv2d(wide_out, wide_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(wide_out),
    )


def _stage(wide_in: int, wide_out: int, blocks: int, noise: BlockNoise | None) -> nn.Sequential:
    """Return the blocks of one stage; a stage that widens halves the image in its first block."""
    stage = nn.Sequential()
    for _ in range(blocks):
        if noise is not None and wide_in == wide_out:
            stage.append(nn.Sequential(noise.layer(partial(_branch, wide_out, wide_out, 1)), nn.ReLU()))
        else:
            stage.append(ResidualBlock(wide_in, wide_out, 1 if wide_in == wide_out else 2))
        wide_in = wide_out
    return stage


def _near(depth: int) -> str:
    """Say which allowed depths enclose `depth`."""
    under = depth - (depth - 2) % 6
    near = sorted({min(max(value, _SHALLOWEST), _DEEPEST) for value in (under, under + 6)})
    return f"the nearest {'are' if len(near) > 1 else 'is'} {' and '.join(map(str, near))}"
