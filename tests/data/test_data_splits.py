"""Splits: nothing lost, nothing twice, proportions kept, the same for ever."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from heatproof.data._splits import hold_out, split_parts, split_pool
from heatproof.errors import DataError

_sizes = st.lists(st.integers(3, 60), min_size=2, max_size=6)
_seeds = st.integers(0, 2**32 - 1)


def _labels(sizes: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.repeat(np.arange(len(sizes)), sizes).astype(np.int64)


@settings(max_examples=100, deadline=None)
@given(sizes=_sizes, seed=_seeds, part=st.floats(0, 1))
def test_hold_out_partitions_and_keeps_proportions(sizes: list[int], seed: int, part: float) -> None:
    y = _labels(sizes)
    count = int(part * len(y))
    rest, held = hold_out(y, count, seed)
    assert sorted([*rest, *held]) == list(range(len(y)))
    shares = np.bincount(y[held], minlength=len(sizes))
    ideal = np.clip(count * np.asarray(sizes) / len(y), 1, np.asarray(sizes) - 1)
    assert (np.abs(shares - ideal) < 1).all()
    assert (np.bincount(y[rest], minlength=len(sizes)) >= 1).all()
    assert (np.diff(rest) > 0).all()


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(20, 60), min_size=2, max_size=6), seed=_seeds)
def test_hold_out_draws_the_exact_count_where_classes_are_near_in_size(sizes: list[int], seed: int) -> None:
    y = _labels(sizes)
    count = len(y) // 5
    assert len(hold_out(y, count, seed)[1]) == count


@settings(max_examples=50, deadline=None)
@given(sizes=_sizes, seed=_seeds)
def test_a_pool_is_split_into_three_with_every_class_in_each(sizes: list[int], seed: int) -> None:
    y = _labels(sizes)
    x = np.stack([np.arange(len(y)), y], axis=1).astype(np.float32)
    splits = split_pool(x, y, seed)
    everything = torch.cat([split.index for split in splits.values()])
    assert sorted(everything.tolist()) == list(range(len(y)))
    for split in splits.values():
        assert torch.equal(split.x[:, 0].long(), split.index)
        assert torch.equal(split.x[:, 1].long(), split.y)
        assert split.y.unique().tolist() == list(range(len(sizes)))


def test_a_pool_is_split_60_20_20() -> None:
    splits = split_pool(np.zeros((1000, 2), dtype=np.float32), _labels([700, 300]), 0)
    assert {name: len(split) for name, split in splits.items()} == {
        "train": 600,
        "validation": 200,
        "test": 200,
    }
    assert splits["test"].y.bincount().tolist() == [140, 60]


def test_the_rows_of_a_seed_are_fixed_for_ever() -> None:
    """A change here moves inputs between splits and makes every stored result another."""
    splits = split_pool(np.zeros((20, 2), dtype=np.float32), _labels([12, 8]), 0)
    assert splits["test"].index.tolist() == [1, 16, 6, 18]
    assert splits["validation"].index.tolist() == [2, 14, 5, 9]


def test_seeds_differ() -> None:
    y = _labels([500, 500])
    first, again, other = (hold_out(y, 200, seed)[1] for seed in (0, 0, 1))
    assert first.tolist() == again.tolist()
    # two independent draws share 40 of 200 rows, standard deviation 5.1: ten of them is never
    assert abs(len(np.intersect1d(first, other)) - 40) < 52
    assert first.tolist() != other.tolist()


def test_held_rows_come_in_random_order() -> None:
    """The first n of a drawn split are a fair sample, though the source was sorted by class."""
    _, held = hold_out(_labels([500, 500]), 200, 0)
    ones = int((held[:100] >= 500).sum())
    assert 20 < ones < 80  # Binomial-like around 50 with deviation 3.5 (hypergeometric): false alarm < 1e-15


def test_given_splits_keep_their_rows_and_get_indices_apart() -> None:
    parts = {
        name: (np.full((rows, 2), value, dtype=np.float32), _labels([rows // 2, rows - rows // 2]))
        for name, rows, value in (("train", 40, 0.0), ("test", 10, 1.0))
    }
    splits = split_parts(parts, 0)
    assert splits["test"].index.tolist() == list(range(10))
    assert len(splits["validation"]) == 4
    assert sorted([*splits["train"].index.tolist(), *splits["validation"].index.tolist()]) == list(
        range(10, 50)
    )
    parts["validation"] = (np.zeros((6, 2), dtype=np.float32), _labels([3, 3]))
    splits = split_parts(parts, 0)
    assert splits["train"].index.tolist() == list(range(10, 50))
    assert splits["validation"].index.tolist() == list(range(50, 56))


@pytest.mark.parametrize(
    ("sizes", "text"), [([10, 2], "rows: got 2 of class 1; allowed: at least 3 of each class")]
)
def test_too_few_rows_of_a_class_are_refused(sizes: list[int], text: str) -> None:
    with pytest.raises(DataError, match=text):
        split_pool(np.zeros((12, 2), dtype=np.float32), _labels(sizes), 0)
    with pytest.raises(DataError, match="got 1 of class 0; allowed: at least 2 of each class"):
        hold_out(_labels([1, 9]), 2, 0)
