"""One axiom under search: counted calls, the worst case once more on its own, and its description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from heatproof.theory.axioms._arena import Arena
from heatproof.theory.axioms._finding import Axiom
from heatproof.theory.axioms._functions import Family, Function, Parameters
from heatproof.theory.axioms._operator import Counted, EvolutionOperator, constructions
from heatproof.theory.axioms._search import Found

__all__ = ["Case", "column", "prefixed"]

_SHOWN = 8
"""Coordinates of a point that a finding shows."""


@dataclass(frozen=True)
class Case:
    """What every axiom needs: the operator, counted; the arena; the test functions."""

    operator: Counted
    arena: Arena
    family: Family

    @classmethod
    def of(cls, operator: EvolutionOperator, arena: Arena) -> Case:
        """Return the case at its beginning."""
        return cls(Counted(operator), arena, arena.family)

    def constructed(self, axiom: Axiom) -> bool:
        """Return whether the operator states the axiom."""
        return axiom in constructions(self.operator.operator)

    def whole(self, f: Function, x: Tensor) -> Tensor:
        """Return T f from the start to the end."""
        return self.operator(f, x, self.arena.end, self.arena.start)

    def worst(self, found: Found) -> Mapping[str, Any]:
        """Return where the worst case is, in plain values."""
        if not found.parameters:
            return {}
        point = self.arena.place(found.parameters)[found.place[0]].flatten()
        words: dict[str, Any] = {"point": [round(float(value), 6) for value in point[:_SHOWN]]}
        if len(point) > _SHOWN:
            words["point_norm"] = float(point.norm())
        if len(found.place) > 1:
            words["function"] = self.family.name(found.place[1] % self.family.count)
        return words


def column(f: Function, number: int) -> Function:
    """Return one of the functions, (B, *event) to (B, 1)."""
    return lambda x: f(x)[:, number : number + 1]


def prefixed(parameters: Parameters, prefix: str) -> Parameters:
    """Return the parameters whose names begin with the prefix, without it."""
    return {name.removeprefix(prefix): one for name, one in parameters.items() if name.startswith(prefix)}
