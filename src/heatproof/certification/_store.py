"""Certificates on disk: one SQLite file, one transaction an input, several certifications side by side.

A killed process loses the input it was working on and nothing else; running again with the same settings
goes on where it stopped, and because noise is keyed by input the result is the one of an unbroken run.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from heatproof._check import message
from heatproof.certification._record import Certificate, CertificationSettings
from heatproof.errors import HeatproofError, InputError, RunFolderError, StorageError

__all__ = ["CertificateStore", "Certification"]

FORMAT = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS certifications (
    id INTEGER PRIMARY KEY,
    settings TEXT NOT NULL,
    plan TEXT NOT NULL,
    seconds REAL NOT NULL DEFAULT 0,
    UNIQUE (settings, plan)
);
CREATE TABLE IF NOT EXISTS certificates (
    certification INTEGER NOT NULL REFERENCES certifications (id),
    input INTEGER NOT NULL,
    target INTEGER,
    one_pass INTEGER,
    candidate INTEGER NOT NULL,
    abstained INTEGER NOT NULL,
    p_lower REAL NOT NULL,
    radius_l1 REAL NOT NULL,
    radius_l2 REAL NOT NULL,
    radius_linf REAL NOT NULL,
    rounding REAL NOT NULL,
    selection_counts TEXT NOT NULL,
    estimation_counts TEXT NOT NULL,
    PRIMARY KEY (certification, input)
);
"""


@dataclass(frozen=True)
class Certification:
    """One set of settings applied to one list of inputs: `split` and the inputs' indices, in order."""

    id: int
    settings: CertificationSettings
    split: str
    index: tuple[int, ...]
    seconds: float


class CertificateStore:
    """Reads and writes `certificates.sqlite`. Use as a context manager.

    With `read_only` the file must be there and nothing is written, not even beside it: a finished store can
    be read from a folder that cannot be written.

    Errors: `RunFolderError` if the file is not such a store; `StorageError` if a write fails (a full
    disk): everything stored before it is still there.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._read_only = read_only
        place = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        try:
            self._connection = sqlite3.connect(place, uri=True, isolation_level=None)
        except sqlite3.DatabaseError as error:
            raise _translate(error, path) from error
        try:
            self._prepare()
        except BaseException as error:
            self._connection.close()
            if isinstance(error, sqlite3.DatabaseError):
                raise _translate(error, path) from error
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if not self._read_only:
            with contextlib.suppress(sqlite3.Error):  # refused while another process reads: then it stays WAL
                self._connection.execute("PRAGMA journal_mode = DELETE")
        self._connection.close()

    def open(self, settings: CertificationSettings, split: str, index: tuple[int, ...]) -> Certification:
        """Return the certification of these settings and inputs, made if it is not there yet."""
        text = json.dumps(settings.to_mapping(), sort_keys=True)
        plan = json.dumps({"split": split, "index": list(index)})
        with self._transaction() as run:
            run.execute("INSERT OR IGNORE INTO certifications (settings, plan) VALUES (?, ?)", (text, plan))
        row = self._rows("SELECT id FROM certifications WHERE settings = ? AND plan = ?", (text, plan))[0]
        return next(one for one in self.certifications() if one.id == row[0])

    def certifications(self) -> list[Certification]:
        """Return all certifications, oldest first."""
        rows = self._rows("SELECT id, settings, plan, seconds FROM certifications ORDER BY id")
        return [self._certification(*row) for row in rows]

    def add(self, certification: Certification, certificate: Certificate, seconds: float = 0.0) -> None:
        """Store one certificate in one transaction; `seconds` is added to the certification's time.

        Errors: `InputError` for an input that is stored already.
        """
        with self._transaction() as run:
            run.execute(
                f"INSERT INTO certificates VALUES ({', '.join('?' * 13)})",  # noqa: S608 - only question marks
                _row(certification, certificate),
            )
            run.execute(
                "UPDATE certifications SET seconds = seconds + ? WHERE id = ?", (seconds, certification.id)
            )

    def stored(self, certification: Certification) -> list[Certificate]:
        """Return what is stored so far, in the order of the plan."""
        rows = self._rows("SELECT * FROM certificates WHERE certification = ?", (certification.id,))
        found = {row[1]: _certificate(row, certification.settings) for row in rows}
        return [found[index] for index in certification.index if index in found]

    def _prepare(self) -> None:
        version = int(self._rows("PRAGMA user_version")[0][0])
        tables = self._rows("SELECT name FROM sqlite_master")
        if version not in {0, FORMAT} or (version == 0 and (tables or self._read_only)):
            allowed = f"format {FORMAT}"
            advice = "Certify again with this version, into a new run folder."
            raise RunFolderError(message(self.path.name, f"format {version}", allowed, advice))
        if self._read_only:
            return
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        if version == 0:
            self._connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;")

    def _rows(self, query: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise _translate(error, self.path) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.DatabaseError):
                raise _translate(error, self.path) from error
            raise

    def _certification(self, key: int, settings: str, plan: str, seconds: float) -> Certification:
        planned = json.loads(plan)
        return Certification(
            key,
            CertificationSettings.from_mapping(json.loads(settings)),
            planned["split"],
            tuple(planned["index"]),
            seconds,
        )


def _row(certification: Certification, certificate: Certificate) -> tuple[object, ...]:
    return (
        certification.id,
        certificate.index,
        certificate.target,
        certificate.one_pass,
        certificate.candidate,
        int(certificate.abstained),
        certificate.p_lower,
        certificate.radii["l1"],
        certificate.radii["l2"],
        certificate.radii["linf"],
        certificate.rounding,
        json.dumps(certificate.selection_counts),
        json.dumps(certificate.estimation_counts),
    )


def _certificate(row: tuple[Any, ...], settings: CertificationSettings) -> Certificate:
    _, index, target, one_pass, candidate, abstained, p_lower, l1, l2, linf, rounding, first, second = row
    return Certificate(
        index=index,
        candidate=candidate,
        abstained=bool(abstained),
        p_lower=p_lower,
        radii={"l1": l1, "l2": l2, "linf": linf},
        rounding=rounding,
        selection_counts=tuple(json.loads(str(first))),
        estimation_counts=tuple(json.loads(str(second))),
        settings=settings,
        target=target,
        one_pass=one_pass,
    )


def _translate(error: sqlite3.DatabaseError, path: Path) -> HeatproofError:
    if isinstance(error, sqlite3.IntegrityError):
        return InputError(
            message("certificate", str(error), "each input of a certification once"), name="index"
        )
    if isinstance(error, sqlite3.OperationalError):
        advice = (
            "What was stored before is intact; free some space (or wait for the process that uses the file) "
            "and run the same command again."
        )
        return StorageError(f"{path.name}: could not be read or written ({error}). {advice}")
    advice = "The file is damaged or is no certificate store; move it away and certify again."
    return RunFolderError(message(path.name, str(error), "an SQLite certificate store", advice))
