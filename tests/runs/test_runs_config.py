"""The configuration: presets, the way to YAML and back, overrides, names, the choice of inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heatproof import networks
from heatproof.data import Split
from heatproof.errors import InputError, UnknownNameError
from heatproof.runs.config import AttackSettings, RunConfig
from heatproof.runs.document import apply_overrides, read_yaml
from heatproof.runs.presets import describe, preset, preset_names

SHAPES = {
    "digits": ((1, 8, 8), 10),
    "mnist": ((1, 28, 28), 10),
    "cifar10": ((3, 32, 32), 10),
    "half_moons": ((2,), 2),
}
REUSED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)

positive = st.floats(1e-6, 1e6)
radii = st.lists(positive, min_size=1, max_size=4, unique=True).map(tuple)
objectives: st.SearchStrategy[Any] = st.one_of(
    st.just("natural"),
    st.fixed_dictionaries({"name": st.just("gaussian_augmentation"), "noise_std": positive}),
    st.fixed_dictionaries(
        {"name": st.just("convection_diffusion"), "noise_std": positive, "weight": st.floats(0.1, 100)}
    ),
)
documents: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "name": st.text(min_size=1, max_size=40).filter(
            lambda name: (
                name.isprintable()
                and name.strip() == name
                and name not in {".", ".."}
                and not name.startswith("~")
                and not set(name) & set("/\\")
            )
        ),
        "seed": st.integers(0, 2**31),
        "data": st.sampled_from(sorted(SHAPES))
        | st.fixed_dictionaries({"name": st.sampled_from(sorted(SHAPES)), "seed": st.integers(0, 9)}),
        "network": st.fixed_dictionaries(
            {"name": st.just("mlp"), "widths": st.lists(st.integers(1, 64), max_size=3)}
        ),
        "objective": objectives,
        "training": st.fixed_dictionaries(
            {
                "epochs": st.integers(1, 10**6),
                "learning_rate": positive,
                "gradient_clip": st.none() | positive,
            }
        ),
        "attack": st.fixed_dictionaries(
            {
                "radii": st.dictionaries(st.sampled_from(["l2", "linf"]), radii, min_size=1),
                "limit": st.none() | st.integers(1, 9),
            }
        ),
        "certify": st.fixed_dictionaries({"noise_std": st.none() | positive, "alpha": st.floats(1e-9, 0.5)}),
    }
)


@REUSED
@given(document=documents)
def test_yaml_brings_the_same_configuration_back(document: dict[str, Any], tmp_path: Path) -> None:
    config = RunConfig.from_mapping(document)
    path = tmp_path / "config.yaml"
    path.write_text(config.to_yaml(), encoding="utf-8")
    assert RunConfig.from_mapping(read_yaml(path)) == config
    assert config.name == document["name"]
    assert config.training.learning_rate == document["training"]["learning_rate"]


@REUSED
@given(
    value=st.one_of(
        st.integers(1, 10**9), st.booleans(), st.none(), positive, st.lists(st.integers(), max_size=3)
    ),
    keys=st.lists(st.text("abcxyz_", min_size=1, max_size=5), min_size=1, max_size=4),
)
def test_an_override_sets_exactly_its_key(value: Any, keys: list[str]) -> None:
    before: dict[str, Any] = {"other": {"kept": 1}, "data": "digits"}
    text = yaml.safe_dump(value, default_flow_style=True).removesuffix("\n").removesuffix("\n...")
    if keys[0] in {"other", "data"}:
        return
    after = apply_overrides(before, [f"{'.'.join(keys)}={text}"])
    place: Any = after
    for key in keys:
        place = place[key]
    assert place == value
    assert after["other"] == {"kept": 1}
    assert before == {"other": {"kept": 1}, "data": "digits"}  # the document itself is left alone


def test_overrides_open_names_and_come_in_order() -> None:
    after = apply_overrides(
        {"data": "digits", "network": {"name": "mlp"}, "objective": None},
        ["data.seed=3", "network.widths=[4]", "objective.name=natural", "seed=1", "seed=2"],
    )
    assert after["data"] == {"name": "digits", "seed": 3}
    assert after["network"] == {"name": "mlp", "widths": [4]}
    assert after["objective"] == {"name": "natural"}
    assert after["seed"] == 2


@pytest.mark.parametrize(("one", "other"), [("epochs", "budget"), ("budget", "epochs")])
def test_a_length_that_is_set_takes_the_place_of_the_other(one: str, other: str) -> None:
    document = {"name": "short", "data": "digits", "network": "mlp", "training": {other: 10}}
    changed = apply_overrides(document, [f"training.{one}=3"])
    assert changed["training"] == {one: 3, other: None}
    assert document["training"] == {other: 10}
    training = RunConfig.from_mapping(changed).training
    assert (getattr(training, one), getattr(training, other)) == (3, None)


def test_both_lengths_are_refused_and_null_unsets_nothing() -> None:
    document = {"name": "short", "data": "digits", "network": "mlp", "training": {"budget": 10}}
    both = apply_overrides(document, ["training.epochs=3", "training.budget=9"])
    with pytest.raises(InputError, match="got epochs 3 and budget 9; allowed: one of the two"):
        RunConfig.from_mapping(both)
    kept = apply_overrides(document, ["training.epochs=null"])
    assert RunConfig.from_mapping(kept).training.budget == 10
    plain = apply_overrides({}, ["training.epochs=3"])
    assert plain == {"training": {"epochs": 3}}


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_valid_and_builds(name: str) -> None:
    config = RunConfig.from_mapping(preset(name))
    event, classes = SHAPES[config.data.name]
    model = networks.build(config.network, event, classes)
    config.objective.check(model, torch.Size(event).numel())
    with torch.no_grad():
        assert model.eval()(torch.zeros(2, *event)).shape == (2, classes)
    assert config.certify.noise_std is not None or config.objective.smoothing_noise is not None


def test_every_preset_is_described() -> None:
    described = dict(describe())
    assert tuple(described) == preset_names()
    assert all(len(summary) > 20 and not summary.startswith("#") for summary in described.values())
    with pytest.raises(UnknownNameError) as caught:
        preset("digits_gausian")
    assert caught.value.nearest == "digits_gaussian"


@pytest.mark.parametrize(
    "name", ["", " ", " a", "a\n", "a\tb", "/", "a\\b", ".", "..", "~", "ü" * 101, "\x00"]
)
def test_names_that_are_no_folders_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="name: got"):
        RunConfig(name=name, data="digits", network="mlp")


@given(rows=st.integers(1, 50), every=st.integers(1, 60), limit=st.none() | st.integers(1, 60))
@settings(deadline=None)
def test_every_kth_input_is_chosen_up_to_the_limit(rows: int, every: int, limit: int | None) -> None:
    split = Split(
        torch.arange(rows * 2.0).reshape(rows, 2),
        torch.zeros(rows, dtype=torch.int64),
        torch.arange(rows) + 7,
    )
    chosen = AttackSettings(every=every, limit=limit).choose(split)
    expected = list(range(0, rows, every))[:limit]
    assert [int(index) - 7 for index in chosen.index] == expected
    assert torch.equal(chosen.x, split.x[expected])


def test_radii_count_once() -> None:
    assert AttackSettings(radii={"l2": (0.5, 0.25, 0.5)}).radii == {"l2": (0.5, 0.25)}


def test_merge_keys_are_refused_before_they_multiply(tmp_path: Path) -> None:
    lines = ["a0: &a0 {" + ", ".join(f"k{number}: 1" for number in range(20)) + "}"]
    lines += [f"a{level}: &a{level}\n  <<: [{', '.join([f'*a{level - 1}'] * 20)}]" for level in range(1, 9)]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InputError, match="merge key"):
        read_yaml(path)
