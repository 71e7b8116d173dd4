"""What one training step of every objective costs, in time and memory, beside a natural step.

    python benchmarks/step_cost.py [--json] [--quick] [--repeat N] [--batch N] [--noise-std S] [--only NAME …]

LeNet on 256 random images of MNIST's shape, float32, channels-last, one thread, no data loading: the
objective's call, zeroed gradients, the backward pass, a step of SGD with momentum. All objectives take turns
in one process, N turns (9) after one to warm up.

* time: processor time over that of the natural step of the same turn; the median and the least and most;
* memory: most bytes of tensors that a step makes and holds at a time, gradients included, counted below
  autograd (`laplacian_memory.LiveBytes`; what one kernel allocates within itself is not seen);
* evaluations: half of all passes an input, as the objective states them (its `passes`).

Targets: `paper`, the convection–diffusion objective with one direction, three evaluations and all gradients,
at most 3.1 times a natural step; `default`, the objective that the project proposes with its defaults, at
most 2.2 times in time and in memory. `without_drift` is the same with drift 0.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from training_contestants import CONSISTENCY, CONTESTANTS, OURS, STEADY, definition, paper

from heatproof.cli._allocator import keep_memory

PAPER, DEFAULT, STILL, NATURAL = "paper", "default", "without_drift", "natural"
LIMITS = {PAPER: {"time": 3.1}, DEFAULT: {"time": 2.2, "memory": 2.2}}
SHAPE, CLASSES = (1, 28, 28), 10
COLUMNS = ("objective", "time", "least – most", "memory", "MiB", "ms", "forward + backward", "evaluations")


def default(noise_std: float) -> dict[str, Any]:
    """Return what a user writes who asks for the proposed objective and no more."""
    return {"name": "adversarial_drift", "noise_std": noise_std}


def still(noise_std: float) -> dict[str, Any]:
    """Return the same without drift, so without a pass to find the velocity."""
    return {**default(noise_std), "drift": 0.0}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [NATURAL, PAPER, DEFAULT, STILL, CONSISTENCY, *_others()]
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="a batch of 8, two turns")
    parser.add_argument("--repeat", type=int)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--noise-std", type=float, default=0.5)
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    chosen = parser.parse_args()
    keep_memory()
    turns = chosen.repeat or (2 if chosen.quick else 9)
    rows = measured(
        {name: _definition(name, chosen.noise_std) for name in dict.fromkeys((NATURAL, *chosen.only))},
        batch=chosen.batch or (8 if chosen.quick else 256),
        turns=max(1, turns),
    )
    result = {"environment": _environment(), "rows": rows, "targets": list(targets(rows))}
    print(json.dumps(result, indent=2, allow_nan=False) if chosen.json else _page(result))


def measured(definitions: Mapping[str, Mapping[str, Any]], *, batch: int, turns: int) -> list[dict[str, Any]]:
    """Return a row for each objective; one of them must be `natural`."""
    import torch

    torch.set_num_threads(1)
    steps = {name: Step(each, batch) for name, each in definitions.items()}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(turns + 1):
        for name, step in steps.items():
            began = time.process_time()
            step()
            if turn:
                seconds[name].append(time.process_time() - began)
    bytes_held = {name: step.peak_bytes() for name, step in steps.items()}
    return [_row(name, step, seconds, bytes_held) for name, step in steps.items()]


class Step:
    """One training step of one objective, again and again on the same batch."""

    def __init__(self, said: Mapping[str, Any], batch: int) -> None:
        import torch
        from training_work import objective_for

        from heatproof.networks import LeNet

        self.objective = objective_for(said)
        timed = self.objective.equation_noise_std is not None
        torch.manual_seed(0)
        model = LeNet(time_conditioned=timed).build(SHAPE, CLASSES, (0.1307,), (0.3081,))
        self._model = model.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self._generator = torch.Generator().manual_seed(0)
        self._x = torch.rand(batch, *SHAPE, generator=self._generator)
        self._y = torch.randint(0, CLASSES, (batch,), generator=self._generator)
        self._optimizer = torch.optim.SGD(
            self._model.parameters(), lr=1e-3, momentum=0.9, nesterov=True, weight_decay=1e-4
        )

    def __call__(self) -> None:
        """Do a step."""
        losses = self.objective(self._model, self._x, self._y, self._generator)
        self._optimizer.zero_grad()
        losses.total.backward()
        self._optimizer.step()

    def peak_bytes(self) -> int:
        """Return the most bytes that a step holds at a time."""
        from laplacian_memory import peak_bytes

        self._optimizer.zero_grad()
        call: Callable[[], object] = self
        return peak_bytes(call)


def targets(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield each figure that was asked for, beside what was measured."""
    for row in rows:
        for what, limit in LIMITS.get(row["objective"], {}).items():
            value = row["time"]["median"] if what == "time" else row["memory"]
            claim = f"{row['objective']}: {what} at most {limit:g} times a natural step"
            yield {"claim": claim, "value": value, "met": value <= limit}


def _row(
    name: str, step: Step, seconds: Mapping[str, list[float]], held: Mapping[str, int]
) -> dict[str, Any]:
    ratios = [own / plain for own, plain in zip(seconds[name], seconds[NATURAL], strict=True)]
    passes = step.objective.passes(SHAPE[0] * SHAPE[1] * SHAPE[2])
    return {
        "objective": name,
        "settings": step.objective.to_mapping(),
        "time": {"least": min(ratios), "median": statistics.median(ratios), "most": max(ratios)},
        "milliseconds": 1e3 * statistics.median(seconds[name]),
        "memory": held[name] / held[NATURAL],
        "bytes": held[name],
        "passes": {"forward": passes.forward, "backward": passes.backward},
        "evaluations": passes.evaluations,
    }


def _others() -> list[str]:
    return [name for name in CONTESTANTS if name not in {NATURAL, OURS, STEADY, "convection_diffusion"}]


def _definition(name: str, noise_std: float) -> Mapping[str, Any]:
    own = {PAPER: paper, DEFAULT: default, STILL: still}.get(name)
    return own(noise_std) if own else definition(name, noise_std, "mnist")


def _environment() -> dict[str, str]:
    from heatproof.runs.environment import environment

    return environment()


def _page(result: Mapping[str, Any]) -> str:
    lines = [", ".join(f"{name}: {value}" for name, value in result["environment"].items()), ""]
    lines += [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
    for row in result["rows"]:
        spread = f"{row['time']['least']:.2f} – {row['time']['most']:.2f}"
        passes = f"{row['passes']['forward']:g} + {row['passes']['backward']:g}"
        lines.append(
            f"| {row['objective']} | {row['time']['median']:.2f} | {spread} | {row['memory']:.2f} | "
            f"{row['bytes'] / 2**20:.1f} | {row['milliseconds']:.1f} | {passes} | {row['evaluations']:g} |"
        )
    lines += ["", "| target | measured | |", "|---|---|---|"]
    for one in result["targets"]:
        lines.append(f"| {one['claim']} | {one['value']:.2f} | {'met' if one['met'] else 'missed'} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
