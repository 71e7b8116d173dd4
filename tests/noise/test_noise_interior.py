"""Interior diffusion: exact where it should be, never violated elsewhere, and its wrong versions refuted.

The certificate says that x ↦ Φ⁻¹(P(vote for a class from x)) is 1/√S-Lipschitz. Chains in one dimension are
evaluated on grids by quadrature, so this is looked at with no sampling; `GRID` bounds the quadrature's error.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy.special import ndtr, ndtri
from torch import nn

from heatproof._intervals import lower_bound
from heatproof.equation import interior_variance, noise_std_of
from heatproof.errors import InputError, LipschitzError, UnknownNameError
from heatproof.networks import DiffusionChain, InteriorClassifier, PotentialFlow, Residual, interior_diffusion
from heatproof.noise import AnyNoise, Gaussian, InteriorDiffusion, Lattice
from heatproof.noise.keyed import Stage, Stream, pieces, random

GRID = 2e-3
"""Error of √S times a slope by quadrature: halving both steps moves none of 200 by more than half of it."""


def _noise(noise_stds: Sequence[float], bounds: Sequence[float]) -> InteriorDiffusion:
    return InteriorDiffusion(
        noise_stds=tuple(noise_stds),
        lipschitz_bounds=tuple(bounds),
        event_shape=(1,),
        interior_dimension=len(noise_stds),
    )


# Exact cases


def _isometry(rows: int, columns: int, seed: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    q: torch.Tensor = torch.linalg.qr(torch.randn(rows, columns, generator=draw, dtype=torch.float64))[0]
    return q


@settings(max_examples=60)
@given(
    factors=st.lists(st.floats(0.2, 3), min_size=1, max_size=4),
    stds=st.lists(st.floats(0.1, 2), min_size=4, max_size=4),
    growth=st.lists(st.integers(0, 2), min_size=4, max_size=4),
    seed=st.integers(0, 999),
)
def test_is_exact_for_isometries_and_half_spaces(
    factors: list[float], stds: list[float], growth: list[int], seed: int
) -> None:
    """Blocks Λ_k·isometry, into more dimensions too: the radius is the distance to the boundary."""
    blocks, sizes = [], [3]
    for k, factor in enumerate(factors):
        sizes.append(sizes[-1] + growth[k])
        block = nn.Linear(sizes[-2], sizes[-1], dtype=torch.float64)
        with torch.no_grad():
            block.weight.copy_(factor * _isometry(sizes[-1], sizes[-2], seed + k))
        blocks.append(block)
    chain = DiffusionChain(blocks, stds[: len(blocks)], nn.Identity())
    noise = interior_diffusion(chain, (3,))
    matrix = torch.linalg.multi_dot([torch.eye(3).double(), *(b.weight.detach().T for b in blocks)]).T
    direction = matrix @ torch.randn(3, generator=torch.Generator().manual_seed(seed)).double()
    direction = direction / direction.norm()
    rest, variance = torch.eye(sizes[-1]).double(), 0.0
    for block, std in zip(reversed(blocks), reversed(stds[: len(blocks)]), strict=True):
        variance += std**2 * float((rest.T @ direction).norm() ** 2)
        rest = rest @ block.weight.detach()
    margin = 0.8 * math.sqrt(variance)
    truth = margin / float((matrix.T @ direction).norm())
    assert noise.radius(float(ndtr(margin / math.sqrt(variance)))) == pytest.approx(truth, rel=1e-6)
    assert noise.interior_dimension == sum(sizes[1:])


def test_one_identity_is_randomized_smoothing() -> None:
    noise = interior_diffusion(DiffusionChain([nn.Identity()], [0.25], nn.Identity()), (2, 2))
    for p in (0.4, 0.5, 0.7, 0.999):
        assert noise.radius(p) == pytest.approx(Gaussian(noise_std=0.25).radius(p), rel=1e-12)
    assert noise.radii(0.3, 4) == Gaussian(noise_std=0.25).radii(0.3, 4)


def test_isometric_blocks_lose_nothing_and_every_layer_counts() -> None:
    torch.manual_seed(0)
    chain = DiffusionChain(
        [nn.Identity(), PotentialFlow(4), PotentialFlow(4)], (0.3, 0.4, 1.2), nn.Linear(4, 2)
    )
    assert interior_diffusion(chain, (4,)).scale == pytest.approx(1.3, rel=1e-12)


# Chains in one dimension, by quadrature


def _piecewise(draw: np.random.Generator, steepest: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return a random piecewise-linear map of R with a largest slope of exactly `steepest`."""
    knots = np.sort(draw.uniform(-3, 3, 6))
    slopes = draw.uniform(-1, 1, 7) * draw.choice([0.2, 1.0], 7)
    slopes = slopes * steepest / np.abs(slopes).max()
    values = np.concatenate([[draw.normal()], np.diff(knots) * slopes[1:-1]]).cumsum()

    def apply(x: np.ndarray) -> np.ndarray:
        inside = np.interp(x, knots, values)
        low, high = np.minimum(x - knots[0], 0) * slopes[0], np.maximum(x - knots[-1], 0) * slopes[-1]
        total: np.ndarray = inside + low + high
        return total

    return apply


