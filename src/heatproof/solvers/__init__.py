"""How T_t is computed: one file each, one interface, `solve(problem, x, t)`."""

from heatproof.solvers._properties import Properties
from heatproof.solvers._solution import Solution
from heatproof.solvers._solver import Solver
from heatproof.solvers.evolution import Evolution

__all__ = ["Evolution", "Properties", "Solution", "Solver"]
