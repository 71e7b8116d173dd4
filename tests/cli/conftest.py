"""The command line in this process and in one of its own, and one finished run to copy."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

CONFIG = """\
name: small
data: digits
network: {name: mlp, widths: [16]}
objective: {name: gaussian_augmentation, noise_std: 0.25}
training: {epochs: 2}
attack: {radii: {l2: [0.25, 0.5]}, limit: 10, steps: 3}
certify: {limit: 10, estimation_samples: 200, radii: [0.0, 0.25]}
"""

Runner = Callable[..., tuple[int, str, str]]


def _call(*arguments: object) -> tuple[int, str, str]:
    from heatproof.cli.main import _guarded

    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = _guarded([str(argument) for argument in arguments])
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="session")
def heatproof() -> Runner:
    """Run a command in this process; return exit code, standard output and standard error."""
    return _call


@pytest.fixture(scope="session")
def command() -> Callable[..., list[str]]:
    """Return the words that run a command in a process of its own."""

    def words(*arguments: object) -> list[str]:
        start = "from heatproof.cli.main import run; run()"
        return [sys.executable, "-c", start, *(str(argument) for argument in arguments)]

    return words


@pytest.fixture(scope="session")
def spawn(command: Callable[..., list[str]]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command in a process of its own to its end."""

    def run(
        *arguments: object, environment: dict[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        surroundings = {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}
        return subprocess.run(
            command(*arguments),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=surroundings,
            **options,
        )

    return run


@pytest.fixture(scope="session")
def refused() -> Callable[[tuple[int, str, str]], str]:
    """Assert bad input: exit code 2 and one line without a traceback; return the line."""

    def check(outcome: tuple[int, str, str]) -> str:
        return complaint(outcome, 2)

    return check


@pytest.fixture(scope="session")
def failed() -> Callable[[tuple[int, str, str]], str]:
    """Assert a failure: exit code 1 and one line without a traceback; return the line."""

    def check(outcome: tuple[int, str, str]) -> str:
        return complaint(outcome, 1)

    return check


def complaint(outcome: tuple[int, str, str], code: int) -> str:
    """Return the last line of standard error, after checking that it is the only complaint."""
    found, _, err = outcome
    lines = [line for line in err.splitlines() if line.startswith("heatproof: ")]
    lines = [line for line in lines if not line.startswith("heatproof: mismatch: ")]
    assert found == code, err
    assert "Traceback" not in err
    assert len(lines) == 1, err
    assert "unexpected" not in lines[0]
    return lines[0].removeprefix("heatproof: ")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a small configuration."""
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run that is trained, attacked and certified; copy it before changing it."""
    folder = tmp_path_factory.mktemp("finished")
    path = folder / "small.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    run = folder / "run"
    steps: Sequence[Sequence[object]] = [("train", path, "--out", run), ("attack", run), ("certify", run)]
    for step in steps:
        code, _, err = _call(*step)
        assert code == 0, err
    return run


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """Return a copy of the finished run."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture
def half(tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch, heatproof: Runner) -> Path:
    """Return a run whose training was interrupted after its first epoch."""
    from heatproof.runs import metrics

    real = metrics.MetricsLog.add

    def stop(self: metrics.MetricsLog, record: Any) -> None:
        real(self, record)
        if record.epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(metrics.MetricsLog, "add", stop)
        code, _, err = heatproof("train", config, "--out", tmp_path / "half")
    assert code == 130, err
    assert f"heatproof train --resume {tmp_path / 'half'}" in err
    return tmp_path / "half"
