"""Looks against the plain definition, and the draws that one input has noise for."""

from __future__ import annotations

import time
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heatproof.errors import InputError
from heatproof.noise.keyed import chunk_of
from heatproof.statistics import RadiusRule
from heatproof.statistics._looks import LARGEST_HORIZON, check_draws, look_schedule


def _plain(horizon: int, ratio: float) -> list[int]:
    """Try every multiple, one after the other."""
    chosen: list[int] = []
    for samples in chain(range(8, 129, 8), range(160, 1025, 32), range(1280, horizon, 256)):
        if samples < horizon and (not chosen or samples >= ratio * chosen[-1]):
            chosen.append(samples)
    return [*chosen, horizon]


@given(horizon=st.integers(1, 200_000), ratio=st.one_of(st.just(1.0), st.floats(1, 3), st.floats(1, 9_999)))
def test_they_are_the_first_multiples_far_enough_apart(horizon: int, ratio: float) -> None:
    assert look_schedule(horizon, ratio).tolist() == _plain(horizon, ratio)


def test_a_long_horizon_takes_no_longer() -> None:
    began = time.perf_counter()
    looks = look_schedule(LARGEST_HORIZON, 1.25)
    assert time.perf_counter() - began < 1  # trying all multiples: minutes
    assert len(looks) < 120
    assert all(chunk_of(int(n) - 1).stop == n for n in looks)


def test_the_largest_horizon_is_where_chunks_end() -> None:
    assert chunk_of(LARGEST_HORIZON - 1).number == 2**29 - 1
    assert chunk_of(LARGEST_HORIZON).number == 2**29


@pytest.mark.parametrize("draws", [LARGEST_HORIZON + 1, 10**12, 0, -1])
def test_more_draws_than_there_is_noise_are_refused(draws: int) -> None:
    for ask in (
        lambda: look_schedule(draws),
        lambda: check_draws("horizon", draws),
        lambda: RadiusRule(draws),
    ):
        with pytest.raises(InputError, match="horizon"):
            ask()
