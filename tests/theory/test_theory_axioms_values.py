"""What is asked of a trained g(x, t): exact heat flow passes, what is nearly heat flow does not."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from cases.evolutions import arena
from heatproof.errors import InputError
from heatproof.theory.axioms import ValuesArena, consistency_in_time, measure_values, residual, value_range

SIGMA2 = 0.08
START = 0.3
"""The initial value is smooth: heat flow of a half-space at this time."""


def _heat(x: Tensor, t: float, factor: float = 2.0) -> Tensor:
    """Return Φ(x₁/s), s² = factor·σ²·(start + t): the solution for factor 2."""
    scale = math.sqrt(2 * SIGMA2 * START + factor * SIGMA2 * t)
    p = torch.special.ndtr(x[:, :1] / scale)
    return torch.cat([p, 1 - p], dim=1)


ASKED = ValuesArena(arena(functions=3), SIGMA2, time_step=0.02, space_step=0.05)


def test_exact_heat_flow_passes_all_three() -> None:
    found = measure_values(_heat, ASKED, (0.0, 1.0))
    assert [one.axiom for one in found] == ["range", "consistency in time", "equation"]
    assert all(one.verdict == "holds (measured)" for one in found), found
    assert found[2].high < 0.05


def test_noise_std_taken_for_the_diffusivity_is_found_out() -> None:
    """s² = σ²t instead of 2σ²t: the error by √2 that has two names for its reason."""

    def wrong(x: Tensor, t: float) -> Tensor:
        return _heat(x, t, factor=1.0)

    for one in (consistency_in_time(wrong, ASKED), residual(wrong, ASKED)):
        assert one.verdict == "violated", one
        assert one.low > 0.01


def test_no_evolution_at_all_is_found_out() -> None:
    def frozen(x: Tensor, t: float) -> Tensor:
        del t
        return _heat(x, 0.0)

    one = consistency_in_time(frozen, ASKED)
    assert one.verdict == "violated"
    assert one.low <= one.size <= one.high
    bend = residual(frozen, ASKED)
    scale = math.sqrt(2 * SIGMA2 * START)
    largest = SIGMA2 * math.exp(-0.5) / (math.sqrt(2 * math.pi) * scale**2)  # max of σ²|φ′(x/s)|/s²
    assert bend.size == pytest.approx(largest, rel=0.1)


def test_logits_leave_the_range_of_probabilities() -> None:
    one = value_range(lambda x, t: 3 * _heat(x, t) - 1, ASKED, (0.0, 1.0))
    assert one.verdict == "violated"
    assert one.size == pytest.approx(1.0, abs=0.05)
    assert value_range(lambda x, t: 3 * _heat(x, t) - 1, ASKED, (-1.0, 2.0)).holds


def test_searching_twice_gives_the_same() -> None:
    assert measure_values(_heat, ASKED, (0.0, 1.0)) == measure_values(_heat, ASKED, (0.0, 1.0))


@pytest.mark.parametrize(
    "given", [{"diffusivity": 0.0}, {"time_step": 0.6}, {"draws": 0}, {"fresh_draws": 9}]
)
def test_bad_settings_are_refused(given: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(given))):
        ValuesArena(arena(), **{"diffusivity": 0.1, **given})  # type: ignore[arg-type]
