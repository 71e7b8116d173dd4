"""`heatproof doctor`: what it says of real runs, alone and side by side, and of folders that are none."""

from __future__ import annotations

import json
import shlex
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Runner = Callable[..., tuple[int, str, str]]
Check = Callable[[tuple[int, str, str]], str]

CONFIG = """\
name: heat
data: digits
network: {name: mlp, widths: [32], time_conditioned: true}
objective: {name: convection_diffusion, noise_std: 0.25, weight: 10.0}
training: {epochs: 10, device: cpu}
attack: {split: validation, radii: {l2: [0.5]}, limit: 250, steps: 6}
certify: {split: validation, limit: 40, estimation_samples: 200, radii: [0.0, 0.25]}
"""
RUNS = {
    "healthy": (),
    "zero": ("objective.weight=0",),
    "weak": ("objective.weight=0.01",),
    "flat": ("objective.weight=1e8",),
}
FIELDS = {
    "run": str,
    "name": str,
    "status": str,
    "epochs": int,
    "planned": int,
    "healthy": bool,
    "findings": list,
    "against": str | None,
    "comparisons": list,
    "remarks": list,
    "command": str | None,
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, heatproof: Runner) -> Path:
    """Return a folder of runs that differ in λ, attacked on validation inputs; two are certified too."""
    place = tmp_path_factory.mktemp("runs")
    (place / "heat.yaml").write_text(CONFIG, encoding="utf-8")
    for name, overrides in RUNS.items():
        changes = [word for override in overrides for word in ("--set", override)]
        assert _train(heatproof, place / "heat.yaml", *changes, "--out", place / name)[0] == 0
        if name != "flat":
            assert heatproof("attack", place / name)[0] == 0
    for name in ("healthy", "zero"):
        assert heatproof("certify", place / name)[0] == 0
    return place


