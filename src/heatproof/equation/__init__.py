"""What is modelled: u_t = v·∇u + σ²Δu, its Laplacian estimators and their stability bounds."""

from heatproof.equation.diffusivity import diffusivity_of, noise_std_of
from heatproof.equation.laplacian import Axes, Directions, Laplacian, estimate

__all__ = ["Axes", "Directions", "Laplacian", "diffusivity_of", "estimate", "noise_std_of"]
