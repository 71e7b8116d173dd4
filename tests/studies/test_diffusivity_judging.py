"""The rules of the study `diffusivity`: holds, refuted and undecided each come out where they should."""

from __future__ import annotations

import pytest

from heatproof.studies.diffusivity.judging import (
    agreement,
    any_agrees,
    isotropic,
    of_order,
    said_of_isotropy,
)


@pytest.mark.parametrize(
    ("high", "agrees", "outcome"), [(0.02, True, "holds"), (0.5, True, "undecided"), (0.02, False, "refuted")]
)
def test_agreement(high: float, agrees: bool, outcome: str) -> None:
    """One layer of two that differs by its trace alone is enough."""
    found = [
        {"agrees": True, "squared_distance": {"value": 0.0, "low": -0.01, "high": 0.01}},
        {"agrees": agrees, "squared_distance": {"value": 0.0, "low": -high, "high": high}},
    ]
    assert agreement("c", found, evidence="e").outcome == outcome


@pytest.mark.parametrize(
    ("low", "high", "agrees", "outcome"),
    [(0.2, 0.3, False, "refuted"), (-0.01, 0.02, True, "holds"), (-0.3, 0.5, True, "undecided")],
)
def test_any_agrees(low: float, high: float, agrees: bool, outcome: str) -> None:
    found = [
        {"agrees": False, "squared_distance": {"value": 0.8, "low": 0.7, "high": 0.9}},
        {"agrees": agrees, "squared_distance": {"value": (low + high) / 2, "low": low, "high": high}},
    ]
    assert any_agrees("c", found, evidence="e").outcome == outcome


@pytest.mark.parametrize(
    ("rank", "half", "outcome"), [(8.0, 0.05, "holds"), (7.0, 0.05, "refuted"), (7.9, 0.5, "undecided")]
)
def test_isotropic(rank: float, half: float, outcome: str) -> None:
    layer = {"dimension": 8, "effective_rank": {"value": rank, "low": rank - half, "high": rank + half}}
    assert isotropic("c", [layer], 32, evidence="e", expected=None).outcome == outcome


def test_intervals_of_isotropy_are_those_of_all_layers_at_once() -> None:
    """Student's two-sided quantiles with 10 degrees of freedom: 2.228 at 95 %, 4.587 at 99.9 % (tables)."""
    layer = {"dimension": 10, "effective_rank": {"value": 9.0, "low": 8.0, "high": 10.0}}
    found = isotropic("c", [layer], 11, evidence="e", expected=None)
    assert found.high - found.value == pytest.approx(0.1 * 4.587 / 2.228, rel=1e-3)


@pytest.mark.parametrize(
    ("ranks", "said"), [([64.0, 64.0], "holds"), ([64.0, 20.0], "refuted"), ([64.0, 60.0], None)]
)
def test_theory_speaks_by_its_formulas(ranks: list[float], said: str | None) -> None:
    layers = [{"dimension": 64, "formula": {"effective_rank": rank}} for rank in ranks]
    assert said_of_isotropy(layers) == said
    assert said_of_isotropy([*layers, {"dimension": 64, "formula": None}]) is None


@pytest.mark.parametrize(
    ("value", "half", "outcome"), [(1.0, 0.05, "holds"), (0.5, 0.1, "refuted"), (0.9, 0.3, "undecided")]
)
def test_of_order(value: float, half: float, outcome: str) -> None:
    orders = [
        {"value": 1.0, "low": 0.99, "high": 1.01},
        {"value": value, "low": value - half, "high": value + half},
    ]
    assert of_order("c", orders, 1, evidence="e").outcome == outcome
