"""Studies: one question, one file, one command each, with a verdict and its interval."""

from __future__ import annotations

from heatproof._check import check_choice
from heatproof.studies._page import write_figures
from heatproof.studies._run import StudyResult, run_study
from heatproof.studies._study import Cell, Results, Section, Study, StudyTable, Summary
from heatproof.studies._verdict import (
    Verdict,
    from_counts,
    from_detections,
    from_deviations,
    from_interval,
    from_ratios,
)
from heatproof.studies.axioms import Axioms
from heatproof.studies.complexity import Complexity
from heatproof.studies.diffusivity import Diffusivity
from heatproof.studies.half_moons import HalfMoons
from heatproof.studies.radius import Radius

__all__ = [
    "STUDIES",
    "Axioms",
    "Cell",
    "Complexity",
    "Diffusivity",
    "HalfMoons",
    "Radius",
    "Results",
    "Section",
    "Study",
    "StudyResult",
    "StudyTable",
    "Summary",
    "Verdict",
    "find_study",
    "from_counts",
    "from_detections",
    "from_deviations",
    "from_interval",
    "from_ratios",
    "run_study",
    "write_figures",
]

STUDIES: tuple[type[Study], ...] = (Radius, Axioms, Complexity, Diffusivity, HalfMoons)
"""Every study that the command line knows."""


def find_study(name: str) -> type[Study]:
    """Return a study by its name. Errors: `UnknownNameError` that names the nearest."""
    known = {study.name: study for study in STUDIES}
    return known[check_choice("study", name, known)]
