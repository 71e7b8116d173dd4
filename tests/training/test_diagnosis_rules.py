"""The rules on records that are made up, their false alarms computed, and what they know of objectives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from scipy.stats import binom
from torch import nn

from cases.training import moons, network
from heatproof.networks import MLP
from heatproof.noise import Gaussian, Uniform
from heatproof.objectives import (
    ConvectionDiffusion,
    GaussianAugmentation,
    Natural,
    Objective,
    ObjectiveSettings,
    WeightedSum,
)
from heatproof.statistics.paired import paired_difference
from heatproof.training import EpochRecord, TrainingSettings
from heatproof.training.diagnosis import (
    Circumstances,
    Comparison,
    Course,
    Finding,
    circumstances_of,
    compared,
    costly,
    diagnose,
    other_noise,
    out_of_reach,
)
from heatproof.training.diagnosis._chance import LEVEL, surely_higher

HEAT = ConvectionDiffusion(noise_std=0.25, weight=10)
AROUND = Circumstances(
    dimension=2,
    classes=2,
    train_rows=240,
    validation_rows=80,
    spread=0.7,
    epochs=10,
    steps=100,
    batch_rows=24,
)


def records(
    fits: list[float], penalties: list[float] | None = None, accuracies: list[float] | None = None
) -> tuple[EpochRecord, ...]:
    """Return records with these cross-entropies, residuals and training accuracies."""
    penalties, accuracies = penalties or [0.01] * len(fits), accuracies or [0.9] * len(fits)
    rows = zip(fits, penalties, accuracies, strict=True)
    return tuple(
        EpochRecord(
            epoch,
            {
                "total": fit + penalty,
                "cross_entropy": fit,
                "residual": penalty,
                "train_accuracy": accuracy,
                "validation_accuracy": accuracy,
                "learning_rate": 0.1,
                "seconds": 1.0,
            },
        )
        for epoch, (fit, penalty, accuracy) in enumerate(rows, 1)
    )


def found(*given: Any, objective: Objective = HEAT, **around: Any) -> tuple[Finding, ...]:
    circumstances = Circumstances.from_mapping({**AROUND.to_mapping(), **around})
    return diagnose(records(*given), objective, TrainingSettings(), circumstances)


LEARNT = [0.6, 0.4, 0.3, 0.25, 0.22, 0.2, 0.2, 0.2, 0.2, 0.2]


class TestChance:
    @pytest.mark.parametrize("rows", [(50, 50), (240, 80)])
    @pytest.mark.parametrize("share", [0.5, 0.8, 0.97])
    def test_false_alarms_are_as_rare_as_said(self, rows: tuple[int, int], share: float) -> None:
        """Two independent counts of the same share, all pairs of them."""
        assert _alarms(rows, share, lambda one, other: surely_higher(one, other) is not None) <= LEVEL

    def test_two_standard_errors_would_not_be(self) -> None:
        """The negative control."""

        def naive(one: tuple[float, int], other: tuple[float, int]) -> bool:
            error = math.sqrt(sum(share * (1 - share) / rows for share, rows in (one, other)))
            return one[0] - other[0] > 2 * error

        assert _alarms((50, 50), 0.8, naive) > 100 * LEVEL

    def test_it_speaks_of_real_differences(self) -> None:
        gap = surely_higher((0.95, 500), (0.7, 500))
        assert gap is not None
        assert 0.05 < gap < 0.25
        assert surely_higher((0.95, 20), (0.7, 20)) is None


def _alarms(rows: tuple[int, int], share: float, rule: Any) -> float:
    chances = [binom.pmf(np.arange(count + 1), count, share) for count in rows]
    return float(
        sum(
            chances[0][one] * chances[1][other]
            for one in range(rows[0] + 1)
            for other in range(rows[1] + 1)
            if one * rows[1] > other * rows[0]
            if chances[0][one] * chances[1][other] > 1e-12
            if rule((one / rows[0], rows[0]), (other / rows[1], rows[1]))
        )
    )


class TestRecords:
    def test_the_same_records_say_the_same(self) -> None:
        assert found(LEARNT) == found(LEARNT) == ()

    def test_a_fall_within_chance_is_none(self) -> None:
        falls = [0.90] * 5 + [0.87] * 5
        assert found(LEARNT, [0.1] * 5 + [0.01] * 5, falls) == ()

    def test_a_fall_with_a_growing_penalty_is_another_matter(self) -> None:
        falls, grows = [0.95] * 5 + [0.6] * 5, [0.01] * 5 + [0.1] * 5
        assert [one.signature for one in found(LEARNT, grows[::-1], falls)] == ["under-fitting"]
        assert found(LEARNT, grows, falls) == ()

    def test_one_bad_epoch_is_no_fall(self) -> None:
        assert found(LEARNT, [0.1] * 5 + [0.01] * 5, [0.95] * 9 + [0.5]) == ()

    def test_what_came_from_elsewhere_may_begin_badly(self) -> None:
        """Fine-tuning: a network that never saw noise begins far above log K and comes down."""
        assert found([5.0, 2.0, *LEARNT[:8]]) == ()
        (jump,) = found([0.5, 5.0, *LEARNT[:8]])
        assert (jump.signature, jump.importance) == ("divergence", 2)
        assert "2 times" not in jump.evidence
        assert "in epoch 2" in jump.evidence

    def test_too_short_to_judge(self) -> None:
        weak = [1e-6] * 4
        assert found([0.69] * 4, weak) == ()
        assert found([0.69] * 10, [1e-6] * 10, steps=40) == ()
        long_enough = found([0.69] * 10, [1e-6] * 10)
        assert [one.signature for one in long_enough] == ["learning rate", "no effect"]

    def test_half_way_is_early_enough_and_a_quarter_is_not(self) -> None:
        assert found([0.69] * 5, [1e-6] * 5, epochs=11) == ()
        assert found([0.69] * 5, [1e-6] * 5, epochs=10) != ()

    def test_an_unbiased_residual_may_vanish(self) -> None:
        unbiased = ConvectionDiffusion(noise_std=0.25, unbiased=True)
        assert found(LEARNT, [-1e-6] * 10, objective=unbiased) == ()
        assert [one.signature for one in found(LEARNT, [1e-6] * 10)] == ["no effect"]

    def test_the_most_important_comes_first(self) -> None:
        both = found([0.69] * 10, [0.1, *[1e-9] * 9], batch_rows=4, batch_statistics=True)
        assert [one.signature for one in both] == ["under-fitting", "batch statistics"]
        assert [one.importance for one in both] == [3, 1]

    def test_where_it_stopped_is_named_though_nothing_was_recorded(self) -> None:
        (only,) = diagnose((), Natural(), TrainingSettings(), AROUND, stopped=(1, 7))
        assert "epoch 1, step 7" in only.evidence
        assert only.overrides == ("training.learning_rate=0.01",)


class TestObjectives:
    def test_a_sum_names_the_place_of_the_term(self) -> None:
        both = WeightedSum.from_mapping(
            {"terms": [{"objective": HEAT.to_mapping()}, {"weight": 0.5, "objective": "natural"}]}
        )
        values = {"total": 0.8, "convection_diffusion.cross_entropy": 0.6, "natural.cross_entropy": 0.4}
        rows = tuple(
            EpochRecord(epoch, {**values, "convection_diffusion.residual": 1e-7, "train_accuracy": 0.9})
            for epoch in range(1, 11)
        )
        course = Course(rows, both, TrainingSettings(), AROUND)
        assert course.constant == pytest.approx(1.5 * math.log(2))
        assert course.fits[0] == pytest.approx(0.6 + 0.5 * 0.4)
        (only,) = diagnose(rows, both, TrainingSettings(), AROUND)
        assert "objective.terms[0].objective.weight" in only.change
        assert only.overrides == ()  # --set does not reach into lists

    @pytest.mark.parametrize("name", ["consistency", "macer", "stability", "smoothmix", "trades", "natural"])
    def test_the_penalty_is_what_the_weight_multiplies(self, name: str) -> None:
        self.check({"name": name, **({} if name in {"natural", "trades"} else {"noise_std": 0.25})})

    def test_of_the_heat_equation_too(self) -> None:
        self.check(HEAT.to_mapping())

    def check(self, mapping: dict[str, Any]) -> None:
        if mapping["name"] == "trades":
            mapping["radius"] = 0.1
        objective: Objective = TypeAdapter(ObjectiveSettings).validate_python(mapping)
        timed = mapping["name"] == "convection_diffusion"
        data = moons(60)
        x, y = data.train.x, data.train.y
        losses = objective(network(timed=timed), x, y, torch.Generator().manual_seed(0))
        values = {name: float(value.detach()) for name, value in losses.parts.items()}
        (term,) = Course((EpochRecord(1, values),), objective, TrainingSettings(), AROUND).terms
        rest = float(losses.total.detach()) - values["cross_entropy"]
        rest -= getattr(objective, "entropy_weight", 0.0) * values.get("entropy", 0.0)
        assert (term.penalty(values) or 0.0) == pytest.approx(rest, abs=1e-6)

    def test_a_model_with_batch_statistics_is_known(self) -> None:
        data, settings = moons(60), TrainingSettings(epochs=3, batch_size=4, device="cpu")
        plain = circumstances_of(MLP(widths=(4,)).build((2,), 2), data, Natural(), settings)
        assert not plain.batch_statistics
        assert (plain.batch_rows, plain.epochs, plain.steps, plain.train_rows) == (4, 3, 27, 36)
        assert plain.spread == pytest.approx(
            float(data.train.x.std(dim=0, correction=0).square().mean().sqrt())
        )
        normalised = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
        around = circumstances_of(normalised, data, Natural(), settings)
        (only,) = diagnose((), Natural(), settings, around)
        assert (only.signature, only.overrides) == ("batch statistics", ("training.batch_size=32",))


class TestComparisons:
    course = Course(records(LEARNT), HEAT, TrainingSettings(), AROUND)

    def compared(self, *counts: tuple[int, int, int]) -> Finding | None:
        return compared(self.course, [self.comparison(*one) for one in counts])

    def comparison(self, better: int, worse: int, trials: int) -> Comparison:
        return Comparison(
            "robust accuracy", "l2", 0.25, "validation", paired_difference(better, worse, trials)
        )

    def test_a_gain_is_no_finding(self) -> None:
        assert self.compared() is None
        assert self.compared((0, 0, 300), (40, 5, 300)) is None

    def test_none_is(self) -> None:
        finding = self.compared((3, 3, 300))
        assert finding is not None
        assert (finding.signature, finding.importance) == ("no effect", 2)
        assert finding.overrides == ("objective.weight=100",)

    def test_few_inputs_cannot_tell(self) -> None:
        finding = self.compared((1, 0, 12))
        assert finding is not None
        assert (finding.importance, finding.overrides) == (1, ())
        assert "cannot be told from none" in finding.evidence

    def test_accuracy_that_buys_nothing(self) -> None:
        other = Course(records(LEARNT, accuracies=[0.99] * 10), Natural(), TrainingSettings(), AROUND)
        low = Course(records(LEARNT, accuracies=[0.8] * 10), HEAT, TrainingSettings(), AROUND)
        finding = costly(low, other, [self.comparison(3, 3, 300)])
        assert finding is not None
        assert finding.overrides == ("objective.weight=1",)
        assert costly(low, other, [self.comparison(40, 5, 300)]) is None  # a trade
        assert costly(other, low, [self.comparison(3, 3, 300)]) is None


class TestNoise:
    def test_another_one_than_of_training(self) -> None:
        assert other_noise(HEAT, Gaussian(noise_std=0.25)) is None
        for noise in (Gaussian(noise_std=0.5), Uniform(half_width=0.25)):
            finding = other_noise(HEAT, noise)
            assert finding is not None
            assert noise.describe() in finding.evidence
        none = other_noise(Natural(), Gaussian(noise_std=0.5))
        assert none is not None
        assert "noise_std: 0.5" in none.change
        assert other_noise(GaussianAugmentation(noise=Uniform(half_width=1)), Uniform(half_width=1)) is None

    def test_radii_that_no_draws_can_certify(self) -> None:
        """s·Φ⁻¹(α^{1/n}): .05·2.4638 = .1232 with n = 1,000 and alpha = .001."""
        noise = Gaussian(noise_std=0.05)
        assert out_of_reach(noise, (0.0, 0.123), draws=1_000, alpha=1e-3) is None
        finding = out_of_reach(noise, (0.0, 0.13, 0.5), draws=1_000, alpha=1e-3)
        assert finding is not None
        assert "no radius beyond 0.123" in finding.evidence
        assert out_of_reach(noise, (0.0,), draws=1_000, alpha=1e-3) is None
