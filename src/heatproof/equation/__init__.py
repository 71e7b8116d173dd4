"""What is modelled: u_t = v·∇u + σ²Δu, its Laplacian estimators and their stability bounds."""

from heatproof.equation.diffusivity import diffusivity_of, noise_std_of
from heatproof.equation.interior import interior_variance
from heatproof.equation.laplacian import Axes, Directions, Laplacian, estimate

__all__ = [
    "Axes",
    "Directions",
    "Laplacian",
    "diffusivity_of",
    "estimate",
    "interior_variance",
    "noise_std_of",
]
