"""What the certifier needs to know of a model before it draws: classes, device, precision, identity."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from heatproof._check import message
from heatproof._types import Classifier
from heatproof.certification._suspects import batch_module, random_module
from heatproof.errors import HeatproofError, ModelError

__all__ = [
    "AtTimeZero",
    "asked",
    "check_rows",
    "checked_logits",
    "device_of",
    "evaluating",
    "module_of",
    "not_finite",
    "one_pass_labels",
    "precision_of",
]

_RAW = (
    *(RuntimeError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError),
    *(AssertionError, OSError, NameError, ImportError),
)
_TOLERANCE = 1e-3
_TENSOR_FLOAT = 2.0**-10
_OTHER_PRECISIONS = {torch.float64, torch.float16, torch.bfloat16}


@dataclass(frozen=True)
class AtTimeZero:
    """The time-conditioned network at t = 0, as a classifier of x alone; it lives where the network does."""

    network: Callable[..., Tensor]

    def __call__(self, x: Tensor) -> Tensor:
        """Return the logits g(x, 0)."""
        return self.network(x, 0.0)


@contextlib.contextmanager
def evaluating(model: Classifier, *, training: bool = False) -> Iterator[None]:
    """Put every submodule in evaluation mode, without gradients, and restore each flag afterwards.

    A module with a `train` of its own (one that merges weights, say) is told by it, there and back. With
    `training` they are put in training mode instead.
    """
    network = module_of(model)
    modules = list(network.modules()) if isinstance(network, nn.Module) else []
    flags = [module.training for module in modules]
    _switch(modules, [training] * len(modules))
    try:
        with torch.no_grad():
            yield
    finally:
        _switch(modules, flags)


def _switch(modules: list[nn.Module], flags: list[bool]) -> None:
    """Set each module's flag; modules with a `train` of their own are called, the outer ones first."""
    for module, flag in zip(modules, flags, strict=True):
        if type(module).train is not nn.Module.train and module.training is not flag:
            module.train(flag)
    for module, flag in zip(modules, flags, strict=True):
        module.training = flag


def device_of(model: Classifier) -> torch.device:
    """Return the device of the model's first parameter or buffer; the CPU where it has none."""
    network = module_of(model)
    if isinstance(network, nn.Module):
        for tensor in (*network.parameters(), *network.buffers()):
            return tensor.device
    return torch.device("cpu")


def one_pass_labels(
    model: Classifier, x: Float[Tensor, "batch *event"], batch_size: int
) -> tuple[Int64[Tensor, " batch"], int]:
    """Return the noise-free predictions and K. Errors: `ModelError` if the contract is not kept."""
    labels: list[Tensor] = []
    classes: int | None = None
    for part in x.split(batch_size):
        logits = checked_logits(model, part, device_of(model), classes)
        classes = logits.shape[1]
        labels.append(logits.argmax(dim=1).cpu())
    return torch.cat(labels), int(logits.shape[1])


def checked_logits(
    model: Classifier, x: Float[Tensor, "batch *event"], device: torch.device, classes: int | None
) -> Float[Tensor, "batch K"]:
    """Return the model's logits for x as float32; K must be `classes` where that is known already.

    x is rounded to float32 first, then taken to the precision of the model (that of its first
    floating-point parameter): what the model gets is a function of the float32 numbers alone.
    Errors: `ModelError` if the model fails, or if its output is not (batch, K) with K ≥ 2 and finite.
    """
    logits = asked(model, x, device, classes)
    if not bool(torch.isfinite(logits.float()).all()):
        raise not_finite(len(x), classes)
    return logits.float()


def asked(model: Classifier, x: Tensor, device: torch.device, classes: int | None) -> Tensor:
    """Return the logits in the precision that the model gives them in; all is checked but finiteness."""
    try:
        logits = model(x.to(device, torch.float32).to(precision_of(model)))
    except _RAW as error:
        if isinstance(error, HeatproofError | torch.OutOfMemoryError):
            raise
        raise _failed(model, x, error) from error
    return _checked(logits, len(x), classes)


def module_of(model: Classifier) -> Classifier:
    """Return the network of a classifier at one time, or the classifier itself."""
    return model.network if isinstance(model, AtTimeZero) else model


