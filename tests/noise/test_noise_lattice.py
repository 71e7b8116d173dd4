"""The lattice: x + round(noise) = round(x + noise) in whole numbers, and what rounding costs a radius."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cases.noises import DIMENSION, noises
from heatproof._intervals import lower_bound
from heatproof.errors import InputError
from heatproof.noise import Gaussian, Lattice, Noise
from heatproof.noise.keyed import Stage, Stream, chunk_of, random

NOISE = st.floats(1e-3, 1e3)


def _gaussian(noise_std: float, grid_step: float | None = None) -> Lattice:
    return Lattice.for_noise(Gaussian(noise_std=noise_std), grid_step)


def normals(event: torch.Size, seed: int, index: int, stage: Stage) -> Tensor:
    return random(Gaussian(noise_std=1.0), event, Stream(seed, index, stage), chunk_of(1024))


GRID = st.none() | st.floats(1e-6, 1e3)


def _pixels(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed)).float() / 255


@given(noise_std=NOISE, grid_step=GRID)
def test_the_unit_resolves_the_noise_and_divides_the_grid(noise_std: float, grid_step: float | None) -> None:
    lattice = _gaussian(noise_std, grid_step)
    assert 0 < lattice.unit <= noise_std * 2**-14
    assert lattice.unit > noise_std * 2**-15.0000001
    if lattice.grid_step is not None:
        assert lattice.grid_step == grid_step
        ratio = Fraction(lattice.grid_step) / Fraction(lattice.unit)
        assert ratio.denominator == 1
        assert ratio.numerator & (ratio.numerator - 1) == 0
    else:
        assert grid_step is None or grid_step < noise_std * 2**-14


@pytest.mark.parametrize("noise_std", [0.12, 0.25, 0.5, 1.0])
def test_8_bit_pixels_are_lattice_points(noise_std: float) -> None:
    lattice = _gaussian(noise_std, 1 / 255)
    levels = (torch.arange(256).float() / 255)[None]
    per_step = round(1 / 255 / lattice.unit)
    assert lattice.codes(levels)[0].tolist() == [level * per_step for level in range(256)]
    assert float(lattice.rounding(levels)) == 0.5 * math.sqrt(256) * lattice.unit
    off = levels.clone()
    off[0, 100] += 1e-4
    assert float(lattice.rounding(off)) > float(lattice.rounding(levels))


def test_the_neighbour_of_a_pixel_in_float32_counts_with_its_own_distance() -> None:
    lattice = _gaussian(0.25, 1 / 255)
    pixel = torch.tensor([[100 / 255, 0.0]])
    next_to = torch.nextafter(pixel, torch.ones(1, 2))
    distance = float(lattice.rounding(next_to) - lattice.rounding(pixel))
    assert 0 < distance < 1e-7
    assert torch.equal(lattice.codes(next_to), lattice.codes(pixel))


@given(noise_std=NOISE, grid_step=GRID, seed=st.integers(0, 10_000), scale=st.floats(1e-3, 30))
@settings(max_examples=150, deadline=None)
def test_a_radius_around_the_lattice_point_covers_one_around_the_input(
    noise_std: float, grid_step: float | None, seed: int, scale: float
) -> None:
    """‖x′_L − x_L‖ ≤ ‖x′ − x‖ + ½√d·unit + ‖x − x_L‖ for real x and x′, near grid points above all."""
    lattice = _gaussian(noise_std, grid_step)
    draw = torch.Generator().manual_seed(seed)
    x = (torch.randn(6, 5, generator=draw) * scale * noise_std).clamp(-4e4 * noise_std, 4e4 * noise_std)
    if grid_step is not None:  # some coordinates on the grid, some a little beside it
        near = torch.round(x.double() / grid_step) * grid_step
        x[:, :4] = near[:, :4].float()
        x[:, 2] += 1e-5 * grid_step
    size = noise_std * 10.0 ** float(torch.randint(-6, 1, (1,), generator=draw))
    moved = x + size * torch.randn(6, 5, generator=draw)

    def value(
        z: Tensor,
    ) -> Tensor:  # what the float32 number stands for: the grid point, if it is its nearest
        grid = z.double() if grid_step is None else torch.round(z.double() / grid_step) * grid_step
        return torch.where(grid.float() == z, grid, z.double())

    far = torch.linalg.vector_norm((lattice.codes(moved) - lattice.codes(x)) * lattice.unit, dim=1)
    near_by = torch.linalg.vector_norm(value(moved) - value(x), dim=1)
    slack = 1e-12 * (noise_std + x.abs().max().double())
    assert bool((far <= near_by + lattice.rounding(x) + slack).all())
    stands_beside = (value(x) - x.double()).abs() <= 2.0**-24 * x.double().abs() + 1e-45
    assert bool(stands_beside.all())  # the reading is never further off than float32 itself


@given(noise_std=st.floats(0.01, 10), seed=st.integers(0, 1000), grid=st.booleans())
@settings(max_examples=50, deadline=None)
def test_the_sum_is_exact_in_whole_numbers(noise_std: float, seed: int, grid: bool) -> None:
    """Against rational arithmetic: round(x + noise) = x + round(noise), with noise an exact multiple."""
    lattice = _gaussian(noise_std, 1 / 255 if grid else None)
    x = _pixels(1, 12, seed=seed)
    codes = lattice.codes(x)
    noise = normals(torch.Size([12]), seed, 0, Stage.ESTIMATION)[:20]
    in_units = noise * torch.tensor(noise_std / lattice.unit, dtype=torch.float32)
    summed = lattice.add_noise(codes[0], noise.clone())
    scalar = torch.tensor(lattice.unit, dtype=torch.float32)
    for row in range(20):
        for column in range(12):
            code = int(codes[0, column])
            exact = Fraction(float(in_units[row, column]))
            total = round(code + exact)
            if exact.denominator != 2:  # a half rounds to even, which depends on the code's parity
                assert total == code + round(exact)
                assert summed[row, column] == torch.tensor(float(total)) * scalar


def test_both_paths_of_the_sum_agree_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    lattice = _gaussian(0.25, 1 / 255)
    codes = lattice.codes(_pixels(1, 3000))[0]
    noise = normals(torch.Size([3000]), 0, 0, Stage.ESTIMATION)[:64]
    floats = lattice.add_noise(codes, noise.clone())
    monkeypatch.setattr("heatproof.noise.lattice._EXACT_FLOAT32", 0.0)
    assert torch.equal(lattice.add_noise(codes, noise.clone()), floats)


@pytest.mark.parametrize("start", [2**23, 2**24 + 1, 2**25 + 3, 2**30 - 1])
def test_the_path_may_change_between_an_input_and_its_perturbation(start: int) -> None:
    """Codes about 2²³ and far above: what the model sees is one function of the whole number."""
    lattice = _gaussian(1.0)
    low = torch.full((50,), float(start - 1), dtype=torch.float64)
    noise = normals(torch.Size([50]), 1, 0, Stage.ESTIMATION)
    whole = torch.round(noise * 2.0**14).double()
    for codes in (low, low + 1):
        seen = lattice.add_noise(codes, noise.clone())
        assert torch.equal(seen, (codes + whole).float() * lattice.unit)


def test_the_normals_are_far_below_the_head_room() -> None:
    """Box–Muller: √(−2·ln u), u ≥ 2⁻⁵³ (fewer than 16 numbers), 2⁻²⁴ (more), 2⁻³³ (CUDA)."""
    assert math.sqrt(2 * 53 * math.log(2)) < Gaussian(noise_std=1.0).largest < 8.7
    largest = 0.0
    for size in (8, 1 << 16):
        source = torch.Generator().manual_seed(size)
        for _ in range(200):
            largest = max(largest, float(torch.empty(size).normal_(generator=source).abs().max()))
    assert 4.5 < largest < math.sqrt(2 * 24 * math.log(2))
    assert Gaussian(noise_std=1.0).largest * 2**15 < 2**19


def test_values_too_large_for_the_noise_are_refused() -> None:
    lattice = _gaussian(0.001)
    with pytest.raises(InputError, match=r"^inputs: got values up to 100; allowed: values up to 65.*Rescale"):
        lattice.codes(torch.tensor([[100.0, 0.0]]))
    assert float(lattice.codes(torch.tensor([[65.0, 0.0]])).max()) < 2**30


@pytest.mark.parametrize(("noise_std", "grid_step"), [(0.0, None), (-1.0, None), (0.1, 0.0), (0.1, math.nan)])
def test_numbers_that_are_not_positive(noise_std: float, grid_step: float | None) -> None:
    with pytest.raises(InputError, match=r"allowed: (a finite number|greater than 0)"):
        _gaussian(noise_std, grid_step)


SHIFT = 2.0**-6


def _reads_low_bits(values: Tensor) -> Tensor:
    """Return, for each draw, whether some coordinate is no multiple of 2⁻³⁰."""
    return ((values.double() * 2**30) % 1 != 0).any(dim=1)


def _plain(x: Tensor, noise: Tensor, noise_std: float) -> Tensor:
    return x + noise_std * noise


def test_plain_float32_noise_leaks_the_input() -> None:
    """Negative control: a certificate from plain float32 sums is refuted well inside its radius.

    x = 0: x + noise is the noise with all its bits, so some of 784 coordinates is finer than 2⁻³⁰. At
    x′ = 2⁻⁶·1 a sum below 2⁻⁷ comes from noise above 2⁻⁷, a multiple of 2⁻³⁰: never finer.
    """
    noise_std, noise = 0.25, normals(torch.Size([784]), 0, 0, Stage.ESTIMATION)
    x = torch.zeros(1, 784)
    here = int(_reads_low_bits(_plain(x, noise, noise_std)).sum())
    there = int(_reads_low_bits(_plain(x + SHIFT, noise, noise_std)).sum())
    radius = Gaussian(noise_std=noise_std).radius(lower_bound(here, len(noise), 0.001))
    assert float(torch.linalg.vector_norm(torch.full((784,), SHIFT))) < 0.95 * radius
    assert there == 0  # inside the "certified" radius the answer is the other one, in every draw


@pytest.mark.parametrize("grid_step", [None, 1 / 256, 1 / 255])
def test_sums_on_the_lattice_do_not_leak_it(grid_step: float | None) -> None:
    """The same rule: its share of votes at x and at x′ differs no more than Gaussian smoothing allows."""
    noise_std, noise = 0.25, normals(torch.Size([784]), 0, 0, Stage.ESTIMATION)
    lattice = _gaussian(noise_std, grid_step)
    counts = []
    for x in (torch.zeros(1, 784), torch.full((1, 784), SHIFT)):
        seen = lattice.add_noise(lattice.codes(x)[0], noise.clone())
        fine = int(_reads_low_bits(seen).sum())
        counts.append(max(fine, len(noise) - fine))
        assert (fine > 128) == (grid_step == 1 / 255)  # multiples of 2⁻¹⁶; float32(1/255)·k has low bits
    assert min(counts) == len(noise)  # unanimous, and the same, at both


def test_what_the_model_sees_is_a_function_of_the_point_alone() -> None:
    """Two inputs, all sums that fall on one lattice point: one bit pattern."""
    lattice = _gaussian(0.25, 1 / 255)
    noise = normals(torch.Size([4000]), 0, 0, Stage.ESTIMATION)[:50]
    seen: dict[int, float] = {}
    for x in (_pixels(1, 4000, seed=1), _pixels(1, 4000, seed=2)):
        codes = lattice.codes(x)[0]
        points = codes + torch.round(noise * torch.tensor(0.25 / lattice.unit).float()).double()
        values = lattice.add_noise(codes, noise.clone())
        for point, value in zip(points.flatten().tolist(), values.flatten().tolist(), strict=True):
            assert seen.setdefault(int(point), value) == value
    assert len(seen) < 300_000  # many points were met more than once


# Every noise


@pytest.mark.parametrize("noise", noises(), ids=lambda noise: noise.describe())
@given(seed=st.integers(0, 10_000), grid_step=st.none() | st.floats(1e-4, 1.0), size=st.floats(1e-6, 3))
@settings(max_examples=40)
def test_a_radius_in_any_norm_pays_for_both_roundings(
    noise: Noise, seed: int, grid_step: float | None, size: float
) -> None:
    """‖x′_L − x_L‖ ≤ ‖x′ − x‖ + `rounding(x)` in the noise's own norm; half of it is not enough."""
    lattice, draw = Lattice.for_noise(noise, grid_step), torch.Generator().manual_seed(seed)
    x = torch.randn(50, DIMENSION, generator=draw).double()
    moved = x + size * torch.randn(50, DIMENSION, generator=draw).double() * noise.scale
    far = noise.length((lattice.codes(moved) - lattice.codes(x)) * lattice.unit)
    near = noise.length(moved - x)
    assert bool((far <= near + lattice.rounding(x) + 1e-12).all())


