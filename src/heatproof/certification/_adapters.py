"""Classifiers that know no PyTorch, as the certifier wants them: NumPy in, labels or scores out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import check_whole, message
from heatproof.errors import HeatproofError, ModelError

__all__ = ["BlackBox"]


class BlackBox:
    """Any function from a batch of inputs, a NumPy array, to labels (B,) or scores (B, K), as a classifier.

    The function gets float32 (B, *event), an array of its own, in the data's own range. It returns (in
    anything that NumPy can read: an array, a list, a column of a table)

    * whole numbers (B,), the labels 0…K−1: K = `classes` must be said, as a sample of labels cannot show
      it. A label outside is an error whenever it comes, never a vote for something else;
    * or real, finite scores (B, K), the largest of which wins, the first where several are equal; K is
      that of the first answer, or `classes`, and stays.

    An instance is called like a module: (B, *event) tensor to (B, K) float32 logits on the same device,
    one-hot (0 and 1) for labels. It answers the same whatever PyTorch is set to; it has no gradients, so
    attacks that follow them are refused by their own checks.

    `identity` names the function and its version, for stores: they tell two black boxes apart by it alone.

    Cost: one call of the function and two copies of the batch. Errors: `ModelError`, in one line, for an
    answer that is neither, of another length, with NaN or infinite scores, or with a label outside, and for
    a function that fails: it names the exception.
    Example: `BlackBox(forest.predict_proba)`, `BlackBox(rules, classes=3)`.
    """

    def __init__(self, function: Any, classes: int | None = None, *, identity: str = "") -> None:
        if not callable(function):
            advice = "Give a method of it: BlackBox(model.predict_proba), say."
            got = f"an object of type {type(function).__name__}"
            raise ModelError(message("function", got, "a function of a NumPy array", advice), name="model")
        if classes is not None:
            check_whole("classes", classes, at_least=2)
        self.function = function
        self.classes = classes
        self.identity = identity

    def __repr__(self) -> str:
        name = getattr(self.function, "__qualname__", type(self.function).__name__)
        return f"BlackBox({name}, classes={self.classes})"

    def __call__(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch classes"]:
        """Return logits (B, K). Errors: those of the class."""
        given = np.array(x.detach().to("cpu", torch.float32).numpy())  # its own: it may write into it
        answer = _as_array(self._ask(given), len(x))
        logits = self._one_hot(answer) if answer.ndim == 1 else self._scores(answer)
        return torch.from_numpy(logits).to(x.device)

    def _ask(self, given: np.ndarray) -> object:
        """Return what the function answers."""
        try:
            return self.function(given)
        except HeatproofError:
            raise
        except Exception as error:
            first = (str(error).strip().splitlines() or [""])[0]
            got = f"{type(error).__name__} ({first}) for float32 inputs of shape {given.shape}"
            allowed = "a function of an array (B, *event) that answers for every row"
            raise ModelError(message("function", got, allowed), name="model") from error

    def _one_hot(self, labels: np.ndarray) -> np.ndarray:
        if self.classes is None:
            advice = "Say how many there are: BlackBox(function, classes=K)."
            raise _refused("labels without a number of classes", "labels 0…K−1 with K given", advice)
        allowed = f"whole numbers 0…{self.classes - 1}"
        if not np.issubdtype(labels.dtype, np.integer):
            advice = "Number the classes from 0, and return integers."
            raise _refused(f"labels of type {labels.dtype}", allowed, advice)
        outside = (labels < 0) | (labels >= self.classes)
        if outside.any():
            row = int(outside.argmax())
            got = f"{int(outside.sum())} labels outside, the first is {int(labels[row])} at row {row}"
            raise _refused(got, allowed, "Number the classes from 0, or give more of them.")
        hot = np.zeros((len(labels), self.classes), dtype=np.float32)
        hot[np.arange(len(labels)), labels] = 1.0
        return hot

    def _scores(self, scores: np.ndarray) -> np.ndarray:
        rows, columns = scores.shape
        wanted = "K) with K ≥ 2" if self.classes is None else f"{self.classes})"
        if columns < 2 or self.classes not in {None, columns}:
            advice = "One column a class; a single column of labels is an array (B,)."
            raise _refused(f"scores of shape {scores.shape}", f"scores of shape ({rows}, {wanted}", advice)
        if scores.dtype.kind not in "fiu":
            raise _refused(f"scores of type {scores.dtype}", "real numbers", "Convert them to float.")
        with np.errstate(over="ignore"):  # what overflows is infinite, and refused as that
            values = np.ascontiguousarray(scores, dtype=np.float32)
        bad = ~np.isfinite(values).all(axis=1)
        if bad.any():
            got = (
                f"NaN or infinite scores in {int(bad.sum())} of {rows} rows, the first is row {bad.argmax()}"
            )
            raise _refused(got, "finite scores", "Return probabilities; the logarithm of 0 is infinite.")
        self.classes = columns
        return values


def _as_array(answer: object, rows: int) -> np.ndarray:
    """Return the answer as an array (rows,) or (rows, K)."""
    allowed = f"labels ({rows},) or scores ({rows}, K), one row for each of {rows} inputs"
    try:
        if isinstance(answer, Tensor):
            answer = answer.detach().cpu().numpy()
        array = np.asarray(answer)
    except HeatproofError:
        raise
    except (TypeError, ValueError, RuntimeError) as error:
        first = (str(error).strip().splitlines() or [""])[0]
        got = f"{type(answer).__name__}, which NumPy cannot read ({first})"
        raise ModelError(message("model output", got, allowed), name="model") from error
    if array.ndim not in {1, 2} or len(array) != rows:
        got = f"{type(answer).__name__} of shape {array.shape}"
        raise _refused(got, allowed)
    return array


def _refused(got: str, allowed: str, advice: str = "") -> ModelError:
    return ModelError(message("model output", got, allowed, advice), name="model")
