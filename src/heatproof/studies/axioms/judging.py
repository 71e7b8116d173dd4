"""From findings to verdicts and rows of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from heatproof.studies._study import StudyTable
from heatproof.studies._verdict import Outcome, Verdict, from_ratios

__all__ = ["Stored", "all_hold", "axiom_table", "excess", "plain"]

Stored: TypeAlias = Mapping[str, Any]
"""A finding as JSON gives it back."""

_SLOWEST, _GROWTH = 1.1, 0.25
"""What the axioms of a limit are judged by: a rate above 1 (with 10 %), a growth in log₂ a halving."""


def plain(findings: Sequence[Any]) -> list[dict[str, Any]]:
    """Return findings as JSON holds them."""
    return [finding.to_mapping() for finding in findings]


def excess(found: Stored) -> tuple[float, float]:
    """Return the violation over what is allowed, enclosed: above 1 is violated; (0, 2) is undecided."""
    if found["verdict"] == "undecided":
        return 0.0, 2.0
    if found["axiom"] == "locality":
        rate = found["numbers"].get("rate")
        return (_SLOWEST / rate,) * 2 if rate else (0.0, 0.0)
    if "growth" in found["numbers"]:
        bounded = found["verdict"] != "violated"
        growth = max(0.0, found["numbers"]["growth"]) / _GROWTH
        return (min(growth, 1.0),) * 2 if bounded else (growth,) * 2
    size = max(0.0, found["low"]) if _drawn(found) else found["size"]
    return (size / found["threshold"],) * 2


def all_hold(
    claim: str, findings: Sequence[Stored], *, evidence: str = "", expected: Outcome = "holds"
) -> Verdict:
    """Judge "every axiom holds" from the largest violation over what is allowed."""
    worst = max(findings, key=lambda one: excess(one)[1])
    measured = sum(one["evaluations"] for one in findings)
    constructed = [one["axiom"] for one in findings if one["verdict"] == "holds by construction"]
    said = f"By construction: {', '.join(constructed)}. " if constructed else ""
    tail = f"largest: {worst['axiom']}, {cell(worst)}; {measured:,} values searched"
    return from_ratios(
        claim,
        [excess(one) for one in findings],
        quantity="violation over what is allowed",
        evidence=f"{evidence}{said}{tail}",
        expected=expected,
    )


def cell(found: Stored) -> str:
    """Return a finding in a few words."""
    words = {
        "holds by construction": "by construction",
        "holds (measured)": "measured",
        "violated": "VIOLATED",
        "undecided": "undecided",
    }[found["verdict"]]
    return f"{words}: {_number(found)}"


def axiom_table(title: str, columns: Mapping[str, Sequence[Stored]], note: str = "") -> StudyTable:
    """Return a table of findings: an axiom a row, an operator a column."""
    axioms = list(dict.fromkeys(one["axiom"] for found in columns.values() for one in found))
    rows = []
    for axiom in axioms:
        by_column = [
            next((one for one in found if one["axiom"] == axiom), None) for found in columns.values()
        ]
        rows.append((axiom, *("–" if one is None else cell(one) for one in by_column)))
    return StudyTable(title, ("axiom", *columns), tuple(rows), note)


def _drawn(found: Stored) -> bool:
    """Return whether the size has an interval of its own, not of rounding."""
    wide: bool = found["high"] > 2 * found["threshold"] + found["size"]
    return wide


def _number(found: Stored) -> str:
    if found["axiom"] == "locality":
        numbers = found["numbers"]
        if not numbers:
            return "no difference"
        return f"rate {'≥ ' if numbers['rate_high'] is None else ''}{numbers['rate']:.3g}"
    if "growth" in found["numbers"]:
        return f"C = {found['size']:.3g} [{found['low']:.3g}, {found['high']:.3g}]"
    if found["size"] is None:
        return "not finite"
    if _drawn(found):
        return f"{found['size']:.2g} [{found['low']:.2g}, {found['high']:.2g}]"
    return f"{found['size']:.1e}"
