"""What the training loop costs beside a bare PyTorch loop, and what its options save.

    python benchmarks/training.py [--json] [--quick] [--repeat N] [--rows N]

In one run, contestants in turns, N turns (5); on a CPU one thread and processor time, on a CUDA device wall
time. MNIST and CIFAR-10 where HEATPROOF_DATA names the data, else random images: speed does not depend on it.

* loop: one epoch of LeNet (batch 64, SGD with momentum, clipped gradients) by `heatproof.train`, the whole
  call with checks and accuracies, over that of `training_bare.epoch`: the same steps written out, and nothing
  measured. `difference` is the largest of a weight after it: both compute the same. `ratio` is the median of
  the turns' ratios, with the least and the most; target: at most 1.05. With fewer rows than MNIST's,
  accuracies are measured on as many fewer, to keep their share of the time.
* options: seconds of the second epoch over those of float32, for LeNet and ResNet-20 with Gaussian
  augmentation, and the seconds that the first epoch takes longer (compilation).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from training_bare import epoch

import heatproof as hp
from heatproof.data import DataSet, Split
from heatproof.networks import LeNet, ResNet
from heatproof.objectives import GaussianAugmentation, Natural, Objective
from heatproof.runs.environment import environment
from heatproof.training import EpochRecord, TrainingSettings

TARGET = 1.05
MNIST_ROWS, MEASURED = 55_000, 2_000
OBJECTIVES: dict[str, Objective] = {
    "natural": Natural(),
    "gaussian augmentation": GaussianAugmentation(noise_std=0.25),
}
NETWORKS: dict[str, Any] = {"LeNet": (LeNet(), (1, 28, 28)), "ResNet-20": (ResNet(depth=20), (3, 32, 32))}
OPTIONS: dict[str, dict[str, Any]] = {
    "float32": {},
    "channels-last": {"channels_last": True},
    "bfloat16": {"precision": "bfloat16"},
    "bfloat16, channels-last": {"precision": "bfloat16", "channels_last": True},
    "compiled": {"compile": True},
    "bfloat16, channels-last, compiled": {"precision": "bfloat16", "channels_last": True, "compile": True},
}
CUDA = torch.cuda.is_available()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="fewer rows and turns")
    parser.add_argument("--repeat", type=int)
    parser.add_argument("--rows", type=int, help="training rows of the loop's epoch")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    turns = chosen.repeat or (3 if chosen.quick else 5)
    rows = chosen.rows or (6_400 if chosen.quick else MNIST_ROWS)
    few = {"LeNet": 1_280, "ResNet-20": 256} if chosen.quick else {"LeNet": 6_400, "ResNet-20": 1_280}
    result = {
        "machine": _machine(),
        "loop": [_loop(name, objective, rows, turns) for name, objective in OBJECTIVES.items()],
        "options": [row for name in NETWORKS for row in _options(name, few[name], turns)],
    }
    print(json.dumps(result, indent=2) if chosen.json else _page(result))


def _loop(name: str, objective: Objective, rows: int, turns: int) -> dict[str, Any]:
    """Compare one epoch with a bare loop of the same steps."""
    network, event = NETWORKS["LeNet"]
    data = _data("mnist", event, rows)
    measured = max(1, MEASURED * len(data.train) // MNIST_ROWS)
    settings = _settings(epochs=1, measure_rows=measured)
    ours: list[float] = []
    bare: list[float] = []
    for turn in range(turns + 1):
        models = [_built(network, data, turn) for _ in range(2)]
        calls: list[tuple[list[float], nn.Module, Callable[..., object]]] = [
            (ours, models[0], hp.train),
            (bare, models[1], epoch),
        ]
        for seconds, model, call in calls if turn % 2 else calls[::-1]:
            start = _now()
            call(model, data, objective, settings, seed=turn)
            if turn:
                seconds.append(_now() - start)
        weights = [torch.cat([w.detach().flatten() for w in one.parameters()]) for one in models]
    ratios = [mine / theirs for mine, theirs in zip(ours, bare, strict=True)]
    return {
        "objective": name,
        "rows": len(data.train),
        "seconds": statistics.median(ours),
        "bare_seconds": statistics.median(bare),
        "ratio": statistics.median(ratios),
        "least": min(ratios),
        "most": max(ratios),
        "turns": turns,
        "difference": float((weights[0] - weights[1]).abs().max()),
        "target": TARGET,
        "met": statistics.median(ratios) <= TARGET,
    }


def _options(name: str, rows: int, turns: int) -> list[dict[str, Any]]:
    """Compare epochs with each set of options."""
    network, event = NETWORKS[name]
    data = _data("mnist" if name == "LeNet" else "cifar10", event, rows)
    seconds: dict[str, list[tuple[float, float]]] = {title: [] for title in OPTIONS}
    for turn in range(turns):
        for title, options in OPTIONS.items():
            seconds[title].append(_two_epochs(_built(network, data, turn), data, options))
    plain = [second for _, second in seconds["float32"]]
    found = []
    for title, each in seconds.items():
        ratios = [second / base for (_, second), base in zip(each, plain, strict=True)]
        found.append(
            {
                "network": name,
                "options": title,
                "rows": len(data.train),
                "seconds": statistics.median(second for _, second in each),
                "ratio": statistics.median(ratios),
                "least": min(ratios),
                "most": max(ratios),
                "first_epoch_more": statistics.median(first - second for first, second in each),
            }
        )
    return found


def _two_epochs(model: nn.Module, data: DataSet, options: dict[str, Any]) -> tuple[float, float]:
    """Return the seconds of the first epoch, with everything before it, and of the second."""
    times = [_now()]

    def on_epoch(record: EpochRecord) -> None:
        del record
        times.append(_now())

    settings = _settings(epochs=2, measure_rows=1, **options)
    hp.train(model, data, OBJECTIVES["gaussian augmentation"], settings, on_epoch=on_epoch)
    return times[1] - times[0], times[2] - times[1]


def _settings(**given: Any) -> TrainingSettings:
    rate = {"learning_rate": 0.01, "warmup": 0.0}
    return TrainingSettings(device="auto" if CUDA else "cpu", batch_size=64, **rate, **given)


def _built(network: Any, data: DataSet, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    model: nn.Module = network.build(data.event_shape, data.classes)
    return model


def _data(name: str, event: tuple[int, ...], rows: int) -> DataSet:
    """Return the data set, or random images of its shape, cut to some training rows."""
    if os.environ.get("HEATPROOF_DATA"):
        data = hp.load(name)
    else:
        generator = torch.Generator().manual_seed(0)
        sizes = (rows, 5_000, 10)
        x, y = torch.rand(sum(sizes), *event, generator=generator), torch.arange(sum(sizes)) % 10
        parts = torch.arange(sum(sizes)).split(sizes)
        train, validation, test = (Split(x[part], y[part], part) for part in parts)
        classes, source = tuple("0123456789"), "random images"
        data = DataSet("random", train, validation, test, classes, (0.0, 1.0), None, source)
    train = data.train
    cut = Split(train.x[:rows], train.y[:rows], train.index[:rows])
    return DataSet(
        data.name, cut, data.validation, data.test, data.class_names, data.input_range, None, data.source
    )


def _now() -> float:
    if CUDA:
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def _machine() -> dict[str, Any]:
    clock = "wall time" if CUDA else "processor time, 1 thread"
    return {**environment(), "load": os.getloadavg(), "clock": clock}


def _page(result: dict[str, Any]) -> str:
    lines = [
        json.dumps(result["machine"]),
        "",
        "| one epoch of LeNet | rows | seconds | bare | ratio | weights apart |",
    ]
    lines += ["|---|---|---|---|---|---|"]
    for row in result["loop"]:
        verdict = f"target {row['target']}, {'met' if row['met'] else 'missed'}"
        ratio = f"{row['ratio']:.3f} ({row['least']:.3f} – {row['most']:.3f}; {verdict})"
        seconds = f"{row['seconds']:.2f} | {row['bare_seconds']:.2f}"
        lines.append(f"| {row['objective']} | {row['rows']} | {seconds} | {ratio} | {row['difference']:g} |")
    lines += ["", "| network | options | seconds an epoch | over float32 | first epoch longer by |"]
    lines += ["|---|---|---|---|---|"]
    for row in result["options"]:
        ratio = f"{row['ratio']:.2f} ({row['least']:.2f} – {row['most']:.2f})"
        words = [row["network"], row["options"], f"{row['seconds']:.2f}", ratio]
        lines.append(f"| {' | '.join(words)} | {row['first_epoch_more']:.1f} s |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
