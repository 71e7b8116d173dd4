"""Two classifiers on the same inputs: how far apart their shares of right answers are, exactly.

Of n inputs let b be those that only the first answers right, c those that only the second does, m = b + c.
With q the probability that the two differ on an input and p the share of the first among such inputs, the
difference of the two shares is q(2p − 1). Given m, b is binomial: the test of p = ½ is McNemar's (1947), in
its exact form. Clopper–Pearson intervals of level α/2 each for q (m of n) and for p (b of m) hold together
with probability at least 1 − α, and so does the range of q(2p − 1) over the two.
"""

from __future__ import annotations

from dataclasses import dataclass

from heatproof._check import check_number, check_whole, message
from heatproof._intervals import proportion
from heatproof.errors import InputError

__all__ = ["PairedDifference", "paired_difference"]


@dataclass(frozen=True)
class PairedDifference:
    """`value` = (only_first − only_second)/trials, within [low, high] with at least `confidence`."""

    value: float
    low: float
    high: float
    only_first: int
    only_second: int
    trials: int
    confidence: float

    def __str__(self) -> str:
        return f"{self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}] ({self.trials} inputs)"


def paired_difference(
    only_first: int, only_second: int, trials: int, confidence: float = 0.95
) -> PairedDifference:
    """Return the difference of two shares on the same `trials` inputs, with its exact interval.

    `only_first` inputs are right with the first alone, `only_second` with the second alone. The inputs are
    taken for a random sample. Where the interval leaves out 0, the exact McNemar test rejects at
    (1 − confidence)/2. Errors: `InputError`.
    """
    check_whole("trials", trials)
    for name, count in (("only_first", only_first), ("only_second", only_second)):
        check_whole(name, count, at_least=0)
    check_number("confidence", confidence, above=0, below=1)
    apart = only_first + only_second
    if apart > trials:
        text = message("only_first + only_second", apart, f"at most trials = {trials}")
        raise InputError(text, name="only_first")
    each = (1.0 + confidence) / 2
    differ = proportion(apart, trials, each)
    share = proportion(only_first, apart, each) if apart else None
    lean = (-1.0, 1.0) if share is None else (2 * share.low - 1, 2 * share.high - 1)
    ends = [rate * side for rate in (differ.low, differ.high) for side in lean]
    value = (only_first - only_second) / trials
    return PairedDifference(value, min(ends), max(ends), only_first, only_second, trials, confidence)
