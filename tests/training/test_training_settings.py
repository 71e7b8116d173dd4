"""Learning-rate schedules by values worked out by hand, budgets, refusals, and augmentation."""

from __future__ import annotations

import itertools
import math
import sys
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from heatproof.equation import Directions
from heatproof.errors import DependencyError, InputError, UnknownNameError
from heatproof.objectives import ConvectionDiffusion, GaussianAugmentation, Natural, Objective
from heatproof.training import TrainingSettings, learning_rate, steps_within
from heatproof.training._augment import augmenter


def rates(steps: int, **given: Any) -> list[float]:
    chosen = TrainingSettings(**{"learning_rate": 2.0, "warmup": 0, **given})
    return [learning_rate(chosen, step, steps) for step in range(steps)]


class TestSchedules:
    def test_constant(self) -> None:
        assert rates(3, schedule="constant") == [2.0, 2.0, 2.0]

    def test_cosine(self) -> None:
        half = math.sqrt(0.5)
        expected = [2, 1 + half, 1, 1 - half]
        assert rates(4, schedule="cosine") == pytest.approx(expected)
        assert rates(6, schedule="cosine")[2:4] == pytest.approx([1.5, 1.0])  # cos 60° and cos 90°

    def test_steps_at_their_milestones(self) -> None:
        expected = [2.0] * 5 + [0.2] * 2 + [0.02] * 3
        assert rates(10, schedule="step", milestones=(0.5, 0.7)) == pytest.approx(expected)
        assert rates(10, schedule="step", milestones=(0.7, 0.5)) == pytest.approx(expected)
        expected = [2.0] * 1 + [0.5] * 3
        assert rates(4, schedule="step", milestones=(0.25,), decay=0.25) == pytest.approx(expected)
        assert rates(4, schedule="step", milestones=()) == [2.0] * 4

    @pytest.mark.parametrize("schedule", ["constant", "cosine", "step"])
    def test_warm_up_is_a_line(self, schedule: str) -> None:
        found = rates(20, schedule=schedule, warmup=0.2)
        assert found[:4] == pytest.approx([2 * k / 5 for k in (1, 2, 3, 4)])
        assert found[4:] == rates(20, schedule=schedule)[4:]

    @settings(max_examples=100, deadline=None)
    @given(
        steps=st.integers(1, 300),
        warmup=st.floats(0, 0.9),
        schedule=st.sampled_from(["constant", "cosine", "step"]),
    )
    def test_positive_at_most_the_rate_and_falling_after_the_warm_up(
        self, steps: int, warmup: float, schedule: str
    ) -> None:
        found = rates(steps, schedule=schedule, warmup=warmup)
        assert all(0 < rate <= 2 for rate in found)
        after = [rate for step, rate in enumerate(found) if step / steps >= warmup]
        assert all(later <= earlier + 1e-12 for earlier, later in itertools.pairwise(after))
        before = found[: len(found) - len(after)]
        assert all(later > earlier for earlier, later in itertools.pairwise(before))


BUDGETS: list[tuple[Objective, int, int]] = [
    (Natural(), 1, 30),
    (GaussianAugmentation(noise_std=1), 1, 30),
    (ConvectionDiffusion(noise_std=1), 4, 7),
    (ConvectionDiffusion(noise_std=1, time_step=0.5), 7, 4),
    (ConvectionDiffusion(noise_std=1, unbiased=True), 6, 5),
    (ConvectionDiffusion(noise_std=1, laplacian=Directions(directions=3)), 8, 3),
    (ConvectionDiffusion(noise_std=1, laplacian="axes"), 2 + 2 * 14, 1),
]


class TestBudgets:
    @pytest.mark.parametrize(("objective", "cost", "epochs"), BUDGETS, ids=str)
    def test_thirty_evaluations(self, objective: Objective, cost: int, epochs: int) -> None:
        assert objective.evaluations(14) == cost
        assert steps_within(TrainingSettings(budget=30), objective, 14, 100) == round(30 * 100 / cost)
        assert steps_within(TrainingSettings(budget=30), objective, 14, 100) // 100 == epochs
        assert steps_within(TrainingSettings(budget=cost), objective, 14, 7) == 7
        assert steps_within(TrainingSettings(epochs=9), objective, 14, 7) == 63

    def test_one_length_only(self) -> None:
        assert (TrainingSettings().epochs, TrainingSettings().budget) == (30, None)
        assert TrainingSettings.from_mapping(TrainingSettings(budget=5).to_mapping()).epochs is None
        with pytest.raises(InputError, match=r"got epochs 60 and budget 2; allowed: one of the two"):
            TrainingSettings(epochs=60, budget=2)

    @pytest.mark.parametrize("given", [{"epochs": True}, {"learning_rate": True}, {"nesterov": 1}])
    def test_truth_values_are_no_numbers(self, given: dict[str, Any]) -> None:
        with pytest.raises(
            InputError, match=r"got (True; allowed: no truth value|1; allowed: true or false)"
        ):
            TrainingSettings(**given)

    @pytest.mark.parametrize(("objective", "cost"), [row[:2] for row in BUDGETS if row[1] > 2], ids=str)
    def test_too_small(self, objective: Objective, cost: int) -> None:
        with pytest.raises(InputError) as caught:
            steps_within(TrainingSettings(budget=1), objective, 14, 1)
        assert caught.value.name == "budget"
        assert f"got 1; allowed: what pays for a step. One epoch of this objective costs {cost}" in str(
            caught.value
        )