def _train(heatproof: Runner, *arguments: object) -> tuple[int, str, str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is told on the way is tested elsewhere
        return heatproof("train", *arguments)


@pytest.fixture(scope="module")
def diverged(tmp_path_factory: pytest.TempPathFactory, heatproof: Runner) -> Path:
    place = tmp_path_factory.mktemp("diverged")
    (place / "heat.yaml").write_text(CONFIG, encoding="utf-8")
    changes = ("training.learning_rate=1e9", "training.gradient_clip=null", "training.warmup=0")
    words = [word for change in changes for word in ("--set", change)]
    code, _, err = _train(heatproof, place / "heat.yaml", *words, "--out", place / "run")
    assert code == 1
    assert "learning_rate = 1e+09 is too large" in err
    return place / "run"


@pytest.fixture
def copied(runs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(runs / "healthy", tmp_path / "healthy"))


def _examined(heatproof: Runner, *arguments: object) -> dict[str, Any]:
    code, out, err = heatproof("doctor", *arguments, "--json")
    assert (code, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    assert list(found) == list(FIELDS)
    assert all(isinstance(found[name], kind) for name, kind in FIELDS.items())
    for finding in found["findings"]:
        assert set(finding) == {"signature", "evidence", "change", "expectation", "importance", "overrides"}
    for one in found["comparisons"]:
        assert set(one) == {"measure", "norm", "radius", "split", "difference"}
    return found


class TestAlone:
    def test_a_healthy_run_is_called_so(self, runs: Path, heatproof: Runner) -> None:
        found = _examined(heatproof, runs / "healthy")
        assert (found["healthy"], found["findings"], found["command"]) == (True, [], None)
        code, out, _ = heatproof("doctor", runs / "healthy")
        assert code == 0
        assert "trained, 10 of 10 epochs" in out
        assert "Nothing to change: no sign of divergence, under-fitting, no effect" in out

    def test_no_effect(self, runs: Path, heatproof: Runner) -> None:
        found = _examined(heatproof, runs / "weak")
        assert [one["signature"] for one in found["findings"]] == ["no effect"]
        assert not found["healthy"]

    def test_the_command_can_be_typed_and_heals(self, runs: Path, heatproof: Runner) -> None:
        """Under-fitting first; the command trains into a new folder, which is healthy."""
        found = _examined(heatproof, runs / "flat")
        first = found["findings"][0]
        assert (first["signature"], first["importance"]) == ("under-fitting", 3)
        words = shlex.split(found["command"])
        assert words[:2] == ["heatproof", "train"]
        assert words[-2:] == ["--out", str(runs / "flat_2")]
        _, out, _ = heatproof("doctor", runs / "flat")
        assert f"change: --set {first['overrides'][0]}." in out
        assert out.rstrip().endswith(f"Next: {found['command']}")
        assert _train(heatproof, *words[2:])[0] == 0
        assert _examined(heatproof, runs / "flat_2")["findings"] == []

    def test_training_ends_with_a_word_of_it(self, runs: Path, tmp_path: Path, heatproof: Runner) -> None:
        weak = ("--set", "objective.weight=0.01", "--out", tmp_path / "weak")
        code, out, err = _train(heatproof, runs / "heat.yaml", *weak)
        assert code == 0, err
        assert f"Found in training: no effect. What to change: heatproof doctor {tmp_path / 'weak'}" in out

    def test_what_training_found_is_on_the_page(self, runs: Path, heatproof: Runner) -> None:
        assert heatproof("report", runs / "weak", "--out", runs / "weak.html")[0] == 0
        assert heatproof("report", runs / "healthy", "--out", runs / "healthy.html")[0] == 0
        assert "Diagnosis, no effect: The penalty of weight 0.01" in (runs / "weak.html").read_text()
        assert "Diagnosis, " not in (runs / "healthy.html").read_text()

    def test_a_short_run_is_not_judged(self, run: Path, heatproof: Runner) -> None:
        found = _examined(heatproof, run)
        assert found["findings"] == []
        assert "Too short to judge" in found["remarks"][0]

    def test_a_run_without_a_diagnosis_is_read_from_its_data(self, copied: Path, heatproof: Runner) -> None:
        before = _examined(heatproof, copied)
        (copied / "diagnosis.json").unlink()
        assert _examined(heatproof, copied) == before

    def test_certified_with_another_noise(self, copied: Path, heatproof: Runner) -> None:
        (copied / "certificates.sqlite").unlink()
        assert (
            heatproof("certify", copied, "--noise-std", "1.0", "--classifier", "network", "--limit", "5")[0]
            == 0
        )
        (finding,) = _examined(heatproof, copied)["findings"]
        assert finding["signature"] == "noise"
        assert "(noise_std 1)" in finding["evidence"]


class TestDiverged:
    def test_it_says_where_and_what_to_turn(self, diverged: Path, heatproof: Runner) -> None:
        found = _examined(heatproof, diverged)
        assert (found["status"], found["healthy"]) == ("diverged", False)
        assert found["findings"][0]["signature"] == "divergence"
        assert found["findings"][0]["overrides"] == ["training.gradient_clip=5"]
        assert "Resuming would break at the same step" in found["remarks"][0]

    def test_it_is_not_compared(self, diverged: Path, runs: Path, heatproof: Runner, refused: Check) -> None:
        line = refused(heatproof("doctor", diverged, "--against", runs / "zero"))
        assert "a run whose training has not ended" in line


class TestAgainst:
    def test_a_gain(self, runs: Path, heatproof: Runner) -> None:
        found = _examined(heatproof, runs / "healthy", "--against", runs / "zero")
        assert found["findings"] == []
        robust, certified = found["comparisons"]
        assert (robust["measure"], robust["norm"], robust["radius"]) == ("robust accuracy", "l2", 0.5)
        assert robust["difference"]["low"] > 0.02
        assert robust["difference"]["trials"] == 250
        assert robust["difference"]["confidence"] == 0.975  # two comparisons share the level
        assert (certified["measure"], certified["difference"]["trials"]) == ("certified accuracy", 40)

    def test_none(self, runs: Path, heatproof: Runner) -> None:
        found = _examined(heatproof, runs / "weak", "--against", runs / "zero")
        (robust,) = found["comparisons"]
        assert robust["difference"]["low"] <= 0 <= robust["difference"]["high"] < 0.1
        assert [one["signature"] for one in found["findings"]] == ["no effect"]  # told once
        turned = _examined(heatproof, runs / "zero", "--against", runs / "weak")
        assert "Against the other run nothing is gained" in turned["findings"][0]["evidence"]

    def test_the_lines(self, runs: Path, heatproof: Runner) -> None:
        _, out, _ = heatproof("doctor", runs / "healthy", "--against", runs / "zero")
        assert f"Against {runs / 'zero'}: robust accuracy at ℓ2 radius 0.5, validation: +0." in out

    def test_nothing_measured(self, runs: Path, heatproof: Runner) -> None:
        found = _examined(heatproof, runs / "flat", "--against", runs / "zero")
        assert found["comparisons"] == []
        assert any(f"heatproof attack {runs / 'flat'}" in remark for remark in found["remarks"])

    def test_itself_and_other_data(
        self, runs: Path, tmp_path: Path, heatproof: Runner, refused: Check
    ) -> None:
        assert "healthy twice" in refused(
            heatproof("doctor", runs / "healthy", "--against", runs / "healthy")
        )
        moons = ("--set", "data=half_moons", "--set", "training.epochs=1", "--out", tmp_path / "moons")
        assert _train(heatproof, runs / "heat.yaml", *moons)[0] == 0
        line = refused(heatproof("doctor", runs / "healthy", "--against", tmp_path / "moons"))
        assert "different data" in line


class TestBadInput:
    def test_an_unfinished_run(self, half: Path, heatproof: Runner, refused: Check) -> None:
        line = refused(heatproof("doctor", half))
        assert "a run whose training has not ended" in line
        assert f"heatproof train --resume {half}" in line

    def test_an_unfinished_run_that_goes_wrong_is_examined(
        self, copied: Path, runs: Path, heatproof: Runner
    ) -> None:
        shutil.copy(runs / "flat" / "metrics.csv", copied)
        shutil.copy(runs / "flat" / "config.yaml", copied)
        state = json.loads((copied / "run.json").read_text())
        (copied / "run.json").write_text(json.dumps({**state, "status": "training"}))
        found = _examined(heatproof, copied)
        assert found["findings"][0]["signature"] == "under-fitting"
        assert "Training has not ended" in found["remarks"][0]

    def test_no_records(self, copied: Path, heatproof: Runner, refused: Check) -> None:
        for blob in (b"", None):
            (copied / "metrics.csv").unlink()
            if blob is not None:
                (copied / "metrics.csv").write_bytes(blob)
            assert "got no epoch in metrics.csv" in refused(heatproof("doctor", copied))

    @pytest.mark.parametrize(
        "text",
        [
            "epoch,total\n1",
            "epoch,total\n1,nan\n",
            "epoch,cross_entropy\n1,0.5\n",
            "epoch,total\n2,0.5\n1,0.5\n",
            "epoch,total,train_accuracy\n1,0.5,1.5\n",
        ],
    )
    def test_damaged_records(self, text: str, copied: Path, heatproof: Runner, refused: Check) -> None:
        (copied / "metrics.csv").write_text(text)
        assert "metrics.csv: got a damaged file" in refused(heatproof("doctor", copied))

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"findings": []}', '{"circumstances": {"classes": 1}}'])
    def test_a_damaged_diagnosis(self, text: str, copied: Path, heatproof: Runner, refused: Check) -> None:
        (copied / "diagnosis.json").write_text(text)
        assert "diagnosis.json: got a damaged file" in refused(heatproof("doctor", copied))
        assert "diagnosis.json: got a damaged file" in refused(heatproof("report", copied))

    def test_folders_that_are_no_run_or_another_version_s(
        self, copied: Path, tmp_path: Path, heatproof: Runner, refused: Check
    ) -> None:
        assert "no such folder" in refused(heatproof("doctor", tmp_path / "none"))
        assert "no run here" in refused(heatproof("doctor", tmp_path))
        assert "no such folder" in refused(heatproof("doctor", copied, "--against", tmp_path / "none"))
        state = json.loads((copied / "run.json").read_text())
        (copied / "run.json").write_text(json.dumps({**state, "format": 99, "heatproof": "9.9"}))
        assert "format 99 (heatproof 9.9)" in refused(heatproof("doctor", copied))
        (copied / "run.json").write_text("{")
        assert "a damaged run.json" in refused(heatproof("doctor", copied))

    def test_damaged_attacks_and_a_missing_configuration(
        self, copied: Path, runs: Path, heatproof: Runner, refused: Check
    ) -> None:
        (copied / "attacks.parquet").write_bytes(b"PAR1")
        assert "attacks.parquet" in refused(heatproof("doctor", copied, "--against", runs / "zero"))
        (copied / "config.yaml").unlink()
        assert "a folder without config.yaml" in refused(heatproof("doctor", copied))
