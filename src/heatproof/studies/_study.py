"""The contract of a study: a question, independent pieces of work, and a summary with verdicts."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, TypeAlias

from pydantic import Field

from heatproof._check import message
from heatproof._specification import Specification
from heatproof._types import Progress
from heatproof.errors import InputError
from heatproof.report._style import Chart
from heatproof.studies._verdict import Verdict

__all__ = ["Cell", "Part", "Results", "Section", "Study", "StudyTable", "Summary"]

Results: TypeAlias = Mapping[str, Any]
"""The result of each cell by its key: what JSON gives back (lists, not tuples)."""

_KEY = re.compile(r"[a-z0-9][a-z0-9.=_-]{0,99}")


@dataclass(frozen=True)
class Cell:
    """One piece of a study's work, independent of all others.

    `key` names it and its file (lower-case letters, digits and . = _ -). `run(progress)` returns plain data
    that JSON can hold, no NaN and no infinity; the same every time it is called.
    """

    key: str
    run: Callable[[Progress], Any]

    def __post_init__(self) -> None:
        if not _KEY.fullmatch(self.key):
            allowed = "1 to 100 of a-z 0-9 . = _ -, a letter or digit first"
            raise InputError(message("key", repr(self.key), allowed), name="key")


@dataclass(frozen=True)
class StudyTable:
    """A table of a page: a title, the names of the columns with units, rows of text, a note under it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                got = f"{len(row)} entries in row {number}"
                raise InputError(message(self.title, got, f"{len(self.columns)}, one a column"), name="rows")


@dataclass(frozen=True)
class Section:
    """One part of the page: what was done, with its tables and charts."""

    title: str
    text: str
    tables: tuple[StudyTable, ...] = ()
    charts: tuple[Chart, ...] = ()

    @property
    def across(self) -> int:
        """How many charts stand in a row on a wide screen."""
        return max(1, min(2, len(self.charts)))


@dataclass(frozen=True)
class Summary:
    """What a study found: a verdict for each claim, and the parts of its page."""

    verdicts: tuple[Verdict, ...]
    sections: tuple[Section, ...]

    @property
    def answer(self) -> str:
        """One sentence: how many claims there are and whether all came out as theory says."""
        outcomes = [verdict.outcome for verdict in self.verdicts]
        words = [word for word in ("holds", "refuted", "undecided") if word in outcomes]
        counts = ", ".join(f"{word} {outcomes.count(word)}" for word in words)
        strange = [verdict.claim for verdict in self.verdicts if not verdict.as_expected]
        unknown = sum(verdict.expected is None for verdict in self.verdicts)
        rest = f"All are as theory says{f', which is silent on {unknown} of them' if unknown else ''}."
        if strange:
            rest = f"Not as theory says: {'; '.join(strange)}."
        return f"{len(outcomes)} claims ({counts}). {rest}"


class Part(Protocol):
    """One part of a study, a module for instance: it is given the study, whose fields are its settings."""

    def cells(self, study: Any) -> Iterable[Cell]:
        """Return the part's pieces of work."""

    def summarise(self, study: Any, results: Results) -> Summary:
        """Return verdicts and sections from the results of all cells."""


class Study(Specification):
    """One question, answered by one command; a study is its own settings, and is final.

    Every field is a part of the protocol, fixed before anything is looked at, and written into the folder; a
    folder is gone on with only under the same fields. `protocol` is raised whenever the meaning of stored
    cells changes. `duration` says in words how long the full and the quick version take. A study of several
    `parts` has the cells and the summaries of all, one after the other; any other one writes `cells` and
    `summarise` itself.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    question: ClassVar[str]
    method: ClassVar[tuple[str, ...]]
    duration: ClassVar[str]
    protocol: ClassVar[int] = 1
    parts: ClassVar[tuple[Part, ...]] = ()

    seed: int = Field(0, ge=0, lt=2**31)

    @classmethod
    @abstractmethod
    def quick(cls, seed: int = 0) -> Self:
        """Return the settings of the quick version: under a minute, all parts, fewer cases."""

    def cells(self) -> Sequence[Cell]:
        """Return the pieces of work, in the order in which they are done. Cheap: nothing is computed."""
        return tuple(cell for part in self.parts for cell in part.cells(self))

    def summarise(self, results: Results) -> Summary:
        """Return verdicts, tables and charts from the results of all cells. Draws nothing at random."""
        summaries = [part.summarise(self, results) for part in self.parts]
        return Summary(
            tuple(verdict for one in summaries for verdict in one.verdicts),
            tuple(section for one in summaries for section in one.sections),
        )
