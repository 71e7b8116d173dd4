"""What was tried to certify more at equal cost, and what came of it: variants of the objective, on digits.

    python benchmarks/variants.py --protocol cpu [--json] [--out FOLDER] [--workers 2] [--only NAME …]

An MLP on the 8×8 digits, 200 evaluations an image for each variant, noise_std .5, three seeds, half of the
test images, n = 2,000, α = .001; cells, resuming and printed figures are those of benchmarks/mnist.py. The
last table gives the paired differences between the proposed objective and each variant. A few minutes on two
cores.
"""

from __future__ import annotations

import sys
from typing import Any

from training_cells import Cell, Plan, Protocol
from training_contestants import CONSISTENCY, GAUSSIAN, OURS, ours
from training_run import main

NOISE_STD = 0.5
SUM = ({"name": "convection_diffusion", "labels_at": "views"}, {"name": "consistency", "weight": 5.0})


def _equation(**settings: Any) -> dict[str, Any]:
    return {"name": "convection_diffusion", "noise_std": NOISE_STD, "labels_at": "views", **settings}


def _drift(**settings: Any) -> dict[str, Any]:
    return {"name": "adversarial_drift", "noise_std": NOISE_STD, **settings}


def _agree(**settings: Any) -> dict[str, Any]:
    return {"name": "consistency", "noise_std": NOISE_STD, "weight": 5.0, **settings}


VARIANTS: dict[str, dict[str, Any]] = {
    OURS: dict(ours(NOISE_STD)),
    GAUSSIAN: {"name": "gaussian_augmentation", "noise_std": NOISE_STD},
    CONSISTENCY: _agree(),
    "consistency_10": _agree(weight=10.0),
    "consistency_four_copies": _agree(copies=4),
    "drift_1": _drift(drift=1.0),
    "drift_4": _drift(drift=4.0),
    "drift_constant": _drift(pace="constant"),
    "drift_weight_10": _drift(weight=10.0),
    "equation": _equation(),
    "equation_labels_at_data": _equation(labels_at="data"),
    "equation_stop_after": _equation(stop_gradient="after"),
    "equation_stop_before": _equation(stop_gradient="before"),
    "equation_noisy_residual": _equation(residual_at="noisy"),
    "equation_two_steps": _equation(time_step=0.5),
    "equation_unbiased": _equation(unbiased=True),
    "equation_logits": _equation(residual_of="logits", weight=0.1),
    "equation_and_consistency": {
        "name": "weighted_sum",
        "terms": [{"objective": {**one, "noise_std": NOISE_STD}} for one in SUM],
    },
}


def cpu(quick: bool) -> Plan:
    """Return the plan."""
    every = 60 if quick else 2
    seeds = range(1 if quick else 3)
    cells = [Cell(name, one, NOISE_STD, seed, every) for name, one in VARIANTS.items() for seed in seeds]
    training = {"budget": 4 if quick else 200, "batch_size": 64, "learning_rate": 0.05, "device": "cpu"}
    samples = {"estimation_samples": 100 if quick else 2_000, "selection_samples": 100, "alpha": 0.001}
    protocol = Protocol(
        title="variants",
        data="digits",
        network={"name": "mlp", "widths": [256, 256]},
        training=training,
        certification=samples,
    )
    return Plan(protocol, tuple(cells), every, ("Equal budget: 200 evaluations an image for each variant.",))


def judge(plan: Plan, summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Return nothing to be met: this is a record of what was tried."""
    del plan, summary
    return []


if __name__ == "__main__":
    sys.exit(main(__doc__, {"cpu": cpu}, judge))