def precision_of(model: Classifier) -> torch.dtype:
    """Return float64, float16 or bfloat16 where the first floating parameter is of it, else float32."""
    network = module_of(model)
    kinds = (p.dtype for p in network.parameters()) if isinstance(network, nn.Module) else iter(())
    first = next((kind for kind in kinds if kind.is_floating_point), torch.float32)
    return first if first in _OTHER_PRECISIONS else torch.float32


def _failed(model: Classifier, x: Tensor, error: Exception) -> ModelError:
    first = (str(error).strip().splitlines() or [""])[0]
    kind = str(precision_of(model)).removeprefix("torch.")
    got = f"{type(error).__name__} ({first}) for {kind} inputs of shape {tuple(x.shape)}"
    advice = "Check that shape and dtype of inputs and model agree, and that it takes a single row."
    return ModelError(message("model", got, "a callable (batch, *event) -> (batch, K)", advice), name="model")


def _checked(logits: object, rows: int, classes: int | None) -> Tensor:
    allowed = _allowed(rows, classes)
    if not isinstance(logits, Tensor):
        advice = "What knows no PyTorch goes into heatproof.BlackBox(function)."
        raise ModelError(message("model output", type(logits).__name__, allowed, advice), name="model")
    fits = logits.ndim == 2 and len(logits) == rows and logits.shape[1] >= 2
    if not fits or classes not in {None, logits.shape[1]} or not logits.is_floating_point():
        got = f"{logits.dtype} of shape {tuple(logits.shape)}"
        advice = "Labels go into heatproof.BlackBox(function, classes=K)." if logits.ndim == 1 else ""
        raise ModelError(message("model output", got, allowed, advice), name="model")
    return logits


def not_finite(rows: int, classes: int | None) -> ModelError:
    """Return the error for logits that are not finite."""
    advice = "Check the weights and the input."
    text = message("model output", "NaN or infinite logits", _allowed(rows, classes), advice)
    return ModelError(text, name="model")


def _allowed(rows: int, classes: int | None) -> str:
    wanted = "K) with K ≥ 2" if classes is None else f"{classes})"
    return f"finite floating-point logits of shape ({rows}, {wanted}"


def check_rows(model: Classifier, x: Float[Tensor, "rows *event"], classes: int) -> None:
    """Refuse a model that is not a fixed function of each row, as every theorem on smoothing needs.

    The rows of x are asked together, again, in reverse and each alone. Logits of one row may be apart by
    the rounding of different kernels: 10⁻³·(1 + max|logit|), or 8 units of the last place, where that is
    more, of the coarsest precision seen (half precision; TensorFloat-32 on CUDA, where it is the default
    of convolutions). Cost: 4 forward rows a row. Coupling that shows in larger batches only is not found.

    Errors: `ModelError`.
    """
    device = device_of(model)

    def logits(rows: Tensor) -> Tensor:
        return asked(model, rows, device, classes).clone()  # a model may write each answer in one place

    together = logits(x)
    allowed = _tolerance(model, together) * (1 + together.float().abs().amax(dim=1))
    if _apart(together, logits(x), allowed):
        got = "a model that answers the same batch differently when asked again"
        advice = "Switch off dropout and other randomness: call eval() on every module inside a function."
        advice = _because(random_module(model)) + advice
        raise ModelError(message("model", got, "a fixed function of each row", advice), name="model")
    alone = torch.cat([logits(row) for row in x.split(1)])
    if _apart(together, logits(x.flip(0)).flip(0), allowed) or _apart(together, alone, allowed):
        got = "a model whose answer for one input depends on the others in its batch"
        advice = "Use running statistics in normalisation, or call eval() on a module inside a function."
        advice = _because(batch_module(model)) + advice
        raise ModelError(message("model", got, "a function of each row", advice), name="model")


def _because(module: str) -> str:
    return f"Most likely because of {module}. " if module else ""


def _tolerance(model: Classifier, logits: Tensor) -> float:
    steps = [torch.finfo(logits.dtype).eps, torch.finfo(precision_of(model)).eps]
    if logits.device.type == "cuda":
        steps.append(_TENSOR_FLOAT)
    return max(_TOLERANCE, 8 * max(steps))


def _apart(one: Tensor, other: Tensor, allowed: Tensor) -> bool:
    return bool(((one.float() - other.float()).abs().amax(dim=1) > allowed).any())
