"""The tools of benchmarks/step_cost.py: what it counts and what it judges. Nothing is timed here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_memory_grows_with_the_copies_and_counts_are_the_objective_s() -> None:
    import step_cost

    said = {"name": "gaussian_augmentation", "noise_std": 0.5}
    copies = {"name": "consistency", "noise_std": 0.5, "copies": 4}
    rows = step_cost.measured(
        {"natural": {"name": "natural"}, "one": said, "four": copies}, batch=64, turns=1
    )
    natural, one, four = rows
    assert natural["memory"] == 1
    assert set(natural["time"].values()) == {1}
    assert one["memory"] == pytest.approx(1, abs=0.05)
    assert 2.5 < four["memory"] < 4  # weights and their gradients are there once
    assert (four["evaluations"], four["passes"]) == (4, {"forward": 4, "backward": 4})
    assert all(row["milliseconds"] > 0 for row in rows)


def test_targets_are_judged_by_the_median_and_the_memory() -> None:
    import step_cost

    def row(name: str, median: float, memory: float) -> dict[str, Any]:
        return {"objective": name, "time": {"median": median}, "memory": memory}

    rows = [row("natural", 1, 1), row("paper", 3.2, 9), row("default", 2.1, 2.3)]
    judged = [(one["value"], one["met"]) for one in step_cost.targets(rows)]
    assert judged == [(3.2, False), (2.1, True), (2.3, False)]
    assert [one["met"] for one in step_cost.targets([row("paper", 3.1, 9)])] == [True]
