"""Each check keeps good values and says, in the one form, what was got, what is allowed, what to do."""

from __future__ import annotations

import math
import re
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from heatproof import errors
from heatproof._check import (
    check_choice,
    check_finite,
    check_inputs,
    check_labels,
    check_number,
    check_whole,
    message,
    nearest,
)
from heatproof.errors import DataError, HeatproofError, InputError, UnknownNameError


def test_the_form_of_a_message() -> None:
    assert message("alpha", 2, "a number < 1") == "alpha: got 2; allowed: a number < 1."
    assert message("alpha", 2, "a number < 1", "Take 0.001.").endswith("a number < 1. Take 0.001.")


def test_nearest_finds_a_slip_and_nothing_far_away() -> None:
    assert nearest("gausian", ("gaussian", "rademacher")) == "gaussian"
    assert nearest("RADEMACHER", ("gaussian", "rademacher")) == "rademacher"
    assert nearest("xyz", ("gaussian", "rademacher")) is None


def test_a_choice_names_the_nearest() -> None:
    assert check_choice("noise", "gaussian", ["gaussian", "uniform"]) == "gaussian"
    with pytest.raises(UnknownNameError) as caught:
        check_choice("noise", "gausian", ("gaussian", "uniform"))
    assert str(caught.value) == ("noise: got 'gausian'; allowed: gaussian, uniform. Did you mean 'gaussian'?")
    assert (caught.value.name, caught.value.nearest) == ("noise", "gaussian")
    with pytest.raises(UnknownNameError) as far:
        check_choice("noise", ["gaussian"], ("gaussian", "uniform"))
    assert far.value.name == "noise"


@pytest.mark.parametrize("value", [1, 0.5, np.float32(0.5), np.int64(1), Fraction(1, 2)])
def test_real_numbers_pass(value: object) -> None:
    number = check_number("x", value, above=0, at_most=1)
    assert type(number) is float
    assert number == float(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value", [True, "1", None, math.nan, math.inf, -math.inf, 10**400, 1j, [1.0], torch.ones(1)]
)
def test_what_is_no_finite_real_number_is_refused(value: object) -> None:
    with pytest.raises(InputError, match=r"^x: got .*; allowed: a finite number > 0\. Mind\.$") as caught:
        check_number("x", value, above=0, advice="Mind.")
    assert caught.value.name == "x"


@given(value=st.floats(allow_nan=False, allow_infinity=False), bound=st.floats(allow_nan=False, width=32))
def test_bounds_are_open_or_closed_as_their_names_say(value: float, bound: float) -> None:
    for keyword, holds in (
        ("above", value > bound),
        ("at_least", value >= bound),
        ("below", value < bound),
        ("at_most", value <= bound),
    ):
        if holds:
            assert check_number("x", value, **{keyword: bound}) == value  # type: ignore[arg-type]
        else:
            with pytest.raises(InputError):
                check_number("x", value, **{keyword: bound})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0, -1, True, 1.0, "3", None, np.float64(2)])
def test_what_is_no_whole_number_from_one_on_is_refused(value: object) -> None:
    with pytest.raises(InputError, match=r"^n: got .*; allowed: a whole number ≥ 1\. Mind\.$"):
        check_whole("n", value, advice="Mind.")


def test_whole_numbers_of_numpy_become_ints() -> None:
    assert type(check_whole("n", np.int64(3))) is int
    assert check_whole("n", 0, at_least=0) == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_named_by_its_row(bad: float) -> None:
    values = torch.zeros(5, 2, 3)
    check_finite("x", values)
    values[3, 1, 2] = values[4, 0, 0] = bad
    with pytest.raises(
        DataError, match=r"^x: got 2 of 5 rows with NaN or infinite values, the first is row 3"
    ):
        check_finite("x", values)
    with pytest.raises(DataError, match="the first is row 1"):
        check_finite("x", torch.tensor([0.0, bad]))


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ([[1.0]], "got list"),
        (torch.zeros(2, 3, dtype=torch.int64), "torch.int64 of shape (2, 3)"),
        (torch.zeros(3), "A single input needs x[None]"),
        (torch.zeros(0, 3), "shape (0, 3)"),
        (torch.zeros(3, 0), "shape (3, 0)"),
        (torch.full((2, 2), math.nan), "NaN or infinite"),
    ],
)
def test_inputs_that_are_none(x: object, words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words)):
        check_inputs("x", x)


def test_inputs_pass_as_they_are() -> None:
    x = torch.ones(1, 2, dtype=torch.float64)
    assert check_inputs("x", x) is x


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([0, 1], "got list"),
        (torch.tensor([0, 1], dtype=torch.int32), "torch.int32"),
        (torch.tensor([[0, 1]]), "shape (1, 2)"),
        (torch.tensor([0, 1, 1]), "shape (3,)"),
        (torch.tensor([0, 3]), "1 labels outside, the first is 3 at row 1"),
        (torch.tensor([-1, 0]), "the first is -1 at row 0"),
    ],
)
def test_labels_that_are_none(y: object, words: str) -> None:
    with pytest.raises(DataError, match=re.escape(words)):
        check_labels("y", y, count=2, classes=3)


def test_labels_pass_and_classes_may_be_unknown() -> None:
    y = torch.tensor([0, 900])
    assert check_labels("y", y, count=2) is y
    with pytest.raises(DataError, match="0…K−1"):
        check_labels("y", -y, count=2)


def test_every_error_is_one_of_ours_and_children_of_input_error_are_value_errors() -> None:
    found = [getattr(errors, name) for name in errors.__all__]
    exceptions = [one for one in found if not issubclass(one, Warning)]
    assert all(issubclass(one, HeatproofError) for one in exceptions)
    for name in ("UnknownNameError", "DataError", "ModelError", "RunFolderError", "DependencyError"):
        assert issubclass(getattr(errors, name), InputError)
        assert issubclass(getattr(errors, name), ValueError)
    for name in ("DivergenceError", "StorageError", "VerificationError"):
        assert not issubclass(getattr(errors, name), InputError)
