"""The cells of the grid: one training each, attacked."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Float64
from torch import nn

from heatproof._types import Classifier, Progress
from heatproof.equation import noise_std_of
from heatproof.networks import at_time
from heatproof.studies._study import Cell
from heatproof.studies.half_moons.attacked import Found, one_pass, smoothed
from heatproof.studies.half_moons.plane import Plane
from heatproof.studies.half_moons.trainings import Training, fitted, moons, settings_of, trainings
from heatproof.studies.half_moons.words import number

if TYPE_CHECKING:
    from heatproof.studies.half_moons.study import HalfMoons

__all__ = ["PICTURE", "cell_key", "cells", "picture_of"]

PICTURE = Plane.around(np.array([[-1.3, -0.8], [2.3, 1.3]]), reach=0.3, step=0.06)
"""The coarse grid of the pictures, which are stored for the first repeat."""


def cells(study: HalfMoons) -> Iterator[Cell]:
    """Yield a cell for each training of each repeat."""
    for repeat in range(study.repeats):
        for one in trainings(study):
            yield Cell(cell_key(one, repeat), partial(_measured, study, one, repeat))


def cell_key(training: Training, repeat: int) -> str:
    """Return the name of a cell."""
    return f"{training.key}.repeat={repeat}"


def _measured(study: HalfMoons, training: Training, repeat: int, progress: Progress) -> Found:
    data = moons(study.seed, repeat, study.train_count)
    settings = settings_of(study, study.budget * training.times)
    model, entropy = fitted(study, training.objective, settings, repeat)
    progress(1, 2, "trained")
    found: Found = {"cross_entropy": entropy, "one_pass": one_pass(study, model, data), "smoothed": {}}
    before = _before_diffusion(model, training)
    for diffusivity in _smoothed_by(study, training):
        one, field = smoothed(study, before, data, noise_std_of(diffusivity))
        picture = {} if repeat else {"picture": _picture(field.at(PICTURE.points.reshape(-1, 2)))}
        found["smoothed"][number(diffusivity)] = one | picture
    if repeat == 0:
        found["one_pass"]["picture"] = _picture(PICTURE.look(model).values)
    return found


def _before_diffusion(model: nn.Module, training: Training) -> Classifier:
    """Return what heat flow is applied to: of the equation's network that at time 0."""
    return at_time(model, 0.0) if training.family == "equation" else model


def _smoothed_by(study: HalfMoons, training: Training) -> tuple[float, ...]:
    """Return the diffusivities to smooth with: the trained one, or all where the training knows none."""
    if training.family == "natural":
        return ()
    if training.smooths:
        return (training.diffusivity,) if training.diffusivity else ()
    return study.diffusivities


def picture_of(text: str) -> Float32[np.ndarray, "h w"]:
    """Return the stored p₁, its first row the lowest."""
    shape = PICTURE.points.shape[:2]
    values = np.frombuffer(base64.b64decode(text), dtype=np.uint8).astype(np.float32) / 255
    return np.ascontiguousarray(values.reshape(shape).T)


def _picture(values: Float64[np.ndarray, "..."]) -> str:
    """Return p₁ on the grid of the pictures, in 255 steps, as text."""
    return base64.b64encode(np.rint(255 * values).astype(np.uint8).tobytes()).decode("ascii")
