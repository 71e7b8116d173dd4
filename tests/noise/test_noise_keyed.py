"""Keyed noise: a function of (seed, index, stage, chunk) only; distinct streams; normal; uncorrelated."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, norm
from torch import Tensor

from heatproof.errors import InputError
from heatproof.noise import Gaussian
from heatproof.noise.keyed import (
    Stage,
    Stream,
    _digest,
    _mix,
    chunk_of,
    content_key,
    fill,
    generator,
    pieces,
    random,
)

EVENT = torch.Size([3, 5])
NOISE = Gaussian(noise_std=1.0)


def normals(event: torch.Size, seed: int, index: int, stage: Stage, chunk: int = 0) -> Tensor:
    """Return a whole chunk of 256 draws: they start with chunk 44."""
    return random(NOISE, event, Stream(seed, index, stage), chunk_of(1024 + 256 * chunk))


def test_the_same_key_gives_the_same_noise_whatever_came_before() -> None:
    first = normals(EVENT, 7, 3, Stage.ESTIMATION, 2)
    torch.manual_seed(99)
    torch.randn(1000)
    normals(EVENT, 8, 3, Stage.ESTIMATION, 2)
    state = torch.get_rng_state()
    assert torch.equal(first, normals(EVENT, 7, 3, Stage.ESTIMATION, 2))
    assert torch.equal(state, torch.get_rng_state())  # the global generator is left alone
    assert first.shape == (256, 3, 5)
    assert first.dtype == torch.float32


def test_threads_change_nothing() -> None:
    threads = torch.get_num_threads()
    first = normals(torch.Size([784]), 1, 2, Stage.SELECTION)
    try:
        torch.set_num_threads(2)
        assert torch.equal(first, normals(torch.Size([784]), 1, 2, Stage.SELECTION))
    finally:
        torch.set_num_threads(threads)


def test_every_part_of_the_key_counts() -> None:
    keys = itertools.product((0, 1), (0, 1, -1), tuple(Stage), (0, 1, 5))
    found = {normals(EVENT, *key).numpy().tobytes() for key in keys}
    assert len(found) == 2 * 3 * len(Stage) * 3


@pytest.mark.parametrize(("seed", "index"), [(0, 0), (12, 34567)])
def test_no_two_chunks_of_an_input_share_a_seed(seed: int, index: int) -> None:
    digest = _digest(seed, index)
    seeds = {_mix((chunk << 3 | int(stage)) ^ digest) for chunk in range(20_000) for stage in Stage}
    assert len(seeds) == 20_000 * len(Stage)
    assert generator(seed, index, Stage.ATTACK, 5).initial_seed() == _mix((5 << 3 | 2) ^ digest)


def _unmix(word: np.ndarray) -> np.ndarray:
    """Invert `_mix` step by step, in 32-bit words."""
    mask = np.uint64(0xFFFFFFFF)
    word = word ^ (word >> np.uint64(16))
    word = (word * np.uint64(pow(0x846CA68B, -1, 1 << 32))) & mask
    word = word ^ (word >> np.uint64(15)) ^ (word >> np.uint64(30))
    word = (word * np.uint64(pow(0x7FEB352D, -1, 1 << 32))) & mask
    return np.asarray(word ^ (word >> np.uint64(16)))


def test_mix_is_a_bijection_of_words() -> None:
    """It has a left inverse, checked on 2²⁰ spread words and the ends: so no two words meet."""
    spread = np.arange(2**20, dtype=np.uint64) * np.uint64(4099) % np.uint64(2**32)
    words = np.concatenate([spread, np.array([0, 1, 2**31, 2**32 - 1], dtype=np.uint64)])
    mixed = np.array([_mix(int(word)) for word in words], dtype=np.uint64)
    assert int(mixed.max()) < 2**32
    assert np.array_equal(_unmix(mixed), words)
    assert len(np.unique(mixed)) == len(np.unique(words))


def test_torch_uses_all_32_bits_of_the_seed() -> None:
    """Why a bijection of 32-bit words is enough, and why more bits would not help."""

    def first(seed: int) -> bytes:
        return torch.randn(16, generator=torch.Generator().manual_seed(seed)).numpy().tobytes()

    assert len({first(1 << bit) for bit in range(32)}) == 32
    assert first(5) == first(5 + (1 << 32))


@pytest.mark.parametrize("chunk", [-1, 1 << 29])
def test_a_chunk_number_outside(chunk: int) -> None:
    with pytest.raises(InputError, match=r"^chunk: got .*; allowed: 0…536870911"):
        generator(0, 0, Stage.SELECTION, chunk)


def test_one_input_s_draws_are_standard_normal() -> None:
    """Kolmogorov–Smirnov and the first two moments, each at level 1e-6; a wrong law is refused."""
    draws = torch.cat([normals(torch.Size([64]), 3, 11, Stage.ESTIMATION, c).flatten() for c in range(40)])
    values = draws.double().numpy()
    assert kstest(values, "norm").pvalue > 1e-6
    assert kstest(1.02 * values, "norm").pvalue < 1e-6
    limit, count = float(norm.isf(0.5e-6)), len(values)
    assert abs(values.mean()) * math.sqrt(count) < limit
    assert abs((values**2).mean() - 1) * math.sqrt(count / 2) < limit


@pytest.mark.parametrize("other", ["chunk", "stage", "index", "seed"])
def test_neighbouring_streams_are_uncorrelated(other: str) -> None:
    """200 pairs of neighbours: mean correlation and the largest one, level 1e-6 each."""
    event, pairs = torch.Size([32]), 200
    correlations = []
    for number in range(pairs):
        here = {"seed": 5, "index": 9, "stage": Stage.SELECTION, "chunk": number}
        there = dict(here)
        if other == "stage":
            there["stage"] = Stage.ESTIMATION
        else:
            here[other] = number
            there[other] = number + 1
        a, b = normals(event, **here).flatten(), normals(event, **there).flatten()  # type: ignore[arg-type]
        correlations.append(float(torch.dot(a, b)) / math.sqrt(len(a)))
    scores = np.array(correlations)
    assert abs(scores.mean()) * math.sqrt(pairs) < norm.isf(0.5e-6)
    assert np.abs(scores).max() < norm.isf(0.5e-6 / pairs)
    shared = normals(event, 5, 9, Stage.SELECTION, 0).flatten()
    assert float(torch.dot(shared, shared)) / math.sqrt(len(shared)) > 50  # what a shared stream would score


@given(seed=st.integers(-(2**70), 2**70), index=st.integers(-(2**70), 2**70))
def test_any_whole_numbers_are_keys(seed: int, index: int) -> None:
    assert 0 <= generator(seed, index, Stage.JUDGEMENT).initial_seed() < 2**32


def test_keys_of_content() -> None:
    x = torch.rand(50, 3, 4, generator=torch.Generator().manual_seed(1))
    keys = [content_key(row) for row in x]
    assert len(set(keys)) == 50
    assert all(0 <= key < 2**56 for key in keys)
    assert keys == [content_key(row) for row in x.double()]
    assert content_key(x[0].T) == content_key(x[0].T.contiguous())
    assert content_key(x[0] + 1e-7) != keys[0]


# The schedule of chunks


def test_chunks_follow_the_schedule() -> None:
    """8 draws up to 128, 32 up to 1,024, 256 above; numbered without a gap."""
    whole = [piece.chunk for piece in pieces(0, 3072)]
    assert [chunk.rows for chunk in whole] == [8] * 16 + [32] * 28 + [256] * 8
    assert [chunk.number for chunk in whole] == list(range(len(whole)))
    assert [chunk.start for chunk in whole[1:]] == [chunk.stop for chunk in whole[:-1]]


@given(draw=st.integers(0, 10**12))
def test_a_draw_is_in_its_chunk(draw: int) -> None:
    chunk = chunk_of(draw)
    assert chunk.start <= draw < chunk.stop
    assert chunk_of(chunk.start) == chunk_of(chunk.stop - 1) == chunk
    assert chunk_of(chunk.stop).number == chunk.number + 1


@given(start=st.integers(0, 5000), length=st.integers(0, 3000))
def test_pieces_cover_every_draw_once(start: int, length: int) -> None:
    drawn = [
        piece.chunk.start + row
        for piece in pieces(start, start + length)
        for row in range(piece.first, piece.last)
    ]
    assert drawn == list(range(start, start + length))
    inner = list(pieces(start, start + length))[1:-1]
    assert all(piece.whole for piece in inner)


def test_no_piece_of_nothing() -> None:
    assert list(pieces(5, 5)) == list(pieces(7, 3)) == []


@given(start=st.integers(0, 1500), length=st.integers(1, 700))
@settings(max_examples=30)
def test_a_draw_does_not_depend_on_where_drawing_stops(start: int, length: int) -> None:
    event, wanted = torch.Size([3]), chunk_of(start + length - 1)
    stream = Stream(1, 2, Stage.ESTIMATION)
    whole = random(NOISE, event, stream, wanted)
    buffer = torch.full((4096, 3), math.nan)
    for piece in pieces(start, start + length):
        fill(NOISE, buffer[piece.chunk.start : piece.chunk.stop], stream, piece.chunk.number)
    assert torch.equal(buffer[wanted.start : wanted.stop], whole)
    assert bool(torch.isfinite(buffer[start : start + length]).all())


@pytest.mark.parametrize("dimension", [300, 3072, 70_000])
def test_large_chunks_are_filled_a_block_at_a_time_and_nowhere_else(dimension: int) -> None:
    """The law of a block does not change at its border; neighbours in the buffer are left alone."""
    buffer = torch.full((258 if dimension < 5000 else 10, dimension), math.nan)
    fill(NOISE, buffer[1:-1], Stream(1, 2, Stage.SELECTION), 44)
    assert bool(torch.isnan(buffer[0]).all() & torch.isnan(buffer[-1]).all())
    inside = buffer[1:-1]
    assert bool(torch.isfinite(inside).all())
    assert len(torch.unique(inside[:, 0])) == len(inside)
    assert kstest(inside.flatten().double().numpy(), "norm").pvalue > 1e-6


def test_negative_draws() -> None:
    with pytest.raises(InputError, match=r"^draw: got -1; allowed: a whole number ≥ 0"):
        chunk_of(-1)
