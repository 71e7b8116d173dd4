"""Settings of every objective: YAML and back, refusals in the house's words, the noise in every form."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.objectives import OBJECTIVES
from heatproof._specification import Specification
from heatproof.errors import InputError
from heatproof.noise import Gaussian, Laplace, Uniform
from heatproof.objectives import (
    MACER,
    Consistency,
    GaussianAugmentation,
    InputGradientPenalty,
    Objective,
    ObjectiveSettings,
    Stability,
    describe,
)

NOISY: list[type[Objective]] = [GaussianAugmentation, Stability, Consistency, MACER]


class Holder(Specification):
    objective: ObjectiveSettings


def again(objective: Objective) -> Objective:
    text = yaml.safe_dump({"objective": objective.to_mapping()})
    return Holder.from_mapping(yaml.safe_load(text)).objective


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_yaml_round_trip(objective: Objective) -> None:
    assert again(objective) == objective
    assert type(again(objective)) is type(objective)


laws = st.one_of(
    st.builds(lambda s: {"noise_std": s}, st.floats(1e-6, 1e6)),
    st.builds(lambda a: {"noise": Uniform(half_width=a)}, st.floats(1e-6, 1e6)),
    st.builds(lambda b: {"noise": {"name": "laplace", "noise_scale": b}}, st.floats(1e-6, 1e6)),
)


@settings(max_examples=30)
@given(law=laws, weight=st.floats(0, 1e6), copies=st.integers(2, 1024), other=st.floats(1e-3, 1e3))
def test_yaml_round_trip_of_any_setting(
    law: dict[str, Any], weight: float, copies: int, other: float
) -> None:
    for objective in (
        Stability(weight=weight, distance="kullback_leibler", **law),
        Consistency(weight=weight, copies=copies, entropy_weight=other, **law),
        MACER(weight=weight, copies=copies, margin=other, inverse_temperature=other, **law),
        InputGradientPenalty(weight=weight, **law),
    ):
        assert again(objective) == objective
        assert objective.smoothing_noise is not None
        assert objective.equation_noise_std is None


def test_every_objective_is_listed_and_has_a_case() -> None:
    listed = dict(describe())
    assert set(listed) == {one.name for one in OBJECTIVES}
    assert all(summary.startswith("L = ") for summary in listed.values())


@pytest.mark.parametrize("kind", NOISY)
def test_the_noise_is_a_number_or_a_law(kind: Any) -> None:
    assert kind(noise_std=0.25).smoothing_noise == Gaussian(noise_std=0.25)
    assert kind(noise={"name": "uniform", "half_width": 2}).smoothing_noise == Uniform(half_width=2)
    assert kind(noise=Laplace(noise_scale=2)).smoothing_noise == Laplace(noise_scale=2)


INTERIOR = {
    "name": "interior",
    "noise_stds": [1.0],
    "lipschitz_bounds": [1.0],
    "event_shape": [2],
    "interior_dimension": 2,
}
BAD_NOISES: list[tuple[dict[str, Any], str]] = [
    ({"noise_std": 1, "noise": {"name": "uniform", "half_width": 1}}, "noise_std or noise: got both"),
    ({"noise_std": 0}, "noise_std: got 0;"),
    ({"noise_std": math.nan}, "noise_std: got nan;"),
    ({"noise_std": "loud"}, "noise_std: got 'loud';"),
    ({"noise": "uniform"}, "half_width: got nothing"),
    ({"noise": "unifrom"}, "Did you mean 'uniform'?"),
    ({"noise": {"name": "laplace", "noise_scale": -1}}, "noise_scale: got -1;"),
    ({"noise": INTERIOR}, "noise: got interior diffusion in 1 layer"),
    ({"noise_std": 1, "nois": 1}, "Did you mean 'noise'?"),
]


@pytest.mark.parametrize("kind", [*NOISY, InputGradientPenalty])
@pytest.mark.parametrize(("values", "text"), BAD_NOISES, ids=str)
def test_bad_noises_are_refused(kind: type[Objective], values: dict[str, Any], text: str) -> None:
    refused(kind, values, text)


@pytest.mark.parametrize("kind", NOISY)
def test_no_noise_is_refused(kind: type[Objective]) -> None:
    refused(kind, {}, "noise_std or noise: got neither; allowed: exactly one of the two")


BAD: list[tuple[type[Objective], dict[str, Any], str]] = [
    (Stability, {"weight": -1}, "weight: got -1;"),
    (Stability, {"distance": "crossentropy"}, "Did you mean 'cross_entropy'?"),
    (Consistency, {"copies": 1}, "copies: got 1;"),
    (Consistency, {"copies": 2.5}, "copies: got 2.5;"),
    (Consistency, {"copies": True}, "copies: got True;"),
    (Consistency, {"copies": 10**9}, "copies: got 1000000000;"),
    (Consistency, {"entropy_weight": -0.1}, "entropy_weight: got -0.1;"),
    (Consistency, {"wieght": 1}, "Did you mean 'weight'?"),
    (MACER, {"copies": 0}, "copies: got 0;"),
    (MACER, {"margin": 0}, "margin: got 0;"),
    (MACER, {"inverse_temperature": 0}, "inverse_temperature: got 0;"),
    (MACER, {"inverse_temperature": math.inf}, "inverse_temperature: got inf;"),
    (InputGradientPenalty, {"weight": math.inf}, "weight: got inf;"),
]


@pytest.mark.parametrize(("kind", "values", "text"), BAD, ids=str)
def test_bad_settings_are_refused(kind: type[Objective], values: dict[str, Any], text: str) -> None:
    refused(kind, {"noise_std": 1, **values}, text)


def refused(kind: type[Objective], values: dict[str, Any], text: str) -> None:
    """Built alone or inside of a document, which says where."""
    with pytest.raises(InputError) as caught:
        kind.from_mapping(values)
    assert text in str(caught.value)
    with pytest.raises(InputError) as nested:
        Holder.from_mapping({"objective": {"name": kind.model_fields["name"].default, **values}})
    assert text in str(nested.value)
    assert str(nested.value).startswith("objective.")
