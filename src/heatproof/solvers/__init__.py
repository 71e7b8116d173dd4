"""How T_t is computed: one file each, one interface, `solve(problem, x, t)`."""

from heatproof.solvers._properties import Properties
from heatproof.solvers._registry import SOLVERS, build_solver, usual_solver
from heatproof.solvers._solution import Solution
from heatproof.solvers._solver import Solver
from heatproof.solvers.evolution import Evolution
from heatproof.solvers.graph import (
    GraphExact,
    GraphExplicit,
    GraphImplicit,
    GraphSolver,
    GraphUniformisation,
)
from heatproof.solvers.grid import GridFrames, GridLimited, GridSolver, GridUpwind
from heatproof.solvers.learned import FittedSolution, LearnedSolver
from heatproof.solvers.paths import (
    AdaptiveCharacteristics,
    EulerCharacteristics,
    FeynmanKac,
    RungeKuttaCharacteristics,
    SecondOrderFeynmanKac,
)

__all__ = [
    "SOLVERS",
    "AdaptiveCharacteristics",
    "EulerCharacteristics",
    "Evolution",
    "FeynmanKac",
    "FittedSolution",
    "GraphExact",
    "GraphExplicit",
    "GraphImplicit",
    "GraphSolver",
    "GraphUniformisation",
    "GridFrames",
    "GridLimited",
    "GridSolver",
    "GridUpwind",
    "LearnedSolver",
    "Properties",
    "RungeKuttaCharacteristics",
    "SecondOrderFeynmanKac",
    "Solution",
    "Solver",
    "build_solver",
    "usual_solver",
]
