"""What natural training, Gaussian augmentation, consistency and ours certify on CIFAR-10 with ResNet-20.

    python benchmarks/cifar10.py --protocol cpu|full [--json] [--out FOLDER] [--workers 2] [--minutes M]

HEATPROOF_DATA must name the folder with `cifar10/`. Cells, resuming and printed figures are those of
benchmarks/mnist.py; here certified accuracy at radii .25, .5 and .75 is what is asked for.

* cpu, a *reduced* protocol whose figures compare with nothing but each other: 10,000 training images, equal
  budget of 8 evaluations an image, no augmentation, noise_std .25, one seed, 100 test images (every 100th),
  n = 6,000, about as few as reach a radius of .75 when all agree. Two cores, some 20 minutes.
* full, for a GPU: 45,000 training images with crops and mirror images, 90 epochs of SGD .1, a tenth after
  each third (Cohen et al. 2019), noise_std .25 and .5, 3 seeds, every 20th test image, n = 100,000.
"""

from __future__ import annotations

import sys
from typing import Any

from training_cells import Cell, Plan, Protocol
from training_contestants import CONSISTENCY, GAUSSIAN, OURS, PUBLISHED_TRAINING, definition
from training_run import main

NAMES = (GAUSSIAN, CONSISTENCY, OURS, "natural")
RADII = ("0.25", "0.5", "0.75")


def cpu(quick: bool) -> Plan:
    """Return the plan of the reduced protocol."""
    every = 2_000 if quick else 100
    cells = [_cell(name, 0.25, 0, every) for name in NAMES]
    training = {
        "budget": 8,
        "batch_size": 64,
        "learning_rate": 0.05,
        "weight_decay": 1e-4,
        "device": "cpu",
    }
    samples = {"estimation_samples": 100 if quick else 6_000, "selection_samples": 100, "alpha": 0.001}
    protocol = _protocol("cifar10 cpu", training, samples, rows=128 if quick else 10_000, held_out=500)
    remarks = (
        "REDUCED PROTOCOL: few images, few epochs, few draws; no figure compares with published ones.",
        "Equal budget: 8 evaluations an image for each objective.",
    )
    return Plan(protocol, tuple(cells), every, remarks)


def full(quick: bool) -> Plan:
    """Return the plan of the full protocol."""
    every = 2_000 if quick else 20
    seeds = range(1 if quick else 3)
    cells = [
        _cell(name, noise_std, seed, every) for seed in seeds for noise_std in (0.25, 0.5) for name in NAMES
    ]
    training = {
        **PUBLISHED_TRAINING,
        "epochs": 1 if quick else 90,
        "learning_rate": 0.1,
        "augmentation": "crop_flip",
    }
    samples = {"estimation_samples": 100 if quick else 100_000, "selection_samples": 100, "alpha": 0.001}
    rows = 256 if quick else None
    protocol = _protocol("cifar10 full", training, samples, rows=rows, held_out=rows)
    return Plan(protocol, tuple(cells), every, ("The same epochs for each objective.",))


def judge(plan: Plan, summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Return nothing to be met: the figures are asked for, no target is set."""
    del plan
    for level in summary["levels"]:
        for row in level["rows"]:
            row["asked_for"] = {radius: row["certified"].get(radius) for radius in RADII}
    return []


def _cell(name: str, noise_std: float, seed: int, every: int) -> Cell:
    return Cell(name, definition(name, noise_std, "cifar10"), noise_std, seed, every)


def _protocol(
    title: str,
    training: dict[str, Any],
    samples: dict[str, Any],
    *,
    rows: int | None,
    held_out: int | None,
) -> Protocol:
    return Protocol(
        title=title,
        data="cifar10",
        network={"name": "resnet", "depth": 20},
        training=training,
        certification=samples,
        mean=(0.491, 0.482, 0.447),
        std=(0.247, 0.243, 0.262),
        train_rows=rows,
        validation_rows=held_out,
        channels_last=True,
        execution={"channels_last": True},
    )


if __name__ == "__main__":
    sys.exit(main(__doc__, {"cpu": cpu, "full": full}, judge))
