"""Drawing again: the same noise, whose counts must be the stored ones, or new noise that must agree."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from heatproof._check import check_whole
from heatproof._intervals import upper_bound
from heatproof.certification import Certificate, CertificationSettings, Execution, SmoothedPredictor
from heatproof.certification.checking.verify import UNREADABLE
from heatproof.data import DataSet
from heatproof.errors import InputError

__all__ = ["Redraw"]

_FREE_VOTES = 2
_FREE_SHARE = 0.001
_LEVEL = 1e-6
_LEAST_FRESH = 2_000

_Row = dict[str, Any]


@dataclass(frozen=True)
class Redraw:
    """Draws `count` inputs of each certification again: spread over it, or with the seed `fresh` at random.

    With the same noise the stored stopping table is followed again, look by look: it must stop where it
    stopped. (A vote at a tie that falls differently in another batch can, rarely, move that; repeat with
    other inputs.) With new noise every input gets as many draws as it got then.
    """

    model: nn.Module
    data: DataSet
    count: int
    fresh: int | None = None

    def check(
        self,
        settings: CertificationSettings,
        where: str,
        rows: list[_Row],
        inputs: Callable[[list[_Row]], Tensor],
        table: list[dict[str, Any]],
    ) -> tuple[int, list[str]]:
        """Return how many rows were drawn again, and what speaks against the stored ones."""
        chosen = self._choose([row for row in rows if _adds_up(row, settings)])
        faults: list[str] = []
        for done, row in enumerate(chosen):
            try:
                faults += [
                    f"{where}, input {row['input']}: {text}"
                    for text in self._row(settings, row, inputs([row]), table)
                ]
            except InputError as error:
                return done, [*faults, f"{where}: cannot be drawn again ({error})"]
        return len(chosen), faults

    def _choose(self, rows: list[_Row]) -> list[_Row]:
        count = min(self.count, len(rows))
        if self.fresh is None:  # the middles of as many equal parts
            return [rows[(2 * part + 1) * len(rows) // (2 * count)] for part in range(count)]
        generator = np.random.default_rng(check_whole("fresh", self.fresh, at_least=0))
        return [rows[place] for place in sorted(generator.choice(len(rows), count, replace=False))]

    def _row(
        self, settings: CertificationSettings, row: _Row, x: Tensor, table: list[dict[str, Any]]
    ) -> list[str]:
        total = sum(json.loads(row["estimation_counts"]))
        if self.fresh is not None:
            return self._consistent(settings, row, x, max(total, _LEAST_FRESH))
        found = self._draw(settings, row, x, table)
        drawn = sum(found.estimation_counts)
        if drawn != total:
            return [f"stopped after {total} draws, drawn again it stops after {drawn}"]
        certified = [one["certified"] for one in json.loads(row["looks"])]
        if certified != [look.certified for look in found.looks]:
            return [f"radii are stored as certified {certified}, drawn again they are not the same"]
        return [
            f"{stage} counts are stored as {row[f'{stage}_counts']}, drawn again {list(counts)}"
            for stage, counts in (
                ("selection", found.selection_counts),
                ("estimation", found.estimation_counts),
            )
            if not _agree(row[f"{stage}_counts"], counts)
        ]

    def _consistent(self, settings: CertificationSettings, row: _Row, x: Tensor, samples: int) -> list[str]:
        """Say whether new draws refute the stored p_lower of an answered input."""
        if row["abstained"] or settings.vote == "soft":
            return []
        plain = {"method": "fixed", "radii": (), "tolerance": None, "price": 0.0}
        plain |= {"estimation_samples": samples, "seed": settings.seed + 1 + int(self.fresh or 0)}
        asked = CertificationSettings.from_mapping({**settings.to_mapping(), **plain})
        found = self._draw(asked, row, x, None)
        votes = found.estimation_counts[row["candidate"]]
        highest = upper_bound(votes, samples, _LEVEL)
        if highest >= row["p_lower"]:
            return []
        new = f"new draws ({votes} of {samples}) say at most {highest:.6f}"
        return [f"p_lower is stored as {row['p_lower']!r}, {new}"]

    def _draw(
        self, settings: CertificationSettings, row: _Row, x: Tensor, table: list[dict[str, Any]] | None
    ) -> Certificate:
        predictor = SmoothedPredictor(
            self.model,
            noise=settings.noise,
            classifier=settings.classifier,
            grid_step=self.data.grid_step,
            seed=settings.seed,
            execution=Execution(precision=settings.precision),
        )
        index = torch.tensor([int(row["input"])])
        return next(predictor.certify(x, settings, index=index, table=table))


def _adds_up(row: _Row, settings: CertificationSettings) -> bool:
    """Whether the counts are of as many draws as the settings say: only then is drawing worth its cost."""
    wanted = {"selection": settings.selection_samples, "estimation": settings.estimation_samples}
    vary = settings.method != "fixed"
    try:
        drawn = {stage: sum(json.loads(row[f"{stage}_counts"])) for stage in wanted}
    except UNREADABLE:
        return False
    return all(drawn[stage] == most or (vary and 0 < drawn[stage] < most) for stage, most in wanted.items())


def _agree(stored: str, found: tuple[int, ...]) -> bool:
    free = max(_FREE_VOTES, _FREE_SHARE * sum(found))
    try:
        counts = json.loads(stored)
        pairs = zip(counts, found, strict=True)
        return all(abs(before - now) <= free for before, now in pairs)
    except UNREADABLE:
        return False
