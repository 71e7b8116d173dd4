"""Coefficients that answer in another form than asked for, and problems of wrong parts: one line says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from heatproof.equation import (
    DiagonalDiffusion,
    Domain,
    FullDiffusion,
    FunctionVelocity,
    GradientVelocity,
    IsotropicDiffusion,
    LinearVelocity,
    LowRankDiffusion,
    NetworkVelocity,
    Problem,
)
from heatproof.errors import InputError

X = torch.ones(2, 2)


def _number(*_: object) -> Any:
    return 1.0


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (lambda: FunctionVelocity(_number)(X, 0.0), "velocity"),
        (lambda: GradientVelocity(_number)(X, 0.0), "potential"),
        (lambda: NetworkVelocity([_number])(X, 0.0), "blocks[0]"),
        (lambda: IsotropicDiffusion(_number).mean_diffusivity(X, 0.0), "diffusivity"),
        (lambda: DiagonalDiffusion(_number).diffusivities(X, 0.0), "diffusivities"),
        (lambda: FullDiffusion(_number).matrix(X, 0.0), "matrix"),
        (lambda: LowRankDiffusion(_number).directions(X, 0.0), "directions"),
    ],
)
def test_a_number_where_a_tensor_is_asked_for(asked: Callable[[], object], name: str) -> None:
    with pytest.raises(InputError) as caught:
        asked()
    assert str(caught.value).startswith(f"{name}: got a float; allowed: a real tensor, ")


@pytest.mark.parametrize(
    "asked",
    [
        lambda: FunctionVelocity(lambda x, _: x * 1j)(X, 0.0),
        lambda: DiagonalDiffusion(lambda x, _: x * 1j).diffusivities(X, 0.0),
        lambda: Problem(lambda x: x * 1j).initial_values(X),
    ],
)
def test_imaginary_parts_are_not_dropped_but_refused(asked: Callable[[], object]) -> None:
    with pytest.raises((InputError, TypeError), match=r"complex64|c64"):
        asked()


def test_directions_that_are_no_function() -> None:
    directions: Any = 3
    with pytest.raises((InputError, TypeError), match=r"directions"):
        LowRankDiffusion(directions)


@pytest.mark.parametrize(
    "diffusion",
    [
        DiagonalDiffusion(torch.tensor([[1.0, 2.0], [3.0, 4.0]])),  # of points (2, 2), not of two points (2,)
        DiagonalDiffusion(lambda x, _: x.new_tensor([1.0, 2.0])),  # of points, or of coordinates?
        DiagonalDiffusion([1.0]),
    ],
)
def test_diffusivities_that_fit_a_batch_by_chance(diffusion: DiagonalDiffusion) -> None:
    """What fits is said by the event alone: another batch size changes nothing."""
    for count in (1, 2, 3):
        with pytest.raises(InputError, match=r"^diffusivities: got shape "):
            diffusion.diffusivities(torch.ones(count, 2), 0.0)


def test_a_slight_expansion_is_not_divergence_free() -> None:
    assert not LinearVelocity([[1e-13]]).divergence_free
    assert LinearVelocity([[0.0]], [1.0]).divergence_free
    turn = torch.tensor([[0.1, -1.0], [1.0, -0.1]])
    assert LinearVelocity(turn).divergence_free


@pytest.mark.parametrize("ends", [(-1.0, 1.0), (None, None), (torch.zeros(2), torch.ones(2)), ("ab", "cd")])
def test_domains_of_what_is_no_sequence(ends: tuple[Any, Any]) -> None:
    with pytest.raises((InputError, TypeError), match=r"low"):
        Domain(*ends)


def test_values_and_domains_of_another_kind() -> None:
    number: Any = 3
    with pytest.raises((InputError, TypeError), match=r"values"):
        Domain((0.0,), (1.0,), values=number)
    with pytest.raises((InputError, TypeError), match=r"domain"):
        Problem(lambda x: x, domain=number)


@pytest.mark.parametrize("kind", [torch.bool, torch.int64, torch.uint8])
def test_classes_and_truth_values_are_numbers_of_the_points_type(kind: torch.dtype) -> None:
    def first(x: Tensor) -> Tensor:
        return (x[:, :1] > 0).to(kind)

    assert Problem(first).initial_values(X).dtype == torch.float32
    assert Problem(first).initial_values(X.double()).dtype == torch.float64


@pytest.mark.parametrize("least", [-1e-9, -1e-7, 0.0])
def test_an_eigenvalue_below_zero_by_rounding_passes(least: float) -> None:
    diffusion = FullDiffusion([[1.0, 0.0], [0.0, least]])
    assert torch.isfinite(diffusion.stretched(X, 0.0, X)).all()


@pytest.mark.parametrize("least", [-1e-5, -1e-2])
def test_an_eigenvalue_slightly_below_zero_is_told(least: float) -> None:
    with pytest.raises(InputError, match=rf"a smallest eigenvalue of {least:.3g}"):
        FullDiffusion([[1.0, 0.0], [0.0, least]])
    with pytest.raises(InputError, match=r"a smallest eigenvalue"):
        FullDiffusion(lambda x, _: torch.diag(x.new_tensor([1.0, least]))[None]).stretched(X, 0.0, X)
