"""The study `complexity`: bounds against exact and measured complexities, one file for each part."""

from heatproof.studies.complexity.study import Complexity

__all__ = ["Complexity"]
