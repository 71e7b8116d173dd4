"""What every noise promises: radii exact on half-spaces, thresholds that hold in floating point, settings."""

from __future__ import annotations

import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from cases.noises import DIMENSION, HalfSpace, half_spaces, noises
from heatproof._intervals import lower_bound
from heatproof.errors import InputError, UnknownNameError
from heatproof.noise import AnyNoise, Lattice, Noise
from heatproof.noise.keyed import Stage, Stream, pieces, random

every_noise = pytest.mark.parametrize("noise", noises(), ids=lambda noise: noise.describe())
every_half_space = pytest.mark.parametrize("case", half_spaces(), ids=str)
P = st.floats(0, 1)


def _offset(case: HalfSpace, share: float) -> float:
    """Return an offset, `share` of the way from 0 to where the law has little left."""
    if case.noise.norm == "l1":
        return 0.999 * share * case.noise.scale
    return 4 * share * case.stretch * (1 if case.noise.norm == "mahalanobis" else case.noise.scale)


@every_half_space
@given(share=st.floats(1e-3, 1))
@settings(max_examples=40)
def test_the_radius_is_the_distance_to_a_half_space(case: HalfSpace, share: float) -> None:
    """Two classes: the radius from the exact share of the top class is the true one."""
    offset = _offset(case, share)
    radius = case.noise.radius(case.law(offset))
    assert radius == pytest.approx(offset / case.stretch, rel=1e-6)
    assert case.law(offset - 1.2 * radius * case.stretch) < 0.5  # negative control: 1.2 radii do not hold


@every_half_space
@given(first=st.floats(0, 0.9), second=st.floats(0, 0.9))
@settings(max_examples=40)
def test_the_radius_with_a_runner_up(case: HalfSpace, first: float, second: float) -> None:
    """Class 0 below the first offset, 1 above the second, others between: the shares meet half way."""
    low, high = sorted((_offset(case, first), _offset(case, second)))
    radius = case.noise.radius(case.law(low), 1 - case.law(high))
    assert radius == pytest.approx((low + high) / 2 / case.stretch, rel=1e-6, abs=1e-9)
    there = 1.2 * radius * case.stretch + 1e-9
    assert case.law(low - there) < 1 - case.law(high - there)


@every_half_space
def test_votes_on_the_lattice_certify_it(case: HalfSpace) -> None:
    """20,000 draws: the radius from a bound of level 1e-6 holds and is 0.85 of the truth.

    Negative controls, that such votes refute: the radius times 1.2, and a noise √2 as wide as thought.
    """
    offset, x = _offset(case, 0.4), torch.full((1, DIMENSION), 0.125)
    lattice = Lattice.for_noise(case.noise, 1 / 255)
    codes, votes, count = lattice.codes(x)[0], 0, 20_480
    stream = Stream(3, 7, Stage.ESTIMATION)
    for piece in pieces(0, count):
        noisy = lattice.perturb(codes, random(case.noise, x.shape[1:], stream, piece.chunk))
        votes += int(((noisy.double() - x[0].double()) @ case.normal <= offset).sum())
    radius = case.noise.radius(lower_bound(votes, count, 1e-6))
    true = offset / case.stretch
    assert 0.85 * true < radius < true
    assert 1.2 * radius > true
    assert math.sqrt(2) * radius > true


@every_noise
@given(radius=st.floats(0, 40), p=P)
@settings(max_examples=200)
def test_the_threshold_is_enough_in_floating_point(noise: Noise, radius: float, p: float) -> None:
    wanted = radius * noise.scale
    threshold = noise.threshold(wanted)
    assert 0.5 <= threshold <= 1
    if threshold < 1 or noise.norm != "l1" or noise.radius(1.0) >= wanted:
        assert noise.radius(threshold) >= wanted
    if threshold > 0.5 and noise.radius(threshold - 1e-9) >= wanted:
        assert noise.radius(threshold) - wanted < 1e-6 * noise.scale  # no more than rounding asks for
    own = noise.radius(p)
    assert noise.radius(noise.threshold(own)) >= own


@every_noise
@given(p=P, q=P, other=P)
def test_more_votes_never_shrink_a_radius(noise: Noise, p: float, q: float, other: float) -> None:
    low, high = sorted((p, q))
    assert 0 <= noise.radius(low) <= noise.radius(high)
    assert noise.radius(low, other) <= noise.radius(high, other)
    assert noise.radius(other, low) >= noise.radius(other, high)
    assert (noise.radius(low, high) > 0) is False


@every_noise
@given(p=st.floats(0.5, 1 - 1e-6))
def test_without_an_upper_bound_the_rest_is_one_rival(noise: Noise, p: float) -> None:
    assert noise.radius(p) == pytest.approx(noise.radius(p, 1 - p), rel=1e-9, abs=1e-12)


