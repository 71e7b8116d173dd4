"""When training breaks: say which knob most likely did it."""

from __future__ import annotations

from heatproof.errors import DivergenceError
from heatproof.objectives import Objective
from heatproof.training._settings import TrainingSettings

__all__ = ["divergence"]


def divergence(
    objective: Objective, settings: TrainingSettings, dimension: int, *, epoch: int, step: int
) -> DivergenceError:
    """Return the error for a loss or weights that are not finite, with the knob to turn."""
    text = (
        f"training: NaN or infinite loss or weights at epoch {epoch}, step {step}. "
        f"{_knob(objective, settings, dimension)} No checkpoint was written after that."
    )
    return DivergenceError(text, epoch=epoch, step=step)


def _knob(objective: Objective, settings: TrainingSettings, dimension: int) -> str:
    own = objective.likely_knob(dimension)
    if own:
        return own
    if settings.gradient_clip is None:
        return (
            f"Most likely learning_rate = {settings.learning_rate:g} is too large without gradient_clip: "
            "lower it, or set gradient_clip."
        )
    return f"Most likely learning_rate = {settings.learning_rate:g} is too large: lower it."
