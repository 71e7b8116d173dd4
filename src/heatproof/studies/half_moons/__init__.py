"""The study `half-moons`: robust accuracy over λ × σ² in the plane, one file for each part."""

from heatproof.studies.half_moons.study import HalfMoons

__all__ = ["HalfMoons"]
