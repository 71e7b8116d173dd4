"""The study `axioms`: true operators, trained networks and negative controls, one file for each part."""

from heatproof.studies.axioms.study import Axioms

__all__ = ["Axioms"]