@every_noise
def test_ends(noise: Noise) -> None:
    assert noise.radius(0.5) == noise.radius(0.0) == noise.threshold(0.0) - 0.5 == 0
    assert noise.radius(1.0) > 0.99 * noise.scale


@every_noise
@pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan, True])
def test_numbers_that_are_no_probability(noise: Noise, bad: float) -> None:
    with pytest.raises(InputError, match=r"^p_lower: got "):
        noise.radius(bad)
    with pytest.raises(InputError, match=r"^p_upper: got "):
        noise.radius(0.9, bad)
    with pytest.raises(InputError, match=r"^radius: got "):
        noise.threshold(-1.0)


# Norms


@every_noise
@given(order=st.floats(1, 50) | st.sampled_from([1.0, 2.0, math.inf]), seed=st.integers(0, 10_000))
def test_a_ball_of_any_order_is_inside_the_native_one(noise: Noise, order: float, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    delta = torch.randn(1, DIMENSION, generator=draw).double() ** 3
    if seed % 3 == 0:
        delta = delta.sign()
    inside = delta / torch.linalg.vector_norm(delta, order) * noise.radius_in(order, 0.7, DIMENSION)
    assert float(noise.length(inside)) <= 0.7 * (1 + 1e-9)


@every_noise
def test_radii_are_those_of_radius_in(noise: Noise) -> None:
    radii = noise.radii(0.7, DIMENSION)
    for name, order in (("l1", 1.0), ("l2", 2.0), ("linf", math.inf)):
        assert radii[name] == noise.radius_in(order, 0.7, DIMENSION)
    assert radii[noise.norm] == 0.7
    assert radii["l1"] >= radii["l2"] >= radii["linf"] > 0


@every_noise
def test_no_order_below_one(noise: Noise) -> None:
    with pytest.raises(InputError, match=r"^p_norm: got "):
        noise.radius_in(0.5, 1.0, DIMENSION)
    with pytest.raises(InputError, match=r"^radius: got "):
        noise.radii(-1.0, DIMENSION)


@every_noise
@given(seed=st.integers(0, 1000), unit=st.floats(1e-6, 10))
def test_half_a_cell_is_the_longest_rounding(noise: Noise, seed: int, unit: float) -> None:
    off = torch.rand(8, DIMENSION, generator=torch.Generator().manual_seed(seed)).double() - 0.5
    corners = torch.cartesian_prod(*[torch.tensor([-0.5, 0.5]).double()] * DIMENSION)
    longest = noise.half_cell(DIMENSION, unit)
    lengths = noise.length(unit * torch.cat([off, corners]))
    assert float(lengths.max()) <= longest * (1 + 1e-12)
    assert float(lengths.max()) >= 0.7 * longest  # and it is not far from it


# Draws


@every_noise
def test_no_draw_is_larger_than_the_largest(noise: Noise) -> None:
    event, stream = torch.Size([DIMENSION]), Stream(1, 1, Stage.SELECTION)
    drawn = torch.cat([random(noise, event, stream, piece.chunk) for piece in pieces(0, 100_000)])
    assert drawn.dtype == torch.float32
    assert 0.2 * noise.largest < float(drawn.abs().max()) < noise.largest
    assert bool((drawn.mean(dim=0).abs() < 0.05 * noise.largest).all())


@every_noise
def test_an_input_s_shape_is_kept(noise: Noise) -> None:
    event = torch.Size([1, DIMENSION])
    noise.check_event(event)
    assert noise.drawn_shape(event) == event
    chunk = next(pieces(0, 1)).chunk
    assert random(noise, event, Stream(0, 0, Stage.ATTACK), chunk).shape == (8, 1, DIMENSION)


# Settings


@every_noise
def test_settings_survive_json(noise: Noise) -> None:
    adapter: TypeAdapter[Noise] = TypeAdapter(AnyNoise)
    again = adapter.validate_python(json.loads(json.dumps(noise.to_mapping())))
    assert again == noise
    assert hash(again) == hash(noise)
    assert type(again) is type(noise)


@every_noise
def test_settings_are_frozen_and_known(noise: Noise) -> None:
    with pytest.raises(Exception, match="frozen"):
        noise.name = "other"  # type: ignore[attr-defined]
    with pytest.raises(UnknownNameError, match="allowed:"):
        type(noise)(**{**noise.to_mapping(), "widht": 1.0})
    assert len(noise.describe()) < 100


@pytest.mark.parametrize("field", ["noise_std", "half_width", "noise_scale"])
@pytest.mark.parametrize("bad", [0.0, -0.1, math.nan, math.inf, True, "wide"])
def test_a_size_that_is_none(field: str, bad: float) -> None:
    kinds = {
        field_name: type(noise)
        for noise in noises()
        for field_name in type(noise).model_fields
        if field_name == field
    }
    with pytest.raises(InputError, match=rf"^{field}: got .*; allowed: "):
        kinds[field](**{field: bad})
