"""Run a study cell by cell; interrupted, the same call goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from heatproof._check import message
from heatproof._types import Progress, no_progress
from heatproof.errors import InputError
from heatproof.report.shell import write_page
from heatproof.runs.environment import environment
from heatproof.studies._folder import FORMAT, StudyFolder, identity
from heatproof.studies._page import render_study
from heatproof.studies._study import Cell, Study, Summary

__all__ = ["StudyResult", "run_study"]


@dataclass(frozen=True)
class StudyResult:
    """A complete study: what it found, where it is, how many cells were there already, and the time."""

    study: Study
    folder: StudyFolder
    summary: Summary
    seconds: Mapping[str, float]
    resumed: int

    @property
    def total_seconds(self) -> float:
        """The time that all cells took, over all sittings."""
        return sum(self.seconds.values())


def run_study(study: Study, out: Path, *, progress: Progress = no_progress) -> StudyResult:
    """Run what is missing of a study in the folder `out`, then write study.json and study.html.

    Each cell is stored as soon as it is complete. The same study in the same folder goes on: cells that are
    stored are not computed again. The summary is made from what was stored, so it is the same whether or not
    the study was interrupted.

    Errors: `RunFolderError` if the folder holds anything else (the line says what differs) or is in use;
    `StorageError` if a file cannot be written, with all cells before it stored; those of the cells.
    """
    cells = _checked(study.cells())
    with StudyFolder.open(out, study) as folder:
        missing = [cell for cell in cells if folder.stored(cell.key) is None]
        environments = _begin(study, folder, sitting=bool(missing))
        for number, cell in enumerate(missing, start=len(cells) - len(missing)):
            began = time.perf_counter()
            result = cell.run(_part(progress, number, len(cells), cell.key))
            folder.store(cell.key, result, time.perf_counter() - began)
        progress(len(cells) * 100, len(cells) * 100, "done")
        stored = {cell.key: folder.stored(cell.key) or {} for cell in cells}
        summary = _finish(study, folder, stored, environments)
    seconds = {key: float(one["seconds"]) for key, one in stored.items()}
    return StudyResult(study, folder, summary, seconds, len(cells) - len(missing))


def _begin(study: Study, folder: StudyFolder, *, sitting: bool) -> list[dict[str, str]]:
    """Say in study.json what the folder is, and add the surroundings of a sitting that computes anything."""
    before = folder.read() if folder.document.is_file() else {}
    environments = [*before.get("environments", []), *([environment()] if sitting else [])]
    if sitting:
        begun = {"format": FORMAT, "status": "running", **identity(study), "environments": environments}
        folder.write(begun)
    return environments


def _finish(
    study: Study, folder: StudyFolder, stored: Mapping[str, Any], environments: Sequence[Mapping[str, str]]
) -> Summary:
    seconds = {key: one["seconds"] for key, one in stored.items()}
    results = {key: one["result"] for key, one in stored.items()}
    summary = study.summarise(results)
    document = {
        "format": FORMAT,
        "status": "complete",
        **identity(study),
        "title": study.title,
        "question": study.question,
        "method": list(study.method),
        "answer": summary.answer,
        "verdicts": [verdict.to_mapping() for verdict in summary.verdicts],
        "tables": [asdict(table) for section in summary.sections for table in section.tables],
        "environments": environments,
        "seconds": {"total": round(sum(seconds.values()), 3), "cells": seconds},
        "cells": results,
    }
    folder.write(document)
    write_page(render_study(study, summary, document), folder.page)
    return summary


def _checked(cells: Sequence[Cell]) -> Sequence[Cell]:
    keys = [cell.key for cell in cells]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if not keys or twice:
        got = f"{', '.join(twice)} twice" if twice else "no cells"
        raise InputError(message("cells", got, "at least one, each key once"), name="cells")
    return cells


def _part(progress: Progress, number: int, count: int, key: str) -> Progress:
    """Return a progress for one cell, a hundred steps of the whole."""

    def tell(done: int, total: int, note: str = "") -> None:
        share = 100 * done // max(1, total)
        progress(number * 100 + share, count * 100, f"{key} {note}".strip())

    tell(0, 1)
    return tell
