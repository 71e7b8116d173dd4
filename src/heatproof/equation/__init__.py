"""What is modelled: u_t = v·∇u + tr(A∇²u), its coefficients, solved problems, and Laplacian estimators."""

from heatproof.equation import problems
from heatproof.equation.diffusion import (
    DiagonalDiffusion,
    Diffusion,
    FullDiffusion,
    IsotropicDiffusion,
    LowRankDiffusion,
)
from heatproof.equation.diffusivity import diffusivity_of, noise_std_of
from heatproof.equation.domain import Domain
from heatproof.equation.graph import Graph, GraphProblem
from heatproof.equation.interior import interior_variance
from heatproof.equation.laplacian import (
    Autodiff,
    Axes,
    Coordinates,
    DifferenceLaplacian,
    Differences,
    Directions,
    Estimator,
    Laplacian,
    estimate,
    second_derivatives,
)
from heatproof.equation.problem import Problem, SolvedProblem
from heatproof.equation.velocity import (
    FunctionVelocity,
    GradientVelocity,
    LinearVelocity,
    NetworkVelocity,
    Velocity,
    ZeroVelocity,
)

__all__ = [
    "Autodiff",
    "Axes",
    "Coordinates",
    "DiagonalDiffusion",
    "DifferenceLaplacian",
    "Differences",
    "Diffusion",
    "Directions",
    "Domain",
    "Estimator",
    "FullDiffusion",
    "FunctionVelocity",
    "GradientVelocity",
    "Graph",
    "GraphProblem",
    "IsotropicDiffusion",
    "Laplacian",
    "LinearVelocity",
    "LowRankDiffusion",
    "NetworkVelocity",
    "Problem",
    "SolvedProblem",
    "Velocity",
    "ZeroVelocity",
    "diffusivity_of",
    "estimate",
    "interior_variance",
    "noise_std_of",
    "problems",
    "second_derivatives",
]
