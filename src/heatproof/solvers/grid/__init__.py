"""Solvers on a grid, in one and two dimensions."""

from heatproof.solvers.grid._solver import GridFrames, GridSolver
from heatproof.solvers.grid.limited import GridLimited
from heatproof.solvers.grid.upwind import GridUpwind

__all__ = ["GridFrames", "GridLimited", "GridSolver", "GridUpwind"]
