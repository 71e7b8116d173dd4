"""What no classifier can exceed: inputs of two classes that lie too near each other to be robust at once.

Two inputs of different classes at most 2r apart have a point within r of both, where every classifier is
wrong for one of them. So the robust inputs are an independent set of the graph of such pairs; it is
bipartite, and its largest independent set has N − M members, M the size of a largest matching (König 1931).
Some function reaches this, with the inputs at hand (the finite case of Bhagoji, Cullina & Mittal 2019).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from heatproof._types import Progress
from heatproof.studies.half_moons.plane import Points
from heatproof.studies.half_moons.trainings import moons

if TYPE_CHECKING:
    from heatproof.studies.half_moons.study import HalfMoons

__all__ = ["ceiling", "measured_ceiling"]


def ceiling(x: Points, y: Bool[np.ndarray, " n"], radius: float) -> float:
    """Return the largest share of inputs (n, 2) that can be robust at an ℓ2 radius together."""
    first, second = x[~y], x[y]
    apart: Float[np.ndarray, "a b"] = np.linalg.norm(first[:, None] - second[None], axis=-1)
    matching = maximum_bipartite_matching(csr_array(apart <= 2 * radius), perm_type="column")
    return 1.0 - int((matching >= 0).sum()) / len(x)


def measured_ceiling(study: HalfMoons, repeat: int, progress: Progress) -> dict[str, Any]:
    """Return the ceilings of one repeat's test inputs, and its training points for the pictures."""
    del progress
    data = moons(study.seed, repeat, study.train_count)
    x, y = data.test.x.double().numpy(), data.test.y.numpy().astype(bool)
    found: dict[str, Any] = {
        "curve": [ceiling(x, y, radius) for radius in study.radii],
        "robust": ceiling(x, y, study.radius),
    }
    if repeat == 0:
        found["points"] = data.train.x.double().round(decimals=3).tolist()
        found["labels"] = data.train.y.tolist()
    return found
