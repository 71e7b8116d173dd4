"""One radius for a whole table at fixed n: who is certified so that all of them are right at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from heatproof._check import check_number, message
from heatproof._intervals import Interval, proportion
from heatproof.certification._bounds import threshold
from heatproof.certification._record import Certificate
from heatproof.certification._settings import CertificationSettings
from heatproof.errors import InputError
from heatproof.statistics import holm

__all__ = ["HolmTable", "holm_table"]

_PLAIN = {"method": "fixed", "vote": "hard", "runner_up": "complement", "alpha_scope": "per input"}


@dataclass(frozen=True, eq=False)
class HolmTable:
    """Who is certified at `radius`: all of them are right together with probability at least 1 − alpha.

    `certified` (inputs,): the candidate keeps the majority at every point closer than `radius`. `fraction`
    and `accuracy` (certified, and the candidate is the target; None without labels) have 95 % intervals over
    inputs, taken as a random sample of the data; alpha is not in those.
    """

    radius: float
    norm: str
    alpha: float
    certified: Bool[np.ndarray, " inputs"]
    fraction: Interval
    accuracy: Interval | None


def holm_table(certificates: Sequence[Certificate], radius: float) -> HolmTable:
    """Return the table of Holm's procedure for certificates (at least one) of one certification.

    Errors: `InputError` for another method, vote, runner-up or scope of alpha, or a radius below 0.
    """
    settings = certificates[0].settings
    _check_plain(settings)
    edge = threshold(settings, check_number("radius", radius, at_least=0))
    votes = np.asarray([one.estimation_counts[one.candidate] for one in certificates], dtype=np.int64)
    certified = np.zeros(len(votes), dtype=np.bool_)
    if edge < 1:  # at 1 no number of draws is enough
        certified = holm(votes, settings.estimation_samples, edge, settings.alpha)
    right = np.asarray([one.candidate == one.target for one in certificates], dtype=np.bool_)
    known = all(one.target is not None for one in certificates)
    return HolmTable(
        radius=float(radius),
        norm=settings.norm,
        alpha=settings.alpha,
        certified=certified,
        fraction=proportion(int(certified.sum()), len(votes)),
        accuracy=proportion(int((certified & right).sum()), len(votes)) if known else None,
    )


def _check_plain(settings: CertificationSettings) -> None:
    for name, wanted in _PLAIN.items():
        got = getattr(settings, name)
        if got != wanted:
            advice = "Holm's p-values are tails of a number of votes that was fixed beforehand."
            if name == "alpha_scope":
                advice = "Certify with alpha per input: Holm makes of it the alpha of the table."
            raise InputError(message(f"holm with {name}", repr(got), repr(wanted), advice), name=name)
