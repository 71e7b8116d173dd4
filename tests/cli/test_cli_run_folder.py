"""Run folders that are missing, foreign, half-written, damaged, in use or read-only."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Runner = Callable[..., tuple[int, str, str]]
Check = Callable[[tuple[int, str, str]], str]
Spawn = Callable[..., subprocess.CompletedProcess[str]]
READERS = ("attack", "certify", "verify", "report")


@pytest.mark.parametrize("command", READERS)
def test_a_folder_that_is_no_run(command: str, tmp_path: Path, heatproof: Runner, refused: Check) -> None:
    assert "no such folder" in refused(heatproof(command, tmp_path / "none"))
    assert "no run here (no run.json)" in refused(heatproof(command, tmp_path))
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert "got a file; allowed: a run folder" in refused(heatproof(command, tmp_path / "file"))
    assert "no such folder" in refused(heatproof(command, "n" * 300))


@pytest.mark.parametrize("command", READERS)
def test_a_training_that_has_not_ended_says_how_to_go_on(
    command: str, half: Path, heatproof: Runner, refused: Check
) -> None:
    line = refused(heatproof(command, half))
    assert "a run whose training has not ended" in line
    assert f"heatproof train --resume {half}" in line


def test_resume_needs_a_run_that_has_not_ended(run: Path, heatproof: Runner, refused: Check) -> None:
    line = refused(heatproof("train", "--resume", run))
    assert "a run that is trained" in line
    assert "nothing to resume" in line


def test_another_format_names_both_versions(run: Path, heatproof: Runner, refused: Check) -> None:
    state = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**state, "format": 99, "heatproof": "9.9"}))
    line = refused(heatproof("verify", run))
    assert "format 99 (heatproof 9.9); allowed: format 1" in line


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        "{}",
        '{"format": 1}',
        '{"format": 1, "heatproof": "0", "status": "odd"}',
        "\x00",
        "[",
    ],
)
def test_a_damaged_run_json(text: str, run: Path, heatproof: Runner, refused: Check) -> None:
    (run / "run.json").write_text(text)
    assert "a damaged run.json" in refused(heatproof("certify", run))
    assert "a damaged run.json" in refused(heatproof("info", run))


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("model", {}),
        ("seconds", {"train": "long"}),
        ("environment", 3),
        ("data", None),
        ("status", "trainde"),
    ],
)
def test_a_run_json_with_a_wrong_entry(
    entry: str, value: object, run: Path, heatproof: Runner, refused: Check
) -> None:
    state = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**state, entry: value}))
    assert entry in refused(heatproof("report", run))


@pytest.mark.parametrize("name", ["config.yaml", "model.safetensors"])
@pytest.mark.parametrize("command", READERS)
def test_a_missing_file_is_named(
    command: str, name: str, run: Path, heatproof: Runner, refused: Check
) -> None:
    (run / name).unlink()
    assert f"a folder without {name}" in refused(heatproof(command, run))


def test_weights_that_are_damaged_or_of_another_network(
    *, run: Path, config: Path, tmp_path: Path, heatproof: Runner, refused: Check
) -> None:
    whole = (run / "model.safetensors").read_bytes()
    for blob in (b"", whole[:100], whole[:-100], b"\xff" * 500):
        (run / "model.safetensors").write_bytes(blob)
        assert "weights that do not load" in refused(heatproof("verify", run))
    code, _, err = heatproof("train", config, "--out", tmp_path / "wide", "--set", "network.widths=[8]")
    assert code == 0, err
    shutil.copy(tmp_path / "wide" / "model.safetensors", run)
    line = refused(heatproof("attack", run))
    assert "size mismatch" in line
    assert "Put the file of this run back" in line


@pytest.mark.parametrize(
    "blob", [b"", b"epoch,total\n1", b"epoch\nx\n", b"total\n1\n", bytes(range(128, 255))]
)
def test_damaged_metrics(blob: bytes, run: Path, heatproof: Runner, refused: Check) -> None:
    (run / "metrics.csv").write_bytes(blob)
    code, _, err = heatproof("report", run)
    if blob:
        assert "metrics.csv: got a damaged file" in refused((code, "", err))
    else:
        assert code == 0  # an empty table: nothing was recorded


@pytest.mark.parametrize("blob", [b"", b"PAR1", b"no parquet at all", None])
def test_damaged_attacks(
    blob: bytes | None, run: Path, finished: Path, heatproof: Runner, refused: Check
) -> None:
    if blob is None:
        blob = (finished / "attacks.parquet").read_bytes()[:-200]
    (run / "attacks.parquet").write_bytes(blob)
    for command in ("attack", "report"):
        line = refused(heatproof(command, run))
        assert "attacks.parquet: got a damaged file" in line
        assert "Remove it and attack again" in line
    assert (run / "attacks.parquet").read_bytes() == blob


@pytest.mark.parametrize(
    "blob", [b"no database, but longer than a hundred bytes" * 9, b"SQLite format 3\0" + bytes(99)]
)
def test_damaged_certificates(blob: bytes, run: Path, heatproof: Runner, refused: Check) -> None:
    (run / "certificates.sqlite").write_bytes(blob)
    for command in ("certify", "verify", "report"):
        assert "certificates.sqlite" in refused(heatproof(command, run)), command


def test_truncated_certificates_are_refused(run: Path, heatproof: Runner) -> None:
    blob = (run / "certificates.sqlite").read_bytes()
    (run / "certificates.sqlite").write_bytes(blob[: len(blob) // 2])
    for command in ("certify", "verify", "report"):
        code, _, err = heatproof(command, run)
        assert code in {1, 2}, command
        assert "certificates.sqlite" in err
        assert "unexpected" not in err


def test_no_certificates_yet(run: Path, heatproof: Runner, refused: Check) -> None:
    (run / "certificates.sqlite").unlink()
    assert "heatproof certify" in refused(heatproof("verify", run))
    assert f"heatproof certify {run}" in refused(heatproof("attack", run, "--certificates"))


@pytest.fixture
def holder() -> Iterator[Callable[[Path], None]]:
    """Have another process hold the lock of a folder until the test ends."""
    held: list[subprocess.Popen[str]] = []

    def hold(folder: Path) -> None:
        script = (
            "import sys, filelock; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); "
            "print('held', flush=True); sys.stdin.read()"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(folder / ".lock")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        held.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"

    yield hold
    for process in held:
        process.communicate()


def test_a_folder_in_use_is_refused_at_once_and_left_alone(
    run: Path,
    half: Path,
    holder: Callable[[Path], None],
    heatproof: Runner,
    refused: Check,
) -> None:
    holder(run)
    holder(half)
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    for words in (["attack", run], ["certify", run], ["train", "--resume", half]):
        line = refused(heatproof(*words))
        assert "in use by another process" in line
        assert "Wait until it ends" in line
    assert heatproof("verify", run)[0] == 0  # reading is always possible
    assert before == {path.name: path.read_bytes() for path in run.iterdir()}


def test_nothing_is_written_over(
    *,
    config: Path,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    heatproof: Runner,
    refused: Check,
) -> None:
    assert "a folder that holds a run" in refused(heatproof("train", config, "--out", run))
    own = tmp_path / "own"
    own.mkdir()
    (own / "config.yaml").write_text("mine", encoding="utf-8")
    assert "other files in it" in refused(heatproof("train", config, "--out", own))
    assert (own / "config.yaml").read_text(encoding="utf-8") == "mine"
    assert "Not a directory" in refused(heatproof("train", config, "--out", config))
    assert "Not a directory" in refused(heatproof("train", config, "--out", config / "below"))
    assert "cannot be made" in refused(heatproof("train", config, "--out", "/proc/none/below"))
    monkeypatch.chdir(tmp_path)
    assert "--out" in refused(heatproof("train", config, "--out", "n" * 300))


def test_home_spaces_and_other_alphabets_in_paths(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heatproof: Runner
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    code, out, err = heatproof("train", config, "--out", "~/ein Lauf", "--set", "name=Wärme [b]热")
    assert code == 0, err
    assert "Wärme [b]热" in out
    assert "heatproof attack '~/ein Lauf'" in out
    assert (tmp_path / "ein Lauf" / "model.safetensors").is_file()
    code, _, err = heatproof("report", "~/ein Lauf")
    assert code == 0, err
    assert "Wärme [b]热" in (tmp_path / "ein Lauf" / "report.html").read_text(encoding="utf-8")
    code, out, err = heatproof("train", config, "--set", "name=ξ")
    assert code == 0, err
    assert (tmp_path / "runs" / "ξ" / "run.json").is_file()


def _without_override() -> None:
    """Give up root's right to write where nobody may (CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH)."""
    library = ctypes.CDLL(None)
    for capability in (1, 2):
        library.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP; without root there is nothing to drop


@pytest.mark.skipif(sys.platform != "linux", reason="drops root's rights as Linux does")
def test_a_run_that_cannot_be_written_is_refused_where_written_and_read_where_read(
    run: Path, config: Path, tmp_path: Path, spawn: Spawn
) -> None:
    run.chmod(0o555)
    try:
        for words, code, said in (
            (["certify", run], 2, "a folder that cannot be written"),
            (["train", config, "--out", run / "below"], 2, "a folder that cannot be made"),
            (["report", run, "--out", tmp_path / "page.html"], 0, "Page: "),
            (["verify", run], 0, "10 certificates recomputed, 2 drawn again, 0 mismatches"),
        ):
            done = spawn(*words, preexec_fn=_without_override)
            if os.access(run, os.W_OK) and done.returncode == 0 and code == 2:
                pytest.skip("root's rights cannot be dropped here")
            assert done.returncode == code, done.stderr
            assert said in done.stdout + done.stderr
    finally:
        run.chmod(0o755)
