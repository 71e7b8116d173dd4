"""Solvers on paths: characteristics, and Feynman–Kac means over random ones."""

from heatproof.solvers.paths.adaptive import AdaptiveCharacteristics
from heatproof.solvers.paths.characteristics import EulerCharacteristics
from heatproof.solvers.paths.feynman_kac import FeynmanKac
from heatproof.solvers.paths.feynman_kac_second_order import SecondOrderFeynmanKac
from heatproof.solvers.paths.runge_kutta import RungeKuttaCharacteristics

__all__ = [
    "AdaptiveCharacteristics",
    "EulerCharacteristics",
    "FeynmanKac",
    "RungeKuttaCharacteristics",
    "SecondOrderFeynmanKac",
]
