"""What is said of one axiom: a verdict, the worst case that was found, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

__all__ = ["AXIOMS", "Axiom", "AxiomVerdict", "Finding", "judge"]

Axiom: TypeAlias = Literal[
    "comparison",
    "linearity",
    "constants",
    "markov",
    "locality",
    "spatial regularity",
    "temporal regularity",
    "batch",
]

AXIOMS: tuple[Axiom, ...] = (
    "comparison",
    "linearity",
    "constants",
    "markov",
    "locality",
    "spatial regularity",
    "temporal regularity",
    "batch",
)
"""The axioms of arXiv 2307.12333, section 2, and `batch`: the answer at a point does not depend on others."""

AxiomVerdict: TypeAlias = Literal["holds by construction", "holds (measured)", "violated", "undecided"]


@dataclass(frozen=True)
class Finding:
    """What a search found about one axiom.

    `size` is the largest violation that was found, in the units of `quantity`; `low` and `high` enclose the
    violation *at that case*: ± rounding where it was computed, a confidence interval where it was drawn. A
    search bounds the supremum over all functions and points from below only: that an axiom "holds (measured)"
    means that nothing larger than `threshold` was found in `evaluations` values (T f)(x). "holds by
    construction" means that the operator states a proof and the search found nothing against it;
    `constructed` with the verdict "violated" is a statement that is wrong. `worst` says where, `numbers` what
    else was measured: the rate of locality, the growth of the constants of regularity; `curve` the pairs (η,
    largest difference found) of axioms about η → 0.
    """

    axiom: str
    verdict: AxiomVerdict
    quantity: str
    size: float
    threshold: float
    low: float
    high: float
    evaluations: int
    constructed: bool
    worst: Mapping[str, Any] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    curve: tuple[tuple[float, float], ...] = ()
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether the verdict is one of the two that say so."""
        return self.verdict.startswith("holds")

    def to_mapping(self) -> dict[str, Any]:
        """Return plain values that JSON holds: numbers that are not finite become null."""
        plain: dict[str, Any] = {key: _plain(value) for key, value in asdict(self).items()}
        return plain


def judge(
    axiom: str,
    quantity: str,
    size: float,
    threshold: float,
    *,
    evaluations: int,
    constructed: bool = False,
    enclosure: tuple[float, float] | None = None,
    worst: Mapping[str, Any] | None = None,
    numbers: Mapping[str, float] | None = None,
    note: str = "",
) -> Finding:
    """Judge "violation ≤ threshold" for the worst case found: violated if its enclosure lies above.

    Without an enclosure the size is known up to `threshold`, its rounding, and is violated if above it.
    Undecided where the size is not finite.
    """
    low, high = enclosure or (size - threshold, size + threshold)
    verdict: AxiomVerdict = "holds by construction" if constructed else "holds (measured)"
    if not (math.isfinite(size) and math.isfinite(low)):
        verdict = "undecided"
    elif (low if enclosure else size) > threshold:
        verdict = "violated"
    return Finding(
        axiom=axiom,
        verdict=verdict,
        quantity=quantity,
        size=size,
        threshold=threshold,
        low=low,
        high=high,
        evaluations=evaluations,
        constructed=constructed,
        worst=dict(worst or {}),
        numbers=dict(numbers or {}),
        note=note or ("values that are not finite" if verdict == "undecided" else ""),
    )


def _plain(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
