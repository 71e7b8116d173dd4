"""The law of what is drawn on the lattice, to the last bit: no parity, no ties, no circles."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import pytest
import torch
from torch import Tensor

from heatproof.errors import InputError
from heatproof.noise import AnisotropicGaussian, Gaussian, Laplace, Lattice, Noise, Uniform
from heatproof.noise._normals import normals
from heatproof.noise.keyed import Stage, Stream, chunk_of, random

LEVEL = 5.2  # standard deviations, two-sided level 2e-7 each
AWKWARD = 0.25 * 2.0**-14 * 1.999 * 2**6  # a grid for which unit is no power of two times scale


def _codes(lattice: Lattice, dimension: int, chunks: int = 1) -> Tensor:
    """Return drawn whole numbers (draws, d), exactly as the engine makes them, at 0 and unit 1."""
    drawn = []
    zero = torch.zeros(dimension, dtype=torch.float64)
    for number in range(chunks):
        values = random(lattice, torch.Size([dimension]), Stream(0, number, Stage.ATTACK), chunk_of(5000))
        drawn.append(torch.round(lattice.add_noise(zero, values).double() / lattice.unit))
    return torch.cat(drawn)


def _as_before(lattice: Lattice, dimension: int) -> Tensor:
    """Return what rounded float32 normals give: the negative control."""
    values = torch.empty(256, dimension).normal_(generator=torch.Generator().manual_seed(0))
    return values.mul_(lattice.noise.scale / lattice.unit).round_().double()


def _most_uneven(codes: Tensor, period: int) -> float:
    """Return the largest deviation of the residues' counts from equal shares, in standard deviations."""
    counts = torch.bincount((codes.flatten() % period).long(), minlength=period).double()
    share, total = 1 / period, codes.numel()
    return float((counts - total * share).abs().max()) / math.sqrt(total * share * (1 - share))


def _leaning(codes: Tensor) -> float:
    """Return even minus odd, weighted by 2^{exponent}, in standard deviations."""
    weights = torch.exp2(torch.floor(torch.log2(codes.abs().clamp(min=1))) - 13)
    return float((weights * (1 - 2 * (codes.abs() % 2))).sum() / weights.norm())


@pytest.mark.parametrize("grid_step", [None, AWKWARD])
def test_codes_lean_to_no_residue(grid_step: float | None) -> None:
    """25·10⁶ codes; float32 normals rounded to even lean by 6·10⁻⁴, which is refused."""
    lattice = Lattice.for_noise(Gaussian(noise_std=0.25), grid_step)
    codes = _codes(lattice, 96_000)
    for period in (2, 4, 8, 16):
        assert _most_uneven(codes, period) < LEVEL
    assert abs(_leaning(codes)) < LEVEL
    tail = codes[codes.abs() > 3 * 2**14]
    assert len(tail) > 20_000
    assert _most_uneven(tail, 2) < LEVEL
    assert abs(float(codes.sign().sum())) < LEVEL * math.sqrt(codes.numel())
    if grid_step is None:
        assert _leaning(_as_before(lattice, 96_000)) > LEVEL


def test_pairs_lie_on_no_circles() -> None:
    """A word of 24 bits leaves few radii beyond 4.5: rounded pairs meet one, by chance few do."""
    radii = torch.sqrt(-2 * torch.log(torch.arange(1, 900).double() / 2**24)).flip(0)
    lattice = Lattice.for_noise(Gaussian(noise_std=1.0))

    def on_a_circle(codes: Tensor, half: int) -> float:
        pairs = codes.double().view(-1, 2, half) / 2**14
        far = pairs.norm(dim=1).flatten()
        far = far[(far > 4.6) & (far < 5.5)]
        assert len(far) > 50
        place = torch.searchsorted(radii, far).clamp(1, len(radii) - 1)
        gap = torch.minimum((far - radii[place]).abs(), (far - radii[place - 1]).abs())
        return float((gap < 2.0**-14).double().mean())

    before = _as_before(lattice, 48_000)
    assert on_a_circle(before, 8) > 0.95
    ours = normals(1 << 22, torch.Generator().manual_seed(0)).mul_(2**14).round_()
    assert on_a_circle(ours, 1 << 21) < 0.4


@pytest.mark.parametrize("ratio", [1.0, 50.0])
@pytest.mark.parametrize("grid_step", [None, 1.999 * 2.0**-8])
def test_every_coordinate_of_an_ellipsoid_is_as_often_even_as_odd(
    ratio: float, grid_step: float | None
) -> None:
    noise = AnisotropicGaussian(noise_stds=[1.0] + [ratio] * 7)
    lattice = Lattice.for_noise(noise, grid_step)
    values = torch.empty(100_000, 8)
    lattice.fill(values, torch.Generator().manual_seed(0))
    summed = lattice.add_noise(torch.zeros(8, dtype=torch.float64), values.clone())
    codes = torch.round(summed.double() / lattice.unit)
    assert float(codes.abs().max()) < 2**24
    assert torch.equal(codes, torch.round(values.double() * (1 / lattice.unit)))  # float32 carries them
    for coordinate in codes.unbind(1):
        for period in (2, 4):
            assert _most_uneven(coordinate, period) < LEVEL


