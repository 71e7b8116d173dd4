"""The page of a study, self-contained like every page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from heatproof.report.shell import render_template
from heatproof.studies._study import Study, Summary

__all__ = ["render_study"]


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
