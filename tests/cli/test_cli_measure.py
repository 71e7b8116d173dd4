"""Attack, certify, verify, report and info on a finished run: what they store, say and refuse."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from pyarrow import csv, parquet
from safetensors.torch import load_file, save_file

Runner = Callable[..., tuple[int, str, str]]
Check = Callable[[tuple[int, str, str]], str]


def _rows(run: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = parquet.read_table(run / "attacks.parquet").to_pylist()
    return rows


def _ask(run: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(run / "certificates.sqlite")) as connection:
        found = connection.execute(query).fetchall()
        connection.commit()
    return found


def test_attack_again_replaces_the_same_rows_and_keeps_others(run: Path, heatproof: Runner) -> None:
    first = _rows(run)
    assert {(row["norm"], row["radius"]) for row in first} == {("l2", 0.25), ("l2", 0.5)}
    assert heatproof("attack", run)[0] == 0
    assert _rows(run) == first
    code, out, _ = heatproof("attack", run, "--norm", "linf", "--radius", 0.1, "--radius", 0.05)
    assert code == 0
    assert out.index("radius 0.05") < out.index("radius 0.1")
    second = _rows(run)
    assert [row for row in second if row["norm"] == "l2"] == first
    assert {row["radius"] for row in second if row["norm"] == "linf"} == {0.05, 0.1}
    assert heatproof("attack", run, "--limit", 4)[0] == 0
    third = _rows(run)
    # an attack of fewer inputs replaces those only: what was measured of the others is not lost
    keys = ("norm", "radius", "input", "target", "natural_correct", "success")
    assert sorted([row[key] for key in keys] for row in third) == sorted(
        [row[key] for key in keys] for row in second
    )  # distances may differ in the last bits: another batch
    assert len([row for row in third if row["norm"] == "l2" and row["radius"] == 0.25]) == 10
    assert heatproof("attack", run, "--split", "validation", "--limit", 5)[0] == 0
    assert [row for row in _rows(run) if row["split"] == "test"] == third


def test_an_input_counts_once_however_often_its_radius_is_named(run: Path, heatproof: Runner) -> None:
    assert heatproof("attack", run, "--norm", "l2", "--radius", 0.1, "--radius", 0.1)[0] == 0
    inputs = [row["input"] for row in _rows(run) if row["radius"] == 0.1]
    assert len(inputs) == len(set(inputs)) == 10


def test_rows_say_who_was_attacked_and_how_it_went(run: Path, heatproof: Runner) -> None:
    assert heatproof("attack", run, "--norm", "l2", "--radius", 5, "--limit", 3)[0] == 0
    rows = [row for row in _rows(run) if row["radius"] == 5]
    assert len(rows) == 3
    for row in rows:
        assert row["distance"] <= 5 * (1 + 1e-6)
        assert row["success"] == (row["label"] != row["target"])


def test_certificates_stand_the_attack_and_the_result_is_kept(run: Path, heatproof: Runner) -> None:
    code, out, _ = heatproof("attack", run, "--certificates", "--steps", 2, "--limit", 3)
    assert (code, out) == (0, "certificates attacked inside their radii: 3, refuted: 0\n")
    kept = json.loads((run / "run.json").read_text())["challenge"]
    assert (kept["attacked"], kept["refuted"], kept["certification"]) == (3, 0, 1)
    assert "Certificates attacked inside their radii: 3; refuted: 0" in _page(run, heatproof)
    assert heatproof("certify", run, "--seed", 5)[0] == 0  # another certification, not attacked
    assert "Certificates attacked inside" not in _page(run, heatproof)


def test_refuted_certificates_end_with_1(run: Path, heatproof: Runner, failed: Check) -> None:
    """Negative control: certificates of wrong labels must be refuted."""
    _ask(
        run,
        "UPDATE certificates SET candidate = (candidate + 1) % 10, radii = json_object('l2', 0.2), "
        "abstained = 0",
    )
    outcome = heatproof("attack", run, "--certificates", "--limit", 3, "--steps", 2)
    assert "3 certificates refuted" in failed(outcome)
    assert "refuted: 3" in outcome[1]


def test_same_settings_go_on_and_others_stand_beside(run: Path, heatproof: Runner) -> None:
    before = _ask(run, "SELECT * FROM certificates ORDER BY input")
    code, out, _ = heatproof("certify", run)
    assert code == 0
    assert out.startswith("10 inputs (10 from before): ")
    assert "Guarantee: For each input on its own" in out
    assert _ask(run, "SELECT * FROM certificates ORDER BY input") == before
    code, out, _ = heatproof("certify", run, "--noise-std", 0.5, "--limit", 4, "-n", 50, "--alpha", 0.01)
    assert code == 0
    assert out.startswith("4 inputs (0 from before): ")
    assert _ask(run, "SELECT * FROM certificates WHERE certification = 1 ORDER BY input") == before
    assert _ask(run, "SELECT certification, count(*) FROM certificates GROUP BY 1") == [(1, 10), (2, 4)]
    settings = json.loads(_ask(run, "SELECT settings FROM certifications WHERE id = 2")[0][0])
    assert settings["noise"] == {"name": "gaussian", "noise_std": 0.5}
    assert (settings["estimation_samples"], settings["alpha"]) == (50, 0.01)


def test_the_noise_of_training_is_that_of_certification_unless_told(run: Path) -> None:
    settings = json.loads(_ask(run, "SELECT settings FROM certifications")[0][0])
    assert (settings["noise"]["noise_std"], settings["classifier"]) == (0.25, "network")


def test_a_decision_on_radii(run: Path, heatproof: Runner) -> None:
    code, out, _ = heatproof("certify", run, "--radii", "0.1,0.2", "-n", 2000)
    assert code == 0
    assert "certified accuracy at ℓ2 radius 0.1: " in out
    assert "certified accuracy at ℓ2 radius 0.2: " in out
    drawn = int(out.split(" draws an input")[0].rsplit(" ", 1)[1].replace(",", ""))
    assert drawn < 1000
    settings, boundaries = _ask(run, "SELECT settings, boundaries FROM certifications WHERE id = 2")[0]
    assert json.loads(settings)["radii"] == [0.1, 0.2]
    assert [one["looks"][-1] for one in json.loads(boundaries)] == [2000, 2000]
    assert {row[0] for row in _ask(run, "SELECT radius FROM certificates WHERE certification = 2")} <= {
        0,
        0.1,
        0.2,
    }
    code, out, _ = heatproof("verify", run)
    assert (code, out) == (0, "20 certificates recomputed, 4 drawn again, 0 mismatches\n")


def test_the_radius_within_a_tolerance(run: Path, heatproof: Runner) -> None:
    code, out, _ = heatproof("certify", run, "--acr", "-n", 3000, "--tolerance", 0.05)
    assert code == 0
    assert out.startswith("10 inputs (0 from before): ACR 0.")
    code, out, _ = heatproof("verify", run)
    assert (code, out) == (0, "20 certificates recomputed, 4 drawn again, 0 mismatches\n")


@pytest.mark.parametrize("noise", ["uniform,half_width=0.4", "laplace,noise_scale=0.2"])
def test_another_noise_and_norm(noise: str, run: Path, heatproof: Runner, refused: Check) -> None:
    code, out, _ = heatproof("certify", run, "--noise", noise, "-n", 200)
    assert code == 0
    assert "certified accuracy at ℓ1 radius 0.25: " in out
    assert "closer than the certified ℓ1 radius" in out
    assert heatproof("verify", run)[0] == 0
    _ask(run, "DELETE FROM certificates WHERE certification = 1")
    assert "allowed: hard votes of the network as it is, with isotropic Gaussian noise" in refused(
        heatproof("attack", run, "--certificates")
    )


def test_an_unfinished_certification_is_not_mixed_with_another(
    run: Path, heatproof: Runner, refused: Check
) -> None:
    _ask(run, "DELETE FROM certificates WHERE rowid > 7")
    line = refused(heatproof("certify", run, "--seed", 9, "--alpha", 0.5))
    assert "alpha 0.5, there 0.001; seed 9, there 0" in line
    assert "certification 1 began with (7 of 10 inputs done)" in line
    assert "--beside" in line
    assert heatproof("certify", run, "--seed", 9, "--beside")[0] == 0
    assert _ask(run, "SELECT certification, count(*) FROM certificates GROUP BY 1") == [(1, 7), (2, 10)]
    assert "10 inputs (7 from before)" in heatproof("certify", run)[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--radii", "0.1,x"), "--radii: got '0.1,x'; allowed: numbers with commas"),
        (("--radii", ""), "--radii: got ''"),
        (("--radii", "-1"), "radii"),
        (("--radii", "0.1", "--acr"), "--acr: got together with --radii"),
        (("--radii", "3"), "radii: got 3; allowed: at most 0."),
        (("--radii", "1.3"), "It takes "),
        (("--noise", "cauchy"), "noise.name: got 'cauchy'"),
        (("--noise", "uniform"), "noise"),
        (("--noise", "uniform,half_width=a"), "half_width: got 'a'"),
        (("--noise", "uniform,half_width"), "--noise: got 'uniform,half_width'"),
        (("--noise", "uniform,half_width=1,half_width=2"), "each field once"),
        (("--norm", "l7x"), "norm: got 'l7x'; allowed: l1, l2, linf, or lp"),
        (("--vote", "soft", "--radii", "0.1"), "vote: got 'soft'"),
        (("--alpha-scope", "holm"), "alpha_scope: got 'holm'"),
        (("--precision", "float8"), "precision: got 'float8'"),
    ],
)
def test_what_cannot_be_certified_is_said_before_anything_is_drawn(
    words: tuple[str | int, ...], said: str, run: Path, heatproof: Runner, refused: Check
) -> None:
    assert said in refused(heatproof("certify", run, *words))
    assert _ask(run, "SELECT count(*) FROM certifications") == [(1,)]


def test_without_any_noise_std_the_message_says_what_to_pass(
    config: Path, tmp_path: Path, heatproof: Runner, refused: Check
) -> None:
    run = tmp_path / "natural"
    for kind in ("mlp", "residual_mlp, time_conditioned: true"):
        network = f"network={{name: {kind}}}"
        words = ("--set", "objective=natural", "--set", network, "--set", "training.epochs=1")
        assert heatproof("train", config, *words, "--out", run)[0] == 0
        line = refused(heatproof("certify", run))
        assert "the objective natural knows none" in line
        assert "Pass --noise-std" in line
        assert not (run / "certificates.sqlite").exists()
        assert heatproof("certify", run, "--noise-std", 0.25, "-n", 20, "--limit", 2)[0] == 0
        shutil.rmtree(run)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_export_has_one_row_an_input(ending: str, run: Path, tmp_path: Path, heatproof: Runner) -> None:
    target = tmp_path / f"certificates.{ending}"
    assert heatproof("certify", run, "--export", target)[0] == 0
    table = csv.read_csv(target) if ending == "csv" else parquet.read_table(target)
    stored = _ask(run, "SELECT input, radius, target FROM certificates ORDER BY rowid")
    columns = [table.column(name).to_pylist() for name in ("input", "radius_l2", "target")]
    assert list(zip(*columns, strict=True)) == stored


def test_verify_lists_a_tampered_radius_and_ends_with_1(run: Path, heatproof: Runner, failed: Check) -> None:
    code, out, _ = heatproof("verify", run)
    assert (code, out) == (0, "10 certificates recomputed, 2 drawn again, 0 mismatches\n")
    one = _ask(run, "SELECT input FROM certificates WHERE abstained = 0 LIMIT 1")[0][0]
    _ask(run, f"UPDATE certificates SET radius = radius + 0.01 WHERE input = {one}")
    outcome = heatproof("verify", run)
    assert "1 mismatches; do not rely on these certificates" in failed(outcome)
    listed = [line for line in outcome[2].splitlines() if line.startswith("heatproof: mismatch: ")]
    assert len(listed) == 1
    assert f"input {one}: radius is stored as" in listed[0]


def test_other_weights_void_the_certificates_everywhere(
    run: Path, heatproof: Runner, refused: Check, failed: Check
) -> None:
    weights = load_file(run / "model.safetensors")
    changed = {name: torch.flip(value, dims=(0,)) for name, value in weights.items()}
    save_file(changed, run / "model.safetensors")
    outcome = heatproof("verify", run)
    assert "do not rely" in failed(outcome)
    assert "made with another model than that in the run folder" in outcome[2]
    assert "no certificate of these weights" in refused(heatproof("attack", run, "--certificates"))
    assert "Guarantee" not in _page_text(heatproof("report", run))


def _page_text(outcome: tuple[int, str, str]) -> str:
    code, out, err = outcome
    assert code == 0, err
    return out


def _page(run: Path, heatproof: Runner) -> str:
    _page_text(heatproof("report", run))
    return (run / "report.html").read_text(encoding="utf-8")


def test_report_of_one_and_of_several_runs(
    run: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heatproof: Runner
) -> None:
    monkeypatch.chdir(tmp_path)
    out = _page_text(heatproof("report", run, "--title", "My <page>"))
    assert f"Page: {run / 'report.html'}" in out
    assert "My &lt;page&gt;" in (run / "report.html").read_text(encoding="utf-8")
    assert "Page: report.html" in _page_text(heatproof("report", run, finished))
    assert (tmp_path / "report.html").is_file()


def test_report_of_nothing_measured(config: Path, tmp_path: Path, heatproof: Runner) -> None:
    run = tmp_path / "bare"
    assert heatproof("train", config, "--out", run)[0] == 0
    assert "not measured" in _page(run, heatproof)


def test_report_says_when_certification_has_not_ended(run: Path, heatproof: Runner) -> None:
    _ask(run, "DELETE FROM certificates WHERE rowid IN (SELECT rowid FROM certificates LIMIT 3)")
    assert "Certification has not ended: 7 of 10 inputs so far." in _page(run, heatproof)
    code, out, _ = heatproof("verify", run)
    said = "7 certificates recomputed, 2 drawn again, 0 mismatches, 3 still to be certified\n"
    assert (code, out) == (0, said)


def test_report_refuses_what_cannot_be_compared(
    *, run: Path, config: Path, tmp_path: Path, heatproof: Runner, refused: Check
) -> None:
    moons = tmp_path / "moons"
    assert heatproof("train", config, "--set", "data=half_moons", "--out", moons)[0] == 0
    line = refused(heatproof("report", run, moons))
    assert "runs: got different data (digits with seed 0, half_moons with seed 0)" in line
    assert "twice" in refused(heatproof("report", run, run))
    assert "a file in a folder that exists" in refused(heatproof("report", run, "--out", tmp_path))
    assert "a file in a folder" in refused(heatproof("report", run, "--out", tmp_path / "no" / "page"))


def test_runs_on_fixed_data_compare_whatever_their_seed(
    run: Path, config: Path, tmp_path: Path, heatproof: Runner
) -> None:
    other = tmp_path / "other"
    assert heatproof("train", config, "--set", "data.seed=3", "--out", other)[0] == 0
    assert heatproof("report", run, other, "--out", tmp_path / "page.html")[0] == 0


def test_planar_data_show_their_decision_field(config: Path, tmp_path: Path, heatproof: Runner) -> None:
    moons = tmp_path / "moons"
    words = ("--set", "data={name: half_moons, size: 60}", "--set", "training.batch_size=10")
    assert heatproof("train", config, *words, "--out", moons)[0] == 0
    assert heatproof("report", moons)[0] == 0
    assert (moons / "report.html").stat().st_size > 100_000


def test_info_of_a_run_says_what_was_measured(run: Path, half: Path, heatproof: Runner) -> None:
    code, out, err = heatproof("info", run)
    assert (code, err) == (0, "")
    assert out.startswith("status: trained; made by heatproof ")
    assert "attacked: l2 radius 0.25, PGD 3 steps" in out
    assert (
        "certified: 10 of 10 inputs, test; the network with Gaussian noise (noise_std 0.25), fixed n = 200"
        in out
    )
    assert "name: small" in out
    assert heatproof("info", half)[1].startswith("status: training")


@pytest.mark.parametrize("columns", [20, 60, 250])
def test_the_table_fits_the_terminal(
    columns: int, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heatproof: Runner
) -> None:
    from heatproof.cli import _terminal

    class Terminal:
        """Standard output that says it is a terminal."""

        def __init__(self) -> None:
            self.text = ""

        def write(self, text: str) -> int:
            self.text += text
            return len(text)

        def flush(self) -> None:
            """Nothing waits."""

        def isatty(self) -> bool:
            return True

    shown = Terminal()
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    real = _terminal.print_results

    def to_terminal(contents: Any) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("sys.stdout", shown)
            real(contents)

    monkeypatch.setattr(_terminal, "print_results", to_terminal)
    assert heatproof("report", finished, "--out", tmp_path / "page.html")[0] == 0
    lines = re.sub("\x1b\\[[0-9;]*m", "", shown.text).splitlines()
    assert len(lines) > 10
    assert max(len(line.rstrip()) for line in lines) <= columns


def test_the_page_of_a_decision_says_what_was_decided(run: Path, heatproof: Runner) -> None:
    """Radii that were not asked for are neither 0 nor taken from others, and the average is a lower bound."""
    assert heatproof("certify", run, "--radii", "0.1,0.2", "-n", 2000)[0] == 0
    _ask(run, "DELETE FROM certificates WHERE certification = 1")
    page = _page(run, heatproof)
    assert "not decided" in page  # 0 and 0.25, the radii of the configuration
    assert "≥ 0." in page
    assert "Certified accuracy was decided at the radii of the table" in page
    assert "draws until a decision on l2 radii 0.1, 0.2" in page
