"""How fast the certifier samples, beside the floor, a plain loop and another tool; memory; single votes.

    python benchmarks/certify.py [--json] [--quick] [--network lenet|resnet] [--repeat N] [--mnist-protocol]

For LeNet (MNIST) and ResNet-20 (CIFAR-10), in one run. Each contestant is a process of its own that is got
ready once (trained weights, compiled graph, warm caches) and then measures in turns with the others; given
are the median of its samples a second and the spread. Contestants:

* engine: `SmoothedPredictor.certify`, everything included, with each set of options;
* floor: as many forward passes over ready batches and as many normals in bulk, with the same options and
  allocator, in the fastest of several ways (rows a pass, threads side by side or within a pass);
* plain loop: one input at a time, batches of 1,000, float32, all threads, default allocator;
* toolbox: adversarial-robustness-toolbox's PyTorchRandomizedSmoothing (`pip install 'heatproof[benchmark]'`).

Engine and floor run with the command line's allocator setting. Networks are trained briefly (10,000 noisy
images, once) where HEATPROOF_DATA names the data, else on random images: speed does not depend on it, and
single votes hardly. On a machine with a CUDA device everything runs there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from certify_page import page
from certify_setting import NETWORKS, Options, Setting

HERE = Path(__file__).parent
FAST = Options("bfloat16", channels_last=True, compile=True)
ALL = (
    Options(),
    Options(channels_last=True),
    Options(compile=True),
    Options("bfloat16"),
    Options("bfloat16", channels_last=True),
    FAST,
)
FLOOR_SHARE, OVERHEAD, MEMORY_RATIO = 0.90, 0.03, 1.2
TIMES_PLAIN = {("lenet", Options()): 1.5, ("resnet", Options()): 2.2, ("resnet", FAST): 10.0}
DRAWS = (1_000, 10_000, 100_000)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="fewer options, rows and turns")
    parser.add_argument("--network", choices=sorted(NETWORKS), action="append")
    parser.add_argument("--repeat", type=int)
    parser.add_argument("--mnist-protocol", action="store_true", help="10,000 images; needs a CUDA device")
    chosen = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    result: dict[str, Any] = {"machine": _machine(device), "networks": {}}
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen.network or NETWORKS:
            bench = Bench(name, device, Path(folder), quick=chosen.quick, repeat=chosen.repeat)
            result["networks"][name] = bench.all()
        if chosen.mnist_protocol:
            result["mnist_protocol"] = _protocol(device, Path(folder))
    print(json.dumps(result, indent=2) if chosen.json else page(result))


def _protocol(device: str, folder: Path) -> dict[str, Any]:
    if device != "cuda":
        return {"skipped": "no CUDA device on this machine"}
    bench = Bench("lenet", device, folder, quick=False, repeat=None)
    bench.train()
    return _measure("protocol", replace(bench.setting, options=Options("bfloat16", channels_last=True)))


@dataclass
class Bench:
    """All measurements of one network."""

    name: str
    device: str
    folder: Path
    quick: bool
    repeat: int | None
    setting: Setting = field(init=False)

    def __post_init__(self) -> None:
        weights = str(self.folder / f"{self.name}.safetensors")
        rows = 2_000 if self.device == "cpu" else 100_000
        seconds = 1.0 if self.quick else 3.0
        self.setting = Setting(self.name, weights, self.device, rows=rows, seconds=seconds)

    def all(self) -> dict[str, Any]:
        """Return every figure of this network."""
        result: dict[str, Any] = {"title": NETWORKS[self.name].title, "weights": self.train()}
        result["speed"] = self._speed()
        result["lattice"] = _measure("lattice", replace(self.setting, device="cpu", rows=2**12))
        result["flips"] = self._flips()
        result["memory"] = self._memory()
        return result

    def train(self) -> str:
        """Train the weights that all processes load; say on what."""
        return str(_measure("train", self.setting)["weights"])

    def _speed(self) -> list[dict[str, Any]]:
        options = (Options(), FAST) if self.quick else ALL
        plain = replace(self.setting, allocator="default")
        plan = [("plain", plain), ("toolbox", plain)]
        for one in options:
            plan += [(kind, replace(self.setting, options=one)) for kind in ("engine", "floor")]
        with ExitStack() as stack:
            contestants = [stack.enter_context(_contestant(kind, setting)) for kind, setting in plan]
            for _ in range(self.repeat or (3 if self.quick else 7)):
                for contestant in contestants:
                    contestant.turn()
        return _compared(self.name, [contestant.row() for contestant in contestants])

    def _flips(self) -> dict[str, Any]:
        rows = (2**12 if self.quick else 2**15) // (1 if self.name == "lenet" else 4)
        compared = (Options(), Options(channels_last=True), Options("bfloat16", channels_last=True))
        sets = {one.title: one for one in compared}
        return {
            title: _measure("flips", replace(self.setting, device="cpu", rows=rows, options=one))
            for title, one in sets.items()
        }

    def _memory(self) -> dict[str, Any]:
        draws = DRAWS[:2] if self.quick else DRAWS
        plain = replace(self.setting, rows=draws[-1], allocator="default")
        return {
            "plain": _measure("plain_memory", plain),
            "engine": {str(n): _measure("engine_memory", replace(self.setting, rows=n)) for n in draws},
        }


class Contestant:
    """A process that measures when it is told to."""

    def __init__(self, kind: str, setting: Setting, process: subprocess.Popen[str]) -> None:
        self.kind, self.setting = kind, setting
        self._process = process
        self.about: dict[str, Any] = self._read()
        self.rates: list[float] = []
        self.cpu: list[float] = []

    def turn(self) -> None:
        """Let it measure once."""
        if "skipped" in self.about:
            return
        if self._process.stdin is not None:
            self._process.stdin.write("go\n")
            self._process.stdin.flush()
        one = self._read()
        self.rates.append(one["rows"] / one["seconds"])
        self.cpu.append(1e6 * one["cpu_seconds"] / one["rows"])

    def row(self) -> dict[str, Any]:
        """Return its figures."""
        known = {"contestant": self.kind, "options": self.setting.options.title, **self.about}
        if not self.rates:
            return known
        return {
            **known,
            "samples_per_second": statistics.median(self.rates),
            "least": min(self.rates),
            "most": max(self.rates),
            "turns": len(self.rates),
            "cpu_microseconds_per_sample": min(self.cpu),
        }

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            return {"skipped": f"the process ended with {self._process.wait()}; see above"}
        value: dict[str, Any] = json.loads(line)
        return value


@contextmanager
def _contestant(kind: str, setting: Setting) -> Iterator[Contestant]:
    command = [sys.executable, str(HERE / "certify_contestants.py"), kind, json.dumps(asdict(setting))]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_environment()
    )
    try:
        yield Contestant(kind, setting, process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.wait()


def _measure(name: str, setting: Setting) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "certify_measures.py"), name, json.dumps(asdict(setting))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=_environment())
    if done.returncode:
        return {"skipped": f"the process ended with {done.returncode}; see above"}
    value: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return value


def _environment() -> dict[str, str]:
    """Return the environment with OpenMP's threads waiting passively, as the command line has it."""
    return {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}


def _compared(name: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add to each engine its share of the floor and its multiple of the plain loop, with the targets."""
    rate = {(row["contestant"], row["options"]): row.get("samples_per_second") for row in rows}
    targets = {options.title: times for (network, options), times in TIMES_PLAIN.items() if network == name}
    plain = rate["plain", Options().title]
    for row in rows:
        mine = row.get("samples_per_second")
        if mine and plain:
            row["times_plain"] = mine / plain
        floor = rate.get(("floor", row["options"]))
        if mine and floor and row["contestant"] == "engine":
            row |= {"share_of_floor": mine / floor, "target_share": FLOOR_SHARE}
            row["target_times_plain"] = targets.get(row["options"])
    return rows


def _machine(device: str) -> dict[str, Any]:
    words = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    fields = dict(line.split("\t: ", 1) for line in words.splitlines() if "\t: " in line)
    wide = [one for one in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if one in words.split()]
    return {
        "processor": next(
            (v for k, v in fields.items() if k.strip("\t") == "model name"), platform.machine()
        ),
        "vector_units": wide,
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "load": os.getloadavg(),
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


if __name__ == "__main__":
    main()
