"""The run folder: the only place that knows its file names.

run.json            what this folder is: format, version, status, environment, shape of the model, times
config.yaml         the effective configuration
model.safetensors   the trained weights
checkpoint.safetensors, metrics.csv, attacks.parquet, certificates.sqlite, report.html, tensorboard/

Every file but the SQLite store is written to a temporary name and moved into place.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

import heatproof
from heatproof._check import message
from heatproof.errors import RunFolderError, StorageError
from heatproof.runs.config import RunConfig, read_yaml
from heatproof.runs.environment import environment

__all__ = ["FORMAT", "RunFolder", "write_atomically"]

FORMAT = 1


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
    def create(cls, path: Path, config: RunConfig, **state: Any) -> RunFolder:
        """Make the folder of a run that is about to be trained. Errors: `RunFolderError` if one is there."""
        folder = cls(path)
        if folder.state_file.exists():
            advice = f"Resume it (heatproof train --resume {path}) or choose another --out."
            raise RunFolderError(message(str(path), "a folder that holds a run", "a new folder", advice))
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            got = f"a folder that cannot be made ({error.strerror})"
            raise RunFolderError(message(str(path), got, "a folder that can be written")) from error
        write_atomically(folder.config_file, config.to_yaml())
        folder._write({"status": "training", "environment": environment(), "seconds": {}, **state})
        return folder

    @classmethod
    def open(cls, path: Path, *, status: Literal["training", "trained"] = "trained") -> RunFolder:
        """Return the run in a folder. Errors: `RunFolderError` if it is none, half-written, or too new."""
        folder = cls(path)
        if not folder.state_file.is_file():
            got = "no run here (no run.json)" if path.is_dir() else "no such folder"
            raise RunFolderError(message(str(path), got, "a run folder made by heatproof train"))
        if folder.state["status"] != status:
            raise RunFolderError(_status_text(path, folder.state["status"]))
        needed = [folder.config_file] + ([folder.weights] if status == "trained" else [])
        for file in needed:
            if not file.is_file():
                got = f"a folder without {file.name}"
                raise RunFolderError(message(str(path), got, "a whole run folder", "Train it again."))
        return folder

    @property
    def state(self) -> dict[str, Any]:
        """What `run.json` says. Errors: `RunFolderError` if it cannot be read or is of another format."""
        try:
            state = json.loads(self.state_file.read_text(encoding="utf-8"))
            found, made_by = state["format"], state["heatproof"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            got = "a damaged run.json"
            raise RunFolderError(
                message(str(self.path), got, "a whole run folder", "Train it again.")
            ) from error
        if found != FORMAT:
            got = f"format {found} (heatproof {made_by})"
            advice = f"This is heatproof {heatproof.__version__}; use the version that made it."
            raise RunFolderError(message(str(self.path), got, f"format {FORMAT}", advice))
        return dict(state)

    @property
    def config(self) -> RunConfig:
        """The effective configuration."""
        return RunConfig.from_mapping(read_yaml(self.config_file))

    def update(self, **changes: Any) -> None:
        """Change entries of `run.json`."""
        self._write({**self.state, **changes})

    def add_seconds(self, stage: str, seconds: float) -> None:
        """Add to the time that a stage has taken."""
        times: Mapping[str, float] = self.state["seconds"]
        self.update(seconds={**times, stage: times.get(stage, 0.0) + seconds})

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for one process. Errors: `RunFolderError` at once if another one holds it."""
        lock = FileLock(self.path / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            advice = "Wait until it ends."
            text = message(str(self.path), "in use by another process", "one process at a time", advice)
            raise RunFolderError(text) from error
        except OSError as error:
            got = f"a folder that cannot be written ({error.strerror})"
            raise RunFolderError(message(str(self.path), got, "a writable run folder")) from error
        try:
            yield
        finally:
            lock.release()

    def _write(self, state: Mapping[str, Any]) -> None:
        full = {"format": FORMAT, "heatproof": heatproof.__version__, **state}
        write_atomically(self.state_file, json.dumps(full, indent=2, ensure_ascii=False))


def write_atomically(path: Path, text: str) -> None:
    """Write a text file whole or not at all. Errors: `StorageError`."""
    temporary = path.with_name(f".{path.name}.partial")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(f"{path.name}: could not be written ({error.strerror}).") from error


def _status_text(path: Path, status: str) -> str:
    if status == "training":
        advice = f"Finish it: heatproof train --resume {path}."
        return message(str(path), "a run whose training has not ended", "a trained run", advice)
    return message(str(path), f"a run that is {status}", "a run whose training has not ended")
