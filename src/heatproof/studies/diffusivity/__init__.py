"""The study `diffusivity`: the diffusion that noise induces, measured against formulas and isotropy."""

from heatproof.studies.diffusivity.study import Diffusivity

__all__ = ["Diffusivity"]
