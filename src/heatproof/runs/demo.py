"""The main job on real data: train three ways at equal cost, attack all, certify all, show one page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import nn

from heatproof._types import Progress
from heatproof.data import DataSet
from heatproof.report.contents import ReportContents
from heatproof.report.page import write
from heatproof.runs.attack import attack_run, challenge_run
from heatproof.runs.certify import certify_run, verify_run
from heatproof.runs.config import RunConfig
from heatproof.runs.contents import collect
from heatproof.runs.document import apply_overrides
from heatproof.runs.folder import RunFolder
from heatproof.runs.identity import load_data
from heatproof.runs.presets import preset
from heatproof.runs.training import load_model, train_run

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


class Stages(Protocol):
    """Gives a progress for each named stage; the terminal draws a bar for it."""

    def __call__(self, name: str) -> Progress:
        """Begin a stage."""
        ...


@dataclass(frozen=True)
class DemoResult:
    """What the demo made: the page's contents and place, and what attack and checker said."""

    contents: ReportContents
    page: Path
    attacked: int
    refuted: int
    verified: int
    mismatches: int


def run_demo(out: Path, overrides: tuple[str, ...], stages: Stages, *, challenged: int = 40) -> DemoResult:
    """Run all three presets into folders under `out` and write `out`/report.html.

    `challenged` certificates of each run are attacked inside their radii. Errors: those of each stage.
    """
    configs = [RunConfig.from_mapping(apply_overrides(preset(name), overrides)) for name in DEMO]
    data = load_data(configs[0])
    runs: list[tuple[RunFolder, nn.Module]] = []
    attacked = refuted = verified = mismatches = 0
    for config in configs:
        folder = train_run(config, out / config.name, progress=stages(f"{config.name}: train"))
        model = load_model(folder)
        _measure(folder, model, data, stages)
        broken = challenge_run(
            folder, model, data, limit=challenged, progress=stages(f"{config.name}: attack certificates")
        )
        verification = verify_run(folder, model)
        attacked, refuted = attacked + broken.attacked, refuted + broken.refuted
        verified, mismatches = (
            verified + verification.checked,
            mismatches + len(verification.mismatches),
        )
        runs.append((folder, model))
    contents = collect(runs, data, title="heatproof demo: handwritten digits")
    page = out / "report.html"
    write(contents, page)
    for one in runs:
        write(collect([one], data, title=one[0].config.name), one[0].report)
    return DemoResult(contents, page, attacked, refuted, verified, mismatches)


def _measure(folder: RunFolder, model: nn.Module, data: DataSet, stages: Stages) -> None:
    config = folder.config
    attack_run(folder, model, data, config.attack, progress=stages(f"{config.name}: attack"))
    certify_run(folder, model, data, config.certify, progress=stages(f"{config.name}: certify"))
