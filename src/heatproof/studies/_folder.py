"""The folder of a study: the only place that knows its file names.

study.json      what this folder is: study, protocol, version, settings; once complete, data and verdicts
cells/KEY.json  the result of one cell, written as soon as it is complete
study.html      the page
figures/        the charts as pictures, if asked for

Every file is written under a temporary name and moved into place.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import heatproof
from heatproof._check import message
from heatproof.errors import InputError, RunFolderError, StorageError
from heatproof.runs.files import write_atomically
from heatproof.runs.folder import RunFolder
from heatproof.studies._study import Study

__all__ = ["FORMAT", "StudyFolder", "identity"]

FORMAT = 1


def identity(study: Study) -> dict[str, Any]:
    """Return what two sittings must share for their cells to belong together."""
    return {
        "study": study.name,
        "protocol": study.protocol,
        "heatproof": heatproof.__version__,
        "settings": study.to_mapping(),
    }


@dataclass(frozen=True)
class StudyFolder:
    """A folder with one study; `open` makes it or finds it again."""

    path: Path

    @property
    def document(self) -> Path:
        """`study.json`."""
        return self.path / "study.json"

    @property
    def page(self) -> Path:
        """`study.html`."""
        return self.path / "study.html"

    @property
    def figures(self) -> Path:
        """`figures/`, where charts are written as pictures if that is asked for."""
        return self.path / "figures"

    def cell(self, key: str) -> Path:
        """Return the file of a cell."""
        return self.path / "cells" / f"{key}.json"

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path, study: Study) -> Iterator[StudyFolder]:
        """Hold the folder for one process, made if it is new.

        Errors: `RunFolderError` if it holds anything else, another study, or this one with other settings, or
        is in use.
        """
        folder = cls(RunFolder.at(path).path)
        folder._check_usable(study)  # before anything is made
        try:
            folder.cell("").parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            got = f"a folder that cannot be made ({error.strerror})"
            raise RunFolderError(message(str(path), got, "a folder that can be written")) from error
        with RunFolder(folder.path).lock():
            folder._check_usable(study)  # another process may have been faster
            yield folder

    def _check_usable(self, study: Study) -> None:
        if self.document.is_file():
            self.check(study)
        elif not self._is_only_begun():
            RunFolder.check_vacant(self.path)

    def _is_only_begun(self) -> bool:
        """Whether there is nothing but what `open` makes before study.json is there."""
        cells = self.cell("").parent
        return (
            cells.is_dir()
            and not any(cells.iterdir())
            and {entry.name for entry in self.path.iterdir()} <= {cells.name, ".lock"}
        )

    def check(self, study: Study) -> None:
        """Raise `RunFolderError`, with a line that says what differs, unless this is the study's folder."""
        found = self.read()
        wanted = {"format": FORMAT, **identity(study)}
        changes = list(_differences({key: found.get(key) for key in wanted}, wanted))
        if changes:
            advice = "Choose another --out, or repeat the command that made it."
            got = f"another study ({'; '.join(changes)})"
            raise RunFolderError(message(str(self.path), got, "the same study, to go on with", advice))

    def read(self) -> dict[str, Any]:
        """Return what `study.json` says. Errors: `RunFolderError` if it is damaged."""
        return _read(self.document, "Choose another --out.")

    def write(self, document: Mapping[str, Any]) -> None:
        """Write `study.json`."""
        write_atomically(self.document, _dump("study.json", document, indent=1))

    def stored(self, key: str) -> dict[str, Any] | None:
        """Return what is stored of a cell, {"result": …, "seconds": …}, or None."""
        file = self.cell(key)
        if not file.is_file():
            return None
        found = _read(file, "Remove it and repeat the command.")
        if found.get("key") != key or not {"result", "seconds"} <= found.keys():
            raise RunFolderError(_damaged(file, "something else", "Remove it and repeat the command."))
        return found

    def store(self, key: str, result: Any, seconds: float) -> None:
        """Store a cell; it is there whole or not at all. Errors: `InputError` for data JSON cannot hold."""
        write_atomically(
            self.cell(key), _dump(key, {"key": key, "seconds": round(seconds, 3), "result": result})
        )


def _dump(name: str, document: Mapping[str, Any], indent: int | None = None) -> str:
    try:
        return json.dumps(document, indent=indent, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        allowed = "plain data: text, finite numbers, lists, mappings"
        raise InputError(message(name, f"a result that JSON cannot hold ({error})", allowed)) from error


def _read(file: Path, advice: str) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise RunFolderError(_damaged(file, f"a damaged file ({error})", advice)) from error
    except OSError as error:
        raise StorageError(f"{file}: could not be read ({error.strerror}). {advice}") from error
    if not isinstance(found, dict):
        raise RunFolderError(_damaged(file, "a damaged file", advice))
    return found


def _damaged(file: Path, got: str, advice: str) -> str:
    return message(str(file), got, "a file of this study", advice)


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """Yield one phrase for each entry that differs: "seed: 0 there, 1 here"."""
    for key in dict.fromkeys((*found, *wanted)):
        there, here = found.get(key), wanted.get(key)
        name = f"{place}{key}"
        if isinstance(there, Mapping) and isinstance(here, Mapping):
            yield from _differences(there, here, "" if name == "settings" else f"{name}.")
        elif there != here:
            yield f"{name}: {_short(there)} there, {_short(here)} here"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"
