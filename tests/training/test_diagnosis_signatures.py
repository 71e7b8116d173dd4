"""Each signature is provoked by real training, the advised change is made, and the signature is gone."""

from __future__ import annotations

import math
import warnings
from functools import cache
from typing import Any

import pytest
import torch

from cases.training import moons
from heatproof.data import DataSet, Split
from heatproof.errors import DivergenceError, TrainingWarning
from heatproof.networks import MLP
from heatproof.objectives import ConvectionDiffusion, GaussianAugmentation, Natural, Objective
from heatproof.training import TrainingResult, TrainingSettings, train

HEALTHY = (
    ConvectionDiffusion(noise_std=0.25, weight=10),
    GaussianAugmentation(noise_std=0.25),
    Natural(),
)
IGNORED = pytest.mark.filterwarnings("ignore::heatproof.errors.StabilityWarning")


@cache
def told(
    objective: Objective, *, seed: int = 0, smooth: bool = False, **given: Any
) -> tuple[TrainingResult, tuple[str, ...]]:
    """Train a small network on 240 rows, in some 200 steps; return what was told on the way too."""
    torch.manual_seed(seed)
    timed = isinstance(objective, ConvectionDiffusion)
    activation = "silu" if smooth else "relu"
    model = MLP(widths=(32, 32), activation=activation, time_conditioned=timed).build((2,), 2)
    settings = {"epochs": 30, "batch_size": 32, "learning_rate": 0.1, "device": "cpu", **given}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = train(model, moons(400), objective, TrainingSettings(**settings), seed=seed)
    lines = (str(one.message) for one in caught if issubclass(one.category, TrainingWarning))
    return result, tuple(lines)


def learn(objective: Objective, **given: Any) -> TrainingResult:
    """Train, and look at the end alone."""
    return told(objective, **given)[0]


def changed(objective: Objective, overrides: tuple[str, ...]) -> Objective:
    """Make the advised change."""
    values = objective.to_mapping()
    for override in overrides:
        path, _, text = override.partition("=")
        section, _, field = path.partition(".")
        assert section == "objective"
        assert field in values
        values[field] = None if text == "null" else float(text)
    return type(objective).from_mapping(values)


class TestHealthy:
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("objective", HEALTHY, ids=lambda one: f"{one.name} {one.smoothing_noise}")
    def test_nothing_is_found_and_nothing_told(self, objective: Objective, seed: int) -> None:
        result, lines = told(objective, seed=seed)
        assert result.findings == ()
        assert lines == ()
        assert result.records[-1].values["train_accuracy"] > 0.85


@IGNORED
class TestDivergence:
    broken = ConvectionDiffusion(noise_std=0.25, weight=10, space_step=0.01)

    @pytest.mark.parametrize("clip", [None, 5.0])
    def test_a_space_step_far_under_the_bound(self, clip: float | None) -> None:
        result, lines = told(self.broken, gradient_clip=clip)
        first = result.findings[0]
        assert first.signature == "divergence"
        assert first.importance >= 2
        assert "space_step = 0.01 is under its stability bound" in first.evidence
        assert len(lines) == 1  # once for a signature
        assert lines[0].startswith("epoch ")
        assert int(lines[0].split()[1].rstrip(":")) < 10  # as it happens
        healed = learn(changed(self.broken, first.overrides), gradient_clip=clip)
        assert healed.findings == ()

    def test_a_loss_that_is_not_finite(self) -> None:
        objective = ConvectionDiffusion(noise_std=0.25, weight=1e9, space_step=1e-6)
        with pytest.raises(DivergenceError, match=r"space_step = 1e-06 is under the stability bound 0\.25"):
            learn(objective, smooth=True, gradient_clip=None)

    def test_a_smooth_network_stands_it_and_is_told_of_the_bound_alone(self) -> None:
        """No kinks: second differences stay bounded down to where rounding begins."""
        (only,) = learn(self.broken, smooth=True).findings
        assert (only.signature, only.importance) == ("divergence", 1)
        assert only.overrides == ("objective.space_step=null",)

    def test_a_learning_rate(self) -> None:
        result, lines = told(Natural(), learning_rate=100)
        first = result.findings[0]
        assert (first.signature, first.importance) == ("divergence", 3)
        assert first.overrides == ("training.learning_rate=10",)
        assert lines[0].startswith("epoch 2: divergence")


