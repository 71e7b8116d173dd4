"""The LeNet of the MNIST robustness literature: 431,080 parameters on 1×28×28 with 10 classes."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import nn

from heatproof.networks._base import NetworkBase, check_image_shape

__all__ = ["LeNet", "LeNetBackbone"]

_KERNEL = 5
_MAPS = (20, 50)
_FEATURES = 500
_LEAST = 16  # 16 → 12 → 6 → 2 → 1: one pixel is left before the dense layers


class LeNet(NetworkBase):
    """Two 5×5 convolutions (20 and 50 maps), each pooled, then 500 dense units; images of 16×16 and more.

    Source: the model `lenet` of Caffe (Jia et al. 2014), after LeCun, Bottou, Bengio & Haffner (1998). Where
    we differ: Caffe has one ReLU, after the 500 units, and we have one after each hidden layer, the
    convolutions too; LeCun et al. have 6 and 16 maps, trained subsampling, tanh, and a layer of radial basis
    functions. The count of parameters is Caffe's. Weights start as PyTorch's layers do.
    """

    takes: ClassVar[Literal["images"]] = "images"
    usual_input: ClassVar[tuple[int, ...]] = (1, 28, 28)

    name: Literal["lenet"] = "lenet"

    def _seen(self, event: tuple[int, ...]) -> tuple[int, ...]:
        return check_image_shape(event, _LEAST, self.name)

    def _backbone(self, event: tuple[int, ...], classes: int) -> LeNetBackbone:
        return LeNetBackbone(event, classes)


class LeNetBackbone(nn.Module):
    """The layers of LeNet from (B, C, H, W), H and W at least 16, to logits (B, classes)."""

    def __init__(self, event: tuple[int, ...], classes: int) -> None:
        super().__init__()
        channels, height, width = event
        self.features = nn.Sequential(
            nn.Conv2d(channels, _MAPS[0], _KERNEL),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(_MAPS[0], _MAPS[1], _KERNEL),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        pixels = _after_pooling(height) * _after_pooling(width)
        self.dense = nn.Sequential(nn.Linear(_MAPS[1] * pixels, _FEATURES), nn.ReLU())
        self.head = nn.Linear(_FEATURES, classes)

    def forward(
        self, x: Float[torch.Tensor, "batch channels height width"]
    ) -> Float[torch.Tensor, "batch classes"]:
        """Return logits (B, K)."""
        logits: torch.Tensor = self.head(self.dense(self.features(x).flatten(1)))
        return logits

    def lipschitz_parts(self) -> list[nn.Module]:
        """Return the modules that this is the composition of."""
        return [self.features, nn.Flatten(), self.dense, self.head]


def _after_pooling(size: int) -> int:
    """Return how many pixels of `size` are left after both convolutions and poolings."""
    for _ in _MAPS:
        size = (size - _KERNEL + 1) // 2
    return size
