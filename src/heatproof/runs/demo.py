"""The main job on real data: train three ways at equal cost, attack all, certify all, show one page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from torch import nn

from heatproof._types import Progress
from heatproof.attacks import BrokenCertificates
from heatproof.certification import Verification
from heatproof.data import DataSet
from heatproof.report.contents import ReportContents
from heatproof.report.page import write
from heatproof.report.picture import picture
from heatproof.runs.attack import attack_run, challenge_run
from heatproof.runs.certify import certify_run
from heatproof.runs.config import RunConfig
from heatproof.runs.contents import collect
from heatproof.runs.document import apply_overrides
from heatproof.runs.files import write_atomically
from heatproof.runs.folder import RunFolder
from heatproof.runs.identity import load_data
from heatproof.runs.presets import preset
from heatproof.runs.training import load_model, train_run
from heatproof.runs.verify import verify_run

__all__ = ["DEMO", "QUICK", "DemoResult", "Stages", "run_demo"]

DEMO = ("digits_natural", "digits_gaussian", "digits_convection_diffusion")
"""Three presets that share data, network, budget and noise_std, and differ in the objective."""

QUICK = (
    "training.budget=80",
    "attack.limit=120",
    "attack.steps=20",
    "certify.limit=120",
    "certify.estimation_samples=1000",
)
"""What `--quick` changes."""


@runtime_checkable
class Stages(Protocol):
    """Gives a progress for each named stage; the terminal draws a bar for it."""

    def __call__(self, name: str) -> Progress:
        """Begin a stage."""
        ...


@dataclass(frozen=True)
class _Measured:
    """One run, and what the attack on its certificates and the checker said."""

    folder: RunFolder
    model: nn.Module
    broken: BrokenCertificates
    verification: Verification


@dataclass(frozen=True)
class DemoResult:
    """What the demo made: the page's contents, the places of page and picture, and the counts to check."""

    contents: ReportContents
    page: Path
    picture: Path
    attacked: int
    refuted: int
    verified: int
    mismatches: int


def run_demo(out: Path, overrides: tuple[str, ...], stages: Stages, *, challenged: int = 40) -> DemoResult:
    """Run all three presets into folders under `out` and write `out`/report.html and `out`/report.png.

    `challenged` certificates of each run are attacked inside their radii. Errors: those of each stage.
    """
    configs = [RunConfig.from_mapping(apply_overrides(preset(name), overrides)) for name in DEMO]
    data = load_data(configs[0])
    runs = [_measure(config, out / config.name, data, stages, challenged) for config in configs]
    pairs = [(run.folder, run.model) for run in runs]
    for pair in pairs:
        write(collect([pair], data, title=pair[0].config.name), pair[0].report)
    contents = collect(pairs, data, title="heatproof demo: handwritten digits")
    image = out / "report.png"
    write_atomically(image, picture(contents))
    return DemoResult(
        contents=contents,
        page=write(contents, out / "report.html"),
        picture=image,
        attacked=sum(run.broken.attacked for run in runs),
        refuted=sum(run.broken.refuted for run in runs),
        verified=sum(run.verification.checked for run in runs),
        mismatches=sum(len(run.verification.mismatches) for run in runs),
    )


def _measure(config: RunConfig, path: Path, data: DataSet, stages: Stages, challenged: int) -> _Measured:
    """Train, attack, certify, attack the certificates, recompute them."""
    folder = train_run(config, path, progress=stages(f"{config.name}: train"))
    model = load_model(folder)
    attack_run(folder, model, data, config.attack, progress=stages(f"{config.name}: attack"))
    certify_run(folder, model, data, config.certify, progress=stages(f"{config.name}: certify"))
    progress = stages(f"{config.name}: attack certificates")
    broken = challenge_run(folder, model, data, limit=challenged, progress=progress)
    return _Measured(folder, model, broken, verify_run(folder, model, data, redraw=2))
