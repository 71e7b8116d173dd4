"""Settings of the objectives: round trips, refusals in the house's words, the bound and its warning."""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from heatproof._specification import Specification
from heatproof.equation.laplacian import Axes, Coordinates, Directions
from heatproof.errors import InputError, StabilityWarning, UnknownNameError
from heatproof.networks import MLP
from heatproof.noise import Gaussian
from heatproof.objectives import (
    ConvectionDiffusion,
    GaussianAugmentation,
    Natural,
    Objective,
    ObjectiveSettings,
)


class Holder(Specification):
    objective: ObjectiveSettings


def network(*, timed: bool = True) -> nn.Module:
    return MLP(widths=(4,), time_conditioned=timed).build((2,), 2)


@st.composite
def diffusions(draw: st.DrawFn) -> ConvectionDiffusion:
    coefficient = draw(st.sampled_from(["noise_std", "diffusivity"]))
    laplacian = draw(
        st.one_of(
            st.just(Axes()),
            st.builds(Coordinates, coordinates=st.integers(1, 9)),
            st.builds(
                Directions,
                directions=st.integers(1, 9),
                distribution=st.sampled_from(["gaussian", "rademacher"]),
            ),
        )
    )
    values: dict[str, Any] = {
        coefficient: draw(st.floats(1e-6, 1e6)),
        "weight": draw(st.floats(0, 1e6)),
        "time_step": 1 / draw(st.integers(1, 1000)),
        "space_step": draw(st.none() | st.floats(1e-6, 1e6)),
        "residual_of": draw(st.sampled_from(["probabilities", "logits"])),
        "unbiased": draw(st.booleans()),
    }
    return ConvectionDiffusion(laplacian=laplacian, **values)


@settings(max_examples=50, deadline=None)
@given(
    objective=st.one_of(
        diffusions(),
        st.builds(GaussianAugmentation, noise_std=st.floats(1e-6, 1e6)),
        st.just(Natural()),
    )
)
def test_yaml_round_trip(objective: Objective) -> None:
    text = yaml.safe_dump({"objective": objective.to_mapping()})
    again = Holder.from_mapping(yaml.safe_load(text)).objective
    assert again == objective
    assert type(again) is type(objective)
    assert type(objective).from_mapping(objective.to_mapping()) == objective


def test_a_laplacian_may_be_one_word() -> None:
    assert ConvectionDiffusion(noise_std=1, laplacian="axes").laplacian == Axes()
    assert ConvectionDiffusion(noise_std=1, laplacian="coordinates").laplacian == Coordinates()
    assert ConvectionDiffusion(noise_std=1, laplacian="directions").laplacian == Directions()


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "noise_std or diffusivity: got neither; allowed: exactly one"),
    ({"noise_std": 1, "diffusivity": 1}, "noise_std or diffusivity: got both; allowed: exactly one"),
    ({"noise_std": 0}, "noise_std: got 0; allowed: greater than"),
    ({"noise_std": -1}, "noise_std: got -1;"),
    ({"noise_std": "loud"}, "noise_std: got 'loud';"),
    ({"noise_std": math.nan}, "noise_std: got nan;"),
    ({"noise_std": math.inf}, "noise_std: got inf;"),
    ({"noise_std": 1e200}, "noise_std: got 1e+200;"),
    ({"noise_std": 1e-200}, "noise_std: got 1e-200;"),
    ({"diffusivity": 0}, "diffusivity: got 0;"),
    ({"diffusivity": 1e-300}, "diffusivity: got 1e-300;"),
    ({"noise_std": 1, "weight": -1}, "weight: got -1;"),
    ({"noise_std": 1, "time_step": 0.3}, "time_step: got 0.3; allowed: 1/k for a whole number k"),
    ({"noise_std": 1, "time_step": 2}, "time_step: got 2;"),
    ({"noise_std": 1, "time_step": 0}, "time_step: got 0;"),
    ({"noise_std": 1, "time_step": 1e-9}, "time_step: got 1e-09;"),
    ({"noise_std": 1, "space_step": 0}, "space_step: got 0;"),
    ({"noise_std": 1, "space_step": 1e-200}, "space_step: got 1e-200;"),
    ({"noise_std": 1, "laplacian": {"name": "directions", "directions": 0}}, "directions: got 0;"),
    ({"noise_std": 1, "laplacian": {"name": "coordinates", "coordinates": 0}}, "coordinates: got 0;"),
    ({"noise_std": 1, "laplacian": "autodiff"}, "laplacian.name: got 'autodiff'; allowed: axes,"),
    ({"noise_std": 1, "residual_of": "logit"}, "Did you mean 'logits'?"),
    ({"noise_std": 1, "laplacian": "axis"}, "Did you mean 'axes'?"),
    ({"noise_std": 1, "wieght": 1}, "Did you mean 'weight'?"),
    ({"noise_sdt": 1}, "Did you mean 'noise_std'?"),
    ({"noise_std": 1, "laplacian": {"name": "directions", "direction": 3}}, "Did you mean 'directions'?"),
]


