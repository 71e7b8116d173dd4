"""Which learning rate fine-tunes a network that was never trained on noise.

    python benchmarks/finetune.py [--json] [--noise-std S] [--epochs N] [--seeds N]

Networks trained on the digits without noise are fine-tuned at several learning rates. Prints, as means over
networks and seeds, the accuracy with and without noise on the validation split: nothing of the test split
is looked at, as a default is chosen here.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
from collections.abc import Iterator

import torch
from torch import nn

import heatproof as hp

RATES = (0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2)
NETWORKS = {
    "mlp": hp.networks.MLP(widths=(128,)),
    "residual_mlp": hp.networks.ResidualMLP(width=64, depth=4),
    "resnet": hp.networks.ResNet(depth=8, width=4),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--noise-std", type=float, default=0.5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = list(_rows(options.noise_std, options.epochs, options.seeds))
    if options.json:
        print(json.dumps({"noise_std": options.noise_std, "epochs": options.epochs, "rows": rows}))
        return
    print("| network | learning rate | accuracy under noise | without noise |\n|---|---|---|---|")
    for row in rows:
        rate = "before" if row["learning_rate"] == 0 else f"{row['learning_rate']:g}"
        print(f"| {row['network']} | {rate} | {row['noisy']:.3f} | {row['noise_free']:.3f} |")


def _rows(noise_std: float, epochs: int, seeds: int) -> Iterator[dict[str, str | float]]:
    data = hp.load("digits")
    for name in NETWORKS:
        models = [_natural(name, data, seed) for seed in range(seeds)]
        for rate in RATES:
            settings = hp.TrainingSettings(epochs=epochs, learning_rate=rate, device="cpu")
            found = [
                hp.finetune(copy.deepcopy(model), data, noise_std=noise_std, settings=settings, seed=seed)
                for seed, model in enumerate(models)
            ]
            if rate == RATES[0]:
                before = [(one.before, one.noise_free_before) for one in found]
                yield _row(name, 0.0, before)
            yield _row(name, rate, [(one.after, one.noise_free_after) for one in found])


def _row(name: str, rate: float, pairs: list[tuple[float, float]]) -> dict[str, str | float]:
    noisy, free = (statistics.fmean(values) for values in zip(*pairs, strict=True))
    return {"network": name, "learning_rate": rate, "noisy": noisy, "noise_free": free}


def _natural(name: str, data: hp.DataSet, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    model = NETWORKS[name].build(data.event_shape, data.classes, [0.3], [0.4])
    hp.train(model, data, settings=hp.TrainingSettings(epochs=20, device="cpu"), seed=seed)
    return model


if __name__ == "__main__":
    main()
