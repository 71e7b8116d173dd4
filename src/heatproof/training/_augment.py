"""Standard augmentation of images: random crops of the padded image, mirror images."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from heatproof._check import message
from heatproof.errors import DependencyError, InputError

__all__ = ["augmenter"]


def augmenter(name: str, event_shape: torch.Size) -> Callable[[Tensor], Tensor]:
    """Return a function of a batch of images; it draws from torch's global generator.

    "none" is the identity, "crop" pads by an eighth of the size and crops at random, "crop_flip" also
    mirrors left to right with probability ½ (kornia's implementations). Not for digits or text: "crop_flip".
    Errors: `InputError` for data that are no images, `DependencyError` without kornia.
    """
    if name == "none":
        return _same
    if len(event_shape) != 3:
        advice = "Use augmentation: none."
        got = f"inputs of shape {tuple(event_shape)}"
        raise InputError(message("augmentation", got, "images (C, H, W)", advice), name="augmentation")
    return _kornia(name, event_shape)


def _same(x: Tensor) -> Tensor:
    return x


def _kornia(name: str, event_shape: torch.Size) -> Callable[[Tensor], Tensor]:
    try:
        import kornia.augmentation as kornia
    except ImportError as error:
        advice = "Install it: pip install 'heatproof[images]'."
        text = message("augmentation", repr(name), "'none' without kornia", advice)
        raise DependencyError(text, name="augmentation") from error
    height, width = event_shape[-2:]
    parts = [kornia.RandomCrop((height, width), padding=(height // 8, width // 8))]
    if name == "crop_flip":
        parts.append(kornia.RandomHorizontalFlip(p=0.5))
    sequence: Callable[[Tensor], Tensor] = kornia.AugmentationSequential(*parts, data_keys=["input"])
    return sequence