@pytest.mark.parametrize(("values", "text"), BAD, ids=str)
def test_bad_settings_are_refused(values: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        ConvectionDiffusion.from_mapping(values)
    assert text in str(caught.value)
    assert not str(caught.value).startswith(".")
    with pytest.raises(InputError) as nested:
        Holder.from_mapping({"objective": {"name": "convection_diffusion", **values}})
    assert text in str(nested.value)
    assert str(nested.value).startswith("objective.")


def test_unknown_objective_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'natural'") as caught:
        Holder.from_mapping({"objective": {"name": "naturel"}})
    assert caught.value.nearest == "natural"


@pytest.mark.parametrize("digits", [6, 9, 12])
@pytest.mark.parametrize("steps", [1, 3, 7, 9])
def test_a_rounded_time_step_is_its_fraction(digits: int, steps: int) -> None:
    assert ConvectionDiffusion(noise_std=1, time_step=round(1 / steps, digits)).steps == steps


@settings(max_examples=50, deadline=None)
@given(
    steps=st.integers(1, 20),
    dimension=st.integers(1, 5000),
    diffusivity=st.floats(1e-6, 1e3),
    given_as_std=st.booleans(),
)
def test_default_space_step_is_the_bound(
    steps: int, dimension: int, diffusivity: float, *, given_as_std: bool
) -> None:
    """Axes and coordinates 2dτσ² = h², directions 2τσ² = h²: the weight of the centre is 0."""
    coefficient = {"noise_std": math.sqrt(2 * diffusivity)} if given_as_std else {"diffusivity": diffusivity}
    for laplacian, count in (("axes", dimension), ("coordinates", dimension), ("directions", 1)):
        objective = ConvectionDiffusion(time_step=1 / steps, laplacian=laplacian, **coefficient)
        h = objective.chosen_space_step(dimension)
        assert h**2 == pytest.approx(2 * count * diffusivity / steps, rel=1e-9)
        pairs = objective.laplacian.pairs(dimension)
        kept = 1 - 2 * pairs * objective.laplacian.weight(h, dimension) * diffusivity / steps
        assert kept == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("laplacian", ["axes", "directions"])
@pytest.mark.parametrize("dimension", [2, 64])
def test_a_step_under_the_bound_warns_with_the_bound(laplacian: str, dimension: int) -> None:
    def objective(space_step: float | None) -> ConvectionDiffusion:
        return ConvectionDiffusion(noise_std=0.3, laplacian=laplacian, space_step=space_step)

    bound = 0.3 * (math.sqrt(dimension) if laplacian == "axes" else 1)
    with pytest.warns(StabilityWarning) as caught:
        objective(0.99 * bound).check(network(), dimension)
    text = str(caught[0].message)
    assert f"≥ {bound:g}" in text
    assert f"{0.99 * bound:g}" in text
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for fine in (bound, 1.01 * bound, 100 * bound, None):
            objective(fine).check(network(), dimension)


def test_more_coordinates_than_the_input_has() -> None:
    objective = ConvectionDiffusion(noise_std=1, laplacian=Coordinates(coordinates=3))
    objective.check(network(), 3)
    with pytest.raises(InputError, match=r"^coordinates: got 3; allowed: 1 to 2"):
        objective.check(network(), 2)


@pytest.mark.parametrize("objective", [GaussianAugmentation(noise_std=1), Natural()], ids=str)
def test_others_check_nothing(objective: Objective) -> None:
    objective.check(network(timed=False), 2)


def test_smoothing_of_each() -> None:
    assert Natural().smoothing_noise is None
    assert GaussianAugmentation(noise_std=0.25).smoothing_noise == Gaussian(noise_std=0.25)
    assert ConvectionDiffusion(noise_std=0.25).smoothing_noise == Gaussian(noise_std=0.25)
    assert ConvectionDiffusion(diffusivity=0.03125).equation_noise_std == pytest.approx(0.25)
    assert GaussianAugmentation(noise_std=0.25).equation_noise_std is None
    assert Natural().equation_noise_std is None