def test_half_a_cell_alone_is_not_enough() -> None:
    """Negative control: inputs off the lattice need both terms."""
    lattice = _gaussian(1.0)
    x, moved = torch.tensor([[0.49]]).double() * lattice.unit, torch.tensor([[0.51]]).double() * lattice.unit
    far = float((lattice.codes(moved) - lattice.codes(x)).abs()) * lattice.unit
    assert far > float((moved - x).abs()) + 0.5 * lattice.unit
    assert far <= float((moved - x).abs()) + float(lattice.rounding(x))


@pytest.mark.parametrize("noise", noises(), ids=lambda noise: noise.describe())
@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_the_sum_is_exact_for_every_noise(noise: Noise, scale: float) -> None:
    """In whole numbers, on both paths; in place; ready codes give the same bits."""
    lattice = Lattice.for_noise(noise, 1 / 255)
    x = scale * _pixels(1, DIMENSION)
    codes = lattice.codes(x)[0]
    values = random(lattice, x.shape[1:], Stream(0, 0, Stage.ATTACK), chunk_of(5000))
    factor = noise.scale / lattice.unit
    whole = codes + torch.round(values.double() * factor)
    assert float(whole.abs().max()) < 2**30
    ready = lattice.ready(codes)
    fits = float(codes.abs().max()) + noise.largest * factor < 2**24 - 1
    assert ready.dtype == (torch.float32 if fits else torch.int32)
    again = lattice.perturb(ready, values.clone())
    seen = lattice.perturb(codes, values)
    assert seen.data_ptr() == values.data_ptr()
    assert torch.equal(seen, again)
    assert torch.equal(seen, whole.to(torch.int32).float() * torch.tensor(lattice.unit, dtype=torch.float32))


@pytest.mark.parametrize("noise", [noise for noise in noises() if noise.dyadic], ids=lambda n: n.describe())
@pytest.mark.parametrize("grid_step", [None, 1 / 255, 1e-9])
def test_l1_noises_keep_their_own_lattice(noise: Noise, grid_step: float | None) -> None:
    lattice = Lattice.for_noise(noise, grid_step)
    assert noise.scale / lattice.unit == 2.0**20
    assert lattice.grid_step is None
    pixels = _pixels(4, 3072)
    assert float(lattice.rounding(pixels).max()) <= 0.003 * noise.scale
