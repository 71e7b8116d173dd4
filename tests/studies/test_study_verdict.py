"""The rules by which a claim holds, is refuted or stays undecided."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import pytest
from hypothesis import given
from scipy.stats import binom

from heatproof.errors import InputError
from heatproof.studies import Summary, from_counts, from_detections, from_interval, from_ratios
from heatproof.studies._verdict import from_deviations


@pytest.mark.parametrize(
    ("ratios", "outcome"),
    [
        ([(0.2, 0.4), (0.9, 1.0)], "holds"),
        ([(0.2, 0.4), (0.9, 1.1)], "undecided"),
        ([(0.2, 0.4), (1.01, 1.1)], "refuted"),
        ([(1.2, 1.2)], "refuted"),
        ([(1.0, 1.0 + 1e-12)], "holds"),
    ],
)
def test_ratios(ratios: list[tuple[float, float]], outcome: str) -> None:
    verdict = from_ratios("c", ratios, quantity="q", evidence="e")
    assert verdict.outcome == outcome
    assert verdict.low <= verdict.value <= verdict.high
    assert verdict.as_expected == (outcome == "holds")


def test_no_ratios_are_refused() -> None:
    with pytest.raises(InputError, match="at least one case"):
        from_ratios("c", [], quantity="q", evidence="e")


def test_a_nan_hides_behind_no_other_case() -> None:
    """max(0.5, NaN) is 0.5: no comparison notices one."""
    with pytest.raises(InputError, match="ratios: got a NaN"):
        from_ratios("c", [(0.5, 0.5), (math.nan, math.nan)], quantity="q", evidence="e")
    with pytest.raises(InputError, match="deviations: got a NaN"):
        from_deviations("c", [0.0, math.nan], evidence="e")


def test_deviations_count_on_both_sides() -> None:
    assert from_deviations("c", [0.0, 1e-12], evidence="e").outcome == "holds"
    assert from_deviations("c", [0.0, -1e-3], evidence="e").outcome == "refuted"


@pytest.mark.parametrize(
    ("violations", "trials", "allowed", "outcome"),
    [
        (0, 400, 0.0, "holds"),
        (0, 20, 0.0, "undecided"),
        (1, 400, 0.0, "refuted"),
        (1, 400, 0.001, "holds"),
        (20, 400, 0.001, "refuted"),
        (0, 0, 0.0, "undecided"),
    ],
)
def test_counts(violations: int, trials: int, allowed: float, outcome: str) -> None:
    verdict = from_counts("c", violations, trials, quantity="q", evidence="e", allowed=allowed)
    assert verdict.outcome == outcome
    assert 0 <= verdict.low <= verdict.value <= verdict.high <= 1


@given(trials=st.integers(1, 3000), allowed=st.floats(1e-4, 0.04))
def test_a_true_claim_is_refuted_with_probability_one_in_a_million(trials: int, allowed: float) -> None:
    refuted = [
        count
        for count in range(min(trials, 300) + 1)
        if from_counts("c", count, trials, quantity="q", evidence="e", allowed=allowed).outcome == "refuted"
    ]
    if refuted:
        assert binom.sf(min(refuted) - 1, trials, allowed) <= 1e-6 * (1 + 1e-9)


def test_detections() -> None:
    assert from_detections("c", 5, 5, evidence="e").outcome == "holds"
    assert from_detections("c", 4, 5, evidence="e").outcome == "refuted"
    assert from_detections("c", 0, 0, evidence="e").outcome == "undecided"


@pytest.mark.parametrize(
    ("interval", "outcome"),
    [
        ((0.2, 0.1, 0.3), "holds"),
        ((0.2, -0.1, 0.3), "undecided"),
        ((-0.2, -0.3, -0.1), "refuted"),
        ((-0.2, -0.3, 0.1), "undecided"),
    ],
)
def test_open_questions_go_either_way(interval: tuple[float, float, float], outcome: str) -> None:
    verdict = from_interval("c", interval, quantity="q", evidence="e")
    assert verdict.outcome == outcome
    assert verdict.as_expected
    assert verdict.remark == "an open question"
    assert Summary((verdict,), ()).answer.endswith("All are as theory says, which is silent on 1 of them.")


def test_an_open_question_hides_nothing_that_is_against_theory() -> None:
    unknown = from_interval("c", (0.0, -1.0, 1.0), quantity="q", evidence="e")
    strange = from_ratios("d", [(2.0, 2.0)], quantity="q", evidence="e")
    assert Summary((unknown, strange), ()).answer.endswith("Not as theory says: d.")
    assert strange.remark == "theory: holds"