def _share(
    x: np.ndarray, maps: list[Callable[[np.ndarray], np.ndarray]], stds: list[float], edges: np.ndarray
) -> np.ndarray:
    """Return P(X_n ∈ [e_0, e_1] ∪ [e_2, e_3] ∪ …) from each start x."""
    z = maps[-1](x)
    if len(maps) > 1:
        span = np.linspace(-8.5, 8.5, 1361)
        weights = np.exp(-(span**2) / 2)
        weights = weights / weights.sum()
        first = maps[0](x)[:, None] + stds[0] * span
        reach = np.linspace(first.min() - 1e-9, first.max() + 1e-9, max(2001, int(200 * np.ptp(first))))
        inner = _share(reach, maps[1:], stds[1:], edges)
        share: np.ndarray = np.interp(first, reach, inner) @ weights
        return share
    sides = ndtr((edges - z[:, None]) / stds[-1])
    last: np.ndarray = (sides[:, 1::2] - sides[:, ::2]).sum(axis=1)
    return last


def _steepest(x: np.ndarray, share: np.ndarray) -> float:
    """Return the largest slope of Φ⁻¹(share) between grid points where the share is not extreme."""
    usable = (share > 1e-4) & (share < 1 - 1e-4)
    pairs = usable[1:] & usable[:-1]
    slopes = np.abs(np.diff(ndtri(np.clip(share, 1e-12, 1 - 1e-12))) / np.diff(x))
    return float(slopes[pairs].max(initial=0.0))


def _random_chain(seed: int) -> tuple[np.ndarray, np.ndarray, list[float], list[float]]:
    """Return starts, shares, s_k, Λ_k of a random chain of two or three noises, expansive ones included."""
    draw = np.random.default_rng(seed)
    count = int(draw.integers(2, 4))
    bounds = [float(b) for b in draw.choice([0.3, 1.0, 2.0, 4.0], count)]
    stds = [float(s) for s in draw.uniform(0.3, 1.5, count)]
    maps = [_piecewise(draw, bound) for bound in bounds]
    x = np.linspace(-4, 4, 161)
    edges = np.sort(draw.normal(scale=3, size=4)) if seed % 2 else np.array([draw.normal(), np.inf])
    return x, _share(x, maps, stds, edges), stds, bounds


@pytest.mark.parametrize("group", range(10))
def test_never_violated_on_random_chains(group: int) -> None:
    for seed in range(20 * group, 20 * group + 20):
        x, share, stds, bounds = _random_chain(seed)
        assert _steepest(x, share) * _noise(stds, bounds).scale <= 1 + GRID, seed


def test_the_quadrature_is_as_exact_as_it_says() -> None:
    """A linear chain with its exact answer, Φ⁻¹ of the share being linear with slope 1/√S."""
    stds, factors, x = [0.4, 0.9, 0.6], [1.5, 0.7, -2.0], np.linspace(-1, 1, 81)
    maps: list[Callable[[np.ndarray], np.ndarray]] = [lambda z, f=f: f * z for f in factors]  # type: ignore[misc]
    share = _share(x, maps, stds, np.array([0.1, np.inf]))
    slope = _steepest(x, share) * _noise(stds, [abs(f) for f in factors]).scale
    assert slope == pytest.approx(1, abs=GRID)


