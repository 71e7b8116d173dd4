"""The study `radius`: certified against exact radius, one file for each part."""

from heatproof.studies.radius.study import Radius

__all__ = ["Radius"]
