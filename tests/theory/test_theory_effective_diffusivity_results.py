"""Effective diffusivity as plain data and as a table, large states, and bad input."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from heatproof.errors import DataError, InputError, UnknownNameError
from heatproof.networks import MLP, GaussianInjection
from heatproof.theory import EffectiveDiffusivity, measure_diffusivity


def vectors(count: int = 5) -> Tensor:
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(4))


def short(model: nn.Module, x: Tensor, **options: Any) -> EffectiveDiffusivity:
    return measure_diffusivity(model, x, **{"draws": 12, **options})


def test_result_is_plain_data() -> None:
    found = short(nn.Sequential(nn.Dropout(0.5), nn.Linear(6, 2)), vectors(), eigenvalues=3)
    kept = json.loads(json.dumps(found.to_mapping()))
    assert kept["layers"][0]["mean_diffusivity"]["value"] == found.layers[0].mean_diffusivity.value
    rows = found.layer_rows()
    assert [row["quantity"] for row in rows] == ["tr A/d", "effective rank", "½ΣC"]
    assert found.layers[0].formula is not None
    assert rows[0]["formula"] == found.layers[0].formula.mean_diffusivity
    spectrum = found.spectrum_rows()
    assert [row["source"] for row in spectrum] == ["all draws"] * 3 + ["held out"] * 3 + ["formula"] * 3
    assert [row["number"] for row in spectrum] == [1, 2, 3] * 3
    lines = found.table().splitlines()
    assert lines[0].split("  ")[0] == "layer"
    assert "Dropout" in lines[1]
    assert lines[2].startswith("5 inputs, 12 draws each, Δt = 1")


def test_progress_is_told() -> None:
    told: list[tuple[int, int, str]] = []
    short(
        nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.2)),
        vectors(),
        progress=lambda done, total, note="": told.append((done, total, note)),
    )
    assert told[0] == (1, 10, "0")
    assert told[-1] == (10, 10, "1")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"draws": 3}, "draws: got 3; allowed: a whole number ≥ 4"),
        ({"block_time": 0.0}, "block_time: got 0.0"),
        ({"confidence": 1.0}, "confidence: got 1.0"),
        ({"eigenvalues": 0}, "eigenvalues: got 0"),
        ({"seed": -1}, "seed: got -1"),
        ({"layers": []}, r"layers: got \[\]"),
        ({"layers": "drop"}, "layers: got 'drop'; allowed: a sequence"),
    ],
)
def test_bad_settings(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        measure_diffusivity(nn.Sequential(nn.Dropout(0.5)), vectors(), **options)


def test_bad_models_and_inputs() -> None:
    model = nn.Sequential(nn.Dropout(0.5))
    with pytest.raises(InputError, match="got Normalised, in which no layer makes noise"):
        short(MLP(widths=(4,)).build((6,), 2), vectors())
    with pytest.raises(InputError, match="x: got one input; allowed: at least two"):
        short(model, vectors(1))
    with pytest.raises(InputError, match="with at least one row"):
        short(model, vectors(0))
    with pytest.raises(DataError, match="x: got 5 of 5 rows with NaN"):
        short(model, vectors() * float("nan"))
    named = nn.Sequential(OrderedDict(blocks=nn.Sequential(nn.Dropout(0.5)), head=nn.Linear(6, 2)))
    with pytest.raises(UnknownNameError, match=r"'block\.0'.*Did you mean 'blocks\.0'") as caught:
        short(named, vectors(), layers=["block.0"])
    assert caught.value.nearest == "blocks.0"


def test_no_matrix_of_the_state_is_made() -> None:
    """Of 100,000 numbers: a covariance would take 80 GB."""
    model = nn.Sequential(GaussianInjection(nn.Identity(), 0.5), nn.Flatten())
    found = short(model, torch.randn(2, 10, 100, 100), block_time=0.125)
    assert found.layers[0].mean_diffusivity.value == pytest.approx(1, rel=0.01)
    assert found.layers[0].effective_rank is not None
    assert found.layers[0].effective_rank.value == pytest.approx(100_000, rel=0.2)


def test_noise_that_is_not_finite_is_refused() -> None:
    model = nn.Sequential(GaussianInjection(nn.Identity(), 1e38, step=1e38), nn.Linear(6, 2))
    with pytest.raises(DataError, match="output of 0"):
        short(model, 5 * vectors())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_an_accelerator() -> None:
    model, x = nn.Sequential(nn.Dropout(0.5), nn.Linear(6, 2)).cuda(), vectors(20).cuda()
    state = torch.cuda.get_rng_state()
    one, other = short(model, x, draws=64), short(model, x, draws=64)
    assert one == other
    assert torch.equal(state, torch.cuda.get_rng_state())
    assert one.layers[0].formula is not None
    assert one.layers[0].formula.agrees
