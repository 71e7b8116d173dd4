"""The initial value problem of the convection–diffusion equation, and problems whose solution is known.

u_t = v(x, t)·∇u + tr(A(x, t)∇²u) on (r, T], u(·, r) = f (arXiv 2307.12333, Theorem 2.2):
advective form, which keeps constants, and keeps mass where div v = 0. Its paths are X(0) = x,
dX = v(X, t − q)dq + √(2A(X, t − q))dB, and u(x, t) = E f(X(t − r)) (Feynman–Kac).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import check_number, message
from heatproof.equation._numbers import check_tensor
from heatproof.equation._time import EquationTime
from heatproof.equation.diffusion import Diffusion, IsotropicDiffusion
from heatproof.equation.domain import Domain
from heatproof.equation.velocity import Velocity, ZeroVelocity
from heatproof.errors import InputError

__all__ = ["InitialValue", "Problem", "SolvedProblem"]

InitialValue: TypeAlias = Callable[[Tensor], Tensor]
"""f, from points (B, *event) to values (B, K), each row on its own: a base classifier, for instance."""


@dataclass(frozen=True)
class Problem:
    """u_t = v·∇u + tr(A∇²u) from u(·, start) = `initial`, up to `time`.

    Points are (B, *event), values (B, K): K equations with the same coefficients. `domain` is for grids.
    Errors: `InputError` for coefficients of another kind, or `time` not after `start`.
    """

    initial: InitialValue
    velocity: Velocity = field(default_factory=ZeroVelocity)
    diffusion: Diffusion = field(default_factory=lambda: IsotropicDiffusion(0.0))
    time: float = 1.0
    start: float = 0.0
    domain: Domain | None = None

    def __post_init__(self) -> None:
        kinds = (("velocity", self.velocity, Velocity), ("diffusion", self.diffusion, Diffusion))
        for name, given, kind in kinds:
            if not isinstance(given, kind):
                advice = f"Any function: equation.Function{kind.__name__}." if kind is Velocity else ""
                raise InputError(message(name, f"a {type(given).__name__}", f"a {kind.__name__}", advice))
        if not callable(self.initial):
            raise InputError(message("initial", f"a {type(self.initial).__name__}", "a function of points"))
        if self.domain is not None and not isinstance(self.domain, Domain):
            got = f"a {type(self.domain).__name__}"
            raise InputError(message("domain", got, "a Domain, or None"), name="domain")
        check_number("time", self.time, above=check_number("start", self.start))

    def check_time(self, t: float) -> float:
        """Return t as a float. Errors: `InputError` unless start ≤ t ≤ time."""
        return check_number("t", t, at_least=self.start, at_most=self.time)

    def from_values(self, initial: InitialValue, start: float | None = None) -> Problem:
        """Return the problem with the same coefficients from other values, at another time if given.

        With u(·, z) as values at start = z this is the second half of the Markov property.
        """
        return replace(self, initial=initial, start=self.start if start is None else start)

    def initial_values(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch values"]:
        """Return f(x); classes and truth values as numbers of the type of x.

        Errors: `InputError` where the function does not answer (B, K).
        """
        values = check_tensor("initial", self.initial(x), f"({len(x)}, K), one row a point")
        if values.ndim != 2 or len(values) != len(x):
            got = f"shape {tuple(values.shape)}"
            raise InputError(message("initial", got, f"({len(x)}, K), one row a point"), name="initial")
        return values if values.is_floating_point() else values.to(x.dtype)


@dataclass(frozen=True)
class SolvedProblem:
    """A problem with its solution in closed form.

    `exact(x, t)` is u, differentiable in x and t wherever u is; `equation` says the problem in one line;
    `smooth` that f is smooth (orders of convergence can be read), `value_range` the range of f.
    `points(n, generator)` draws points (n, d) where the solution is worth comparing, well inside the domain.
    `source` names where the solution comes from.
    """

    name: str
    equation: str
    problem: Problem
    exact: Callable[[Tensor, EquationTime], Tensor]
    points: Callable[[int, torch.Generator], Tensor]
    smooth: bool
    value_range: tuple[float, float] | None
    source: str
