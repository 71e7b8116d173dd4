"""Every objective is listed, told apart by name, described in one line, and built from the least it needs."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import pytest
import torch

import heatproof.objectives
from heatproof._specification import Specification
from heatproof.errors import InputError, UnknownNameError
from heatproof.networks import MLP
from heatproof.objectives import Objective, ObjectiveSettings, describe


class Holder(Specification):
    objective: ObjectiveSettings


LEAST: dict[str, dict[str, Any]] = {
    "adversarial": {"radius": 0.5},
    "adversarial_drift": {"noise_std": 0.5},
    "consistency": {"noise_std": 0.5},
    "convection_diffusion": {"noise_std": 0.5},
    "gaussian_augmentation": {"noise_std": 0.5},
    "input_gradient_penalty": {},
    "macer": {"noise_std": 0.5},
    "natural": {},
    "smoothadv": {"noise_std": 0.5},
    "smoothmix": {"noise_std": 0.5},
    "stability": {"noise_std": 0.5},
    "trades": {"radius": 0.5},
    "weighted_sum": {"terms": [{"objective": "natural"}]},
}
"""The least that each must be told."""


def kinds() -> dict[str, type[Objective]]:
    """Every final objective that the package exports, by name."""
    exported = [getattr(heatproof.objectives, name) for name in heatproof.objectives.__all__]
    classes = [one for one in exported if isinstance(one, type) and issubclass(one, Objective)]
    return {one.model_fields["name"].default: one for one in classes if one is not Objective}


def test_every_objective_is_listed_once() -> None:
    names = [name for name, _ in describe()]
    assert len(names) == len(set(names))
    assert set(names) == set(kinds()) == set(LEAST)


def test_names_are_words_of_a_configuration() -> None:
    for name, kind in kinds().items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)
        assert name.replace("_", "") == kind.__name__.lower()


def test_each_is_described_by_one_sentence() -> None:
    lines = dict(describe())
    assert len(set(lines.values())) == len(lines)
    for name, line in lines.items():
        assert 20 <= len(line) <= 120, name
        assert line.startswith("L = "), name
        assert line.rstrip().endswith((".", ":")), name


def test_each_says_what_it_costs_and_who_found_it() -> None:
    for name, kind in kinds().items():
        text = kind.__doc__ or ""
        assert "Cost:" in text or name == "weighted_sum", name
        whole = text + (import_module(kind.__module__).__doc__ or "")
        source = re.search(r"\b(19|20)\d\d\b|arXiv", whole)
        assert source is not None or name in {"natural", "weighted_sum"}, name


@pytest.mark.parametrize("name", sorted(LEAST))
def test_each_is_built_from_the_least_and_trains(name: str) -> None:
    objective = Holder.from_mapping({"objective": {"name": name, **LEAST[name]}}).objective
    assert type(objective) is kinds()[name]
    assert objective == kinds()[name].from_mapping(LEAST[name])
    model = MLP(widths=(5,), time_conditioned=True).build((3,), 2)
    objective.check(model, 3)
    generator = torch.Generator().manual_seed(0)
    loss = objective(model, torch.randn(4, 3), torch.tensor([0, 1, 1, 0]), generator).total
    loss.backward()
    assert bool(torch.isfinite(loss))
    assert all(weight.grad is not None for weight in model.parameters())
    assert objective.passes(3).forward > 0
    assert objective.likely_knob(3) == ""


@pytest.mark.parametrize("name", sorted(name for name, values in LEAST.items() if values))
def test_less_than_the_least_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="allowed: ") as caught:
        Holder.from_mapping({"objective": {"name": name}})
    assert str(caught.value).startswith("objective.")


@pytest.mark.parametrize("name", sorted(LEAST))
def test_a_name_spelt_wrong_is_corrected(name: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        Holder.from_mapping({"objective": {"name": name + "s"}})
    assert caught.value.nearest == name
