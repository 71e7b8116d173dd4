"""The page of a study, self-contained like every page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from heatproof.report.picture import chart_picture
from heatproof.report.shell import render_template
from heatproof.runs.files import write_atomically
from heatproof.studies._study import Study, Summary

__all__ = ["render_study", "write_figures"]


def write_figures(summary: Summary, folder: Path) -> list[Path]:
    """Write every chart as PART-NUMBER.png into a folder, made if it is new; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for part, section in enumerate(summary.sections, start=1):
        for number, chart in enumerate(section.charts, start=1):
            file = folder / f"{part}-{number}.png"
            write_atomically(file, chart_picture(chart))
            written.append(file)
    return written


def render_study(study: Study, summary: Summary, document: Mapping[str, Any]) -> str:
    """Return the page: verdicts first, then how they were found, then data and surroundings."""
    return render_template(
        "study.html",
        study=study,
        summary=summary,
        settings=json.dumps(document["settings"], indent=1, ensure_ascii=False),
        seconds=document["seconds"],
        environments=document["environments"],
    )
