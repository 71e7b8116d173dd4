"""Forward passes as `Execution` asks for them, on copies: the user's model is never changed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from heatproof._check import message
from heatproof._types import Classifier
from heatproof.certification._adapters import BlackBox
from heatproof.certification._model import device_of, evaluating, module_of, precision_of
from heatproof.certification.sampling.execution import Execution
from heatproof.certification.sampling.twins import twins_of
from heatproof.errors import InputError

__all__ = ["Forward", "prepare"]


@dataclass(frozen=True, eq=False)
class Forward:
    """One way through the network: (B, *event) float32 on any device to logits (B, K) on the network's.

    Any number of rows is taken, `rows` at a time. With `fixed` every pass has exactly `rows` rows: the first
    row given has the place `at` in its pass, the others follow, and places that stay empty are filled with
    copies of a given row, whose answers are dropped. Logits of a row then depend on the row and its place.
    `threads` is the number of threads within a pass (None: as it is); `private` says that the network is a
    copy in evaluation mode, which nobody else uses.
    """

    network: Classifier
    rows: int
    device: torch.device
    dtype: torch.dtype = torch.float32
    fixed: bool = False
    bfloat16: bool = False
    channels_last: bool = False
    threads: int | None = None
    private: bool = False

    def __call__(self, x: Float[Tensor, "batch *event"], at: int = 0) -> Tensor:
        """Return the logits of x, whose first row has the place `at` in its pass."""
        with self._setting():
            return torch.cat([self._answer(part, place) for part, place in self._parts(x, at)])

    def _parts(self, x: Tensor, at: int) -> Iterator[tuple[Tensor, int]]:
        head = self.rows - at if self.fixed else self.rows
        yield x[:head], at
        if len(x) > head:
            yield from ((part, 0) for part in x[head:].split(self.rows))

    def _answer(self, part: Tensor, at: int) -> Tensor:
        x = part.to(self.device, torch.float32).to(self.dtype)
        padded = self.fixed and len(x) < self.rows
        if padded:
            whole = x[:1].repeat(self.rows, *[1] * (x.ndim - 1))
            whole[at : at + len(x)] = x
            x = whole
        if self.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        logits = self.network(x)
        if padded and isinstance(logits, Tensor) and len(logits) == self.rows:
            return logits[at : at + len(part)]
        return logits

    @contextlib.contextmanager
    def _setting(self) -> Iterator[None]:
        """Evaluate, without gradients, in the precision and with the threads asked for: all per thread."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.no_grad() if self.private else evaluating(module_of(self.network)))
            if self.bfloat16:
                stack.enter_context(torch.autocast(self.device.type, torch.bfloat16))
            if self.threads is not None and self.threads != torch.get_num_threads():
                stack.callback(torch.set_num_threads, torch.get_num_threads())
                torch.set_num_threads(self.threads)
            yield


def prepare(
    model: Classifier, execution: Execution, event_shape: torch.Size, device: torch.device | None = None
) -> tuple[Forward, ...]:
    """Return one forward pass for each worker; `model` is not changed, and may be used meanwhile.

    A module is copied once for each worker; the copies share the parameters with it (with `channels_last`
    they share those of one copy) and have buffers of their own. A function, and a module that cannot be
    copied or whose copy still calls the original, gets one worker whose passes use all threads. A compiled
    graph is shared by all workers.

    Cost: none to speak of; with `compile` some ten seconds and 8 rows, on which the compiled network must
    agree with the model. Errors: `InputError` for an execution that the model or its inputs do not allow, or
    that this machine cannot compile; `ModelError` for a model that is computed wrongly when compiled.
    """
    network = module_of(model)
    _check(model, network, execution, event_shape)
    place = device or device_of(model)
    count = execution.workers or torch.get_num_threads()
    twins = twins_of(model, execution, count, event_shape)
    side_by_side = bool(twins) and count > 1
    first = Forward(
        network=twins[0] if twins else model,
        rows=execution.rows(event_shape, place),
        device=place,
        dtype=precision_of(model),
        fixed=execution.fixed_shape,
        bfloat16=execution.precision == "bfloat16",
        channels_last=execution.channels_last,
        threads=1 if execution.deterministic or side_by_side else None,
        private=bool(twins),
    )
    if execution.compile:
        from heatproof.certification.sampling.compiled import compiled

        return (compiled(first, event_shape),) * count
    return tuple(replace(first, network=twin) for twin in twins) or (first,)


def _check(model: Classifier, network: Classifier, execution: Execution, event_shape: torch.Size) -> None:
    module = isinstance(network, nn.Module)
    kind = "a function" if not isinstance(model, BlackBox) else "a black box"
    for name in ("channels_last", "compile"):
        if getattr(execution, name) and not module:
            advice = "Give the nn.Module itself."
            raise InputError(message(name, f"true for {kind}", "false", advice), name=name)
    if execution.channels_last and len(event_shape) != 3:
        got = f"true for inputs of shape {tuple(event_shape)}"
        raise InputError(
            message("channels_last", got, "false, but for images (C, H, W)"), name="channels_last"
        )
    if execution.precision == "bfloat16" and (
        isinstance(model, BlackBox) or precision_of(model) != torch.float32
    ):
        got = f"'bfloat16' for {kind if not module else f'a model in {precision_of(model)}'}"
        text = message("precision", got, "'own'", "It is for modules and functions in float32.")
        raise InputError(text, name="precision")
