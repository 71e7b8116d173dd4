"""The diffusion that the noise of a network amounts to, measured along real inputs, layer by layer."""

from heatproof.theory.effective_diffusivity._estimate import Estimate
from heatproof.theory.effective_diffusivity._result import (
    EffectiveDiffusivity,
    FormulaComparison,
    LayerDiffusivity,
)
from heatproof.theory.effective_diffusivity.measure import measure_diffusivity

__all__ = [
    "EffectiveDiffusivity",
    "Estimate",
    "FormulaComparison",
    "LayerDiffusivity",
    "measure_diffusivity",
]