class TestUnderFitting:
    @pytest.mark.parametrize("seed", range(2))
    def test_a_weight_that_is_too_large(self, seed: int) -> None:
        objective = ConvectionDiffusion(noise_std=0.25, weight=1e5)
        result, lines = told(objective, seed=seed)
        first = result.findings[0]
        assert first.signature == "under-fitting"
        assert "objective.weight = 100000 is too large" in first.evidence
        assert [line for line in lines if "under-fitting" in line]
        healed = learn(changed(objective, first.overrides), seed=seed)
        assert healed.findings == ()
        before, after = (one.records[-1].values["train_accuracy"] for one in (result, healed))
        assert after > before + 0.1

    def test_training_accuracy_that_falls(self) -> None:
        """A network that has learnt loses it to a regulariser that outweighs the labels."""
        torch.manual_seed(0)
        model, data = MLP(widths=(32, 32), time_conditioned=True).build((2,), 2), moons(1000)
        plain, heavy = (ConvectionDiffusion(noise_std=0.25, weight=weight) for weight in (0, 1e5))
        settings = {"batch_size": 32, "device": "cpu"}
        train(model, data, plain, TrainingSettings(epochs=8, **settings))
        slow = TrainingSettings(epochs=14, learning_rate=0.01, warmup=0.9, **settings)
        with pytest.warns(TrainingWarning, match="epoch 7: under-fitting"):
            result = train(model, data, heavy, slow)
        first = result.findings[0]
        assert first.signature == "under-fitting"
        assert "Training accuracy fell from 0.8" in first.evidence
        assert "to 0.5" in first.evidence
        assert "while the penalty shrank" in first.evidence

    @pytest.mark.parametrize(
        "objective",
        [GaussianAugmentation(noise_std=3), ConvectionDiffusion(diffusivity=2, weight=100)],
        ids=lambda one: one.name,
    )
    def test_noise_wider_than_the_data(self, objective: Objective) -> None:
        result, _ = told(objective)
        first = result.findings[0]
        assert first.signature == "under-fitting"
        assert "is wider than the data" in first.evidence
        assert all(
            one.signature != "under-fitting" for one in learn(changed(objective, first.overrides)).findings
        )


class TestNoEffect:
    @pytest.mark.parametrize(
        "objective",
        [
            ConvectionDiffusion(noise_std=0.25, weight=0.001),
            ConvectionDiffusion(noise_std=0.001, weight=10),
            GaussianAugmentation(noise_std=0.01),
        ],
        ids=["λ", "σ²", "noise alone"],
    )
    def test_found_and_healed(self, objective: Objective) -> None:
        result, lines = told(objective)
        (only,) = result.findings
        assert (only.signature, only.importance) == ("no effect", 2)
        assert len(lines) == 1
        assert lines[0].startswith("epoch 15: no effect")  # half-way
        assert learn(changed(objective, only.overrides)).findings == ()

    def test_a_diffusivity_is_turned_as_it_was_given(self) -> None:
        (only,) = learn(ConvectionDiffusion(diffusivity=5e-5, weight=0.01), epochs=8).findings
        assert [one.partition("=")[0] for one in only.overrides] == [
            "objective.weight",
            "objective.diffusivity",
        ]

    def test_it_had_no_effect_indeed(self) -> None:
        """Negative control of the rule: what it speaks of trains nearly the network of λ = 0."""
        plain = learn(ConvectionDiffusion(noise_std=0.25, weight=0))
        weak, _ = told(ConvectionDiffusion(noise_std=0.25, weight=0.001))
        strong = learn(ConvectionDiffusion(noise_std=0.25, weight=10))
        ends = [one.records[-1].values["cross_entropy"] for one in (plain, weak, strong)]
        assert math.isclose(ends[1], ends[0], rel_tol=0.03)
        assert ends[2] > 3 * ends[0]

    def test_a_weight_of_zero_is_a_choice(self) -> None:
        assert learn(ConvectionDiffusion(noise_std=0.25, weight=0)).findings == ()


class TestOthers:
    def test_a_learning_rate_that_learns_nothing(self) -> None:
        result, _ = told(Natural(), learning_rate=1e-5)
        (only,) = result.findings
        assert (only.signature, only.importance) == ("learning rate", 3)
        assert only.overrides == ("training.learning_rate=0.0001",)

    def test_labels_that_are_learnt_by_heart(self) -> None:
        """Random labels: all that is right on the training rows is over-fitting."""
        generator = torch.Generator().manual_seed(0)

        def split(rows: int, first: int) -> Split:
            x = torch.randn(rows, 20, generator=generator)
            y = torch.randint(2, (rows,), generator=generator)
            return Split(x, y, torch.arange(first, first + rows))

        data = DataSet(
            "random", split(160, 0), split(160, 160), split(9, 320), ("a", "b"), None, None, "for a test"
        )
        torch.manual_seed(0)
        settings = TrainingSettings(epochs=40, batch_size=16, device="cpu")
        result = train(MLP(widths=(64,)).build((20,), 2), data, None, settings)
        assert [one.signature for one in result.findings] == ["over-fitting"]

    def test_a_budget_that_ends_too_soon(self) -> None:
        result = learn(Natural(), learning_rate=0.003, schedule="constant")
        assert [one.signature for one in result.findings] == ["budget"]
        assert result.findings[0].overrides == ("training.epochs=60",)
