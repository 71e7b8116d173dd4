"""Noises: keyed sampling, the lattice that makes sums exact, and what each noise certifies."""

from heatproof.noise.gaussian import Gaussian
from heatproof.noise.lattice import Lattice

__all__ = ["Gaussian", "Lattice"]