BAD: list[tuple[str, Any]] = [
    *[(name, 0) for name in ("epochs", "budget", "batch_size", "checkpoint_every", "gradient_clip")],
    ("epochs", 1.5),
    ("epochs", "many"),
    ("learning_rate", 0),
    ("learning_rate", -0.1),
    ("learning_rate", math.nan),
    ("learning_rate", 1e39),
    ("momentum", 1),
    ("momentum", -0.1),
    ("weight_decay", -1),
    ("weight_decay", math.inf),
    ("decay", 1),
    ("warmup", 1),
    ("schedule", "cosin"),
    ("augmentation", "flip"),
    ("precision", "float16"),
    ("device", "cuda:0"),
]


class TestSettings:
    @pytest.mark.parametrize(("name", "value"), BAD)
    def test_bad_values(self, name: str, value: Any) -> None:
        with pytest.raises(InputError) as caught:
            TrainingSettings.from_mapping({name: value})
        assert caught.value.name == name
        assert str(caught.value).startswith(f"{name}: got ")

    @pytest.mark.parametrize("milestones", [(30, 60), (0,), (1,), (-0.5,)])
    def test_milestones_are_shares_and_no_epochs(self, milestones: tuple[float, ...]) -> None:
        with pytest.raises(InputError, match=r"milestones\.0: got"):
            TrainingSettings(schedule="step", milestones=milestones)

    def test_unknown_keys_name_the_nearest(self) -> None:
        with pytest.raises(UnknownNameError, match="Did you mean 'learning_rate'"):
            TrainingSettings.from_mapping({"learning_rat": 1})

    @pytest.mark.parametrize(
        "given", [{}, {"budget": 9, "milestones": (0.25,), "gradient_clip": None, "precision": "bfloat16"}]
    )
    def test_yaml_round_trip(self, given: dict[str, Any]) -> None:
        chosen = TrainingSettings(**given)
        text = yaml.safe_dump(chosen.to_mapping())
        assert TrainingSettings.from_mapping(yaml.safe_load(text)) == chosen


def pictures() -> torch.Tensor:
    """Return 40 pictures (2, 8, 10) in which every pixel has a value of its own, none of them 0."""
    return (1 + torch.arange(40 * 2 * 8 * 10, dtype=torch.float32)).reshape(40, 2, 8, 10) / 6400


class TestAugmentation:
    @pytest.mark.parametrize("name", ["crop", "crop_flip"])
    def test_moves_whole_pixels(self, name: str) -> None:
        x = pictures()
        augment = augmenter(name, x.shape[1:])
        torch.manual_seed(0)
        first = augment(x)
        assert first.shape == x.shape
        assert first.dtype == x.dtype
        for before, after in zip(x, first, strict=True):
            assert set(after.flatten().tolist()) <= {0.0, *before.flatten().tolist()}  # grid and range stay
            assert int((after == 0).sum()) <= 2 * (80 - 7 * 9)  # at most one row and one column are new
        torch.manual_seed(0)
        assert torch.equal(augment(x), first)
        assert not torch.equal(augment(x), first)

    def test_only_crop_flip_mirrors_and_half_of_the_time(self) -> None:
        x = pictures().repeat(20, 1, 1, 1)
        torch.manual_seed(0)
        mirrored = {}
        for name in ("crop", "crop_flip"):
            inside = augmenter(name, x.shape[1:])(x)[:, 0, 2:-2, 2:-2]
            mirrored[name] = int((inside[:, :, 1] < inside[:, :, 0]).all(1).sum())
        assert mirrored["crop"] == 0
        assert abs(mirrored["crop_flip"] - 400) < 4.42 * math.sqrt(200)  # 800 coins, false alarms 1e-5

    def test_none_is_nothing(self) -> None:
        x = pictures()
        assert augmenter("none", torch.Size([2]))(x) is x

    def test_vectors_are_refused(self) -> None:
        with pytest.raises(InputError, match=r"images \(C, H, W\)") as caught:
            augmenter("crop", torch.Size([64]))
        assert caught.value.name == "augmentation"

    def test_without_kornia(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "kornia.augmentation", None)
        with pytest.raises(DependencyError, match=r"pip install 'heatproof\[images\]'"):
            augmenter("crop", torch.Size([1, 8, 8]))
