"""The run folder: the only place that knows its file names.

run.json            what this folder is: format, version, status, environment, shape of the model, times
config.yaml         the effective configuration
model.safetensors   the trained weights
diagnosis.json      what training found of itself, and under which circumstances
checkpoint.safetensors, metrics.csv, attacks.parquet, certificates.sqlite, report.html, tensorboard/

Every file but the SQLite store is written to a temporary name and moved into place.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

import heatproof
from heatproof._check import message
from heatproof.errors import RunFolderError
from heatproof.runs.config import RunConfig
from heatproof.runs.document import read_yaml
from heatproof.runs.environment import environment
from heatproof.runs.files import write_atomically
from heatproof.runs.state import FORMAT, DataIdentity, ModelShape, RunState

__all__ = ["RunFolder"]

_LOCK = ".lock"


@dataclass(frozen=True)
class RunFolder:
    """A folder with one run. Made by `create`, found again by `open`; every reader checks it first."""

    path: Path

    @property
    def state_file(self) -> Path:
        """`run.json`."""
        return self.path / "run.json"

    @property
    def config_file(self) -> Path:
        """`config.yaml`."""
        return self.path / "config.yaml"

    @property
    def weights(self) -> Path:
        """`model.safetensors`."""
        return self.path / "model.safetensors"

    @property
    def checkpoint(self) -> Path:
        """`checkpoint.safetensors`."""
        return self.path / "checkpoint.safetensors"

    @property
    def metrics(self) -> Path:
        """`metrics.csv`."""
        return self.path / "metrics.csv"

    @property
    def diagnosis(self) -> Path:
        """`diagnosis.json`."""
        return self.path / "diagnosis.json"

    @property
    def attacks(self) -> Path:
        """`attacks.parquet`."""
        return self.path / "attacks.parquet"

    @property
    def certificates(self) -> Path:
        """`certificates.sqlite`."""
        return self.path / "certificates.sqlite"

    @property
    def report(self) -> Path:
        """`report.html`."""
        return self.path / "report.html"

    @property
    def tensorboard(self) -> Path:
        """The folder of TensorBoard's event files."""
        return self.path / "tensorboard"

    @classmethod
    def at(cls, path: Path) -> RunFolder:
        """Return the folder of a path, with ~ expanded; nothing is looked at."""
        try:
            return cls(path.expanduser())
        except RuntimeError:  # a ~ of nobody's
            return cls(path)

    @classmethod
    def create(cls, path: Path, config: RunConfig, *, model: ModelShape, data: DataIdentity) -> RunFolder:
        """Make the folder of a run that is about to be trained. Errors: those of `check_vacant`."""
        folder = cls.at(path)
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            got = f"a folder that cannot be made ({error.strerror})"
            raise RunFolderError(message(str(path), got, "a folder that can be written")) from error
        with folder.lock():
            cls.check_vacant(path)
            write_atomically(folder.config_file, config.to_yaml())
            state = RunState(
                heatproof=heatproof.__version__,
                status="training",
                environment=environment(),
                model=model,
                data=data,
            )
            write_atomically(folder.state_file, _dump(state))
        return folder

    @classmethod
    def check_vacant(cls, path: Path) -> None:
        """Raise `RunFolderError` unless a run can be made here: nothing of anyone's is written over."""
        folder = cls.at(path)
        try:
            found = {entry.name for entry in folder.path.iterdir()}
        except FileNotFoundError:
            _check_can_be_made(path, folder.path)
            return
        except OSError as error:
            got = f"no folder ({error.strerror})"
            raise RunFolderError(message(str(path), got, "a new folder", "Choose another --out.")) from error
        if folder.state_file.name in found:
            advice = f"Resume it (heatproof train --resume {_quoted(path)}) or choose another --out."
            raise RunFolderError(message(str(path), "a folder that holds a run", "a new folder", advice))
        if found - {_LOCK}:
            advice = "Choose another --out."
            got = "a folder with other files in it"
            raise RunFolderError(message(str(path), got, "a new or empty folder", advice))

    @classmethod
    def open(cls, path: Path, *, status: Literal["training", "trained"] | None = "trained") -> RunFolder:
        """Return the run in a folder, of the given status (None: of any).

        Errors: `RunFolderError` if it is none, half-written, or of another format.
        """
        folder = cls.at(path)
        if not os.path.isfile(folder.state_file):  # noqa: PTH113 - never raises, whatever the path
            raise RunFolderError(_missing(path, folder.path))
        found = folder.state.status
        if status not in {None, found}:
            raise RunFolderError(_status_text(path, found))
        needed = [folder.config_file] + ([folder.weights] if found == "trained" else [])
        for file in needed:
            if not file.is_file():
                got = f"a folder without {file.name}"
                raise RunFolderError(message(str(path), got, "a whole run folder", "Train it again."))
        return folder

    def discard(self) -> None:
        """Remove what `create` made, within the lock: a run that failed before its first epoch ended."""
        for file in (self.state_file, self.config_file, self.diagnosis, self.path / _LOCK):
            file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()

    @property
    def state(self) -> RunState:
        """What `run.json` says. Errors: `RunFolderError` if it cannot be read or is of another format."""
        try:
            state = json.loads(self.state_file.read_text(encoding="utf-8"))
            known = not isinstance(state, dict) or state.get("format", FORMAT) == FORMAT
            if known:
                return RunState.from_mapping(state)
        except (OSError, ValueError, RecursionError) as error:
            got = f"a damaged run.json ({error})"
            raise RunFolderError(
                message(str(self.path), got, "a whole run folder", "Train it again.")
            ) from error
        raise RunFolderError(_other_format(self.path, state))

    @property
    def config(self) -> RunConfig:
        """The effective configuration."""
        return RunConfig.from_mapping(read_yaml(self.config_file))

    def update(self, **changes: object) -> None:
        """Change entries of `run.json`; within the lock."""
        write_atomically(self.state_file, _dump(self.state.model_copy(update=changes)))

    def add_seconds(self, stage: str, seconds: float) -> None:
        """Add to the time that a stage has taken; within the lock."""
        times = self.state.seconds
        self.update(seconds={**times, stage: times.get(stage, 0.0) + seconds})

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for one process. Errors: `RunFolderError` at once if another one holds it."""
        lock = FileLock(self.path / _LOCK, timeout=0)
        if not os.access(self.path, os.W_OK | os.X_OK):
            got = "a folder that cannot be written"
            raise RunFolderError(message(str(self.path), got, "a writable run folder", "Copy it, say."))
        try:
            lock.acquire()
        except Timeout as error:
            got, advice = "a folder in use by another process", "Wait until it ends, then repeat the command."
            text = message(str(self.path), got, "one process at a time", advice)
            raise RunFolderError(text) from error
        except OSError as error:
            got = f"a folder that cannot be written ({error.strerror})"
            raise RunFolderError(message(str(self.path), got, "a writable run folder")) from error
        try:
            yield
        finally:
            lock.release()


def _check_can_be_made(path: Path, where: Path) -> None:
    """Raise `RunFolderError` if the nearest folder above that exists cannot be written."""
    above = next(one for one in where.absolute().parents if os.path.exists(one))  # noqa: PTH110 - never raises
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        got = f"a folder that cannot be made ({above} is no folder that can be written)"
        raise RunFolderError(message(str(path), got, "a folder that can be made", "Choose another --out."))


def _dump(state: RunState) -> str:
    return json.dumps(state.to_mapping(), indent=2)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _missing(path: Path, where: Path) -> str:
    if os.path.isdir(where):  # noqa: PTH112 - never raises, whatever the path
        got = "no run here (no run.json)"
    else:
        got = "a file" if os.path.exists(where) else "no such folder"  # noqa: PTH110 - as above
    advice = "Make one: heatproof train."
    return message(str(path), got, "a run folder", advice)


def _other_format(path: Path, state: Mapping[str, object]) -> str:
    got = f"format {state['format']} (heatproof {state.get('heatproof', 'unknown')})"
    advice = f"This is heatproof {heatproof.__version__}; use the version that made it."
    return message(str(path), got, f"format {FORMAT}", advice)


def _status_text(path: Path, status: str) -> str:
    if status == "training":
        advice = f"Finish it: heatproof train --resume {_quoted(path)}."
        return message(str(path), "a run whose training has not ended", "a trained run", advice)
    advice = "There is nothing to resume; train again with another --out."
    return message(str(path), f"a run that is {status}", "a run whose training has not ended", advice)
