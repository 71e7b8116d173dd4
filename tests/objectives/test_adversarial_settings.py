"""Settings of the adversarial objectives: round trips, costs, refusals."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml

from cases.adversarial import ALL, batch, network, seeded
from heatproof._specification import Specification
from heatproof.attacks import NORMS
from heatproof.errors import InputError
from heatproof.noise import Gaussian, Laplace, Uniform
from heatproof.objectives import TRADES, Adversarial, Objective, ObjectiveSettings, SmoothAdv, SmoothMix


class Holder(Specification):
    objective: ObjectiveSettings


BOXED: list[Objective] = [
    Adversarial(radius=1, input_range=(0, 1)),
    SmoothMix(noise_std=1, input_range=(-1.5, 1), step_size=0.1, weight=0, one_step=False, steps=1),
]


@pytest.mark.parametrize("objective", ALL + BOXED, ids=str)
def test_yaml_round_trip(objective: Objective) -> None:
    text = yaml.safe_dump({"objective": objective.to_mapping()})
    again = Holder.from_mapping(yaml.safe_load(text)).objective
    assert again == objective
    assert type(again) is type(objective)


@pytest.mark.parametrize("objective", ALL, ids=str)
def test_all_randomness_is_the_generators(objective: Objective) -> None:
    model, (x, y) = network(), batch()
    totals = [float(objective(model, x, y, seeded(seed)).total.detach()) for seed in (5, 5, 6)]
    assert totals[0] == totals[1]
    assert (totals[0] == totals[2]) == ("random_start=False" in repr(objective))


BAD: list[tuple[dict[str, Any], str]] = [
    ({"name": "adversarial"}, "radius: got nothing;"),
    ({"name": "adversarial", "radius": 0}, "radius: got 0; allowed: greater than 0"),
    ({"name": "adversarial", "radius": -1}, "radius: got -1;"),
    ({"name": "adversarial", "radius": math.inf}, "radius: got inf;"),
    ({"name": "adversarial", "radius": math.nan}, "radius: got nan;"),
    ({"name": "adversarial", "radius": 1, "steps": 0}, "steps: got 0;"),
    ({"name": "adversarial", "radius": 1, "steps": 2.5}, "steps: got 2.5;"),
    ({"name": "adversarial", "radius": 1, "norm": "l1"}, "norm: got 'l1'; allowed: l2, linf."),
    ({"name": "adversarial", "radius": 1, "norm": "l_inf"}, "Did you mean 'linf'?"),
    ({"name": "adversarial", "radius": 1, "random_start": 1}, "random_start: got 1; allowed: true or false"),
    ({"name": "adversarial", "radius": 1, "input_range": [1, 0]}, "input_range: got (1.0, 0.0);"),
    ({"name": "adversarial", "radius": 1, "input_range": [1, 1]}, "input_range: got (1.0, 1.0);"),
    ({"name": "adversarial", "radius": 1, "input_range": [0]}, "input_range"),
    ({"name": "adversarial", "radius": 1, "epsilon": 1}, "epsilon: got an unknown key;"),
    ({"name": "trades", "radius": 0}, "radius: got 0;"),
    ({"name": "trades", "radius": 1, "weight": -1}, "weight: got -1;"),
    ({"name": "trades", "radius": 1, "steps": 0}, "steps: got 0;"),
    ({"name": "trades", "radius": 1, "norm": "L2"}, "Did you mean 'l2'?"),
    ({"name": "smoothadv"}, "noise_std or noise: got neither;"),
    ({"name": "smoothadv", "noise_std": 1, "radius": -1}, "radius: got -1;"),
    ({"name": "smoothadv", "noise_std": 1, "copies": 0}, "copies: got 0;"),
    ({"name": "smoothadv", "noise_std": 1, "noise": "gaussian"}, "noise"),
    (
        {"name": "smoothmix", "noise_std": 1, "steps": 1},
        "steps: got 1; allowed: 2 or more, or one_step: false",
    ),
    ({"name": "smoothmix", "noise_std": 1, "step_size": 0}, "step_size: got 0;"),
    ({"name": "smoothmix", "noise_std": 1, "weight": -1}, "weight: got -1;"),
    ({"name": "smoothmix", "noise_std": 1, "radius": 1}, "radius: got an unknown key;"),
]


@pytest.mark.parametrize(("values", "text"), BAD, ids=str)
def test_bad_settings_are_refused(values: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        Holder.from_mapping({"objective": values})
    assert text in str(caught.value)
    assert str(caught.value).startswith("objective.")


def test_every_norm_of_the_attacks_is_taken() -> None:
    for norm in NORMS:
        assert Adversarial(radius=1, norm=norm).norm == norm


def test_smoothing_of_each() -> None:
    assert Adversarial(radius=1).smoothing_noise is None
    assert TRADES(radius=1).smoothing_noise is None
    assert SmoothAdv(noise_std=0.25).smoothing_noise == Gaussian(noise_std=0.25)
    assert SmoothAdv(noise=Uniform(half_width=1)).smoothing_noise == Uniform(half_width=1)
    assert SmoothMix(noise=Laplace(noise_scale=1)).smoothing_noise == Laplace(noise_scale=1)


def test_costs() -> None:
    """Evaluations at the defaults: what a fair comparison at equal budget divides by."""
    assert Adversarial(radius=1).evaluations(784) == 11
    assert TRADES(radius=1).evaluations(784) == 12.5
    assert SmoothAdv(noise_std=1).evaluations(784) == 44
    assert SmoothMix(noise_std=1).evaluations(784) == 24
