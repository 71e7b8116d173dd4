"""One process of `benchmarks/certify.py`: gets ready, then measures once for every line it is sent.

How many rows take the time of a turn is found out once, by a short run. One JSON object a line is printed:
first what it is, then {"rows", "seconds", "cpu_seconds"} for each line on its standard input. The allocator
is set before PyTorch is loaded, by the command line's own function, or left at its default.
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

SELECTION = 100


@dataclass(frozen=True)
class Ready:
    """A contestant: what it says of itself, and how it does about so many rows (it returns how many)."""

    about: dict[str, Any]
    run: Callable[[int], int]


def main() -> None:
    """Get ready, then measure once for every line."""
    kind, described = sys.argv[1], json.loads(sys.argv[2])
    if described["allocator"] == "keep":
        keep_memory()
    from certify_setting import Options, Setting

    setting = Setting(**{**described, "options": Options(**described["options"])})
    ready = KINDS[kind](setting)
    rows = 0 if "skipped" in ready.about else _rows_of_a_turn(ready, setting)
    _say(ready.about)
    for _ in sys.stdin:
        _say(_timed(ready, rows))


def _rows_of_a_turn(ready: Ready, setting: Setting) -> int:
    _timed(ready, setting.rows)
    short = _timed(ready, setting.rows)
    in_time: int = round(setting.seconds * short["rows"] / short["seconds"])
    return max(setting.rows, in_time)


def _timed(ready: Ready, rows: int) -> dict[str, Any]:
    began, began_cpu = time.perf_counter(), time.process_time()
    done = ready.run(rows)
    seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    return {"rows": done, "seconds": seconds, "cpu_seconds": cpu}


def _say(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _engine(setting: Setting) -> Ready:
    """Call `SmoothedPredictor.certify` with a fixed number of samples, on 4 inputs that share the batches."""
    from certify_setting import NOISE_STD, images, network

    import heatproof as hp

    if setting.options.chosen and "execution" not in signature(hp.SmoothedPredictor).parameters:
        return Ready({"skipped": "this version of the engine has no such options"}, lambda _: 0)
    model = network(setting.network, setting.weights, setting.device)
    x, _, origin = images(setting.network, 4)
    predictor = hp.SmoothedPredictor(model, noise_std=NOISE_STD, grid_step=1 / 255, **_execution(setting))

    def run(rows: int) -> int:
        settings = predictor.settings(
            x, estimation_samples=max(1, rows // len(x) - SELECTION), selection_samples=SELECTION
        )
        done = list(predictor.certify(x, settings))
        return len(done) * (settings.estimation_samples + SELECTION)

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
    return Ready({"way": best.title}, lambda rows: floor.run(best, rows))


def _plain(setting: Setting) -> Ready:
    """Sample one input at a time, in batches of 1,000, with `randn`, in float32, as published code does."""
    import torch
    from certify_setting import NOISE_STD, images, network

    model = network(setting.network, setting.weights, setting.device)
    x = images(setting.network, 1, drawn=True)[0][0].to(setting.device)

    def run(rows: int) -> int:
        counts = torch.zeros(10, dtype=torch.int64)
        batches = max(1, round(rows / 1_000))
        with torch.no_grad():
            for _ in range(batches):
                batch = x.repeat(1_000, *[1] * x.ndim)
                answers = model(batch + NOISE_STD * torch.randn_like(batch)).argmax(1)
                counts += torch.bincount(answers, minlength=10).cpu()
        return 1_000 * batches

    return Ready({}, run)


def _toolbox(setting: Setting) -> Ready:
    """adversarial-robustness-toolbox's PyTorchRandomizedSmoothing.certify, one input, batches of 1,000."""
    try:
        from art.estimators.certification.randomized_smoothing import PyTorchRandomizedSmoothing
    except ImportError as error:
        return Ready({"skipped": f"not installed ({error}); pip install 'heatproof[benchmark]'"}, lambda _: 0)
    from certify_setting import NETWORKS, NOISE_STD, images, network
    from torch.nn import CrossEntropyLoss

    smoothed = PyTorchRandomizedSmoothing(
        network(setting.network, setting.weights, setting.device),
        CrossEntropyLoss(),
        NETWORKS[setting.network].event,
        10,
        device_type="gpu" if setting.device == "cuda" else "cpu",
        sample_size=SELECTION,
        scale=NOISE_STD,
    )
    x = images(setting.network, 1)[0].numpy()

    def run(rows: int) -> int:
        samples = 1_000 * max(1, round(rows / 1_000))
        smoothed.certify(x, n=samples, batch_size=1_000)
        return samples + SELECTION

    return Ready({}, run)


KINDS: dict[str, Callable[[Setting], Ready]] = {
    "engine": _engine,
    "floor": _floor,
    "plain": _plain,
    "toolbox": _toolbox,
}

if __name__ == "__main__":
    main()