def test_forgetting_the_expansion_is_refuted() -> None:
    """The negative control S = Σ s_k²: expanding maps break it."""
    refuted = 0
    for seed in range(60):
        x, share, stds, _ = _random_chain(seed)
        wrong = _noise(stds, [1.0] * len(stds))
        refuted += _steepest(x, share) * wrong.scale > 1 + 10 * GRID
    assert refuted >= 10


def test_a_bound_that_is_too_small_is_refuted() -> None:
    """The negative control Λ/1.2, as a power iteration may end: linear maps break it."""
    maps: list[Callable[[np.ndarray], np.ndarray]] = [lambda z: 2.0 * z, lambda z: 1.5 * z]
    x = np.linspace(-1, 1, 81)
    share = _share(x, maps, [0.5, 0.5], np.array([0.2, np.inf]))
    assert _steepest(x, share) * _noise([0.5, 0.5], [2.0, 1.5]).scale <= 1 + GRID
    assert _steepest(x, share) * _noise([0.5, 0.5], [2.0 / 1.2, 1.5]).scale > 1 + 10 * GRID


def test_counting_multiplicative_noise_is_refuted() -> None:
    """The negative control: x·(1 + aξ) counted as noise of its size at x = 1, a step that theory forbids."""
    x = np.linspace(0.05, 2, 79)
    share = ndtr((x - 0.5) / (0.5 * x))
    assert _steepest(x, share) * _noise([0.5], [1.0]).scale > 1.5


@pytest.mark.parametrize("seed", range(4))
def test_never_violated_through_two_dimensions(seed: int) -> None:
    """R → R² → R, bent in between: quadrature over the plane of the first noise."""
    draw = np.random.default_rng(seed)
    up, down = draw.normal(size=(2, 1)), draw.normal(size=(1, 2)) * 2
    centre, stds = draw.normal(size=2), [0.6, 0.5]
    span = np.linspace(-7, 7, 281)
    first, second = np.meshgrid(span, span)
    weights = np.exp(-(first**2 + second**2) / 2)
    x = np.linspace(-3, 3, 121)
    share = np.zeros_like(x)
    for place, start in enumerate(x):
        state = [up[i, 0] * start + stds[0] * part for i, part in enumerate((first, second))]
        z = down[0, 0] * np.abs(state[0] - centre[0]) + down[0, 1] * np.tanh(state[1] - centre[1])
        share[place] = (weights * ndtr((z - 0.3) / stds[1])).sum() / weights.sum()
    bounds = [float(np.linalg.norm(up)), float(np.linalg.norm(down))]
    assert _steepest(x, share) * _noise(stds, bounds).scale <= 1 + GRID


# The continuous form


@given(drift=st.floats(-3, 3), diffusivity=st.floats(0.01, 2), time=st.floats(0.1, 3))
def test_continuous_form_is_the_limit_of_the_chain(drift: float, diffusivity: float, time: float) -> None:
    """Exact flow e^{Λh} and exact noise of each step: the chain's S is the continuous one for any step."""
    steps = 64
    width = time / steps
    growth = math.exp(drift * width)
    std = math.sqrt(interior_variance(diffusivity, -drift, width))  # variance at the end of a step
    chain = _noise([std] * steps, [growth] * steps)
    assert chain.variance == pytest.approx(interior_variance(diffusivity, drift, time), rel=1e-9)


def test_continuous_form_at_no_drift_and_beyond_floats() -> None:
    assert interior_variance(0.5, 0.0, 2.0) == 2.0
    assert math.sqrt(interior_variance(0.3, 0.0)) == pytest.approx(noise_std_of(0.3), rel=1e-15)
    for tiny in (1e-12, -1e-12, 1e-305, -5e-324):
        assert interior_variance(0.5, tiny, 2.0) == pytest.approx(2.0, rel=1e-11)
    assert interior_variance(1.0, -500.0, 1.0) == math.inf
    assert interior_variance(1.0, 500.0, 1.0) == pytest.approx(1 / 500)
    for bad in ({"diffusivity": 0.0}, {"time": -1.0}, {"one_sided_lipschitz": math.inf}):
        with pytest.raises(InputError, match=next(iter(bad))):
            interior_variance(**{"diffusivity": 1.0, "one_sided_lipschitz": 0.0, **bad})


