"""What every Laplacian estimator is, and the one call that uses any of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import message
from heatproof._specification import Specification
from heatproof.errors import InputError

__all__ = ["Estimator", "check_points", "check_values", "estimate"]


class Estimator(Specification, ABC):
    """Settings of one way to find Δu; each class states its cost, bias, variance and stability."""

    name: str

    @property
    @abstractmethod
    def random(self) -> bool:
        """Whether two calls differ: squaring such an estimate adds its variance."""

    @abstractmethod
    def estimate(
        self,
        u: Callable[[Tensor], Tensor],
        x: Float[Tensor, "batch *event"],
        space_step: float | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "batch values"]:
        """Return Δu at each row of x (see `estimate`)."""


def estimate(
    laplacian: Estimator,
    u: Callable[[Tensor], Tensor],
    x: Float[Tensor, "batch *event"],
    space_step: float | None = None,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "batch values"]:
    """Return the Laplacian of u at each row of x, for u mapping (B, *event) to (B, values) row by row.

    Unit: that of u over input². `space_step` is the h of finite differences, and not used by `autodiff`;
    `generator` makes the choices of `directions` and `coordinates`, and is not used by the others.
    Differentiable, in the weights of u and in x. Cost: that of the estimator.
    Errors: `InputError` for a space_step that is not positive (or missing) or a missing generator where they
    are used, for points that are not floating-point (B, *event), for values of another shape, and for
    arguments of another kind.
    """
    _check_kind(
        "laplacian", laplacian, "an estimator, such as Axes()", right=isinstance(laplacian, Estimator)
    )
    _check_kind("u", u, "a function of points", right=callable(u))
    _check_kind("x", x, "a floating-point tensor (B, *event) with B ≥ 1", right=isinstance(x, Tensor))
    right = generator is None or isinstance(generator, torch.Generator)
    _check_kind("generator", generator, "a torch.Generator", right=right)
    return laplacian.estimate(u, x, space_step, generator)


def _check_kind(name: str, value: object, allowed: str, *, right: bool) -> None:
    """Refuse an argument of another kind than is allowed."""
    if not right:
        got = f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"
        raise InputError(message(name, got, allowed), name=name)


def check_points(x: Tensor) -> None:
    """Refuse points that are not floating-point (B, *event) with B ≥ 1."""
    if x.ndim < 2 or x.numel() == 0 or not x.is_floating_point():
        got, allowed = f"{x.dtype} of shape {tuple(x.shape)}", "floating-point (B, *event) with B ≥ 1"
        raise InputError(message("x", got, allowed, "A single point needs x[None]."), name="x")


def check_values(values: object, rows: int) -> Tensor:
    """Return the values of u if they are a matrix with one row for each point."""
    allowed = f"floating-point values of shape ({rows}, K), one row a point"
    if not isinstance(values, Tensor):
        raise InputError(message("u", f"a {type(values).__name__}", allowed), name="u")
    if values.ndim != 2 or len(values) != rows or not values.is_floating_point():
        got = f"{values.dtype} of shape {tuple(values.shape)}"
        raise InputError(message("u", got, allowed), name="u")
    return values
