"""Certificates on disk: one SQLite file, one transaction an input, several certifications side by side.

A killed process loses the input it was working on and nothing else; running again with the same settings
goes on where it stopped, and because noise is keyed by input the result is the one of an unbroken run.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from heatproof._check import message
from heatproof.certification._record import Certificate
from heatproof.certification._settings import CertificationSettings
from heatproof.certification._store_rows import SCHEMA, Certification, certificate_of, differences, row_of
from heatproof.errors import HeatproofError, InputError, RunFolderError, StorageError

__all__ = ["CertificateStore"]

FORMAT = 2


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

    def open(
        self,
        settings: CertificationSettings,
        split: str,
        index: tuple[int, ...],
        *,
        digest: str = "",
        boundaries: Sequence[Mapping[str, object]] = (),
        beside: bool = False,
    ) -> Certification:
        """Return the certification of these settings and inputs, made if it is not there yet.

        `digest` says what the inputs contain, `boundaries` are the stopping boundaries of its radii, kept for
        the checker. Errors: `InputError` if another certification of these inputs is unfinished, which says
        what differs (with `beside` the new one is begun all the same), or one with these settings had other
        inputs at the same indices.
        """
        text = json.dumps(settings.to_mapping(), sort_keys=True)
        plan = json.dumps({"split": split, "index": list(index), "digest": digest})
        self._refuse_other_contents(settings, split, index, digest)
        row = self._rows("SELECT id FROM certifications WHERE settings = ? AND plan = ?", (text, plan))
        if not row:
            if not beside:
                self._refuse_another(settings, split, index)
            with self._transaction() as run:
                run.execute(
                    "INSERT OR IGNORE INTO certifications (settings, plan, boundaries) VALUES (?, ?, ?)",
                    (text, plan, json.dumps(list(boundaries))),
                )
            row = self._rows("SELECT id FROM certifications WHERE settings = ? AND plan = ?", (text, plan))
        return next(one for one in self.certifications() if one.id == row[0][0])

    def _refuse_another(self, settings: CertificationSettings, split: str, index: tuple[int, ...]) -> None:
        """Raise if an unfinished certification shares inputs with this one."""
        for one in self.certifications():
            done = self._rows("SELECT COUNT(*) FROM certificates WHERE certification = ?", (one.id,))[0][0]
            shared = one.split == split and not set(one.index).isdisjoint(index)
            if done < len(one.index) and shared:
                got = "; ".join(differences(one, settings, index))
                allowed = f"what certification {one.id} began with ({done} of {len(one.index)} inputs done)"
                advice = "Repeat its settings to go on, or begin another one beside it (--beside)."
                raise InputError(message("certification", got, allowed, advice), name="settings")

    def _refuse_other_contents(
        self, settings: CertificationSettings, split: str, index: tuple[int, ...], digest: str
    ) -> None:
        """Raise if these indices stood for other inputs."""
        for one in self.certifications():
            if (one.settings, one.split, one.index) == (settings, split, index) and one.digest != digest:
                got = f"other inputs at the indices of certification {one.id}"
                advice = "Give other inputs other indices, or use another store."
                raise InputError(message("x", got, "the inputs that it began with", advice), name="x")

    def certifications(self) -> list[Certification]:
        """Return all certifications, oldest first."""
        rows = self._rows("SELECT id, settings, plan, seconds, boundaries FROM certifications ORDER BY id")
        return [self._certification(*row) for row in rows]

    def add(self, certification: Certification, certificate: Certificate, seconds: float = 0.0) -> None:
        """Store one certificate in one transaction; `seconds` is added to the certification's time.

        Errors: `InputError` for an input that is stored already.
        """
        with self._transaction() as run:
            run.execute(
                f"INSERT INTO certificates VALUES ({', '.join('?' * 14)})",  # noqa: S608 - only question marks
                row_of(certification, certificate),
            )
            run.execute(
                "UPDATE certifications SET seconds = seconds + ? WHERE id = ?", (seconds, certification.id)
            )

    def stored(self, certification: Certification) -> list[Certificate]:
        """Return what is stored so far, in the order of the plan."""
        rows = self._rows("SELECT * FROM certificates WHERE certification = ?", (certification.id,))
        found = {row[1]: certificate_of(row, certification.settings) for row in rows}
        return [found[index] for index in certification.index if index in found]

    def missing(self, certification: Certification) -> set[int]:
        """Return the planned inputs that are not stored yet."""
        rows = self._rows("SELECT input FROM certificates WHERE certification = ?", (certification.id,))
        return set(certification.index) - {row[0] for row in rows}

    def _prepare(self) -> None:
        version = int(self._rows("PRAGMA user_version")[0][0])
        tables = self._rows("SELECT name FROM sqlite_master")
        if version not in {0, FORMAT} or (version == 0 and (tables or self._read_only)):
            advice = "Certify again with this version, into a new run folder."
            if version > FORMAT:
                advice = "A newer version of heatproof made it: use that one or a later one."
            raise RunFolderError(message(self.path.name, f"format {version}", f"format {FORMAT}", advice))
        if self._read_only:
            return
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        if version == 0:
            self._connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;")

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

    def _certification(self, *row: Any) -> Certification:
        key, settings, plan, seconds, boundaries = row
        planned = json.loads(plan)
        return Certification(
            key,
            CertificationSettings.from_mapping(json.loads(settings)),
            planned["split"],
            tuple(planned["index"]),
            seconds,
            tuple(json.loads(boundaries)),
            planned.get("digest", ""),
        )


def _translate(error: sqlite3.DatabaseError, path: Path) -> HeatproofError:
    if isinstance(error, sqlite3.IntegrityError):
        return InputError(
            message("certificate", str(error), "each input of a certification once"), name="index"
        )
    if "unable to open" in str(error):
        advice = "Name a file in a folder that is there and can be written."
        return StorageError(f"{path}: could not be read or written ({error}). {advice}")
    if isinstance(error, sqlite3.OperationalError):
        advice = (
            "What was stored before is intact; free some space (or wait for the process that uses the file) "
            "and run the same command again."
        )
        return StorageError(f"{path.name}: could not be read or written ({error}). {advice}")
    advice = "The file is damaged or is no certificate store; move it away and certify again."
    return RunFolderError(message(path.name, str(error), "an SQLite certificate store", advice))
