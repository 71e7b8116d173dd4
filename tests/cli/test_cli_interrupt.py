"""What an interruption, a kill, a full disk, a closed pipe and a bug leave behind, in real processes."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cases.processes import started, wait_until

Runner = Callable[..., tuple[int, str, str]]
Check = Callable[[tuple[int, str, str]], str]
Spawn = Callable[..., subprocess.CompletedProcess[str]]
Words = Callable[..., list[str]]

CERTIFY = ("--estimation-samples", 40_000, "--limit", 40)
TRAIN = ("--set", "training.epochs=60", "--set", "seed=3")


def _stored(run: Path, certification: int = 2) -> list[tuple[Any, ...]]:
    query = f"SELECT * FROM certificates WHERE certification = {certification} ORDER BY input"
    with closing(sqlite3.connect(run / "certificates.sqlite")) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def unbroken(finished: Path, heatproof: Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run with the certification that others are interrupted in."""
    run = Path(shutil.copytree(finished, tmp_path_factory.mktemp("unbroken") / "run"))
    assert heatproof("certify", run, *CERTIFY)[0] == 0
    return run


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL], ids=["interrupt", "kill"])
def test_a_certification_goes_on_where_it_stopped(
    kind: signal.Signals, run: Path, unbroken: Path, command: Words, heatproof: Runner
) -> None:
    with started(command("certify", run, *CERTIFY)) as process:
        wait_until(process, lambda: len(_stored(run)) >= 3)
        process.send_signal(kind)
        _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    if kind == signal.SIGINT:
        assert process.returncode == 130
        assert "interrupted; finished work is stored. Go on with: the same command" in err
    else:
        assert process.returncode == -signal.SIGKILL
    before = _stored(run)
    assert 3 <= len(before) < 40
    code, out, _ = heatproof("certify", run, *CERTIFY)
    assert code == 0
    assert out.startswith(f"40 inputs ({len(before)} from before)")
    after = _stored(run)
    assert after == _stored(unbroken)
    assert set(before) <= set(after)
    assert heatproof("verify", run)[0] == 0


def test_a_training_goes_on_where_it_stopped_bit_for_bit(
    config: Path, tmp_path: Path, command: Words, heatproof: Runner
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "my broken run"
    assert heatproof("train", config, *TRAIN, "--out", whole)[0] == 0
    metrics = broken / "metrics.csv"
    with started(command("train", config, *TRAIN, "--out", broken)) as process:
        wait_until(process, lambda: metrics.is_file() and metrics.read_text().count("\n") > 4)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"Go on with: heatproof train --resume '{broken}'" in err
    assert "Traceback" not in err
    assert not (broken / "model.safetensors").exists()
    code, out, err = heatproof("train", "--resume", broken)
    assert code == 0, err
    assert "Trained small" in out
    assert (broken / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    epochs = [line.partition(",")[0] for line in metrics.read_text().splitlines()[1:]]
    assert epochs == [str(epoch) for epoch in range(1, 61)]


def _no_file_over(size: int) -> Callable[[], None]:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def test_a_disk_that_fills_while_certifying_loses_nothing(
    run: Path, unbroken: Path, spawn: Spawn, heatproof: Runner
) -> None:
    done = spawn("certify", run, *CERTIFY, preexec_fn=_no_file_over(96 * 1024))
    assert done.returncode == 1, done.stderr
    assert "certificates.sqlite: could not be read or written" in done.stderr
    assert "free some space" in done.stderr
    assert "Traceback" not in done.stderr
    before = _stored(run)
    assert 0 < len(before) < 40
    assert len(_stored(run, 1)) == 10
    code, out, _ = heatproof("certify", run, *CERTIFY)
    assert code == 0
    assert out.startswith(f"40 inputs ({len(before)} from before)")
    assert _stored(run) == _stored(unbroken)


def test_a_disk_that_fills_while_training_can_be_resumed(
    config: Path, tmp_path: Path, spawn: Spawn, heatproof: Runner
) -> None:
    run, whole = tmp_path / "run", tmp_path / "whole"
    done = spawn("train", config, "--out", run, preexec_fn=_no_file_over(4096))
    assert done.returncode == 1, done.stderr
    assert "could not be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert heatproof("train", "--resume", run)[0] == 0
    assert heatproof("train", config, "--out", whole)[0] == 0
    assert (run / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_a_closed_pipe_changes_neither_exit_code_nor_result(run: Path, command: Words) -> None:
    with closing(sqlite3.connect(run / "certificates.sqlite")) as connection:
        connection.execute("UPDATE certificates SET p_lower = 0.99")
        connection.commit()
    for words, code in ((["info", "presets"], 0), (["--help"], 0), (["verify", run], 1)):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            command(*words), stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
        os.close(writer)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        assert "BrokenPipe" not in done.stderr


def test_a_terminal_that_knows_ascii_only_still_gets_its_lines(run: Path, spawn: Spawn) -> None:
    done = spawn("certify", run, environment={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert r"certified accuracy at \u21132 radius 0" in done.stdout


def test_a_bug_is_one_line_and_the_traceback_on_request(
    monkeypatch: pytest.MonkeyPatch, heatproof: Runner
) -> None:
    def bug() -> dict[str, str]:
        raise ZeroDivisionError("a bug\nin two lines")

    monkeypatch.setattr("heatproof.runs.environment.environment", bug)
    monkeypatch.delenv("HEATPROOF_DEBUG", raising=False)
    expected = (
        "heatproof: unexpected ZeroDivisionError: a bug in two lines. Set HEATPROOF_DEBUG=1 to see where.\n"
    )
    assert heatproof("info") == (1, "", expected)
    monkeypatch.setenv("HEATPROOF_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        heatproof("info")


def test_debugging_shows_the_traceback(command: Words) -> None:
    words = command("info")
    words[2] = (
        "import heatproof.runs.environment as e\n"
        "def bug(): raise ZeroDivisionError('a bug')\n"
        f"e.environment = bug\n{words[2]}"
    )
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HEATPROOF_DEBUG": "1"},
        timeout=60,
    )
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert "ZeroDivisionError: a bug" in done.stderr


@pytest.mark.parametrize("command_name", ["attack", "verify", "report"])
def test_ctrl_c_elsewhere_is_130(
    command_name: str, run: Path, monkeypatch: pytest.MonkeyPatch, heatproof: Runner
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("heatproof.runs.training.load_model", stop)
    code, _, err = heatproof(command_name, run)
    assert (code, err) == (130, "heatproof: interrupted\n")


def test_ctrl_c_before_anything_was_stored_says_so(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heatproof: Runner
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("heatproof.runs.training.load_data", stop)
    code, _, err = heatproof("train", config, "--out", tmp_path / "run")
    assert code == 130
    assert "nothing was stored" in err
    assert "--resume" not in err
    assert not (tmp_path / "run").exists()
