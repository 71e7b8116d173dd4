"""What a new user waits for: help, import, the quick demo, the demo. Each in a fresh process.

    python benchmarks/start.py [--json] [--repeat N] [--skip-demo]

Prints the median and the spread of N runs (the demo runs once) beside its target, with the machine.
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
import time
from pathlib import Path

PROGRAM = str(Path(sys.executable).with_name("heatproof"))
IMPORT = "import torch, time; t = time.perf_counter(); import heatproof; print(time.perf_counter() - t)"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--skip-demo", action="store_true")
    options = parser.parse_args()
    rows = [
        ("heatproof --help", 0.5, [_wall([PROGRAM, "--help"]) for _ in range(options.repeat)]),
        ("import heatproof after torch", 0.3, [_import() for _ in range(options.repeat)]),
        ("heatproof demo --quick", 40.0, [_demo("--quick")]),
    ]
    if not options.skip_demo:
        rows.append(("heatproof demo", 240.0, [_demo()]))
    _show(rows, as_json=options.json)


def _wall(command: list[str], cwd: str | None = None) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=cwd)
    return time.perf_counter() - began


def _import() -> float:
    done = subprocess.run([sys.executable, "-c", IMPORT], check=True, capture_output=True, text=True)
    return float(done.stdout)


def _demo(*options: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return _wall([PROGRAM, "demo", *options], cwd=folder)


def _show(rows: list[tuple[str, float, list[float]]], *, as_json: bool) -> None:
    machine = {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "python": platform.python_version(),
    }
    results = [
        {
            "what": what,
            "target_seconds": target,
            "median_seconds": statistics.median(times),
            "least": min(times),
            "most": max(times),
            "runs": len(times),
        }
        for what, target, times in rows
    ]
    if as_json:
        print(json.dumps({"machine": machine, "results": results}, indent=2))
        return
    print(", ".join(f"{name}: {value}" for name, value in machine.items()))
    for one in results:
        print(
            f"{one['what']:<30} {one['median_seconds']:8.3f} s ({one['least']:.3f} – {one['most']:.3f}, "
            f"{one['runs']} runs), target {one['target_seconds']:g} s"
        )


if __name__ == "__main__":
    main()
