"""One process of `benchmarks/certify.py`: gets ready, then measures once for every line it is sent.

It prints one JSON object a line: first what it is, then {"rows", "seconds", "cpu_seconds"} for each line
on its standard input. The allocator is set before PyTorch is loaded, by the command line's own function, or
left at its default.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any

from heatproof.cli._allocator import keep_memory

if TYPE_CHECKING:
    from certify_setting import Setting

__all__ = ["KINDS", "main"]


@dataclass(frozen=True)
class Ready:
    """A contestant: what it says of itself, and how it does about that many rows (returns how many)."""

    about: dict[str, Any]
    run: Callable[[], int]


def main() -> None:
    """Get ready, then measure once for every line."""
    kind, described = sys.argv[1], json.loads(sys.argv[2])
    if described["allocator"] == "keep":
        keep_memory()
    from certify_setting import Options, Setting

    setting = Setting(**{**described, "options": Options(**described["options"])})
    ready = KINDS[kind](setting)
    _say(ready.about)
    for _ in sys.stdin:
        began, began_cpu = time.perf_counter(), time.process_time()
        rows = ready.run()
        seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
        _say({"rows": rows, "seconds": seconds, "cpu_seconds": cpu})


def _say(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _engine(setting: Setting) -> Ready:
    """Call `SmoothedPredictor.certify` with a fixed number of samples, on 4 inputs that share the batches."""
    from certify_setting import NOISE_STD, images, network

    import heatproof as hp

    if setting.options.chosen and "execution" not in signature(hp.SmoothedPredictor).parameters:
        return Ready({"skipped": "this version of the engine has no such options"}, lambda: 0)
    model = network(setting.network, setting.weights, setting.device)
    x, _, origin = images(setting.network, 4)
    predictor = hp.SmoothedPredictor(model, noise_std=NOISE_STD, grid_step=1 / 255, **_execution(setting))
    selection = 100
    settings = predictor.settings(
        x, estimation_samples=max(1, setting.rows // len(x) - selection), selection_samples=selection
    )

    def run() -> int:
        done = list(predictor.certify(x, settings))
        return len(done) * (settings.estimation_samples + selection)

    run()
    return Ready({"images": origin}, run)


def _execution(setting: Setting) -> dict[str, Any]:
    """Return the keyword that carries the options, none where all are as by default."""
    if not setting.options.chosen:
        return {}
    from heatproof.certification.sampling.execution import Execution

    return {"execution": Execution(**setting.options.chosen)}


def _floor(setting: Setting) -> Ready:
    """Do the passes over ready-made batches and draw as many normals in bulk, in the fastest of several ways.

    Ways: rows a pass, and threads side by side with one processor each or all of them in every pass.
    """
    from certify_floor import Floor, ways

    floor = Floor(setting)
    trials = {way: min(floor.seconds(way, setting.rows // 4) for _ in range(2)) for way in ways(setting)}
    best = min(trials, key=lambda way: trials[way])
    return Ready({"way": best.title}, lambda: floor.run(best, setting.rows))


def _plain(setting: Setting) -> Ready:
    """Sample one input at a time, in batches of 1,000, with `randn`, in float32, as published code does."""
    import torch
    from certify_setting import NOISE_STD, images, network

    model = network(setting.network, setting.weights, setting.device)
    x = images(setting.network, 1)[0][0].to(setting.device)
    total = max(1_000, setting.rows)

    def run() -> int:
        counts = torch.zeros(10, dtype=torch.int64)
        with torch.no_grad():
            for start in range(0, total, 1_000):
                batch = x.repeat(min(1_000, total - start), *[1] * x.ndim)
                answers = model(batch + NOISE_STD * torch.randn_like(batch)).argmax(1)
                counts += torch.bincount(answers, minlength=10).cpu()
        return total

    run()
    return Ready({}, run)


def _toolbox(setting: Setting) -> Ready:
    """adversarial-robustness-toolbox's PyTorchRandomizedSmoothing.certify, one input, batches of 1,000."""
    try:
        from art.estimators.certification.randomized_smoothing import PyTorchRandomizedSmoothing
    except ImportError as error:
        return Ready({"skipped": f"not installed ({error}); pip install 'heatproof[benchmark]'"}, lambda: 0)
    from certify_setting import NETWORKS, NOISE_STD, images, network
    from torch.nn import CrossEntropyLoss

    smoothed = PyTorchRandomizedSmoothing(
        network(setting.network, setting.weights, setting.device),
        CrossEntropyLoss(),
        NETWORKS[setting.network].event,
        10,
        device_type="gpu" if setting.device == "cuda" else "cpu",
        sample_size=100,
        scale=NOISE_STD,
    )
    x = images(setting.network, 1)[0].numpy()
    samples = max(1_000, setting.rows)

    def run() -> int:
        smoothed.certify(x, n=samples, batch_size=1_000)
        return samples + 100

    run()
    return Ready({}, run)


KINDS: dict[str, Callable[[Setting], Ready]] = {
    "engine": _engine,
    "floor": _floor,
    "plain": _plain,
    "toolbox": _toolbox,
}

if __name__ == "__main__":
    main()
