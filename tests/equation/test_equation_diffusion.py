"""Diffusions of every kind: the matrix, the law of the increments, derivatives, and images."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from scipy.stats import chi2
from torch import Tensor

from cases.diffusions import KINDS, points
from heatproof.equation import (
    DiagonalDiffusion,
    Diffusion,
    FullDiffusion,
    IsotropicDiffusion,
    LowRankDiffusion,
)
from heatproof.errors import InputError

FALSE_ALARM = 1e-6
DRAWS, DURATION, TIME = 40_000, 0.25, 0.7


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _directions(size: int) -> Tensor:
    """Return e_i, e_i + e_j and e_i − e_j: variances along them determine a covariance."""
    unit = torch.eye(size, dtype=torch.float64)
    pairs = list(itertools.combinations(range(size), 2))
    both = [unit[i] + sign * unit[j] for i, j in pairs for sign in (1, -1)]
    return torch.stack([*unit, *both])


def covariance_agrees(draws: Tensor, covariance: Tensor, level: float = FALSE_ALARM) -> bool:
    """Return whether centred normal draws may have this covariance: n·wᵀSw/wᵀCw is χ²_n for each direction w.

    Exact at `level` by the union bound; where wᵀCw = 0, the draws must be 0 along w up to rounding.
    """
    w = _directions(draws.shape[1])
    found, expected = (draws @ w.T).square().sum(0), torch.einsum("wi,ij,wj->w", w, covariance, w)
    still = expected < 1e-12
    if bool((found[still] > 1e-20 * len(draws)).any()):
        return False
    ratio = found[~still] / expected[~still]
    share = level / max(1, len(ratio)) / 2
    return bool(((ratio >= chi2.ppf(share, len(draws))) & (ratio <= chi2.isf(share, len(draws)))).all())


def _draws(diffusion: Diffusion, x: Tensor, duration: float = DURATION) -> Tensor:
    return diffusion.increments(x.expand(DRAWS, *x.shape), TIME, duration, _generator(3)).flatten(1)


@pytest.mark.parametrize("name", KINDS)
def test_the_matrix_is_the_one_that_is_meant(name: str) -> None:
    kind, x = KINDS[name], points(6)
    diffusion = kind.make()
    for t in (0.2, TIME):
        found, by_hand = diffusion.matrix(x, t), torch.stack([kind.matrix(row, t) for row in x])
        assert torch.allclose(found, by_hand, atol=1e-7)
        assert torch.allclose(found, found.mT)
        assert float(torch.linalg.eigvalsh(found).min()) > -1e-7
        trace = found.diagonal(dim1=1, dim2=2).sum(1)
        assert torch.allclose(diffusion.mean_diffusivity(x, t), trace / 3, atol=1e-7)


@pytest.mark.parametrize("name", KINDS)
def test_what_it_says_of_itself(name: str) -> None:
    kind = KINDS[name]
    diffusion = kind.make()
    assert (diffusion.constant, diffusion.varies_in_space) == (kind.constant, kind.varies_in_space)
    assert diffusion.vanishes == (name == "none")
    assert repr(diffusion)


@pytest.mark.parametrize("name", KINDS)
def test_increments_have_covariance_two_a_times_duration(name: str) -> None:
    kind, x = KINDS[name], points(1)[0]
    assert covariance_agrees(_draws(kind.make(), x), 2 * DURATION * kind.matrix(x, TIME))


@pytest.mark.parametrize("name", [name for name in KINDS if name != "none"])
def test_other_covariances_are_noticed(name: str) -> None:
    """A·duration (the factor √2), duration² (a missing root), 10% more: the test above can fail."""
    kind, x = KINDS[name], points(1)[0]
    draws, matrix = _draws(kind.make(), x), kind.matrix(x, TIME)
    for factor in (DURATION, 2 * DURATION**2, 2.2 * DURATION):
        assert not covariance_agrees(draws, factor * matrix)


def test_a_correlation_of_the_other_sign_is_noticed() -> None:
    x, signs = points(1)[0], torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64)
    draws, matrix = _draws(KINDS["full"].make(), x), KINDS["full"].matrix(x, TIME)
    assert not covariance_agrees(draws, 2 * DURATION * signs[:, None] * matrix * signs)


@pytest.mark.parametrize("name", KINDS)
def test_increments_follow_the_generator_and_the_point_of_each_row(name: str) -> None:
    diffusion, x = KINDS[name].make(), points(4)
    first = diffusion.increments(x, TIME, DURATION, _generator(1))
    assert torch.equal(first, diffusion.increments(x, TIME, DURATION, _generator(1)))
    xi = torch.randn(4, *diffusion.normals(x.shape[1:]), generator=_generator(2), dtype=x.dtype)
    whole = diffusion.stretched(x, TIME, xi)
    alone = torch.cat([diffusion.stretched(x[i : i + 1], TIME, xi[i : i + 1]) for i in range(4)])
    assert torch.allclose(whole, alone, atol=1e-12)
    assert torch.equal(diffusion.increments(x, TIME, 0.0, _generator(1)), torch.zeros_like(x))
    assert diffusion.increments(x.float(), TIME, DURATION, _generator(1)).dtype == torch.float32
    with pytest.raises(InputError, match=r"^duration: got -0\.1"):
        diffusion.increments(x, TIME, -0.1, _generator(1))


IMAGES = {
    "isotropic": IsotropicDiffusion(0.3),
    "diagonal": DiagonalDiffusion(torch.rand(2, 2, 2, generator=_generator(8))),
    "diagonal of x": DiagonalDiffusion(lambda x, _: x.square()),
    "full": FullDiffusion(torch.diag(torch.arange(1.0, 9.0)) + 0.1),
    "low rank": LowRankDiffusion(lambda x, _: x[:, None]),
}


@pytest.mark.parametrize("name", IMAGES)
def test_images_diffuse_as_flattened_points(name: str) -> None:
    diffusion = IMAGES[name]
    image = torch.randn(2, 2, 2, generator=_generator(4), dtype=torch.float64)
    x = image[None].expand(3, -1, -1, -1)
    assert diffusion.increments(x, TIME, DURATION, _generator()).shape == x.shape
    assert diffusion.mean_diffusivity(x, TIME).shape == (3,)
    assert covariance_agrees(_draws(diffusion, image), 2 * DURATION * diffusion.matrix(x, TIME)[0])


VARYING = [name for name in KINDS if KINDS[name].varies_in_space]


@pytest.mark.parametrize("name", VARYING)
def test_increments_are_differentiable_in_the_point(name: str) -> None:
    """Against central differences, with the same ξ: reverse mode, and vmap over points."""
    diffusion, x = KINDS[name].make(), points(3)
    xi = torch.randn(diffusion.normals(x.shape[1:]), generator=_generator(5), dtype=x.dtype)

    def move(point: Tensor) -> Tensor:
        return diffusion.stretched(point[None], TIME, xi[None])[0]

    found = torch.func.vmap(torch.func.jacrev(move))(x)
    step = 1e-6 * torch.eye(3, dtype=x.dtype)
    by_hand = [torch.stack([(move(row + e) - move(row - e)) / 2e-6 for e in step], dim=1) for row in x]
    assert torch.allclose(found, torch.stack(by_hand), atol=1e-7)
    assert float(found.abs().max()) > 0.1


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
@pytest.mark.parametrize("name", VARYING)
def test_forward_mode_agrees_with_reverse_mode(name: str) -> None:
    diffusion, x = KINDS[name].make(), points(3)
    xi = torch.randn(3, *diffusion.normals(x.shape[1:]), generator=_generator(5), dtype=x.dtype)
    tangent = points(6)[3:]

    def move(point: Tensor) -> Tensor:
        return diffusion.stretched(point, TIME, xi)

    forward = torch.func.jvp(move, (x,), (tangent,))[1]
    weights = points(9)[6:]
    back = torch.func.vjp(move, x)[1]
    assert float((forward * weights).sum()) == pytest.approx(
        float((back(weights)[0] * tangent).sum()), rel=1e-9
    )


def test_derivatives_where_eigenvalues_coincide() -> None:
    """A = σ²(x)I as a full matrix: autograd through eigenvectors would give NaN. √(2σ²)·ξ is known."""
    full = FullDiffusion(lambda x, _: x.square().sum(1)[:, None, None] * torch.eye(3, dtype=x.dtype))
    x = points(4).requires_grad_()
    xi = points(8)[4:]
    (slope,) = torch.autograd.grad(full.stretched(x, 0.0, xi).sum(), x)
    by_hand = math.sqrt(2) * xi.sum(1, keepdim=True) * (x / x.norm(dim=1, keepdim=True)).detach()
    assert torch.allclose(slope, by_hand, atol=1e-12)


def test_second_derivatives_of_the_root() -> None:
    base = torch.randn(2, 3, 3, generator=_generator(6), dtype=torch.float64).requires_grad_()

    x, xi = points(2), points(4)[2:]

    def move(values: Tensor) -> Tensor:
        matrix = values @ values.mT + 0.1 * torch.eye(3, dtype=values.dtype)
        return FullDiffusion(lambda *_: matrix).stretched(x, 0.0, xi)

    assert torch.autograd.gradcheck(move, base, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(move, base, check_fwd_over_rev=True)
    mixed = torch.func.jacrev(torch.func.jacfwd(move))(base.detach())
    assert torch.allclose(mixed, torch.func.jacrev(torch.func.jacrev(move))(base.detach()), atol=1e-9)


@pytest.mark.parametrize(
    "diffusion",
    [
        IsotropicDiffusion(lambda x, _: x.clamp_min(0).sum(1)),
        DiagonalDiffusion(lambda x, _: x.clamp_min(0)),
        FullDiffusion(lambda x, _: x.clamp_min(0).diag_embed()),
    ],
)
def test_no_diffusion_at_a_point_is_no_nan_in_the_gradient(diffusion: Diffusion) -> None:
    """√ has no derivative at 0: a branch that is 0 behind ReLU must not spoil a whole gradient."""
    x = torch.tensor([[-1.0, -2.0], [1.0, -2.0]], dtype=torch.float64).requires_grad_()
    values = diffusion.stretched(x, 0.0, torch.ones_like(x))
    (slope,) = torch.autograd.grad(values.sum(), x)
    assert bool(slope.isfinite().all())
    assert torch.equal(slope[0], torch.zeros(2, dtype=torch.float64))
