"""The sentences of the page that follow from the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from heatproof.report.contents import ReportContents
from heatproof.report.summary import AverageRadius, average_radius, run_labels

__all__ = ["Promise", "headline", "promises"]


@dataclass(frozen=True)
class Promise:
    """Which classifier is certified and what is guaranteed, with the runs (label, number) it holds for."""

    classifier: str
    guarantee: str
    runs: tuple[tuple[str, int], ...]


def headline(contents: ReportContents) -> tuple[str, str]:
    """Return two sentences: what is shown, and the one result that says most."""
    count = len(contents.runs)
    who = "One classifier" if count == 1 else f"{_count(count)} classifiers side by side"
    return f"{who}: what attacks leave of the accuracy, and what is proved whatever the attack.", _result(
        contents
    )


def promises(contents: ReportContents) -> tuple[Promise, ...]:
    """Return each distinct pair of classifier and guarantee once, with the certified runs it speaks of."""
    found: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for number, (label, run) in enumerate(zip(run_labels(contents), contents.runs, strict=True)):
        if run.certified:
            found.setdefault((run.classifier, run.guarantee), []).append((label, number))
    return tuple(Promise(*key, tuple(runs)) for key, runs in found.items())


def _count(number: int) -> str:
    words = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
    return words[number] if number < len(words) else str(number)


def _result(contents: ReportContents) -> str:
    labelled = [pair for pair in zip(run_labels(contents), contents.runs, strict=True) if pair[1].certified]
    averages = [(label, average_radius(run.certified)) for label, run in labelled if not run.decided]
    if not labelled:
        return "Nothing is certified yet."
    if not averages:
        return "Certified accuracy was decided at the radii of the table, not between them."
    averages.sort(key=lambda pair: pair[1].value, reverse=True)
    label, best = averages[0]
    text = f"{best.value:.3f} in ℓ2, over {best.count} test inputs"
    if len(averages) == 1:
        return f"The average certified radius of {label} is {text}."
    return f"The largest average certified radius is that of {label}: {text}{_lead(averages)}."


def _lead(averages: Sequence[tuple[str, AverageRadius]]) -> str:
    """Say how far the best is ahead, and whether the intervals leave room for doubt."""
    best, (label, second) = averages[0][1], averages[1]
    close = best.count == 1 or second.count == 1 or second.high >= best.low
    doubt = "; their 95 % intervals overlap" if close else ""
    return f" ({label} follows with {second.value:.3f}{doubt})"
