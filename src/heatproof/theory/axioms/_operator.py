"""Evolution operators as the axioms see them: what they state of themselves, counted calls, fresh draws."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, runtime_checkable

from torch import Tensor

from heatproof._check import message
from heatproof.errors import InputError
from heatproof.solvers import Evolution
from heatproof.theory.axioms._finding import Axiom

__all__ = ["Counted", "EvolutionOperator", "ask", "check_operator", "constructions", "is_sampled", "reseeded"]


@runtime_checkable
class EvolutionOperator(Protocol):
    """T_{t,r}, r ≤ t: from any function f, (B, *event) to (B, K), to its values (T_{t,r} f)(x), (B, K).

    r = None is the earliest time. Optional attributes: `constructions`, the axioms that hold by the way the
    operator is made; `sampled`, True where the values are means over draws, and then `reseeded(seed)`, the
    operator with other draws. Between calls with one seed the draws are the same.
    """

    def __call__(self, f: Callable[[Tensor], Tensor], x: Tensor, t: float, r: float | None = None) -> Tensor:
        """Return (T_{t,r} f)(x)."""
        ...


def constructions(operator: EvolutionOperator) -> frozenset[Axiom]:
    """Return the axioms that hold by construction: a solver's promises, or what the operator states."""
    if isinstance(operator, Evolution):
        promised = operator.solver.properties
        named: dict[Axiom, bool] = {
            "comparison": promised.monotone,
            "linearity": promised.linear,
            "constants": promised.keeps_constants,
            "markov": promised.markov,
        }
        return frozenset(axiom for axiom, kept in named.items() if kept)
    return frozenset(getattr(operator, "constructions", frozenset()))


def check_operator(operator: object) -> None:
    """Raise `InputError` for what cannot be called as operator(f, x, t, r)."""
    allowed = "a callable (f, x, t, r): f ↦ (T_{t,r} f)(x), the later time first"
    if not callable(operator):
        raise InputError(message("operator", f"a {type(operator).__name__}", allowed), name="operator")
    try:
        inspect.signature(operator).bind(None, None, 1.0, 0.0)
    except TypeError as error:
        raise InputError(message("operator", f"one that says: {error}", allowed), name="operator") from None
    except ValueError:
        return  # a builtin without a signature


def is_sampled(operator: EvolutionOperator) -> bool:
    """Return whether values are means over draws."""
    if isinstance(operator, Evolution):
        return operator.solver.properties.random
    return bool(getattr(operator, "sampled", False))


def reseeded(operator: EvolutionOperator, seed: int) -> EvolutionOperator:
    """Return a sampled operator with other draws; any other one as it is."""
    if isinstance(operator, Evolution) and operator.solver.properties.random:
        return replace(operator, solver=operator.solver.model_copy(update={"seed": seed}))
    again = getattr(operator, "reseeded", None)
    fresh: EvolutionOperator = again(seed) if again is not None else operator
    return fresh


class Counted:
    """An operator that counts the values that it was asked for."""

    def __init__(self, operator: EvolutionOperator) -> None:
        self.operator, self.values = operator, 0

    def __call__(self, f: Callable[[Tensor], Tensor], x: Tensor, t: float, r: float | None = None) -> Tensor:
        """Return (T_{t,r} f)(x)."""
        found = self.operator(f, x, t, r)
        self.values += found.numel()
        return found


def ask(operator: EvolutionOperator, f: Callable[[Tensor], Tensor], x: Tensor, t: float, r: float) -> Tensor:
    """Return the values without gradient, of one function at the points."""
    return operator(f, x.detach(), t, r).detach()
