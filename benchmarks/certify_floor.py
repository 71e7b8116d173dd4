"""The floor: what sampling costs at least, whoever organises it.

The same number of forward passes, over batches that are ready, and bulk generation of the same number of
normals. Nothing is added, counted or decided. It is measured in several ways, and the fastest one counts.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from certify_setting import NETWORKS, Setting, network
from torch import Tensor

__all__ = ["Floor", "Way", "ways"]

BLOCK = 2**16


@dataclass(frozen=True)
class Way:
    """Rows a pass, loops side by side, and threads of PyTorch's within each."""

    batch: int
    loops: int
    threads: int

    @property
    def title(self) -> str:
        """Say it in a few words."""
        return f"{self.batch} rows a pass, {self.loops} × {self.threads} thread(s)"


def ways(setting: Setting) -> list[Way]:
    """Return the ways to try; compiled graphs are made for each batch size, so fewer of these."""
    threads = torch.get_num_threads()
    if setting.device != "cpu":
        return [Way(batch, 1, threads) for batch in (1024, 4096)]
    batches = (64, 256) if setting.options.compile else (32, 64, 128, 256, 1024)
    shapes = {(threads, 1)} if setting.options.compile else {(threads, 1), (1, threads)}
    return [Way(batch, *shape) for batch in batches for shape in sorted(shapes)]


class Floor:
    """The passes and the normals of one setting; the network and its batches are got ready once."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._event = NETWORKS[setting.network].event
        self._format = torch.channels_last if setting.options.channels_last else torch.contiguous_format
        model = network(setting.network, setting.weights, setting.device)
        self._model = model.to(memory_format=self._format)  # type: ignore[call-overload]
        self._passes: dict[Way, tuple[Callable[[Tensor], Tensor], Tensor]] = {}

    def seconds(self, way: Way, rows: int) -> float:
        """Return how long one row takes, from about `rows` of them."""
        self.run(way, way.batch * way.loops)
        began = time.perf_counter()
        done = self.run(way, rows)
        return (time.perf_counter() - began) / done

    def run(self, way: Way, rows: int) -> int:
        """Do about `rows` rows that way and return how many."""
        each = max(1, round(rows / way.loops / way.batch))
        before = torch.get_num_threads()
        try:
            torch.set_num_threads(way.threads)
            self._ready(way)
            if way.loops == 1:
                self._loop(way, each)
            else:
                self._side_by_side(way, each)
        finally:
            torch.set_num_threads(before)
        if self._setting.device == "cuda":
            torch.cuda.synchronize()
        return each * way.loops * way.batch

    def _side_by_side(self, way: Way, each: int) -> None:
        def loop() -> None:
            torch.set_num_threads(way.threads)
            self._loop(way, each)

        loops = [threading.Thread(target=loop) for _ in range(way.loops)]
        for one in loops:
            one.start()
        for one in loops:
            one.join()

    def _loop(self, way: Way, passes: int) -> None:
        call, batch = self._passes[way]
        normals = torch.empty(batch.numel(), device=batch.device)
        source = torch.Generator(batch.device).manual_seed(threading.get_ident() % 2**31)
        with self._mode():
            for _ in range(passes):
                for block in normals.split(BLOCK) if batch.device.type == "cpu" else (normals,):
                    block.normal_(generator=source)
                call(batch)

    @contextlib.contextmanager
    def _mode(self) -> Iterator[None]:
        low = self._setting.options.precision == "bfloat16"
        with torch.no_grad(), torch.autocast(self._setting.device, torch.bfloat16, enabled=low):
            yield

    def _ready(self, way: Way) -> None:
        """Compile where asked (with the constants folded, for this number of threads) and warm up."""
        if way in self._passes:
            return
        x = torch.rand(way.batch, *self._event).to(self._setting.device, memory_format=self._format)
        call: Any = self._model
        if not self._setting.options.compile:
            with self._mode():
                call(x)
        else:
            from torch._inductor import config

            call = torch.compile(self._model, dynamic=False)
            with self._mode(), config.patch({"freezing": True, "cpp.threads": way.threads}):
                call(x)
        self._passes[way] = (call, x)
