"""`heatproof doctor`: what a run's training shows, what to change, and what to expect from that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from heatproof.runs.doctor import Examination

__all__ = ["doctor"]

_IMPORTANCE = {3: "the network is of no use as it is", 2: "costs accuracy or robustness", 1: "worth knowing"}
_LOOKED_FOR = (
    "divergence, under-fitting, no effect, learning rate, over-fitting, budget, batch statistics, noise"
)


def doctor(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN", help="A run of λ = 0 or of noise alone on the same data, to compare with."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    trust: Annotated[bool, typer.Option("--trust", help="Let a factory network import your code.")] = False,
) -> None:
    """Say in order of importance what to change about a training, and what to expect from that.

    Reads what is there: configuration, metrics, attacks, certificates. A finding is no failure: the exit code
    is 0.
    """
    from heatproof.cli._terminal import say
    from heatproof.runs.doctor import examine

    found = examine(run, against, trust=trust)
    if as_json:
        say(json.dumps(_plain(found, against), ensure_ascii=False))
        return
    for line in _lines(found, against):
        say(line)


def _lines(found: Examination, against: Path | None) -> Iterator[str]:
    yield f"{found.name} ({found.run}): {found.status}, {found.epochs} of {found.planned} epochs."
    for number, finding in enumerate(found.findings, 1):
        yield f"{number}. {finding.signature}: {_IMPORTANCE[finding.importance]}"
        yield f"   found: {finding.evidence}"
        yield f"   change: {finding.change}"
        yield f"   expect: {finding.expectation}"
    if not found.findings:
        yield f"Nothing to change: no sign of {_LOOKED_FOR}."
    for comparison in found.comparisons:
        yield f"Against {against}: {comparison}"
    yield from (f"Note: {remark}" for remark in found.remarks)
    if found.command:
        yield f"Next: {found.command}"


def _plain(found: Examination, against: Path | None) -> dict[str, Any]:
    return {
        "run": str(found.run),
        "name": found.name,
        "status": found.status,
        "epochs": found.epochs,
        "planned": found.planned,
        "healthy": found.healthy,
        "findings": [finding.to_mapping() for finding in found.findings],
        "against": None if against is None else str(against),
        "comparisons": [asdict(comparison) for comparison in found.comparisons],
        "remarks": list(found.remarks),
        "command": found.command or None,
    }
