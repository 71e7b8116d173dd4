"""What one epoch came to."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EpochRecord"]


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch came to: mean losses, accuracies, learning rate, seconds."""

    epoch: int
    values: dict[str, float]
