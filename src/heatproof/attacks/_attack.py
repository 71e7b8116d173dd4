"""What an attack is: one class, one method; the outer call does the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from heatproof._types import Classifier
from heatproof.attacks._budget import Budget
from heatproof.attacks._losses import margin
from heatproof.noise.keyed import Stage, generator

__all__ = ["Attack", "Case", "Keys"]


@final
@dataclass(frozen=True)
class Keys:
    """The identities that key each row's randomness, so that batch size and order change nothing."""

    seed: int
    index: tuple[int, ...]

    def rows(self, chosen: Int64[Tensor, " some"]) -> Keys:
        """Return the keys of some of the rows."""
        return Keys(self.seed, tuple(self.index[position] for position in chosen.tolist()))

    def draw(self, fill: Callable[[torch.Generator], Tensor], number: int, like: Tensor) -> Tensor:
        """Return fill(generator) for each row, stacked, like `like`; stream `number` of the attack stage."""
        made = [fill(generator(self.seed, one, Stage.ATTACK, number)) for one in self.index]
        return torch.stack(made).to(like)


@final
@dataclass(frozen=True, eq=False)
class Case:
    """What is attacked: labels (batch,), the budget round the inputs, keys, and perhaps starting points."""

    y: Int64[Tensor, " batch"]
    budget: Budget
    keys: Keys
    start: Float[Tensor, "batch *event"] | None = None

    @property
    def x(self) -> Tensor:
        """The inputs (batch, *event)."""
        return self.budget.centre

    def rows(self, chosen: Int64[Tensor, " some"]) -> Case:
        """Return the case of some of the rows."""
        start = None if self.start is None else self.start[chosen]
        return Case(self.y[chosen], self.budget.rows(chosen), self.keys.rows(chosen), start)


class Attack(ABC):
    """Looks for adversarial points. Its word is never taken: the outer call enforces and re-evaluates.

    A later attack is one file with one final subclass; it says whether it `needs_gradients`.
    """

    needs_gradients: ClassVar[bool] = True

    @abstractmethod
    def run(self, logits: Classifier, case: Case) -> Tensor:
        """Return the best candidate found (batch, *event), one for each row of the case.

        At first every row is classified as its label. `logits` raises `ModelError` where the model breaks
        its contract; gradients are on.
        """

    def gain(self, logits: Float[Tensor, "batch K"], y: Int64[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """Return what the attack's gradients climb; the outer call watches it for masked gradients."""
        return margin(logits, y)
