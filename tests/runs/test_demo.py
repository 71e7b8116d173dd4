"""The demo, small: everything it writes, and no point inside a certified radius that breaks it."""

from __future__ import annotations

import pytest
import torch

from heatproof.attacks import break_certificates
from heatproof.certification import CertificateStore
from heatproof.networks import at_time
from heatproof.runs.demo import DEMO, DemoResult, run_demo
from heatproof.runs.folder import RunFolder
from heatproof.runs.identity import load_data
from heatproof.runs.training import load_model

SMALL = (
    "training.budget=48",
    "attack.limit=30",
    "attack.steps=5",
    "certify.limit=40",
    "certify.estimation_samples=1000",
)
NAMES = ("natural", "gaussian", "convection_diffusion")
LEVEL = 1e-6


class _Recorder:
    """Stands for the progress bars and notes what they were told."""

    def __init__(self) -> None:
        self.last: dict[str, tuple[int, int]] = {}

    def __call__(self, name: str) -> _Stage:
        return _Stage(self, name)


class _Stage:
    def __init__(self, recorder: _Recorder, name: str) -> None:
        self._recorder, self._name = recorder, name

    def __call__(self, done: int, total: int, note: str = "") -> None:  # noqa: ARG002 - a progress has it
        self._recorder.last[self._name] = (done, total)


@pytest.fixture(scope="module")
def stages() -> _Recorder:
    return _Recorder()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, stages: _Recorder) -> DemoResult:
    return run_demo(tmp_path_factory.mktemp("demo"), SMALL, stages, challenged=15)


@pytest.mark.usefixtures("demo")
def test_every_stage_of_every_run_told_its_progress_to_the_end(stages: _Recorder) -> None:
    parts = ("train", "attack", "certify", "attack certificates")
    assert set(stages.last) == {f"{name}: {part}" for name in NAMES for part in parts}
    assert all(done == total for done, total in stages.last.values())


def test_every_file_is_there(demo: DemoResult) -> None:
    out = demo.page.parent
    for name in NAMES:
        files = {path.name for path in (out / name).iterdir()}
        assert files >= {
            "run.json",
            "config.yaml",
            "model.safetensors",
            "metrics.csv",
            "attacks.parquet",
            "certificates.sqlite",
            "report.html",
        }
    assert demo.picture.read_bytes().startswith(b"\x89PNG")
    assert "</html>" in demo.page.read_text(encoding="utf-8")


def test_three_runs_at_equal_cost_with_one_network_and_one_noise(demo: DemoResult) -> None:
    configs = [RunFolder.open(demo.page.parent / name).config for name in NAMES]
    assert len(DEMO) == len({config.objective.name for config in configs}) == 3
    assert len({config.training.budget for config in configs}) == 1
    assert len({config.network.model_dump_json() for config in configs}) == 1
    assert {run.noise_std for run in demo.contents.runs} == {0.25}
    epochs = [len(run.curves) for run in demo.contents.runs]
    assert epochs == [48, 48, 12]  # the last spends four evaluations an input a step


def test_everything_was_measured(demo: DemoResult) -> None:
    for run in demo.contents.runs:
        assert run.natural is not None
        assert len(run.robust) == 5
        assert len(run.certified) == 40
        assert set(run.seconds) == {"train", "attack", "certify"}


def test_certificates_follow_from_their_counts(demo: DemoResult) -> None:
    assert (demo.verified, demo.mismatches) == (120, 0)


def test_no_certified_radius_is_broken(demo: DemoResult) -> None:
    # A true certificate counts as refuted with probability at most 1e-6, so 45 of them almost never do.
    assert demo.attacked == 45
    assert demo.refuted == 0


@pytest.mark.parametrize("name", NAMES)
def test_radii_that_are_too_large_are_broken(demo: DemoResult, name: str) -> None:
    """The negative control: the same attack refutes radii twice as large as the certified ones."""
    folder = RunFolder.open(demo.page.parent / name)
    model, data = load_model(folder), load_data(folder.config)
    with CertificateStore(folder.certificates) as store:
        certificates = [one for one in store.stored(store.certifications()[-1]) if one.radius > 0.1][:15]
    rows = torch.tensor([int((data.test.index == one.index).nonzero()[0]) for one in certificates])
    broken = break_certificates(
        at_time(model, 0.0) if certificates[0].settings.classifier == "equation" else model,
        data.test.x[rows],
        torch.tensor([one.candidate for one in certificates]),
        torch.tensor([2.0 * one.radius for one in certificates], dtype=torch.float64),
        noise_std=certificates[0].settings.noise.scale,
        grid_step=data.grid_step,
        index=data.test.index[rows],
        level=LEVEL,
    )
    assert broken.refuted >= broken.attacked // 2
