"""The box on which a grid solves the equation, and what happens at its edge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from torch import Tensor

from heatproof._check import check_choice, check_number, message
from heatproof.equation._time import EquationTime
from heatproof.errors import InputError

__all__ = ["Boundary", "Domain"]

Boundary: TypeAlias = Literal["periodic", "dirichlet", "neumann"]


@dataclass(frozen=True)
class Domain:
    """The box Π[low_i, high_i] with one kind of boundary on all sides.

    `periodic`: opposite sides are one. `dirichlet`: u is given there, by `values(x, t)` (B, d) to (B, K),
    which may be left out where the solver is to hold the initial values. `neumann`: no slope across the side.
    Solvers on paths know no edge: a problem on the whole space has a domain so that a grid can be compared.
    Errors: `InputError` for sides without length, or values for a boundary that takes none.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    boundary: Boundary = "dirichlet"
    values: Callable[[Tensor, EquationTime], Tensor] | None = None

    def __post_init__(self) -> None:
        check_choice("boundary", self.boundary, ("periodic", "dirichlet", "neumann"))
        for ends in (self.low, self.high):
            if isinstance(ends, str) or not isinstance(ends, Sequence):
                got = f"a {type(ends).__name__}"
                raise InputError(message("low, high", got, "one number an axis in each"), name="domain")
        if not self.low or len(self.low) != len(self.high):
            got = f"{len(self.low)} and {len(self.high)} numbers"
            raise InputError(message("low, high", got, "one number an axis in each"), name="domain")
        for low, high in zip(self.low, self.high, strict=True):
            check_number("high", high, above=check_number("low", low))
        if self.values is not None and self.boundary != "dirichlet":
            raise InputError(message("values", f"some with {self.boundary} sides", "dirichlet sides"))
        if self.values is not None and not callable(self.values):
            got = f"a {type(self.values).__name__}"
            raise InputError(message("values", got, "a function of (x, t)"), name="values")

    @property
    def dimension(self) -> int:
        """The number of axes."""
        return len(self.low)

    @property
    def lengths(self) -> tuple[float, ...]:
        """The length of each axis, high − low."""
        return tuple(high - low for low, high in zip(self.low, self.high, strict=True))
