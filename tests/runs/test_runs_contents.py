"""From attacks.parquet to the page: one split, one set of inputs, attacks combined input by input."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from heatproof.data import DataSet
from heatproof.report.contents import RunContents
from heatproof.report.table import table
from heatproof.runs import AttackSettings, RunConfig, RunFolder, load_model, train_run
from heatproof.runs.attack import attack_run
from heatproof.runs.contents import _attack_notes, _attacked, _natural, _robust, collect
from heatproof.runs.identity import load_data

Rows = list[dict[str, Any]]
FULL = frozenset(range(120))
CONFIG = RunConfig.from_mapping(
    {
        "name": "moons",
        "data": {"name": "half_moons", "size": 300},
        "network": {"name": "residual_mlp", "width": 8, "depth": 1, "time_conditioned": True},
        "objective": {"name": "natural"},
        "training": {"epochs": 4, "batch_size": 20},
    }
)


def _rows(
    inputs: Iterable[int],
    broken: Collection[int],
    *,
    attack: str = "full",
    radius: float = 0.5,
    norm: str = "l2",
    split: str = "test",
    seed: int = 0,
    wrong: Collection[int] = (),
) -> Rows:
    """Return rows as `attack_run` writes them: a natural error counts as broken."""
    return [
        {
            "norm": norm,
            "radius": radius,
            "attack": attack,
            "split": split,
            "seed": seed,
            "input": one,
            "natural_correct": one not in wrong,
            "success": one in wrong or one in broken,
        }
        for one in inputs
    ]


def _shares(rows: Rows) -> dict[tuple[str, float], tuple[int, int]]:
    points = _robust(_attacked(rows))
    found = {(one.norm, one.radius): (one.accuracy.successes, one.accuracy.trials) for one in points}
    assert len(found) == len(points)  # one point for each place
    return found


def test_a_weak_attack_on_few_inputs_changes_no_number() -> None:
    full = _rows(FULL, range(31), wrong=(100,))
    few = _rows(range(5), (0, 1, 2), attack="few")
    assert _shares(full) == _shares(full + few) == _shares(few + full) == {("l2", 0.5): (88, 120)}
    notes = _attack_notes(_attacked(full + few))
    assert notes[0].startswith("Natural and robust accuracy: on 120 test inputs.")
    assert notes[1:] == ("Left out: few, at ℓ2 radius 0.5, as it covers 5 of these 120 inputs.",)
    assert _shares(few) == {("l2", 0.5): (2, 5)}  # the negative control: alone, it is the measurement


def test_attacks_combine_input_by_input() -> None:
    """Either attack leaves 8 of 10; together they leave 6, which the least of the two does not say."""
    rows = _rows(range(10), (0, 1)) + _rows(range(10), (2, 3), attack="other")
    assert _shares(rows) == {("l2", 0.5): (6, 10)}
    (point,) = _robust(_attacked(rows))
    assert point.attack == "full; other"


def test_a_place_with_a_smaller_input_set_shows_nothing_and_says_so() -> None:
    rows = _rows(FULL, (0,)) + _rows(range(5), (0,), attack="few", radius=0.75)
    assert _shares(rows) == {("l2", 0.5): (119, 120)}
    (note,) = _attack_notes(_attacked(rows))[1:]
    assert note.endswith(
        "radius 0.75, as it covers 5 of these 120 inputs. No attack there covers all of "
        "them, so nothing is shown there."
    )


def test_splits_do_not_mix() -> None:
    test, train = _rows(range(10), (0,)), _rows(range(50), range(50), split="train", attack="train")
    assert _shares(test + train) == _shares(test) == {("l2", 0.5): (9, 10)}
    assert _attack_notes(_attacked(test + train))[-1] == "Left out: attacks on the train split."
    other = _rows(range(20), (), split="validation")
    assert _shares(other + train) == {("l2", 0.5): (0, 50)}
    assert "on 50 train inputs" in _attack_notes(_attacked(other + train))[0]


def test_natural_errors_are_not_robust_and_natural_accuracy_is_on_the_same_inputs() -> None:
    rows = _rows(range(10), (0,), wrong=(8, 9)) + _rows(range(20, 23), (), attack="few", wrong=(20,))
    natural = _natural(_attacked(rows), nn.Identity(), load_data(CONFIG))
    assert (natural.successes, natural.trials) == (8, 10)
    assert _shares(rows) == {("l2", 0.5): (7, 10)}


attacks = st.lists(
    st.tuples(
        st.sampled_from(["l2", "linf"]),
        st.sampled_from([0.1, 0.2, 0.3]),
        st.sampled_from(["a", "b"]),
        st.sets(st.integers(0, 11)),
        st.integers(1, 12),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda one: one[:3],
)


def _all(drawn: list[tuple[str, float, str, set[int], int]]) -> Rows:
    return [
        row
        for norm, radius, name, broken, count in drawn
        for row in _rows(range(count), broken, norm=norm, radius=radius, attack=name, wrong=(0,))
    ]


@given(attacks, st.sets(st.integers(0, 11)), st.randoms(use_true_random=False))
def test_larger_radii_and_more_attacks_can_only_lower_it(
    drawn: list[tuple[str, float, str, set[int], int]], broken: set[int], chance: random.Random
) -> None:
    rows = _all(drawn)
    before = _shares(rows)
    for norm, radius in before:
        larger = [held for (other, end), (held, _) in before.items() if other == norm and end >= radius]
        assert max(larger) == before[norm, radius][0]
    shuffled = list(rows)
    chance.shuffle(shuffled)
    assert _shares(shuffled) == before
    inputs = next(iter(before.values()))[1]
    after = _shares(rows + _rows(range(inputs), broken, norm="l2", radius=0.2, attack="more", wrong=(0,)))
    assert all(
        after[place][0] <= held and after[place][1] == count for place, (held, count) in before.items()
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, nn.Module, DataSet]:
    folder = train_run(CONFIG, tmp_path_factory.mktemp("contents") / "run")
    return folder, load_model(folder), load_data(CONFIG)


def _attack(run: tuple[RunFolder, nn.Module, DataSet], **settings: Any) -> RunContents:
    folder, model, data = run
    attack_run(folder, model, data, AttackSettings.from_mapping({"radii": {"l2": [0.2, 0.5]}, **settings}))
    return collect([(folder, model)], data).runs[0]


def test_attacks_one_after_another(run: tuple[RunFolder, nn.Module, DataSet]) -> None:
    count = len(run[2].test.y)
    full = _attack(run, steps=4)
    weak = _attack(run, steps=3, limit=5)
    assert weak.robust == full.robust
    assert weak.natural == full.natural
    assert full.natural is not None
    assert full.natural.trials == count > 5
    assert len(weak.notes) == len(full.notes) + 2  # one for each radius
    strong = _attack(run, steps=20, restarts=2)
    for after, before in zip(strong.robust, full.robust, strict=True):
        assert after.accuracy.value <= before.accuracy.value
        assert after.attack.split("; ") == sorted({before.attack, *after.attack.split("; ")})
    trained = _attack(run, steps=4, split="train")
    assert (trained.robust, trained.natural) == (strong.robust, strong.natural)
    assert trained.notes[-1] == "Left out: attacks on the train split."
    assert trained.robust[0].accuracy.successes >= trained.robust[1].accuracy.successes
    cell = table(collect([run[:2]], run[2])).rows[0].cells[0]
    assert cell.detail.endswith(f", n = {count}")


def test_without_attacks_natural_accuracy_is_on_the_test_split(
    run: tuple[RunFolder, nn.Module, DataSet],
) -> None:
    assert _robust(_attacked([])) == ()
    assert _attack_notes(_attacked([])) == ()
    assert _natural(None, run[1], run[2]).trials == len(run[2].test.y)