@pytest.mark.parametrize("drift", [-1.0, 2.0])
def test_continuous_form_is_exact_for_linear_drift(drift: float) -> None:
    """dX = ΛX dr + √2σ dB from x: X_T ~ N(x·e^{ΛT}, σ²(e^{2ΛT} − 1)/Λ), the boundary at 0."""
    diffusivity, time, x = 0.4, 0.7, 0.5
    deviation = math.sqrt(diffusivity * math.expm1(2 * drift * time) / drift)
    p = float(ndtr(x * math.exp(drift * time) / deviation))
    assert math.sqrt(interior_variance(diffusivity, drift, time)) * float(ndtri(p)) == pytest.approx(x)


# The engine's side


def _classifier() -> InteriorClassifier:
    torch.manual_seed(0)
    blocks = [
        nn.Identity(),
        nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.ReLU()),
        Residual(nn.Linear(4, 4)),
    ]
    return InteriorClassifier(DiffusionChain(blocks, (0.5, 0.25, 0.125), nn.Linear(4, 3)).eval(), (2, 3))


def test_rows_of_the_engine_give_the_chain_its_noise() -> None:
    classifier = _classifier()
    x = torch.randn(1, 2, 3)
    lattice = Lattice.for_noise(classifier.noise)
    chunk = next(pieces(0, 8)).chunk
    values = random(classifier.noise, x.shape[1:], Stream(1, 2, Stage.ESTIMATION), chunk)
    assert values.shape[1:] == (classifier.noise.interior_dimension,) == (6 + 4 + 4,)
    codes = lattice.codes(x)[0]
    for form in (codes, lattice.ready(codes), codes.to(torch.int32)):
        rows = lattice.perturb(form, values.clone())
        torch.testing.assert_close(
            rows[:, :6], x.flatten(1).expand(len(values), -1), atol=lattice.unit, rtol=0
        )
        assert torch.equal(rows[:, 6:], values)
        expected = classifier.chain.forward_with_noise(rows[:, :6].reshape(-1, 2, 3), values)
        assert torch.equal(classifier(rows), expected)
    assert torch.equal(classifier(x), classifier.chain.forward_with_noise(x, torch.zeros(1, 14)))
    assert float(lattice.rounding(x)) < 1e-3 * classifier.noise.scale


def test_votes_certify_a_chain_through_all_its_layers() -> None:
    """20,480 draws of a linear chain: the radius from a bound of level 10⁻⁶ is below the truth, not far.

    Negative control: the radius by the noise of all layers added up without Λ is beyond the truth.
    """
    blocks = [nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)]
    with torch.no_grad():
        for block, factor in zip(blocks, (2.0, 1.5), strict=True):
            block.weight.copy_(factor * _isometry(2, 2, 5))
    head = nn.Linear(2, 2)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0, 0.5], [-1.0, -0.5]]))
        head.bias.zero_()
    classifier, x = (
        InteriorClassifier(DiffusionChain(blocks, (0.5, 0.5), head).eval(), (2,)),
        torch.full((1, 2), 0.3),
    )
    with torch.no_grad():
        logits = classifier(x)[0]
        rows = (head.weight[0] - head.weight[1]) @ blocks[1].weight @ blocks[0].weight
    label, truth = int(logits.argmax()), float((logits[0] - logits[1]).abs() / rows.norm())
    lattice, votes = Lattice.for_noise(classifier.noise), 0
    for piece in pieces(0, 20_480):
        values = random(classifier.noise, x.shape[1:], Stream(3, 7, Stage.ESTIMATION), piece.chunk)
        with torch.no_grad():
            out = classifier(lattice.perturb(lattice.codes(x)[0], values))
        votes += int((out.argmax(dim=1) == label).sum())
    p_lower = lower_bound(votes, 20_480, 1e-6)
    assert 0.85 * truth < classifier.noise.radius(p_lower) - float(lattice.rounding(x)) < truth
    assert math.sqrt(2) * 0.5 * float(ndtri(p_lower)) > truth