@pytest.mark.parametrize("ratio", [300.0, 3000.0])
def test_what_float32_does_not_carry_is_refused(ratio: float) -> None:
    for noise in (
        AnisotropicGaussian(noise_stds=[1.0] + [ratio] * 7),
        AnisotropicGaussian(covariance=torch.diag(torch.tensor([1.0, ratio**2]))),
    ):
        with pytest.raises(InputError, match=r"^noise: .* within a ratio of 119. Rescale the features"):
            Lattice.for_noise(noise)


def test_normals_are_those_of_their_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Extreme words: u = 2⁻⁵³ gives the largest, u = 1 gives 0."""
    words = [
        torch.tensor([1 - 2.0**-53, 0.0, 0.5], dtype=torch.float64),
        torch.tensor([0.0, 0.3, 0.25], dtype=torch.float64),
    ]
    monkeypatch.setattr(Tensor, "uniform_", lambda self, **_: self.copy_(words.pop(0)))
    made = normals(6, torch.Generator())
    largest = math.sqrt(2 * 53 * math.log(2))
    wanted = torch.tensor([0.0, 0.0, math.sqrt(2 * math.log(2)), largest, 0.0, 0.0], dtype=torch.float64)
    assert torch.allclose(made, wanted, rtol=0, atol=1e-14)
    assert largest < Gaussian(noise_std=1.0).largest


def test_laplace_codes_are_the_logarithms_of_their_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against 40 digits, at random words and at the ends; cells below 16·2²⁰ hold whole numbers exactly."""
    source = torch.Generator().manual_seed(0)
    words = torch.rand(3000, generator=source, dtype=torch.float64)
    words[1000:2000] = 0.5 + 2.0 ** -(50 * words[1000:2000])
    words = torch.cat([words.clamp(max=1 - 2.0**-53), torch.tensor([0.0, 0.5, 0.5 - 2.0**-53]).double()])
    words = torch.floor(words * 2**53) / 2**53
    monkeypatch.setattr(Tensor, "uniform_", lambda self, **_: self.copy_(words))
    values = torch.empty(len(words))
    Laplace(noise_scale=1.0).fill(values, torch.Generator())
    with localcontext() as context:
        context.prec = 40
        for word, value in zip(words.tolist(), values.double().tolist(), strict=True):
            signed = 2 * Decimal(word) - 1 + Decimal(2) ** -53
            exact = -abs(signed).ln() * 2**20
            code = abs(value) * 2**20
            allowed = Decimal("0.5000001") + (exact >= 2**24) + (exact >= 2**25)
            assert abs(Decimal(code) - exact) <= allowed
            assert value == 0 or (value > 0) == (signed > 0)
    assert 36.7 < float(values.abs().max()) < Laplace(noise_scale=1.0).largest


@pytest.mark.parametrize("noise", [Uniform(half_width=0.5), Laplace(noise_scale=0.3)], ids=lambda n: n.name)
def test_l1_codes_lean_to_no_residue(noise: Noise) -> None:
    lattice = Lattice.for_noise(noise)
    values = torch.empty(4_000_000, 1)
    lattice.fill(values, torch.Generator().manual_seed(0))
    codes = torch.round(values.double() * 2**20)
    for period in (2, 4, 8, 16):
        assert _most_uneven(codes, period) < LEVEL


def test_no_sign_of_zero_tells_where_an_input_was() -> None:
    lattice = Lattice.for_noise(Gaussian(noise_std=1.0))
    codes = lattice.codes(torch.tensor([[-(2.0**-20), 0.0]]))
    seen = lattice.add_noise(codes[0], torch.full((1, 2), -0.0))
    assert not bool(torch.signbit(seen).any())


def test_a_float64_input_beside_the_grid_counts_with_its_distance() -> None:
    """x = 1000.00003 on a grid of 0.001: its float32 is that of 1000, it is not."""
    lattice = Lattice.for_noise(Gaussian(noise_std=1.0), 1e-3)
    off = torch.tensor([[1000.00003]], dtype=torch.float64)
    away = float(off - lattice.codes(off) * lattice.unit)
    assert abs(away) > 1e-6
    assert float(lattice.rounding(off)) == pytest.approx(abs(away) + 0.5 * lattice.unit, rel=1e-9)
    assert float(lattice.rounding(off.float())) == 0.5 * lattice.unit  # as float32 it is 1000
    single = torch.tensor([[0.1]])  # float32(0.1) stands for 0.1 in either type
    for x in (single, single.double(), torch.tensor([[0.1]], dtype=torch.float64)):
        assert float(lattice.rounding(x)) == 0.5 * lattice.unit
