"""Heat flow on a graph, e^{−tσ²𝓛}: explicit, implicit and exact, one file each."""

from heatproof.solvers.graph._solver import GraphSolver
from heatproof.solvers.graph.exact import GraphExact
from heatproof.solvers.graph.explicit import GraphExplicit
from heatproof.solvers.graph.implicit import GraphImplicit
from heatproof.solvers.graph.uniformisation import GraphUniformisation

__all__ = ["GraphExact", "GraphExplicit", "GraphImplicit", "GraphSolver", "GraphUniformisation"]
