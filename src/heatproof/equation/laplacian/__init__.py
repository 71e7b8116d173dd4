"""Laplacian estimators: finite differences along axes or random directions."""

from heatproof.equation.laplacian._all import Axes, Directions, Laplacian, estimate

__all__ = ["Axes", "Directions", "Laplacian", "estimate"]
