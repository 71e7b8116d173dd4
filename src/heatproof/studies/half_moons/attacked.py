"""A trained network under attack: in one pass, and as the equation's own smoothed classifier.

Robust accuracy counts the inputs that survive *every* attack. In one pass: the exhaustive search on the grid,
and projected gradient descent on the exact margin with restarts. Smoothed, u(x) = E g(x + sξ): the exhaustive
search on the near-exact u, and a gradient attack through the expectation over fresh noise, whose points are
judged by u itself. What one attack finds and the other does not is counted: it is what masked gradients, or a
grid that is too coarse, would show up in.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float64
from scipy.special import ndtr, ndtri

from heatproof._types import Classifier
from heatproof.attacks import attack, attack_smoothed
from heatproof.data import DataSet, Split
from heatproof.studies.half_moons.plane import TAILS, Answers, Field, Plane, Points

if TYPE_CHECKING:
    from heatproof.studies.half_moons.study import HalfMoons

__all__ = ["Found", "one_pass", "smoothed"]

Found: TypeAlias = dict[str, Any]
"""What is stored of one classifier."""

_STEPS, _RESTARTS = 20, 4
_SMOOTHED_STEPS, _SAMPLES, _PROBES = 10, 16, 100
_SURE = 4.0
_FAR = 4
"""Certified radii are held against distances of at least so many grid steps, where the grid is no matter."""


def one_pass(study: HalfMoons, classifier: Classifier, data: DataSet) -> Found:
    """Return accuracies of a network in one pass, and what each attack missed."""
    field = _plane(study, data, study.reach).look(classifier)
    answers = partial(_answers, classifier)
    distance = _distances(field, data.test, answers)
    x, y = data.test.x, data.test.y
    result = attack(classifier, x, y, radius=study.radius, steps=_STEPS, restarts=_RESTARTS, seed=study.seed)
    return {
        **_accuracies(study, distance, result.success.numpy()),
        "validation": _robust(study, _distances(field, data.validation, answers)),
    }


def smoothed(
    study: HalfMoons, classifier: Classifier, data: DataSet, noise_std: float
) -> tuple[Found, Field]:
    """Return the same for u(x) = E g(x + sξ), g the network's probabilities, with what u certifies; and u."""
    frame = TAILS * noise_std + study.grid_step
    field = _plane(study, data, study.reach + frame).look(classifier).smoothed(noise_std, frame)
    distance = _distances(field, data.test, field.answers)
    broken = distance == 0
    broken[:_PROBES] |= _fooled(study, classifier, data.test, noise_std, field)
    found = {
        **_accuracies(study, distance, broken, slice(_PROBES)),
        "validation": _robust(study, _distances(field, data.validation, field.answers)),
        **_certified(study, field, data.test, distance, noise_std),
    }
    return found, field


def _fooled(
    study: HalfMoons, classifier: Classifier, split: Split, noise_std: float, field: Field
) -> Bool[np.ndarray, " probes"]:
    """Return which of the first inputs the gradient attack through the expectation breaks, by u itself."""
    x, y = split.x[:_PROBES], split.y[:_PROBES]
    result = attack_smoothed(
        classifier,
        x,
        y,
        noise_std=noise_std,
        radii=study.radius,
        steps=_SMOOTHED_STEPS,
        samples=_SAMPLES,
        seed=study.seed,
    )
    label = y.numpy().astype(bool)
    last, best = (field.answers(points.numpy()) != label for points in (result.last, result.best))
    return np.asarray(last | best)


def _plane(study: HalfMoons, data: DataSet, reach: float) -> Plane:
    points = np.concatenate([data.validation.x.numpy(), data.test.x.numpy()])
    return Plane.around(points, reach, study.grid_step)


def _distances(field: Field, split: Split, answers: Answers) -> Float64[np.ndarray, " n"]:
    """Return the distance of the nearest error found, 0 where the input itself is one."""
    x, y = split.x.numpy(), split.y.numpy().astype(bool)
    return np.where(answers(x) == y, field.nearest_error(x, y, answers), 0.0)


def _answers(classifier: Classifier, x: Points) -> Bool[np.ndarray, " n"]:
    """Return whether a network of two classes answers class 1."""
    with torch.no_grad():
        logits = classifier(torch.from_numpy(x).float())
    return np.asarray(logits.argmax(dim=1).numpy() == 1)


def _accuracies(
    study: HalfMoons,
    distance: Float64[np.ndarray, " n"],
    broken: Bool[np.ndarray, " n"],
    tried: slice = slice(None),
) -> Found:
    """Return shares of test inputs; `tried`: the rows that the gradient attack was run on."""
    searched = distance <= study.radius
    return {
        "natural": float((distance > 0).mean()),
        "curve": [float((distance > radius).mean()) for radius in study.radii],
        "robust": float((~(searched | broken)).mean()),
        "only_search": float((searched & ~broken)[tried].mean()),
        "only_gradient": float((broken & ~searched)[tried].mean()),
    }


def _robust(study: HalfMoons, distance: Float64[np.ndarray, " n"]) -> float:
    return float((distance > study.radius).mean())


def _certified(
    study: HalfMoons, field: Field, split: Split, distance: Float64[np.ndarray, " n"], noise_std: float
) -> Found:
    """Return the share that formula (3) certifies at the radius, and the largest radius over distance found.

    R = s·Φ⁻¹(p_A) for two classes (arXiv 2307.12333, Theorem 3.1), p_A from the near-exact u: no votes, and
    no certificate in the sense of statistics. Radii beyond 4 s, where p_A hangs on
    the cut tails, count as 4 s.
    """
    p = field.at(split.x.numpy())
    own = np.where(split.y.numpy().astype(bool), p, 1 - p).clip(max=ndtr(_SURE))
    radius = noise_std * ndtri(own)
    far = np.isfinite(distance) & (distance >= _FAR * study.grid_step)
    return {
        "certified": float((radius > study.radius).mean()),
        "closest": float((radius[far] / distance[far]).max(initial=0.0)),
    }
