"""A small study that is quick, and counts how often each cell is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import pytest

from heatproof._types import Progress
from heatproof.studies import Cell, Results, Section, Study, StudyTable, Summary, from_ratios

CALLS: list[str] = []
"""The key of each cell that was run, in order."""

STOP_AT: set[str] = set()
"""Cells that are interrupted by Ctrl-C half-way."""


class Squares(Study):
    """Is a square ever smaller than its root?"""

    name: ClassVar[str] = "squares"
    title: ClassVar[str] = "Squares <b> against roots"
    question: ClassVar[str] = "Is k ≤ k²?"
    method: ClassVar[tuple[str, ...]] = ("Every k is tried.",)
    duration: ClassVar[str] = "no time"

    numbers: tuple[int, ...] = (1, 2, 3)

    @classmethod
    def quick(cls, seed: int = 0) -> Self:
        """Return one number."""
        return cls(seed=seed, numbers=(1,))

    def cells(self) -> Sequence[Cell]:
        """Return a cell for each number."""
        return [Cell(f"k={k}", _squared(k)) for k in self.numbers]

    def summarise(self, results: Results) -> Summary:
        """Return one claim, and a control that is wrong."""
        found = [results[f"k={k}"] for k in self.numbers]
        ratios = [(row["k"] / row["square"],) * 2 for row in found]
        table = StudyTable("Squares", ("k", "square"), tuple((str(r["k"]), str(r["square"])) for r in found))
        verdicts = (
            from_ratios("k ≤ k²", ratios, quantity="k over k²", evidence="<i>all</i>"),
            from_ratios(
                "2k ≤ k²",
                [(2 * low, 2 * high) for low, high in ratios],
                quantity="2k over k²",
                evidence="k = 1",
                expected="refuted",
            ),
        )
        return Summary(verdicts, (Section("All", "Numbers & squares.", (table,)),))


def _squared(k: int) -> Callable[[Progress], dict[str, Any]]:
    def run(progress: Progress) -> dict[str, Any]:
        key = f"k={k}"
        CALLS.append(key)
        progress(1, 2, "half")
        if key in STOP_AT:
            raise KeyboardInterrupt
        return {"k": k, "square": k * k, "pair": (k, k)}

    return run


@pytest.fixture(autouse=True)
def _forget() -> None:
    CALLS.clear()
    STOP_AT.clear()


@pytest.fixture
def squares() -> type[Squares]:
    """Return the small study."""
    return Squares


@pytest.fixture
def calls() -> list[str]:
    """Return the keys of the cells that were run."""
    return CALLS


@pytest.fixture
def stop_at() -> set[str]:
    """Return the set of cells that Ctrl-C meets."""
    return STOP_AT
