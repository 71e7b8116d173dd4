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

from heatproof.certification import ABSTAIN, CertificationSettings, Look, guarantee, make_certificate
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
        ([10, 0, 0], [100, 0], "estimation_counts"),
        ([10, 0, 0], [101, -1, 0], "estimation_counts"),
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
    place = "noise.noise_std" if key == "noise_std" else key
    with pytest.raises(InputError, match=rf"^{place}: got {value!r}; allowed: "):
        make_settings(**{key: value})


def test_only_what_is_implemented_is_named(make_settings: MakeSettings) -> None:
    for key, value in (
        ("vote", "loud"),
        ("method", "betting"),
        ("alpha_scope", "holm"),
        ("norm", "l0.5"),
        ("norm", "linff"),
        ("runner_up", "second"),
    ):
        with pytest.raises(UnknownNameError, match=rf"^{key}: got '{value}'"):
            make_settings(**{key: value})
    with pytest.raises(UnknownNameError, match=r"^noise.name: got 'cauchy'"):
        make_settings(noise={"name": "cauchy"})


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"radii": (0.5,)}, "radii"),
        ({"method": "decision"}, "radii"),
        ({"method": "decision", "radii": (0.5, 0.25)}, "radii"),
        ({"method": "radius"}, "tolerance"),
        ({"tolerance": 0.1}, "tolerance"),
        ({"alpha_scope": "table"}, "inputs"),
        ({"inputs": 5}, "inputs"),
        ({"method": "radius", "tolerance": 0.1, "vote": "soft"}, "vote"),
        ({"method": "decision", "radii": (0.5,), "runner_up": "simultaneous"}, "runner_up"),
        ({"vote": "soft", "runner_up": "simultaneous"}, "runner_up"),
    ],
)
def test_what_does_not_belong_together(
    make_settings: MakeSettings, changes: dict[str, object], name: str
) -> None:
    with pytest.raises(InputError, match=rf"^{name}: got "):
        make_settings(**changes)


def test_a_table_shares_its_alpha(make_settings: MakeSettings) -> None:
    """100 inputs at once: each certificate has level α/100, and says so."""
    shared = make_settings(alpha_scope="table", inputs=100)
    assert shared.level == pytest.approx(shared.alpha / 100)
    one = make_certificate(
        shared,
        index=0,
        selection_counts=np.array([10, 0, 0]),
        estimation_counts=np.array([95, 5, 0]),
        rounding=0.0,
    )
    assert one.p_lower == pytest.approx(float(beta.ppf(shared.alpha / 100, 95, 6)), rel=1e-10)
    assert "For all 100 inputs at once, with probability at least 1 − 0.01" in guarantee(shared)


def test_two_bounds_use_what_the_complement_throws_away(make_settings: MakeSettings) -> None:
    """60 votes against 20 and 20: at level α/2 each, p_B ≤ .32 where 1 − p_A says .53."""
    counts = np.array([60, 20, 20])
    one, two = (
        make_certificate(
            make_settings(runner_up=runner_up),
            index=0,
            selection_counts=np.array([10, 0, 0]),
            estimation_counts=counts,
            rounding=0.0,
        )
        for runner_up in ("complement", "simultaneous")
    )
    assert one.abstained
    assert not two.abstained
    p_lower, p_upper = float(beta.ppf(0.005, 60, 41)), float(beta.ppf(0.995, 21, 80))
    assert (two.p_lower, two.p_upper) == pytest.approx((p_lower, p_upper), rel=1e-9)
    gap = NormalDist().inv_cdf(p_lower) - NormalDist().inv_cdf(p_upper)
    assert two.radius == pytest.approx(0.25 * gap, rel=1e-9)


def test_decided_radii(make_settings: MakeSettings) -> None:
    """The radius is the largest certified one, exactly; p_lower is the threshold passed for it."""
    chosen = make_settings(method="decision", radii=(0.0, 0.25, 0.5), estimation_samples=1000)
    looks = (Look(0.0, True, 32, 32), Look(0.25, True, 64, 60), Look(0.5, False, 128, 100))
    one = make_certificate(
        chosen,
        index=0,
        selection_counts=np.array([10, 0, 0]),
        estimation_counts=np.array([100, 28, 0]),
        rounding=chosen.unit,
        looks=looks,
    )
    assert (one.label, one.radius, one.radii["l2"], one.samples) == (0, 0.25, 0.25, 138)
    assert one.radii["linf"] == pytest.approx(0.125)
    assert one.p_lower > NormalDist().cdf(0.25 / 0.5)  # the rounding is paid for
    assert one.p_lower == pytest.approx(NormalDist().cdf(0.25 / 0.5), abs=1e-4)
    none = make_certificate(
        chosen,
        index=0,
        selection_counts=np.array([10, 0, 0]),
        estimation_counts=np.array([100, 28, 0]),
        rounding=chosen.unit,
        looks=tuple(Look(look.radius, False, look.samples, look.votes) for look in looks),
    )
    assert (none.label, none.radius, none.p_lower) == (ABSTAIN, 0.0, 0.0)


@pytest.mark.parametrize(("norm", "factor"), [("l1", 1.0), ("l3", 4 ** (1 / 3 - 0.5)), ("linf", 0.5)])
def test_the_radius_in_the_norm_that_was_asked(make_settings: MakeSettings, norm: str, factor: float) -> None:
    first, other = (
        make_certificate(
            make_settings(norm=name),
            index=0,
            selection_counts=np.array([10, 0, 0]),
            estimation_counts=np.array([95, 5, 0]),
            rounding=0.0,
        )
        for name in ("l2", norm)
    )
    assert other.radius == pytest.approx(factor * first.radius, rel=1e-12)
    assert other.radii[norm] == other.radius
