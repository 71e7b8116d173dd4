"""Before the first step: whether model, graph, objective and settings fit together."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from heatproof._check import message
from heatproof.data.graphs import GraphData
from heatproof.equation.laplacian import Directions
from heatproof.errors import HeatproofError, InputError, ModelError
from heatproof.objectives import ConvectionDiffusion, Objective, WeightedSum
from heatproof.training._graph_settings import GraphTrainingSettings

__all__ = ["check_graph_fit", "tried"]

_RAW = (RuntimeError, TypeError, ValueError, LookupError, AttributeError)

_JOINT = ("natural", "gaussian_augmentation", "stability", "consistency", "macer", "convection_diffusion")
"""Objectives that see inputs through noise alone: how a feature matrix is cut into rows then is no matter."""


def check_graph_fit(model: object, data: object, objective: object, settings: object) -> None:
    """Raise `InputError` or `ModelError` for what cannot be trained."""
    given = {"data": data, "objective": objective, "settings": settings}
    kinds = {"data": GraphData, "objective": Objective, "settings": GraphTrainingSettings}
    for name, kind in kinds.items():
        if not isinstance(given[name], kind):
            got = f"a {type(given[name]).__name__}"
            raise InputError(message(name, got, f"a {kind.__name__}"), name=name)
    if not isinstance(model, nn.Module) or not any(one.requires_grad for one in model.parameters()):
        got = f"a {type(model).__name__} without trainable weights"
        raise ModelError(message("model", got, "a torch.nn.Module with weights to train"), name="model")
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


def tried(model: nn.Module, features: Tensor, data: GraphData) -> None:
    """Ask the model once, in evaluation mode. Errors: `ModelError` unless it gives finite logits (N, K)."""
    model.eval()
    try:
        with torch.no_grad():
            logits = model(features)
    except _RAW as error:
        if isinstance(error, HeatproofError | torch.OutOfMemoryError):
            raise
        first = (str(error).strip().splitlines() or [""])[0]
        got = f"{type(error).__name__} ({first}) for features of shape {tuple(features.shape)}"
        raise ModelError(message("model", got, "a module (N, F) → (N, K)"), name="model") from error
    fits = isinstance(logits, Tensor) and logits.is_floating_point()
    if not fits or tuple(logits.shape) != (data.nodes, data.classes) or not bool(logits.isfinite().all()):
        shape = (
            f"{logits.dtype} of shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else "no tensor"
        )
        allowed = f"finite floating-point logits of shape ({data.nodes}, {data.classes}), a row for each node"
        raise ModelError(message("model output", shape, allowed), name="model")