def test_other_rows_and_shapes_are_refused() -> None:
    classifier = _classifier()
    with pytest.raises(InputError, match=r"rows: got shape \(1, 19\)"):
        classifier(torch.zeros(1, 19))
    with pytest.raises(InputError, match="event_shape"):
        Lattice.for_noise(classifier.noise).codes(torch.zeros(1, 6))


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (nn.LayerNorm(3), "LayerNorm"),
        (nn.Dropout(0.5), "Dropout in training mode"),
        (nn.TransformerEncoderLayer(3, 1), "TransformerEncoderLayer"),
        (nn.BatchNorm1d(3), "BatchNorm1d"),
    ],
)
def test_a_block_without_a_proved_bound_is_refused(block: nn.Module, words: str) -> None:
    with pytest.raises(LipschitzError, match=words):
        InteriorClassifier(DiffusionChain([nn.Identity(), block], (1.0, 1.0), nn.Identity()), (3,))


class _Multiplicative(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * (1 + 0.1 * torch.randn_like(x))


def test_multiplicative_noise_inside_is_refused() -> None:
    with pytest.raises(LipschitzError, match="_Multiplicative"):
        interior_diffusion(DiffusionChain([_Multiplicative()], (1.0,), nn.Identity()), (3,))


def test_a_constant_block_is_refused() -> None:
    layer = nn.Linear(3, 3)
    nn.init.zeros_(layer.weight)
    with pytest.raises(InputError, match="to one point"):
        interior_diffusion(DiffusionChain([layer], (1.0,), nn.Identity()), (3,))


def test_noise_of_other_weights_is_refused() -> None:
    """Trained on after the bounds were computed: the radius would be too large."""
    classifier = _classifier()
    classifier.check_noise(classifier.noise)
    larger = tuple(2 * bound for bound in classifier.noise.lipschitz_bounds)
    classifier.check_noise(classifier.noise.model_copy(update={"lipschitz_bounds": larger}))
    for wrong in (
        classifier.noise.model_copy(update={"noise_stds": (1.0, 0.25, 0.125)}),
        classifier.noise.model_copy(update={"lipschitz_bounds": (1.0, 0.1, 1.0)}),
        Gaussian(noise_std=0.5),
        None,
    ):
        with pytest.raises(InputError, match="last change of weights"):
            classifier.check_noise(wrong)
    with torch.no_grad():
        classifier.chain.blocks[1][1].weight.mul_(3)  # type: ignore[index]
    with pytest.raises(InputError, match="last change of weights"):
        classifier.check_noise(classifier.noise)


def test_settings_survive_json_and_are_checked() -> None:
    noise = _classifier().noise
    adapter: TypeAdapter[AnyNoise] = TypeAdapter(AnyNoise)
    assert adapter.validate_python(json.loads(json.dumps(noise.to_mapping()))) == noise
    assert "real arithmetic" in noise.describe()
    assert len(noise.describe()) < 100
    assert noise.radius(noise.threshold(0.3)) >= 0.3
    good = noise.to_mapping()
    for bad in (  # type: ignore[var-annotated]
        {"noise_stds": [0.5, 0.25]},
        {"noise_stds": []},
        {"noise_stds": [0.5, 0.0, 1.0]},
        {"lipschitz_bounds": [1e200, 1e200, 1e200], "noise_stds": [1e-300] * 3},
        {"interior_dimension": 0},
    ):
        with pytest.raises(InputError):
            InteriorDiffusion(**{**good, **bad})
    with pytest.raises(UnknownNameError):
        InteriorDiffusion(**{**good, "skip": True})


def test_variance_is_rounded_downwards() -> None:
    from fractions import Fraction

    draw = np.random.default_rng(0)
    for _ in range(200):
        stds, bounds = draw.uniform(0.01, 3, 5), draw.uniform(0.01, 3, 5)
        exact, stretch = Fraction(0), Fraction(1)
        for std, bound in zip(stds, bounds, strict=True):
            stretch *= Fraction(float(bound))
            exact += (Fraction(float(std)) / stretch) ** 2
        noise = _noise(stds.tolist(), bounds.tolist())
        assert Fraction(noise.variance) <= exact
        assert noise.variance >= float(exact) * (1 - 1e-14)
