"""The independent checker: recomputes every certificate from what is stored of it, with code of its own.

It shares nothing with the certifier: it reads the SQLite file itself, and its arithmetic is its own
(`arithmetic`, `noises`). It proves that radii follow from counts, settings and stopping
boundaries, and that the boundaries keep their level; not that the counts were drawn honestly, nor that
labels are those of the data: `heatproof verify` compares those with the run's data and draws a few inputs
again.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heatproof._check import message
from heatproof.certification.checking.known import Known, settings_faults
from heatproof.certification.checking.row import row_faults
from heatproof.errors import RunFolderError

__all__ = ["UNREADABLE", "Verification", "read_store", "verify_rows", "verify_store"]

FORMAT = 2
UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError, AttributeError)
"""What reading a row can raise whose values are not what they should be."""


@dataclass(frozen=True)
class Verification:
    """How many certificates were checked, each mismatch in one line, and how many are still to be made.

    `redrawn` is how many inputs' noise was drawn again; this module draws none.
    """

    checked: int
    missing: int
    mismatches: tuple[str, ...]
    redrawn: int = 0


def verify_store(path: Path, model_fingerprint: str | None = None) -> Verification:
    """Recompute every certificate in the store; compare the model's fingerprint where one is given.

    Whatever is wrong inside a row or its settings, up to text where a number belongs, is a mismatch, not an
    error. Cost: about a millisecond for each distinct count, a second for each long stopping boundary.
    Errors: `RunFolderError` if the file is missing, of another format or no certificate store.
    """
    return verify_rows(*read_store(path), model_fingerprint)


def read_store(path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows of both tables, certifications and certificates, as of one moment and as they are.

    Errors: those of `verify_store`.
    """
    if not path.is_file():
        advice = "Make certificates first: heatproof certify RUN."
        raise RunFolderError(message(path.name, "no such file", "a certificate store", advice))
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        ) as connection:
            connection.row_factory = sqlite3.Row
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if version != FORMAT:
                newer = " or a newer one" if version > FORMAT else ""
                advice = f"Use the version of heatproof that made it{newer}."
                raise RunFolderError(message(path.name, f"format {version}", f"format {FORMAT}", advice))
            connection.execute("BEGIN")  # both tables as of one moment
            certifications = [dict(row) for row in connection.execute("SELECT * FROM certifications")]
            certificates = [dict(row) for row in connection.execute("SELECT * FROM certificates")]
    except sqlite3.DatabaseError as error:
        raise RunFolderError(message(path.name, str(error), "an SQLite certificate store")) from error
    return certifications, certificates


def verify_rows(
    certifications: list[dict[str, Any]],
    certificates: list[dict[str, Any]],
    model_fingerprint: str | None = None,
) -> Verification:
    """Do what `verify_store` does, on rows that are read already."""
    mismatches: list[str] = []
    missing = 0
    rows: dict[object, list[dict[str, Any]]] = {one["id"]: [] for one in certifications}
    for row in certificates:
        if row["certification"] in rows:
            rows[row["certification"]].append(row)
        else:
            mismatches.append(f"input {row['input']}: belongs to no certification")
    for one in certifications:
        left, faults = _certification(one, rows[one["id"]], model_fingerprint)
        missing += left
        mismatches += [f"certification {one['id']}{text}" for text in faults]
    return Verification(len(certificates), missing, tuple(mismatches))


def _certification(
    one: dict[str, Any], rows: list[dict[str, Any]], model_fingerprint: str | None
) -> tuple[int, list[str]]:
    """Return how many inputs are missing from one certification, and what is wrong with it."""
    try:
        known = Known(json.loads(one["settings"]), json.loads(one["boundaries"]))
        plan = json.loads(one["plan"])["index"]
        planned, stored = set(plan), [row["input"] for row in rows]
        faults = [f": {text}" for text in settings_faults(known, len(plan), model_fingerprint)]
        if len(planned) < len(plan) or len(set(stored)) < len(stored):
            faults.append(": an input is there more than once")
    except UNREADABLE as error:
        return 0, [f": settings or plan cannot be read ({error!r})"]
    for row in rows:
        faults += [f", input {row['input']}: {text}" for text in _row(row, known, planned)]
    return len(planned - set(stored)), faults


def _row(row: dict[str, Any], known: Known, planned: set[int]) -> Iterator[str]:
    if row["input"] not in planned:
        yield "is not among the planned inputs"
    try:
        yield from list(row_faults(row, known))
    except UNREADABLE as error:
        yield f"cannot be checked ({error!r})"
