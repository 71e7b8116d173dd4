"""What keyed noise and the lattice cost beside bulk normals, plain sums and the networks themselves.

    python benchmarks/noise.py [--json] [--repeat N] [--skip-networks]

Nanoseconds a number, best of N, one thread, processor time. `bulk` is one float32 `normal_` of the whole
buffer; `keyed` fills it on the lattice (from 53-bit words) chunk by chunk, as the certifier does above draw
1,024, `first draws` in the chunks of 8 of the first 128; `plain` is x + s·ξ into another buffer, `lattice`
the exact sum, in place. For each network `overhead` is what the exact sum adds, and `keyed_overhead` what
drawing its noise adds, as a share of the time of bulk normals, plain sums and forward passes (float32, batch
512).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import torch
from torch import Tensor

import heatproof as hp
from heatproof.noise import Gaussian, Lattice
from heatproof.noise.keyed import Stage, Stream, fill, pieces

NOISE = Gaussian(noise_std=0.25)
ROWS = 2048
NETWORKS = {
    "LeNet": (hp.networks.LeNet(), (1, 28, 28)),
    "ResNet-20": (hp.networks.ResNet(depth=20), (3, 32, 32)),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--skip-networks", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    numbers = {dimension: _numbers(dimension, options.repeat) for dimension in (2, 64, 784, 3072)}
    networks = {} if options.skip_networks else {n: _network(n, options.repeat) for n in NETWORKS}
    if options.json:
        print(json.dumps({"numbers": numbers, "networks": networks}))
        return
    names = list(numbers[2])
    print(f"| numbers in an input | {' | '.join(names)} |\n|{'---|' * (len(names) + 1)}")
    for dimension, row in numbers.items():
        print(f"| {dimension} | {' | '.join(f'{row[name]:.3g}' for name in names)} |")
    for name, row in networks.items():
        print(f"{name}: {row['forward']:.0f} µs a row forward", end=", ")
        print(f"sum {100 * row['overhead']:.2f}%, drawing {100 * row['keyed_overhead']:.2f}% more")


def _numbers(dimension: int, repeat: int) -> dict[str, float]:
    """Return nanoseconds a number of each way."""
    values, out = torch.empty(ROWS, dimension), torch.empty(ROWS, dimension)
    source = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (dimension,), generator=source) / 255
    lattice = Lattice.for_noise(NOISE, 1 / 255)
    codes = lattice.ready(lattice.codes(x[None])[0])
    ways: dict[str, Callable[[], object]] = {
        "bulk": lambda: values.normal_(generator=source),
        "keyed": lambda: _keyed(lattice, values, 1024, source),
        "first draws": lambda: _keyed(lattice, values, 0, source, inputs=ROWS // 128),
        "plain": lambda: torch.add(x, values, alpha=NOISE.noise_std, out=out),
        "lattice": lambda: [lattice.add_noise(codes, part) for part in values.split(256)],
    }
    return {name: 1e9 * _best(way, repeat) / values.numel() for name, way in ways.items()}


def _keyed(lattice: Lattice, values: Tensor, start: int, source: torch.Generator, inputs: int = 1) -> None:
    """Fill `values` with draws start, start + 1, … of a number of inputs."""
    for index, part in enumerate(values.chunk(inputs)):
        stream = Stream(0, index, Stage.ESTIMATION)
        for piece in pieces(start, start + len(part)):
            first = piece.chunk.start - start
            fill(lattice, part[first : first + piece.rows], stream, piece.chunk.number, source)


def _network(name: str, repeat: int) -> dict[str, float]:
    settings, event = NETWORKS[name]
    channels = event[0]
    model = settings.build(event, 10, [0.5] * channels, [0.25] * channels).eval()
    x = torch.rand(512, *event, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        forward = _best(lambda: model(x), max(2, repeat // 2)) / len(x)
    dimension = x[0].numel()
    each = _numbers(dimension, repeat)
    engine = forward * 1e9 + (each["bulk"] + each["plain"]) * dimension
    return {
        "forward": 1e6 * forward,
        "overhead": (each["lattice"] - each["plain"]) * dimension / engine,
        "keyed_overhead": (each["keyed"] - each["bulk"]) * dimension / engine,
    }


def _best(way: Callable[[], object], repeat: int) -> float:
    """Return the shortest of `repeat` times, after one call to warm up, in seconds."""
    way()
    times = []
    for _ in range(repeat):
        start = time.process_time()
        way()
        times.append(time.process_time() - start)
    return min(times)


if __name__ == "__main__":
    main()
