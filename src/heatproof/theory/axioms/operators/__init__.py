"""Evolution operators to be measured, true ones and negative controls: one file each."""

from heatproof.theory.axioms.operators.explicit import ExplicitHeat
from heatproof.theory.axioms.operators.jump import JumpOperator
from heatproof.theory.axioms.operators.linear import LinearEvolution
from heatproof.theory.axioms.operators.network import NetworkEvolution
from heatproof.theory.axioms.operators.values import NetworkValues

__all__ = ["ExplicitHeat", "JumpOperator", "LinearEvolution", "NetworkEvolution", "NetworkValues"]
