"""Two processes train as one does with as many shares of each batch: over gloo, on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from cases.process_pair import CASES, Case, curve, stopped
from cases.training import network
from heatproof.objectives import GaussianAugmentation, Natural
from heatproof.training import TrainingResult

TESTS = Path(__file__).resolve().parents[1]
RUN = "from cases.process_pair import main; main()"


@dataclass(frozen=True)
class Pair:
    """What the two processes wrote."""

    folder: Path
    told: tuple[dict[str, Any], ...]
    weights: tuple[dict[str, Tensor], ...]

    def of(self, name: str) -> dict[str, Tensor]:
        return {
            key.removeprefix(f"{name}/"): value
            for key, value in self.weights[0].items()
            if key.startswith(f"{name}/")
        }


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("pair")
    stopped(folder / "stopped.safetensors")
    processes = [_start(rank, folder) for rank in range(2)]
    outputs = [process.communicate(timeout=280)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert not any("Warning" in output for output in outputs), outputs
    told = tuple(json.loads((folder / f"told{rank}").read_text()) for rank in range(2))
    return Pair(folder, told, tuple(load_file(folder / f"weights{rank}") for rank in range(2)))


def _start(rank: int, folder: Path) -> subprocess.Popen[str]:
    variables = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            **os.environ,
            **{name: str(value) for name, value in variables.items()},
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(TESTS),
        },
    )


def alone(case: Case, **settings: Any) -> tuple[TrainingResult, dict[str, Tensor]]:
    model = case.model()
    result = case.train(model, settings=settings)
    return result, model.state_dict()


def apart(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """Return the largest difference of a weight; running statistics are those of one process's shares."""
    assert one.keys() == other.keys()
    names = [name for name in one if "norm." not in name or name.endswith(("weight", "bias"))]
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in names)


def losses(epochs: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{k: v for k, v in values.items() if "accuracy" not in k} for values in epochs]


class TestSameMaths:
    @pytest.mark.parametrize("name", CASES)
    def test_as_one_process_with_the_same_shares(self, pair: Pair, name: str) -> None:
        case = CASES[name]
        result, weights = alone(case, shares=case.settings.get("shares", 2))
        found = pair.told[0]["curves"][name]
        rounding = 2e-3 if name == "bfloat16" else 2e-6
        for mine, theirs in zip(losses(curve(result)), losses(found), strict=True):
            assert theirs == pytest.approx(mine, rel=rounding, abs=rounding)
        assert apart(weights, pair.of(name)) < rounding
        if not any("running" in key for key in weights) and name != "bfloat16":
            assert found == [pytest.approx(one, rel=rounding, abs=rounding) for one in curve(result)]

    @pytest.mark.parametrize("name", ["natural", "two passes", "input-gradient penalty"])
    def test_as_one_share_where_nothing_is_drawn(self, pair: Pair, name: str) -> None:
        result, weights = alone(CASES[name])
        assert apart(weights, pair.of(name)) < 2e-6
        mine = curve(result)
        assert pair.told[0]["curves"][name] == [pytest.approx(one, rel=2e-6, abs=2e-6) for one in mine]

    @pytest.mark.parametrize(
        "settings", [{"shares": 1}, {"shares": 4}, {"shares": 2, "batch_size": 6}], ids=str
    )
    def test_others_are_told_apart(self, pair: Pair, settings: dict[str, Any]) -> None:
        """The control: other noise, or half the rows a step, is far outside of rounding."""
        _, weights = alone(CASES["gaussian augmentation"], **settings)
        assert apart(weights, pair.of("gaussian augmentation")) > 1e-3

    def test_all_processes_have_the_same(self, pair: Pair) -> None:
        first, second = pair.weights
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first)
        assert pair.told[0]["curves"] == pair.told[1]["curves"]


class TestOneOfThemTells:
    def test_records_and_progress(self, pair: Pair) -> None:
        first, second = pair.told
        assert first["epochs"] == [1, 2, 3] * len(CASES)
        assert first["steps"] == 3 * 4 * len(CASES)
        assert (second["epochs"], second["steps"]) == ([], 0)

    def test_the_module_is_as_it_was(self, pair: Pair) -> None:
        assert all(told["as it was"] for told in pair.told)

    def test_one_process_reads_the_checkpoint(self, pair: Pair) -> None:
        path, model = pair.folder / "natural.safetensors", network()
        result = CASES["natural"].train(model, checkpoint=path, settings={"shares": 2})
        assert result.records == ()
        assert apart(model.state_dict(), pair.of("natural")) == 0

    def test_two_processes_go_on_where_one_stopped(self, pair: Pair) -> None:
        assert apart(pair.of("gone on"), pair.of("gaussian augmentation")) == 0
        assert [told["gone on"] for told in pair.told] == [[3], [3]]


REFUSED = {
    "batch": ("InputError", "9 rows in 2 equal shares"),
    "shares": ("InputError", "a multiple of 2, the processes"),
    "statistics": (
        "InputError",
        "2, of which each share has 1 (2 shares), with batch statistics in BatchNorm1d",
    ),
    "seeds": ("InputError", "differ between processes"),
    "unused": ("ModelError", "no gradient for spare.weight"),
    "diverged": ("DivergenceError", "epoch 2, step 1"),
    "finetune": ("InputError", "1 for fine-tuning"),
    "unknown": ("InputError", "2 of them, 1 for accelerate"),
    "half known": ("InputError", "MASTER_ADDR"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_all(pair: Pair, name: str) -> None:
    kind, text = REFUSED[name]
    for told in pair.told:
        assert told["refusals"][name]["kind"] == kind
        assert text in told["refusals"][name]["text"]


def test_nothing_is_saved_after_a_divergence(pair: Pair) -> None:
    assert not list(pair.folder.glob("*broken*"))


def test_shares_in_one_process() -> None:
    """Two shares of a mean over rows are one, but for rounding; each draws noise of its own."""
    plain, noisy = Case(Natural()), Case(GaussianAugmentation(noise_std=0.3))
    assert apart(alone(plain)[1], alone(plain, shares=3)[1]) < 2e-6
    assert apart(alone(noisy)[1], alone(noisy, shares=3)[1]) > 1e-3
