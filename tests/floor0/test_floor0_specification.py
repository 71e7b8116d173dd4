"""Settings: unknown keys name the nearest key at any depth, unions speak of their tags, values round-trip."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal

import pydantic
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from heatproof._specification import Specification
from heatproof.certification import CertificationSettings
from heatproof.errors import InputError, UnknownNameError
from heatproof.noise import Gaussian


class _Small(Specification):
    name: Literal["small"] = "small"
    depth: int = Field(1, ge=1)


class _Large(Specification):
    name: Literal["large"] = "large"
    width: float = Field(2.0, gt=0)


class _Middle(Specification):
    network: Annotated[_Small | _Large, Field(discriminator="name")] = _Small()
    rate: float = Field(0.1, gt=0)


class _Outer(Specification):
    middle: _Middle = _Middle()
    seed: int


def test_round_trip_through_yaml_and_json() -> None:
    outer = _Outer(seed=3, middle=_Middle(network=_Large(width=0.1), rate=1 / 3))
    mapping = outer.to_mapping()
    assert _Outer.from_mapping(yaml.safe_load(yaml.safe_dump(mapping))) == outer
    assert _Outer.from_mapping(json.loads(json.dumps(mapping))) == outer


@given(
    noise_std=st.floats(1e-6, 1e6),
    alpha=st.floats(1e-12, 1 - 1e-12),
    seed=st.integers(0, 2**80),
    grid_step=st.none() | st.floats(1e-9, 1e3),
)
def test_certification_settings_come_back_to_the_last_bit(
    noise_std: float, alpha: float, seed: int, grid_step: float | None
) -> None:
    settings = CertificationSettings(
        noise=Gaussian(noise_std=noise_std),
        alpha=alpha,
        seed=seed,
        grid_step=grid_step,
        unit=noise_std / 2**14,
        dimension=3,
        classes=2,
    )
    text = json.dumps(settings.to_mapping(), sort_keys=True)
    assert CertificationSettings.from_mapping(json.loads(text)) == settings


@pytest.mark.parametrize(
    ("values", "path", "near"),
    [
        ({"sed": 1}, "sed", "seed"),
        ({"seed": 1, "middle": {"ratee": 1}}, "middle.ratee", "rate"),
        ({"seed": 1, "middle": {"network": {"name": "large", "widht": 1}}}, "middle.network.widht", "width"),
    ],
)
def test_an_unknown_key_at_any_depth_names_its_place_and_the_nearest(
    values: dict[str, Any], path: str, near: str
) -> None:
    with pytest.raises(UnknownNameError) as caught:
        _Outer.from_mapping({"seed": 1, **values} if "sed" in values else values)
    assert caught.value.name == path
    assert caught.value.nearest == near
    assert str(caught.value).startswith(f"{path}: got an unknown key; allowed: ")
    assert str(caught.value).endswith(f"Did you mean {near!r}?")


def test_a_wrong_union_tag_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        _Outer(seed=1, middle={"network": {"name": "lrage"}})
    assert caught.value.name == "middle.network.name"
    assert caught.value.nearest == "large"
    assert "got 'lrage'; allowed: small, large." in str(caught.value)


def test_a_wrong_literal_names_the_nearest() -> None:
    noise = {"name": "gaussian", "noise_std": 1.0}
    values = {"noise": noise, "unit": 1.0, "dimension": 1, "classes": 2, "classifier": "equations"}
    with pytest.raises(UnknownNameError, match="Did you mean 'equation'") as caught:
        CertificationSettings.from_mapping(values)
    assert caught.value.name == "classifier"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "seed: got nothing; allowed: a value (this key is required)."),
        ({"seed": 1.5}, "seed: got 1.5; allowed: "),
        ({"seed": 1, "middle": {"rate": 0}}, "middle.rate: got 0; allowed: greater than 0."),
        ({"seed": 1, "middle": {"rate": math.nan}}, "middle.rate: got nan; allowed: "),
        ({"seed": 1, "middle": {"rate": math.inf}}, "middle.rate: got inf; allowed: "),
        ({"seed": 1, "middle": 3}, "middle: got 3; allowed: "),
        ({"seed": 1, "middle": {"network": {"depth": 1}}}, "middle.network.name: got nothing"),
    ],
)
def test_values_that_do_not_fit(values: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        _Outer.from_mapping(values)
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize("values", [None, 3, "seed", [("seed", 1)], {1: 2}])
def test_a_document_that_is_no_mapping(values: object) -> None:
    with pytest.raises(InputError, match="allowed: a mapping of keys to values"):
        _Outer.from_mapping(values)


def test_settings_do_not_change() -> None:
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        setattr(_Outer(seed=1), "seed", 2)  # noqa: B010 - the checker refuses the plain form, rightly


def test_values_without_a_name_say_which_fields_there_are() -> None:
    with pytest.raises(InputError, match=r"got 0\.1 without a name; allowed: fields by name: "):
        _Small(0.1)  # type: ignore[call-arg]
