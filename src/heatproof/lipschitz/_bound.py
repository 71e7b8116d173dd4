"""What a bound is, and how bounds of parts make the bound of a whole, always rounded upwards."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from heatproof._check import message
from heatproof.errors import LipschitzError

__all__ = ["Bound", "misfit", "product", "refused", "residual", "up"]

_ALLOWED = "a module whose global ℓ2 Lipschitz constant has a proved bound"


@final
@dataclass(frozen=True)
class Bound:
    """‖F(x) − F(y)‖₂ ≤ value·‖x − y‖₂ for all x, y of one shape; `how` says where it comes from.

    `event_shape` is the shape of F(x), without the batch. A class of your own that defines
    `lipschitz_bound(self, event_shape) -> Bound` is taken at its word. Errors: `LipschitzError` for a value
    that is negative or not finite.
    """

    value: float
    how: str
    event_shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.value >= 0 or math.isinf(self.value):
            raise LipschitzError(message("bound", self.value, "a finite number ≥ 0", f"From {self.how}."))


def product(bounds: Iterable[Bound]) -> Bound:
    """Return the bound of F_n∘…∘F_1, Λ_1·…·Λ_n; the event shape is that of the last."""
    parts = list(bounds)
    value = 1.0
    for part in parts:
        value = part.value if value == 1.0 else up(value * part.value)
    how = parts[0].how if len(parts) == 1 else "(" + " · ".join(part.how for part in parts) + ")"
    return Bound(value, how, parts[-1].event_shape)


def residual(branch: Bound, step: float = 1.0) -> Bound:
    """Return the bound of x + step·F(x), 1 + |step|·Λ."""
    how = f"1 + {branch.how}" if step == 1 else f"1 + {abs(step):g}·{branch.how}"
    return Bound(up(1.0 + up(abs(step) * branch.value)), f"({how})", branch.event_shape)


def refused(got: str, advice: str) -> LipschitzError:
    """Return the error for a module without a known bound."""
    return LipschitzError(message("module", got, _ALLOWED, advice), name="module")


def misfit(module: object, event_shape: tuple[int, ...], error: Exception) -> LipschitzError:
    """Return the error for a module that cannot take inputs of this shape; it says why in one line."""
    first = (str(error).strip().splitlines() or [""])[0]
    return refused(f"{type(module).__name__} on inputs of shape {event_shape}", first)


def up(value: float) -> float:
    """Return the next larger float: an upper bound of what was rounded to `value`."""
    return math.nextafter(value, math.inf)
