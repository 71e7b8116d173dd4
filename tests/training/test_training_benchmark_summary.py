"""What benchmarks/mnist.py makes of its cells (averages, intervals, differences, targets), and its plans."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from scipy.stats import t as student

if TYPE_CHECKING:
    from training_cells import Plan

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def _result(
    objective: str, radii: list[float], *, seed: int = 0, every: int = 50, step: int = 50
) -> dict[str, Any]:
    """Return a cell of which image k has this radius; a negative one stands for a wrong answer."""
    places = range(len(radii))
    return {
        "cell": {"objective": objective, "noise_std": 0.5, "seed": seed, "every": every},
        "settings": {},
        "passes": {"forward": 1, "backward": 1},
        "evaluations": 1,
        "steps": 10,
        "batch_size": 2,
        "train_rows": 4,
        "seconds": {"training": 1.0, "certification": 2.0},
        "natural_accuracy": 0.5,
        "classifier": "network",
        "samples": 1_000,
        "alpha": 0.001,
        "images": {
            "row": [place * step for place in places],
            "target": [place % 3 for place in places],
            "label": [(place + (radius < 0)) % 3 for place, radius in enumerate(radii)],
            "votes": [1_000 if radius > 1 else 600 for radius in radii],
            "p_lower": [0.5] * len(radii),
            "radius": [abs(radius) for radius in radii],
        },
        "environment": {"torch": "some"},
    }


def _plan(names: tuple[str, ...], seeds: int = 1) -> Plan:
    from training_cells import Cell, Plan, Protocol

    protocol = Protocol("mnist cpu", "mnist", {}, {}, {})
    cells = tuple(Cell(name, {}, 0.5, seed, 50) for name in names for seed in range(seeds))
    return Plan(protocol, cells, 50)


def test_a_row_by_hand() -> None:
    from training_summary import level

    found = level([_result("ours", [1.2, 0.3, -0.9, 0.0])], 0.5)["rows"][0]
    assert found["acr"]["mean"] == pytest.approx(1.5 / 4)
    spread = math.sqrt(sum((v - 0.375) ** 2 for v in (1.2, 0.3, 0.0, 0.0)) / 3 / 4)
    high = 0.375 + student.ppf(0.975, 3) * spread
    assert found["acr"]["images"] == [0.0, pytest.approx(high)]  # no radius is below 0
    assert found["acr"]["over_seeds"] is None
    shares = {radius: one["share"] for radius, one in found["certified"].items()}
    assert shares == {"0": 0.75, "0.25": 0.5, "0.5": 0.25, "0.75": 0.25, "1": 0.25}
    assert found["certified"]["0"]["low"] < 0.75 < found["certified"]["0"]["high"]
    assert found["unanimous"] == 0.25
    assert found["votes"]["0.5"] == 0.6
    assert found["epochs"] == 5


def test_radii_end_at_that_of_a_unanimous_vote() -> None:
    """At n = 1,000 and α = .001 that is .5·Φ⁻¹(.001^(1/1000)) = 1.23."""
    from training_summary import level

    assert list(level([_result("ours", [0.1])], 0.5)["rows"][0]["certified"])[-1] == "1"


def test_seeds_are_averaged_and_have_their_own_interval() -> None:
    from training_summary import level

    group = [_result("ours", [1.0, 0.5], seed=0), _result("ours", [0.6, 0.3], seed=1)]
    found = level(group, 0.5)["rows"][0]
    assert found["seeds"] == 2
    assert found["acr"]["mean"] == pytest.approx(0.6)
    half = student.ppf(0.975, 1) * 0.15  # the seeds come to .75 and .45
    assert found["acr"]["over_seeds"] == [0.0, pytest.approx(0.6 + half)]
    assert found["certified"]["0.5"]["share"] == 0.75


def test_differences_are_paired_by_image_and_seed() -> None:
    from training_summary import difference

    ours = [_result("ours", [1.0, 0.5, 0.2], seed=0), _result("ours", [9.0, 9.0, 9.0], seed=1)]
    other = [_result("consistency", [0.9, 0.4, 0.1], seed=0), _result("consistency", [0.0] * 3, seed=2)]
    found = difference(ours, other)
    assert found is not None
    assert found["seeds"] == 1  # only seed 0 is in both
    assert found["mean"] == pytest.approx(0.1)
    assert found["images"] == [
        pytest.approx(0.1),
        pytest.approx(0.1),
    ]  # whatever the images differ among them
    assert difference(ours[1:], other) is None


@pytest.mark.parametrize(
    ("other", "met", "clear"),
    [([0.9, 0.4, 0.1], True, True), ([0.2, 0.9, 0.2], True, False), ([1.0, 0.5, 0.3], False, False)],
)
def test_the_target_needs_every_other_objective_below(other: list[float], met: bool, clear: bool) -> None:
    from training_summary import above_all_others, summarise

    plan = _plan(("ours", "natural", "macer"))
    results = [
        _result("ours", [1.0, 0.5, 0.2]),
        _result("natural", [0.7, 0.2, 0.0]),
        _result("macer", other),
    ]
    (judged,) = above_all_others(plan, summarise(plan, results))
    assert (judged["met"], judged["nearest"]) == (met, "macer")
    assert judged["clear"] is clear
    (judged,) = above_all_others(plan, summarise(plan, results[:2]))
    assert judged["met"] is None  # a cell is missing: nothing is claimed


def test_a_cell_on_more_images_enters_the_tables_with_the_shared_ones() -> None:
    from training_summary import summarise

    more = _result("ours", [1.0, 0.0, 0.0, 0.4, 0.0, 0.0], every=10, step=25)  # rows 0, 25, 50, …, 125
    found = summarise(_plan(("ours", "natural")), [more, _result("natural", [0.5, 0.5, 0.5])])
    row = found["levels"][0]["rows"][0]
    assert (row["images"], row["acr"]["mean"]) == (3, pytest.approx(1 / 3))
    assert found["all_images"][0]["images"] == 6
    assert found["all_images"][0]["acr"]["mean"] == pytest.approx(1.4 / 6)
    assert found["levels"][0]["differences"]["natural"]["mean"] == pytest.approx(1 / 3 - 0.5)


def test_the_page_says_it_all() -> None:
    from training_page import page
    from training_summary import above_all_others, summarise

    plan = _plan(("ours", "natural"))
    failed = {"cell": {"objective": "trades"}, "failed": "loss is not finite"}
    found = summarise(plan, [_result("ours", [1.0, 0.5]), _result("natural", [0.1, 0.2]), failed])
    text = page({**found, "targets": above_all_others(plan, found)})
    for words in (
        "| ours | 1 | 0.750 |",
        "Diverged: trades: loss is not finite",
        "| natural | 1 | +0.6000 |",
    ):
        assert words in text
    assert "met, not all intervals above 0" in text  # two images are too few
    assert "published" not in text


def test_plans_put_the_most_important_cells_first() -> None:
    import cifar10
    import mnist
    from training_contestants import CONSISTENCY, GAUSSIAN, OURS

    for plan in (mnist.cpu(False), mnist.full(False), cifar10.cpu(False), cifar10.full(False)):
        names = [cell.name for cell in plan.cells]
        assert len(set(names)) == len(names)
        assert [cell.objective for cell in plan.cells][:3] == [GAUSSIAN, CONSISTENCY, OURS]
        assert json.loads(json.dumps(plan.protocol.identity)) == plan.protocol.identity
        assert all(plan.every % cell.every == 0 for cell in plan.cells)
    cells = [(cell.objective, cell.noise_std, cell.seed) for cell in mnist.cpu(False).cells]
    assert {one[2] for one in cells if one[:2] == (OURS, 0.5)} == {0, 1, 2}
    assert {one[1] for one in cells if one[0] == CONSISTENCY} == {0.25, 0.5, 1.0}
    whole = [cell for cell in mnist.full(False).cells if cell.every == 1]
    assert {cell.seed for cell in whole} == {0}


def test_published_figures_and_goals_of_the_full_protocol() -> None:
    import mnist

    plan = mnist.full(False)
    for value, met in ((1.56, True), (1.54, False)):
        summary: dict[str, Any] = {"levels": [_level("gaussian_augmentation", value)]}
        judged = {one["claim"]: one["met"] for one in mnist.judge(plan, summary)}
        assert judged["noise_std 0.5: own Gaussian within 0.01 of the published 1.558"] is met
        assert judged["noise_std 0.5: ACR of ours at least 1.700"] is None
        assert summary["levels"][0]["rows"][0]["published"] == 1.558
    for value, met in ((1.7, True), (1.699, False)):
        judged = {one["claim"]: one["met"] for one in mnist.judge(plan, {"levels": [_level("ours", value)]})}
        assert judged["noise_std 0.5: ACR of ours at least 1.700"] is met


def _level(objective: str, value: float) -> dict[str, Any]:
    return {"noise_std": 0.5, "rows": [{"objective": objective, "acr": {"mean": value}}]}


def test_every_contestant_is_an_objective() -> None:
    from training_contestants import CONSISTENCY, CONTESTANTS, FEW, definition
    from training_work import objective_for

    for data in ("mnist", "cifar10"):
        for name in (*CONTESTANTS, CONSISTENCY):
            for noise_std in (0.25, 0.5, 1.0):
                objective = objective_for(definition(name, noise_std, data))
                noise = objective.smoothing_noise
                assert noise is None or noise.scale == noise_std
    costs = {
        name: objective_for(definition(name, 0.5, "mnist")).evaluations(784)
        for name in (*CONTESTANTS, CONSISTENCY)
    }
    assert costs["natural"] == costs["gaussian_augmentation"] == 1
    assert costs[CONSISTENCY] == 2
    for few in FEW:
        assert costs[few] <= 4 < costs[few.removesuffix("_few")]
    weights = [definition(CONSISTENCY, s, "mnist")["weight"] for s in (0.25, 0.5, 1.0)]
    assert all(first >= second for first, second in pairwise(weights))


@pytest.mark.data
def test_mnist_quick_runs(data_folder: Path, tmp_path: Path) -> None:
    del data_folder
    command = [sys.executable, str(BENCHMARKS / "mnist.py"), "--protocol", "cpu", "--quick", "--json"]
    done = subprocess.run(
        [*command, "--cells", "gaussian_augmentation-0.5-0"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    found = json.loads(done.stdout)
    assert found["levels"][0]["rows"][0]["acr"]["mean"] > 0.2  # chance is below .1
    assert all(one["met"] is None for one in found["targets"])
