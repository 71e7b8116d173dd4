"""What solvers on a grid share: the mesh, the way in time, values at points, pictures."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from heatproof._check import check_inputs, message
from heatproof.equation import Problem, ZeroVelocity
from heatproof.errors import HeatproofError, InputError
from heatproof.solvers._solution import Solution
from heatproof.solvers._solver import Solver
from heatproof.solvers.grid._ask import Asked
from heatproof.solvers.grid._interpolation import check_inside
from heatproof.solvers.grid._matrices import NotFiniteError, too_wide
from heatproof.solvers.grid._mesh import Array, Mesh
from heatproof.solvers.grid._run import Plan, Run

__all__ = ["GridFrames", "GridSolver"]

_MOST_NODES = 10_000_000
_CPU = torch.device("cpu")


@final
@dataclass(frozen=True)
class GridFrames:
    """An evolution at chosen times: `values` (times, K, *nodes) at the product of `axes`."""

    axes: tuple[Array, ...]
    times: tuple[float, ...]
    values: Array


class GridSolver(Solver):
    """A scheme on nodes low + i·h of the problem's domain, with as many cells along each axis.

    Nodes are vertex-centred: the first and last ones of an axis are on its sides (of a periodic axis they are
    one). Points are (B, d), d ≤ 2, inside the domain; on periodic domains they go round. f, v, A and the
    values at sides are asked in the dtype of the points, sums are in float64, and nothing has a gradient.
    Where v is not known to stand still (a function, a network), it is asked again at each step.
    Subclasses say how to go (`_plan`) and how to read values between nodes.
    """

    cells: int = Field(default=64, ge=4, description="cells along each axis of the domain")
    time_step: float | None = Field(
        default=None, gt=0, description="longest step; left out, the longest that is allowed"
    )

    @abstractmethod
    def _plan(self, problem: Problem, mesh: Mesh) -> Plan:
        """Return how to go."""

    @abstractmethod
    def _at_points(self, u: Array, mesh: Mesh, points: Array) -> Array:
        """Return the values at points."""

    def _longest(self, problem: Problem, *, explicit: bool) -> float:
        """Return the step that is never exceeded unless asked for: as many steps as cells, for the accuracy.

        Explicit steps of constant diffusion alone are short enough by their bound.
        """
        duration, alone = problem.time - problem.start, isinstance(problem.velocity, ZeroVelocity)
        return duration if explicit and alone and problem.diffusion.constant else duration / self.cells

    def _most_nodes(self, dimension: int) -> int:
        """Return how many nodes are not too many."""
        del dimension
        return _MOST_NODES

    def refusal(self, problem: Problem) -> str:
        """Return why this problem cannot be solved on this grid, if so."""
        domain = problem.domain
        if domain is None:
            return "one without a domain (give it one: equation.Domain; or use feynman_kac)"
        if domain.dimension > 2:
            return f"too large for a grid: d = {domain.dimension}, at most 2 (use feynman_kac)"
        mesh, most = Mesh.of(domain, self.cells), self._most_nodes(domain.dimension)
        if mesh.nodes > most:
            return f"a grid of {mesh.nodes:,} nodes, more than {most:,} (use fewer cells)"
        if mesh.dimension == 1 or problem.diffusion.vanishes:
            return ""
        return too_wide(_matrices(problem, mesh), mesh)

    def nodes(self, problem: Problem) -> Float[Tensor, "nodes d"]:
        """Return the nodes in C order, float64: there nothing is interpolated, and steps join exactly.

        Errors: `InputError` for a problem that cannot be solved on this grid.
        """
        return torch.from_numpy(self._checked_mesh(problem).points())

    def frames(
        self, problem: Problem, times: Sequence[float], dtype: torch.dtype = torch.float64
    ) -> GridFrames:
        """Return u at all nodes at each of these times; `dtype` is what f, v and A see.

        Steps end at each of the times. Errors: `InputError` as for `solve`, or for times that decrease;
        `HeatproofError` where values do not stay finite.
        """
        chosen = tuple(problem.check_time(t) for t in times)
        if not chosen or list(chosen) != sorted(chosen):
            raise InputError(message("times", repr(list(times)), "times that do not decrease"), name="times")
        mesh = self._checked_mesh(problem)
        run = Run(self._plan(problem, mesh), Asked(problem, dtype, _CPU))
        try:
            values = np.stack([run.to(t).T.reshape(-1, *mesh.shape) for t in chosen])
        except NotFiniteError as error:
            raise HeatproofError(f"{self.name}: {error}") from None
        return GridFrames(mesh.axes, chosen, values)

    def solve_at(
        self, problem: Problem, x: Float[Tensor, "batch *event"], times: Sequence[float]
    ) -> Iterator[Solution]:
        """Yield u(x, t) for each time, going on from the one before where that was earlier.

        Steps end at each of the times.
        """
        self._checked_mesh(problem)
        points, run = check_inputs("x", x), None
        for t in times:
            end = problem.check_time(t)
            if end == problem.start:
                yield self.solve(problem, points, end)
                continue
            if run is None or not run.can_go_on(points, end):
                run = self._run(problem, points)
            yield self._answer(run, points, end)

    def _solve(self, problem: Problem, x: Tensor, t: float) -> Solution:
        return self._answer(self._run(problem, x), x, t)

    def _run(self, problem: Problem, x: Tensor) -> Run:
        return Run(self._plan(problem, _mesh(problem, self.cells)), Asked(problem, x.dtype, x.device))

    def _answer(self, run: Run, x: Tensor, t: float) -> Solution:
        points = _array(run.mesh, x)
        try:
            values = self._at_points(run.to(t), run.mesh, points)
        except NotFiniteError as error:
            lost = torch.full((len(x), run.values.shape[1]), torch.nan).to(x)
            return Solution(lost, numbers=run.numbers(), success=False, sentence=str(error))
        return Solution(torch.from_numpy(values).to(x), numbers=run.numbers())

    def _checked_mesh(self, problem: Problem) -> Mesh:
        why = self.refusal(problem)
        if why:
            raise InputError(message("problem", why, f"what {self.name} can solve"), name="problem")
        return _mesh(problem, self.cells)


def _array(mesh: Mesh, x: Tensor) -> Array:
    """Return points (B, d) of the domain. Errors: `InputError` for others."""
    if x.shape[1:] != (mesh.dimension,):
        got, allowed = f"points of shape {tuple(x.shape[1:])}", f"points of shape ({mesh.dimension},)"
        raise InputError(message("x", got, allowed), name="x")
    points = x.detach().to(_CPU, torch.float64).numpy()
    check_inside(mesh, points)
    return points


def _mesh(problem: Problem, cells: int) -> Mesh:
    if problem.domain is None:
        raise InputError(message("domain", "none", "a box"), name="domain")
    return Mesh.of(problem.domain, cells)


def _matrices(problem: Problem, mesh: Mesh) -> Array:
    """Return A at the nodes at the start, asked in float64, or in float32 where it takes no other."""
    points = mesh.points()
    try:
        return Asked(problem, torch.float64, _CPU).diffusion(points, problem.start)
    except RuntimeError:  # a network's weights are float32
        return Asked(problem, torch.float32, _CPU).diffusion(points, problem.start)
