"""The one table of results, as neutral data: the page and the terminal print the same numbers.

Columns stand in groups, and each group says which classifier it speaks of: robust accuracy is that of the
network in one pass, certified accuracy that of the smoothed classifier.
"""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from heatproof._check import check_number, message
from heatproof._intervals import Interval
from heatproof.errors import InputError
from heatproof.report.cells import (
    NOT_DECIDED,
    NOT_MEASURED,
    Cell,
    average_cell,
    count_cell,
    format_norm,
    number_cell,
    share_cell,
)
from heatproof.report.contents import CertifiedInput, ReportContents, RunContents
from heatproof.report.summary import (
    abstentions,
    agreement,
    average_radius,
    certified_accuracy,
    run_labels,
    strongest,
)

__all__ = ["ColumnGroup", "Missing", "Row", "Table", "missing_parts", "table"]

_STAGES = ("train", "attack", "certify")
_ATTACKED = "Measured under attack: the network in one pass"
_CERTIFIED = "Proved: the smoothed classifier"
_COST = "What it cost"


@dataclass(frozen=True)
class ColumnGroup:
    """Neighbouring columns under one heading; `part` says which classifier they speak of."""

    part: str
    title: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One run: its label, its place in the list (which decides its colour), and a cell for each column."""

    label: str
    number: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """Column groups, and rows with one cell for each column of the groups in their order."""

    groups: tuple[ColumnGroup, ...]
    rows: tuple[Row, ...]

    @property
    def starts(self) -> tuple[bool, ...]:
        """Whether each column begins a group other than the first."""
        places = ((group, column) for group in self.groups for column in group.columns)
        return tuple(group is not self.groups[0] and column is group.columns[0] for group, column in places)

    def parts(self) -> tuple[tuple[str, Table], ...]:
        """Return a narrower table for each part; together they hold every column once, in order."""
        names = tuple(dict.fromkeys(group.part for group in self.groups))
        return tuple((name, self._part(name)) for name in names)

    def _part(self, name: str) -> Table:
        keep = [group.part == name for group in self.groups for _ in group.columns]
        rows = tuple(
            Row(row.label, row.number, tuple(itertools.compress(row.cells, keep))) for row in self.rows
        )
        return Table(tuple(group for group in self.groups if group.part == name), rows)


@dataclass(frozen=True)
class Missing:
    """What was not measured for a run, and the command that measures it."""

    what: str
    run: str
    command: str


@dataclass(frozen=True)
class _Column:
    part: str
    title: str
    name: str
    read: Callable[[RunContents], Cell]


def table(contents: ReportContents) -> Table:
    """Return the table: natural, robust and certified accuracy, ACR, abstentions, agreement, seconds.

    Robust accuracy at a (norm, radius) is that of `strongest`, and natural accuracy says on how many inputs.
    Radii are those of any run (robust) and `contents.radii` (certified), ascending. Cost: one pass over the
    certified inputs for each radius. Errors: `InputError` for no runs, for a radius that is negative or not
    finite, for attacks that `strongest` refuses, and for certified inputs that `certified_accuracy` refuses.
    """
    if not contents.runs:
        raise InputError(message("runs", "none", "at least one run"), name="runs")
    columns = [*_attacked(contents), *_certified(contents), *_cost(contents)]
    rows = tuple(
        Row(label, number, tuple(column.read(run) for column in columns))
        for number, (label, run) in enumerate(zip(run_labels(contents), contents.runs, strict=True))
    )
    return Table(_groups(columns), rows)


def missing_parts(contents: ReportContents) -> tuple[Missing, ...]:
    """Return what is missing from the comparison, run by run, with the command that measures it."""
    found: list[Missing] = []
    for label, run in zip(run_labels(contents), contents.runs, strict=True):
        place = shlex.quote(run.folder) if run.folder else "RUN"
        if run.natural is None or not run.robust:
            what = "robust accuracy" if run.natural else "natural and robust accuracy"
            found.append(Missing(what, label, f"heatproof attack {place}"))
        if not run.certified:
            found.append(Missing("certified accuracy", label, f"heatproof certify {place}"))
    return tuple(found)


def _groups(columns: Sequence[_Column]) -> tuple[ColumnGroup, ...]:
    together = itertools.groupby(columns, key=lambda column: (column.part, column.title))
    return tuple(
        ColumnGroup(part, title, tuple(column.name for column in members))
        for (part, title), members in together
    )


def _attacked(contents: ReportContents) -> Iterator[_Column]:
    yield _Column(_ATTACKED, "", "natural accuracy", lambda run: _natural_cell(run.natural))
    places = sorted({(point.norm, point.radius) for run in contents.runs for point in run.robust})
    for norm, radius in places:
        title = f"robust accuracy at {format_norm(norm)} radius"
        yield _Column(_ATTACKED, title, f"{radius:g}", _robust_reader(norm, radius))
    if not places:
        yield _Column(_ATTACKED, "", "robust accuracy", lambda _: Cell(NOT_MEASURED))


def _natural_cell(natural: Interval | None) -> Cell:
    """Return natural accuracy with the number of inputs, which robust accuracy shares."""
    cell = share_cell(natural)
    return replace(cell, detail=f"{cell.detail}, n = {natural.trials}") if natural else cell


def _certified(contents: ReportContents) -> Iterator[_Column]:
    for radius in sorted({check_number("radii", radius, at_least=0) for radius in contents.radii}):
        title = "certified accuracy at ℓ2 radius"
        yield _Column(_CERTIFIED, title, f"{radius:g}", _certified_reader(radius))
    yield _Column(_CERTIFIED, "", "ACR", _average_reader)
    for name, read in (
        ("abstentions", lambda inputs: count_cell(abstentions(inputs))),
        ("agreement", lambda inputs: share_cell(agreement(inputs), "no answers")),
    ):
        yield _Column(_CERTIFIED, "", name, _reader(read))
    yield _Column(_CERTIFIED, "", "noise_std", lambda run: number_cell(run.noise_std, "g"))


def _cost(contents: ReportContents) -> Iterator[_Column]:
    others = {stage for run in contents.runs for stage in run.seconds} - set(_STAGES)
    for stage in (*_STAGES, *sorted(others)):
        yield _Column(_COST, "seconds", stage, _seconds_reader(stage))


def _robust_reader(norm: str, radius: float) -> Callable[[RunContents], Cell]:
    def read(run: RunContents) -> Cell:
        point = strongest(run.robust).get((norm, radius))
        return share_cell(point.accuracy if point else None)

    return read


def _certified_reader(radius: float) -> Callable[[RunContents], Cell]:
    known = _reader(lambda inputs: share_cell(certified_accuracy(inputs, radius)))
    return lambda run: Cell(NOT_DECIDED) if run.decided and radius not in run.decided else known(run)


def _average_reader(run: RunContents) -> Cell:
    """Return the average radius; decided radii bound it from below."""
    if not run.certified:
        return Cell(NOT_MEASURED)
    cell = average_cell(average_radius(run.certified))
    return replace(cell, text=f"≥ {cell.text}") if run.decided else cell


def _seconds_reader(stage: str) -> Callable[[RunContents], Cell]:
    return lambda run: number_cell(run.seconds.get(stage), ".1f")


def _reader(read: Callable[[tuple[CertifiedInput, ...]], Cell]) -> Callable[[RunContents], Cell]:
    return lambda run: read(run.certified) if run.certified else Cell(NOT_MEASURED)
