"""Noises: keyed sampling, the lattice that makes sums exact, and what each noise certifies."""

from typing import TypeAlias

from heatproof.noise._noise import Noise
from heatproof.noise.gaussian import Gaussian
from heatproof.noise.lattice import Lattice

__all__ = ["AnyNoise", "Gaussian", "Lattice", "Noise"]

AnyNoise: TypeAlias = Gaussian
"""Any noise, told apart by `name` in a configuration."""
