"""The record: arithmetic by hand, abstention, radii per norm, and counts that do not add up."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from heatproof.certification import ABSTAIN, CertificationSettings, make_certificate
from heatproof.errors import InputError, UnknownNameError

MakeSettings = Callable[..., CertificationSettings]


def test_by_hand(make_settings: MakeSettings) -> None:
    """95 of 100 at α = .01: p = Beta⁻¹(.01; 95, 6); R = ½·Φ⁻¹(p) − rounding; ℓ∞ over √4."""
    certificate = make_certificate(
        make_settings(),
        index=7,
        selection_counts=np.array([1, 8, 1]),
        estimation_counts=np.array([3, 95, 2]),
        rounding=0.01,
        target=1,
        one_pass=2,
    )
    p = float(beta.ppf(0.01, 95, 6))
    assert p == pytest.approx(0.8736, abs=1e-3)
    radius = 0.5 * NormalDist().inv_cdf(p) - 0.01
    assert certificate.p_lower == pytest.approx(p, rel=1e-10)
    assert certificate.radii == pytest.approx({"l1": radius, "l2": radius, "linf": radius / 2}, rel=1e-9)
    assert certificate.radius == certificate.radii["l2"]
    assert (certificate.candidate, certificate.label, certificate.abstained) == (1, 1, False)
    assert (certificate.index, certificate.target, certificate.one_pass) == (7, 1, 2)
    assert certificate.correct
    assert certificate.selection_counts == (1, 8, 1)
    assert certificate.estimation_counts == (3, 95, 2)
    with pytest.raises(FrozenInstanceError):
        certificate.p_lower = 1.0  # type: ignore[misc]


def test_the_candidate_is_chosen_by_selection_alone(make_settings: MakeSettings) -> None:
    certificate = make_certificate(
        make_settings(),
        index=0,
        selection_counts=np.array([6, 4, 0]),
        estimation_counts=np.array([0, 100, 0]),
        rounding=0.0,
        target=1,
    )
    assert (certificate.candidate, certificate.label, certificate.p_lower) == (0, ABSTAIN, 0.0)
    assert not certificate.correct


@pytest.mark.parametrize(
    ("votes", "abstains"), [(50, True), (60, True), (62, True), (63, False), (100, False)]
)
def test_abstention_at_one_half(make_settings: MakeSettings, votes: int, abstains: bool) -> None:
    """The exact test of p ≤ ½ at α = .01, n = 100 needs 63 votes: P(Bin ≥ 63) = .006, P(Bin ≥ 62) = .0105."""
    certificate = make_certificate(
        make_settings(),
        index=0,
        selection_counts=np.array([10, 0, 0]),
        estimation_counts=np.array([votes, 100 - votes, 0]),
        rounding=0.0,
    )
    assert certificate.abstained is abstains
    assert (certificate.p_lower <= 0.5) is abstains
    assert (certificate.label == ABSTAIN) is abstains
    assert (certificate.radius == 0) is abstains


@given(
    votes=st.integers(0, 100),
    rounding=st.floats(0, 10),
    noise_std=st.floats(1e-3, 1e3),
    dimension=st.integers(1, 10_000),
)
@settings(max_examples=100, deadline=None)
def test_radii_are_never_negative_and_ordered(
    make_settings: MakeSettings, votes: int, rounding: float, noise_std: float, dimension: int
) -> None:
    chosen = make_settings(noise_std=noise_std, dimension=dimension, unit=noise_std / 2**14)
    one = make_certificate(
        chosen,
        index=0,
        selection_counts=np.array([10, 0, 0]),
        estimation_counts=np.array([votes, 0, 100 - votes]),
        rounding=rounding,
    )
    assert 0 <= one.radii["linf"] <= one.radii["l2"] == one.radii["l1"]
    assert one.radii["linf"] == pytest.approx(one.radius / math.sqrt(dimension))
    best = 0.0 if one.p_lower <= 0.5 else noise_std * NormalDist().inv_cdf(one.p_lower)
    assert one.radius == pytest.approx(max(0.0, best - rounding), abs=1e-9 * noise_std)


@pytest.mark.parametrize(
    ("selection", "estimation", "name"),
    [
        ([10, 0], [100, 0, 0], "selection_counts"),
        ([9, 0, 0], [100, 0, 0], "selection_counts"),
        ([11, -1, 0], [100, 0, 0], "selection_counts"),
        ([10, 0, 0], [99, 0, 0], "estimation_counts"),
        ([10, 0, 0], [[100, 0, 0]], "estimation_counts"),
    ],
)
def test_counts_that_do_not_add_up(
    make_settings: MakeSettings, selection: list[int], estimation: list[int], name: str
) -> None:
    with pytest.raises(
        InputError, match=rf"^{name}: got shape .* with sum .*; allowed: 3 counts ≥ 0 that add"
    ):
        make_certificate(
            make_settings(),
            index=0,
            selection_counts=np.array(selection),
            estimation_counts=np.array(estimation),
            rounding=0.0,
        )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("noise_std", 0.0),
        ("alpha", 0.0),
        ("alpha", 1.0),
        ("unit", 0.0),
        ("classes", 1),
        ("dimension", 0),
        ("estimation_samples", 0),
        ("grid_step", -1.0),
    ],
)
def test_settings_out_of_range(make_settings: MakeSettings, key: str, value: float) -> None:
    with pytest.raises(InputError, match=rf"^{key}: got {value!r}; allowed: "):
        make_settings(**{key: value})


def test_only_what_is_implemented_is_named(make_settings: MakeSettings) -> None:
    for key, value in (
        ("noise", "uniform"),
        ("vote", "soft"),
        ("method", "betting"),
        ("alpha_scope", "table"),
    ):
        with pytest.raises(UnknownNameError, match=rf"^{key}: got '{value}'"):
            make_settings(**{key: value})
