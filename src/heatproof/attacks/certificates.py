"""Certificates under attack: search inside each certified radius, then judge what was found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, final

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from heatproof._check import check_labels, check_number
from heatproof._types import Classifier, Progress, no_progress
from heatproof.attacks._norms import NORMS, per_row
from heatproof.attacks._request import check_keys, check_points, check_radii
from heatproof.attacks.judge import judge_smoothed
from heatproof.attacks.smoothed import attack_smoothed

__all__ = ["BrokenCertificates", "break_certificates"]


@final
@dataclass(frozen=True, eq=False)
class BrokenCertificates:
    """What became of the certificates that were attacked.

    `attacked`, `refuted`: counts. `certified` (batch,): the rows attacked, those of radius > 0. `broken`
    (batch,): the rows refuted. `points` (batch, *event): the refuting point, else the best candidate, else
    (not attacked) the input. `distance` (batch,): ‖points − x‖₂. `level`: the largest probability with
    which a true certificate counts as refuted, each on its own.
    """

    attacked: int
    refuted: int
    certified: Bool[Tensor, " batch"]
    broken: Bool[Tensor, " batch"]
    points: Float[Tensor, "batch *event"]
    distance: Float64[Tensor, " batch"]
    level: float


def break_certificates(
    model: Classifier,
    x: Tensor,
    label: Tensor,
    radius: Tensor,
    *,
    noise_std: float,
    grid_step: float | None = None,
    steps: int = 20,
    samples: int = 32,
    judgement_samples: int = 10_000,
    level: float = 1e-6,
    seed: int = 0,
    index: Tensor | None = None,
    input_range: tuple[float, float] | None = None,
    batch_size: int = 512,
    progress: Progress = no_progress,
) -> BrokenCertificates:
    """Attack every certificate inside its radius and judge what is found.

    Runs `attack_smoothed` within radius·(1 − 1e-6), then `judge_smoothed` on its last and best points, each
    at level/2 and on the lattice that certification draws from: a true certificate counts as refuted with
    probability at most `level`. The smoothed classifier is that of isotropic Gaussian noise with hard votes,
    and the radius is ℓ2. A certificate holds in the whole space: leave `input_range` out unless only points
    inside a box are of interest (a weaker attack).

    Args:
        model, noise_std, steps, samples, seed, index, input_range, batch_size: as in `attack_smoothed`.
        x: inputs (batch, *event).
        label: certified classes (batch,), int64; what stands where the radius is 0 does not matter.
        grid_step: the grid of the data that the certificates were made with, or None.
        radius: certified ℓ2 radii (batch,), finite, ≥ 0; 0 (abstained) is not attacked.
        judgement_samples: votes for each judged point.
        level: the probability of a false alarm for each certificate, in (0, 1).
        progress: told the work done; the search counts as one third.

    Cost: (steps + 1)·samples passes forward and steps·samples backward for each certificate, and
    2·judgement_samples forward.

    Errors: those of the two functions.
    """
    check_number("level", level, above=0, below=1)
    places = check_points("x", x)
    radii = check_radii("radius", radius, places)
    classes = label.clamp(min=0) if isinstance(label, Tensor) else label  # an abstention may be −1
    check_labels("label", classes, count=len(places))
    chosen = (radii > 0).nonzero()[:, 0]
    if len(chosen) == 0:
        return _summary(places, places, radii > 0, torch.zeros_like(radii > 0), level)
    keys = check_keys(seed, index, places).rows(chosen)
    identity = torch.tensor(keys.index)
    common: dict[str, Any] = {
        "noise_std": noise_std,
        "seed": seed,
        "index": identity,
        "batch_size": batch_size,
    }
    wanted = label.to(places.device)[chosen]
    search = partial(
        attack_smoothed, radii=radii[chosen], steps=steps, samples=samples, input_range=input_range
    )
    found = search(model, places[chosen], wanted, progress=_third(progress, 0), **common)
    judge = partial(
        judge_smoothed,
        model,
        label=wanted,
        samples=judgement_samples,
        level=level / 2,
        grid_step=grid_step,
    )
    last = judge(found.last, progress=_third(progress, 1), **common)
    best = judge(found.best, progress=_third(progress, 2), **common)
    points, broken = places.clone(), torch.zeros_like(radii > 0)
    points[chosen] = torch.where(per_row(last & ~best, found.last), found.last, found.best)
    broken[chosen] = last | best
    return _summary(places, points, radii > 0, broken, level)


def _summary(
    x: Tensor, points: Tensor, certified: Tensor, broken: Tensor, level: float
) -> BrokenCertificates:
    return BrokenCertificates(
        attacked=int(certified.sum()),
        refuted=int(broken.sum()),
        certified=certified,
        broken=broken,
        points=points,
        distance=NORMS["l2"].measure(points.double() - x.double()),
        level=level,
    )


def _third(progress: Progress, number: int) -> Progress:
    """Return a progress that tells one third of the whole: the search, then the two judgements."""

    def tell(done: int, total: int, note: str = "") -> None:
        progress(number * total + done, 3 * total, note)

    return tell
