"""Diffusion matrices A(x, t) of u_t = v·∇u + tr(A∇²u): one file each."""

from heatproof.equation.diffusion._diffusion import Diffusion
from heatproof.equation.diffusion.diagonal import DiagonalDiffusion
from heatproof.equation.diffusion.full import FullDiffusion
from heatproof.equation.diffusion.isotropic import IsotropicDiffusion
from heatproof.equation.diffusion.low_rank import LowRankDiffusion

__all__ = [
    "DiagonalDiffusion",
    "Diffusion",
    "FullDiffusion",
    "IsotropicDiffusion",
    "LowRankDiffusion",
]
