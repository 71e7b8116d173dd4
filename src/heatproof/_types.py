"""Aliases and protocols that more than one floor names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias, runtime_checkable

import torch

__all__ = ["Classifier", "Progress", "TimeConditionedClassifier", "no_progress"]

Classifier: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
"""Anything that maps inputs (B, *event) to logits (B, K): an `nn.Module` or a plain function."""


@runtime_checkable
class TimeConditionedClassifier(Protocol):
    """A classifier g(x, t) of input and time; `t=None` means the final time."""

    def __call__(self, x: torch.Tensor, t: torch.Tensor | float | None = None) -> torch.Tensor:
        """Return logits (B, K) for x (B, *event) at time t, a number or (B,)."""
        ...


@runtime_checkable
class Progress(Protocol):
    """Told after each piece of work how much is done; `note` is a few words for the reader."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Take note; must be cheap and must not raise."""
        ...


def no_progress(done: int, total: int, note: str = "") -> None:
    """Say nothing."""
