"""Before the first step: whether model, graph, objective and settings fit together."""

from __future__ import annotations

from heatproof._check import message
from heatproof.data.graphs import GraphData
from heatproof.equation.laplacian import Directions
from heatproof.errors import InputError
from heatproof.objectives import ConvectionDiffusion, Objective, WeightedSum
from heatproof.training._fit import check_kinds
from heatproof.training._graph_settings import GraphTrainingSettings

__all__ = ["check_graph_fit"]

_JOINT = ("natural", "gaussian_augmentation", "stability", "consistency", "macer", "convection_diffusion")
"""Objectives that see inputs through noise alone: how a feature matrix is cut into rows then is no matter."""


def check_graph_fit(model: object, data: object, objective: object, settings: object) -> None:
    """Raise `InputError` or `ModelError` for what cannot be trained."""
    check_kinds(
        model,
        data=(data, GraphData),
        objective=(objective, Objective),
        settings=(settings, GraphTrainingSettings),
    )
    if isinstance(data, GraphData):
        _check_split(data)
    if isinstance(objective, Objective):
        _check_joint(objective)


def _check_split(data: GraphData) -> None:
    for name in ("train", "validation"):
        if not bool(getattr(data, name).any()):
            advice = "Call random_split(seed), or give masks."
            text = message("data", f"no {name} nodes", "training and validation nodes", advice)
            raise InputError(text, name="data")


def _check_joint(objective: Objective) -> None:
    """Refuse objectives that treat each row by itself, by a budget or an axis of its own."""
    if isinstance(objective, WeightedSum):
        for term in objective.terms:
            _check_joint(term.objective)
        return
    if objective.name not in _JOINT:
        got = f"{objective.name}, which perturbs each row within a budget of its own"
        advice = "The features of all nodes are one input."
        allowed = f"one of {', '.join(_JOINT)}, or a sum of them"
        raise InputError(message("objective", got, allowed, advice), name="objective")
    if isinstance(objective, ConvectionDiffusion) and not isinstance(objective.laplacian, Directions):
        got = f"laplacian {objective.laplacian.name}"
        advice = "Axes of rows are no axes of the feature matrix."
        raise InputError(message("objective", got, "laplacian directions", advice), name="objective")
