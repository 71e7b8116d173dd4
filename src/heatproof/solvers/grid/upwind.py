"""The upwind scheme on a grid, with implicit or explicit diffusion."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal, Self, final

from pydantic import Field

from heatproof._check import check_whole
from heatproof.equation import Problem, ZeroVelocity
from heatproof.solvers._properties import Properties
from heatproof.solvers.grid._interpolation import linear
from heatproof.solvers.grid._mesh import Array, Mesh
from heatproof.solvers.grid._run import Plan
from heatproof.solvers.grid._schemes import ExplicitEuler, ImplicitDiffusion, Scheme
from heatproof.solvers.grid._sides import Sides
from heatproof.solvers.grid._solver import GridSolver

__all__ = ["GridUpwind"]

_MOST_FACTORISED = 1_000_000


@final
class GridUpwind(GridSolver):
    """u_t = v·∇u + tr(A∇²u) by upwind differences and a monotone stencil: the comparison principle holds.

    Transport: the cell of node i has faces f with mean velocities V_f outwards, and
    du_i/dt = Σ_f max(V_f, 0)·(u_f − u_i)/h, u_f beyond the face: upwinded on the side that v points to, as
    u_t = +v·u_x carries values against v (Courant, Isaacson and Rees 1952, in finite volumes). Explicit.
    Diffusion: Σ w·(u(x + e) + u(x − e) − 2u(x)), w ≥ 0, along at most three directions e of the grid that
    make up A exactly (Selling 1874; Bonnans, Ottenwaelter and Zidani 2004). An A so close to degenerate and
    so askew that an arm would reach beyond 16 nodes, or beyond an eighth of the grid, is refused.
    Coefficients are those of the middle of a step. `implicit`: u_new = (I − τA∇²)⁻¹(u + τv·∇u). `explicit`:
    both in one Euler step.
    Step: τ·max_i Σ_f max(V_f, 0)/h ≤ 1, and explicit τ·max_i(Σ_f max(V_f, 0)/h + 2Σw) ≤ 1 (without v,
    for A = σ²I: 2dτσ² ≤ h²). Left out, it is the longest that is allowed, but at least as many steps as
    cells are made, except by explicit steps of constant diffusion alone.
    Sides: Dirichlet values are the domain's, or those of f, held; arms that meet a side are cut there.
    Neumann grids are mirrored, u even, v and A with it, so that no value leaves there. Periodic ones go
    round.
    Order: 1 in h where there is a velocity. Without one, error O(τ + h²): order 2 if explicit.
    Linear, monotone, exact on constants; Markov over whole steps for f at the `nodes`. Mass, Σu over a
    periodic grid, stays up to rounding where div v = 0, A does not depend on x, and the grid resolves v
    (five Gauss–Legendre points a face). Between nodes: linear along each axis.
    Cost: `implicit` factorises one sparse matrix for each distinct one, N log N numbers in 2-D, then a solve
    a step; `explicit` has steps of some ten operations a node, of length O(h²). Memory: about 600 bytes a
    node, 2 kilobytes implicit in 2-D.
    Errors: `InputError` for no domain, d > 2, more than 10⁷ nodes (10⁶ implicit in 2-D), a longer step than
    is allowed (the message says which is), more than a million steps, or points outside the domain. Values
    or coefficients that are not finite make a solution without success.
    """

    name: Literal["grid_upwind"] = "grid_upwind"
    diffusion: Literal["implicit", "explicit"] = Field(
        default="implicit", description="how diffusion steps; implicit has no bound for it"
    )

    properties: ClassVar[Properties] = Properties(
        order=1,
        random=False,
        monotone=True,
        keeps_range=True,
        linear=True,
        keeps_constants=True,
        keeps_mass=True,
        markov=True,
        differentiable=False,
    )

    def refined(self, factor: int) -> Self:
        """Return the solver with h/factor, and the step, if it has one, by factor (explicit: factor²)."""
        finer: dict[str, float] = {"cells": self.cells * check_whole("factor", factor)}
        if self.time_step is not None:
            power = 1 if self.diffusion == "implicit" else 2
            finer["time_step"] = self.time_step / factor**power
        return self.model_copy(update=finer)

    def order_on(self, problem: Problem) -> float | None:
        """Return 1, or without velocity 2 if explicit; implicit it is between 1 and 2, so None."""
        if not isinstance(problem.velocity, ZeroVelocity):
            return 1
        return 2 if self.diffusion == "explicit" else None

    def _plan(self, problem: Problem, mesh: Mesh) -> Plan:
        implicit = self.diffusion == "implicit"
        scheme: Callable[[Sides], Scheme] = ImplicitDiffusion if implicit else ExplicitEuler
        cap = self._longest(problem, explicit=not implicit)
        return Plan(mesh, scheme, limited=False, step=self.time_step, cap=cap)

    def _at_points(self, u: Array, mesh: Mesh, points: Array) -> Array:
        return linear(u, mesh, points)

    def _most_nodes(self, dimension: int) -> int:
        factorised = self.diffusion == "implicit" and dimension == 2
        return _MOST_FACTORISED if factorised else super()._most_nodes(dimension)
