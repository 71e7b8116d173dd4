"""Single measurements of `benchmarks/certify.py`, one process each: memory, single votes, the lattice.

    python certify_measures.py NAME SETTING [rows]

prints one JSON object. NAME is one of train, engine_memory, plain_memory, flips, lattice, protocol.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heatproof.cli._allocator import keep_memory

if TYPE_CHECKING:
    from certify_setting import Setting

__all__ = ["main"]

SIZES = (1, 7, 256, 1000)
PIECES = (24, 200)
REFERENCE = 64


def main() -> None:
    """Measure one thing and print it."""
    name, described = sys.argv[1], json.loads(sys.argv[2])
    if described["allocator"] == "keep":
        keep_memory()
    from certify_setting import Options, Setting

    setting = Setting(**{**described, "options": Options(**described["options"])})
    print(json.dumps(MEASURES[name](setting)))


def _train(setting: Setting) -> dict[str, Any]:
    from certify_setting import train_briefly

    return {"weights": train_briefly(setting.network, Path(setting.weights))}


def _engine_memory(setting: Setting) -> dict[str, Any]:
    """Return the largest resident memory of a process that certifies one input."""
    from certify_contestants import _execution
    from certify_setting import NOISE_STD, images, network

    import heatproof as hp

    model = network(setting.network, setting.weights, setting.device)
    x = images(setting.network, 1, drawn=True)[0]
    predictor = hp.SmoothedPredictor(model, noise_std=NOISE_STD, grid_step=1 / 255, **_execution(setting))
    before = _peak()
    list(predictor.certify(x, predictor.settings(x, estimation_samples=setting.rows)))
    return {"peak_mib": _peak(), "before_mib": before}


def _plain_memory(setting: Setting) -> dict[str, Any]:
    """Return the largest resident memory of a process that samples one input in the plain loop."""
    from certify_contestants import KINDS

    before = _peak()
    KINDS["plain"](setting).run(setting.rows)
    return {"peak_mib": _peak(), "before_mib": before}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _flips(setting: Setting) -> dict[str, Any]:
    """Count rows whose vote is another one than in passes of 64 rows on one thread each."""
    import torch
    from certify_setting import NOISE_STD, images, network

    from heatproof.certification.sampling.execution import Execution
    from heatproof.certification.sampling.forward import Forward, prepare
    from heatproof.certification.sampling.workers import Workers

    model = network(setting.network, setting.weights)
    x = images(setting.network, 16)[0]
    rows = torch.cat([x] * (setting.rows // len(x)))
    rows += NOISE_STD * torch.randn(rows.shape, generator=torch.Generator().manual_seed(0))

    def logits(part: int, size: int = REFERENCE, **more: Any) -> torch.Tensor:
        execution = Execution(**{"batch_size": size, **setting.options.chosen, **more})

        def work(forward: Forward, start: int) -> torch.Tensor:
            return forward(rows[start : start + part], start % size if forward.fixed else 0).float()

        with Workers(prepare(model, execution, rows.shape[1:])) as workers:
            return torch.cat(list(workers.map(work, range(0, len(rows), part))))

    def apart(one: torch.Tensor, other: torch.Tensor) -> dict[str, Any]:
        flips = int((one.argmax(1) != other.argmax(1)).sum())
        return {"flips": flips, "largest_difference": float((one - other).abs().max())}

    reference = logits(REFERENCE)
    ways = {f"{size} rows": apart(logits(size, size), reference) for size in SIZES}
    ways |= {"64 rows, all threads": apart(logits(REFERENCE, workers=1), reference)}
    if setting.options.chosen:
        itself = logits(REFERENCE, precision="own", channels_last=False, compile=False)
        ways["64 rows, the model without options"] = apart(itself, reference)
    fixed = logits(REFERENCE, deterministic=True)
    for part in PIECES:
        ways[f"deterministic, {part} at a time"] = apart(logits(part, deterministic=True), fixed)
    return {"rows": len(rows), "ways": ways}


def _lattice(setting: Setting) -> dict[str, Any]:
    """Return what noise on the lattice adds to plain float32 noise, sums, passes and counts on one thread."""
    import torch
    from certify_setting import NOISE_STD, images, network

    from heatproof.certification.sampling.execution import Execution
    from heatproof.certification.sampling.forward import prepare
    from heatproof.noise import Gaussian, Lattice

    torch.set_num_threads(1)
    lattice = Lattice.for_noise(Gaussian(noise_std=NOISE_STD), 1 / 255)
    x = images(setting.network, 1)[0]
    codes = lattice.ready(lattice.codes(x)[0])
    (forward,) = prepare(network(setting.network, setting.weights), Execution(workers=1), x.shape[1:])
    values = torch.empty(REFERENCE, *x.shape[1:])
    source = torch.Generator().manual_seed(0)

    def once(*, exact: bool) -> float:
        began = time.thread_time()
        if exact:
            lattice.fill(values, source)
            rows = lattice.perturb(codes, values)
        else:
            rows = values.normal_(generator=source).mul_(NOISE_STD).add_(x)
        torch.bincount(forward(rows).argmax(1), minlength=10)
        return time.thread_time() - began

    turns = [(once(exact=True), once(exact=False)) for _ in range(max(20, setting.rows // REFERENCE))]
    with_lattice, plain = (min(times) for times in zip(*turns, strict=True))
    return {
        "overhead": with_lattice / plain - 1,
        "microseconds": 1e6 * with_lattice / REFERENCE,
        "turns": len(turns),
    }


def _protocol(setting: Setting) -> dict[str, Any]:
    """Certify the 10,000 test images of MNIST with n₀ = 100, n = 100,000, α = 0.001."""
    from certify_contestants import _execution
    from certify_setting import NOISE_STD, images, network

    import heatproof as hp

    model = network("lenet", setting.weights, setting.device)
    x, y, origin = images("lenet", 10_000)
    predictor = hp.SmoothedPredictor(model, noise_std=NOISE_STD, grid_step=1 / 255, **_execution(setting))
    settings = predictor.settings(x, alpha=0.001, estimation_samples=100_000, selection_samples=100)
    began = time.perf_counter()
    certificates = list(predictor.certify(x, settings, y=y))
    seconds = time.perf_counter() - began
    right = [one.radius for one in certificates if one.correct]
    return {
        "images": origin,
        "seconds": seconds,
        "samples_per_second": len(x) * 100_100 / seconds,
        "average_certified_radius": sum(right) / len(x),
    }


MEASURES: dict[str, Any] = {
    "train": _train,
    "engine_memory": _engine_memory,
    "plain_memory": _plain_memory,
    "flips": _flips,
    "lattice": _lattice,
    "protocol": _protocol,
}

if __name__ == "__main__":
    main()
