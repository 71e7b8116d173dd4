"""One certificate: a frozen record from which its radius can be recomputed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from heatproof._check import message
from heatproof.certification._bounds import Bounds, Look, bounds
from heatproof.certification._norms import radii_of
from heatproof.certification._settings import CertificationSettings
from heatproof.certification.sampling.votes import score_edges
from heatproof.errors import InputError

__all__ = ["ABSTAIN", "Certificate", "make_certificate"]

ABSTAIN = -1
"""The label of an input on which the smoothed classifier does not answer."""


@dataclass(frozen=True)
class Certificate:
    """A radius around one input inside which the smoothed classifier provably does not change its answer.

    `candidate` is the class that the selection samples chose, `p_lower` a lower bound of its probability and
    `p_upper` an upper bound of every other's (together of level alpha), from the estimation samples; it
    abstains where that does not show it to be the top class. `radii` per norm are in input units; `rounding`
    (in the noise's own norm) has been taken off already (see `heatproof.noise.lattice`). `looks` say at
    which number of draws each radius was decided (method "decision" only). `target` and `one_pass` (the
    prediction of the noise-free network) are for the tables and prove nothing.
    """

    index: int
    candidate: int
    abstained: bool
    p_lower: float
    p_upper: float
    radii: dict[str, float]
    rounding: float
    selection_counts: tuple[int, ...]
    estimation_counts: tuple[int, ...]
    settings: CertificationSettings
    looks: tuple[Look, ...] = ()
    target: int | None = None
    one_pass: int | None = None

    @property
    def label(self) -> int:
        """The certified label, or `ABSTAIN`."""
        return ABSTAIN if self.abstained else self.candidate

    @property
    def radius(self) -> float:
        """The certified radius in the norm of the settings; 0 where it abstained."""
        return self.radii[self.settings.norm]

    @property
    def samples(self) -> int:
        """The draws that it took, selection included."""
        return sum(self.selection_counts) + sum(self.estimation_counts)

    @property
    def correct(self) -> bool:
        """Whether it answered, and answered `target`; False where the target is not known."""
        return not self.abstained and self.candidate == self.target


def make_certificate(
    settings: CertificationSettings,
    *,
    index: int,
    selection_counts: Int64[np.ndarray, " K"],
    estimation_counts: Int64[np.ndarray, " cells"],
    rounding: float,
    looks: tuple[Look, ...] = (),
    target: int | None = None,
    one_pass: int | None = None,
) -> Certificate:
    """Derive the certificate from what was drawn: select, bound, radius.

    The candidate comes from the selection counts alone, its bound from the estimation counts alone: the
    level holds because the two are independent. Errors: `InputError` if counts do not add up.
    """
    _check_counts("selection_counts", selection_counts, settings, settings.classes)
    cells = settings.classes if settings.vote == "hard" else len(score_edges())
    _check_counts("estimation_counts", estimation_counts, settings, cells)
    candidate = int(selection_counts.argmax())
    found = bounds(settings, candidate, estimation_counts, looks)
    radii = radii_of(settings.noise, settings.norm, _native(settings, found, rounding), settings.dimension)
    if found.radius is not None:
        radii[settings.norm] = found.radius
    return Certificate(
        index=index,
        candidate=candidate,
        abstained=not found.certified,
        p_lower=found.p_lower,
        p_upper=found.p_upper,
        radii=radii,
        rounding=rounding,
        selection_counts=tuple(int(count) for count in selection_counts),
        estimation_counts=tuple(int(count) for count in estimation_counts),
        settings=settings,
        looks=looks,
        target=target,
        one_pass=one_pass,
    )


def _native(settings: CertificationSettings, found: Bounds, rounding: float) -> float:
    """Return the radius in the noise's own norm; a decided radius is what was decided, not more."""
    if found.radius is not None:
        return found.radius / settings.factor
    return max(0.0, settings.noise.radius(found.p_lower, found.p_upper) - rounding)


def _check_counts(
    name: str, counts: Int64[np.ndarray, " cells"], settings: CertificationSettings, cells: int
) -> None:
    wanted = getattr(settings, name.replace("_counts", "_samples"))
    total, exact = int(counts.sum()), settings.method == "fixed" or name == "selection_counts"
    fits = total == wanted if exact else 0 < total <= wanted
    if counts.shape != (cells,) or int(counts.min()) < 0 or not fits:
        got = f"shape {counts.shape} with sum {total}"
        allowed = f"{cells} counts ≥ 0 that add up to {'' if exact else 'at most '}{wanted}"
        raise InputError(message(name, got, allowed), name=name)
