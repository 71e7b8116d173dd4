"""Which change of an accuracy is more than chance, given the number of rows it is measured on.

The rule: the one-sided Clopper–Pearson intervals of the two accuracies, each at a small level, lie apart. If
the network answered a share p of all possible inputs right both times, this would happen with probability at
most twice that level, whatever the dependence between the two counts (a union bound: both may be of the same
rows). Training rows are no random sample for a network that was trained on them; there the rule is a
yardstick.
"""

from __future__ import annotations

from heatproof._intervals import lower_bound, upper_bound

__all__ = ["LEVEL", "surely_higher"]

LEVEL = 1e-4
"""Bound of the probability that one rule speaks though nothing has changed."""


def surely_higher(first: tuple[float, int], second: tuple[float, int], *, looks: int = 1) -> float | None:
    """Return by how much the first accuracy is higher at least, None if that may be chance.

    Each is (accuracy, rows). `looks`: pairs that this one was chosen from; the level is shared by all.
    """
    level = LEVEL / (2 * looks)
    low = lower_bound(_count(first), first[1], level)
    high = upper_bound(_count(second), second[1], level)
    return low - high if low > high else None


def _count(accuracy: tuple[float, int]) -> int:
    share, rows = accuracy
    return min(rows, max(0, round(share * rows)))
