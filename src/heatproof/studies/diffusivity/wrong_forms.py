"""Wrong formulas on the trained networks: each must be told from the truth, on every kind of noise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from heatproof.studies._study import Cell, Results, Section, StudyTable, Summary
from heatproof.studies._verdict import Verdict
from heatproof.studies.diffusivity.judging import Stored, any_agrees
from heatproof.studies.diffusivity.kinds import KINDS, Kind
from heatproof.studies.diffusivity.misstated import FORMS, WrongForm
from heatproof.studies.diffusivity.trained import trainings_of

if TYPE_CHECKING:
    from heatproof.studies.diffusivity.study import Diffusivity

__all__ = ["cells", "summarise"]


def cells(_: Diffusivity) -> Iterator[Cell]:
    """Yield nothing: the trained networks' cells measure this too."""
    yield from ()


def summarise(study: Diffusivity, results: Results) -> Summary:
    """Return a verdict for each wrong form, and the table of them all."""
    verdicts = tuple(_falls(study, form, results) for form in FORMS)
    rows = tuple(
        _row(form, kind, _tried(study, form, kind, results)) for form in FORMS for kind in _kinds(form)
    )
    columns = (
        "wrong form",
        "noise",
        "tr A/d measured",
        "tr A/d claimed",
        "‖C − C_claimed‖²/‖C_claimed‖²",
        "verdict",
    )
    table = StudyTable(
        "Wrong formulas", columns, rows, "The middle layer of every training; shown: the first."
    )
    section = Section(
        "Wrong formulas",
        "The same draws of the same layers are compared with formulas that are wrong by a factor, and with "
        "an isotropic diffusion that has the right trace at every state, so that only its shape is wrong. A "
        "comparison that lets them pass is worth nothing.",
        (table,),
    )
    return Summary(verdicts, (section,))


def _falls(study: Diffusivity, form: WrongForm, results: Results) -> Verdict:
    found = [one for kind in _kinds(form) for one in _tried(study, form, kind, results)]
    names = ", ".join(kind.words for kind in _kinds(form))
    several = f" for at least one of: {names}" if len(form.kinds) > 1 else ""
    return any_agrees(
        f"A wrong formula ({form.words}) is right{several}",
        found,
        evidence="the middle layer of every training, "
        f"{study.inputs} test inputs, {study.draws} draws each, as for the right formula",
    )


def _kinds(form: WrongForm) -> list[Kind]:
    return [kind for kind in KINDS if kind.key in form.kinds]


def _tried(study: Diffusivity, form: WrongForm, kind: Kind, results: Results) -> list[Stored]:
    return [run["wrong"][form.key] for run in trainings_of(study, kind, results)]


def _row(form: WrongForm, kind: Kind, tried: list[Stored]) -> tuple[str, ...]:
    first = tried[0]
    distance, claimed = first["squared_distance"], first["mean_diffusivity"]
    differ = sum(not one["agrees"] for one in tried)
    return (
        form.words,
        kind.words,
        f"{claimed + first['difference']['value']:.3g}",
        f"{claimed:.3g}",
        f"{distance['value']:.3g} [{distance['low']:.3g}, {distance['high']:.3g}]",
        f"differs, {differ} of {len(tried)}",
    )
