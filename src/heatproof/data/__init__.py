"""Data sets by name or path; splits, input range and grid step travel with the data."""

from heatproof.data._dataset import DataSet, Split
from heatproof.data._registry import load, names

__all__ = ["DataSet", "Split", "load", "names"]
