"""Black boxes, inputs of every kind, and errors that name the module to blame."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from heatproof import data as hd
from heatproof.certification import certify
from heatproof.certification._adapters import BlackBox
from heatproof.certification._inputs import as_inputs
from heatproof.certification._model import check_rows
from heatproof.errors import DataError, InputError, ModelError

X = torch.randn(8, 2, generator=torch.Generator().manual_seed(0))


def _sign(x: np.ndarray) -> np.ndarray:
    return np.asarray((x[:, 0] > 0).astype(np.int64))


class TestBlackBox:
    @given(st.integers(2, 9), st.data())
    def test_labels_become_one_hot(self, classes: int, data: st.DataObject) -> None:
        labels = data.draw(st.lists(st.integers(0, classes - 1), min_size=1, max_size=20))
        logits = BlackBox(lambda _: labels, classes=classes)(torch.zeros(len(labels), 3))
        assert logits.dtype == torch.float32
        assert logits.shape == (len(labels), classes)
        assert logits.argmax(dim=1).tolist() == labels
        assert logits.sum(dim=1).tolist() == [1.0] * len(labels)

    @pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16, np.int64, np.uint8])
    def test_scores_stay_as_they_are(self, kind: type) -> None:
        scores: np.ndarray = np.asarray([[1, 2, 3], [3, 1, 0]]).astype(kind)
        box = BlackBox(lambda _: scores)
        assert box(torch.zeros(2, 3)).tolist() == [[1, 2, 3], [3, 1, 0]]
        assert box.classes == 3

    def test_whatever_numpy_reads(self) -> None:
        for answer in ([[0.2, 0.8]], ((0.2, 0.8),), torch.tensor([[0.2, 0.8]], requires_grad=True)):
            assert BlackBox(lambda _, a=answer: a)(torch.zeros(1, 3))[0, 1] == pytest.approx(0.8)

    def test_the_function_gets_an_array_of_its_own(self) -> None:
        seen: list[np.ndarray] = []

        def spoils(x: np.ndarray) -> np.ndarray:
            seen.append(x.copy())
            x[:] = 0
            return np.zeros(len(x), dtype=np.int64)

        inputs = X.double().requires_grad_()
        BlackBox(spoils, classes=2)(inputs)
        assert seen[0].dtype == np.float32
        assert np.array_equal(seen[0], X.numpy())
        assert torch.equal(inputs.float(), X)

    def test_it_can_be_certified(self) -> None:
        box = BlackBox(_sign, classes=2)
        certificates = certify(box, torch.tensor([[3.0, 0.0], [-3.0, 0.0]]), noise_std=0.5)
        assert [one.label for one in certificates] == [1, 0]
        assert all(1.0 < one.radius < 3.0 for one in certificates)

    def test_an_estimator_of_scikit_learn(self) -> None:
        data = hd.load("half_moons", size=200)
        model = LogisticRegression().fit(data.train.x.numpy(), data.train.y.numpy())
        both = (BlackBox(model.predict_proba), BlackBox(model.predict, classes=2))
        found = [certify(box, data.test.x[:5], noise_std=0.3, estimation_samples=200) for box in both]
        assert [one.estimation_counts for one in found[0]] == [one.estimation_counts for one in found[1]]

    @pytest.mark.parametrize(
        ("answer", "text"),
        [
            ([0, 1, 3], r"1 labels outside, the first is 3 at row 2; allowed: whole numbers 0…2"),
            ([0, -1, 1], r"1 labels outside, the first is -1 at row 1"),
            ([0.0, 1.0, 2.0], r"labels of type float64; allowed: whole numbers 0…2"),
            ([True, False, True], r"labels of type bool"),
            (["cat", "dog", "cat"], r"labels of type <U3"),
            ([None, 1, 2], r"labels of type object"),
            ([0, 1], r"list of shape \(2,\); allowed: labels \(3,\) or scores \(3, K\)"),
            (3, r"int of shape \(\)"),
            (np.zeros((3, 2)), r"scores of shape \(3, 2\); allowed: scores of shape \(3, 3\)"),
            (np.zeros((3, 1)), r"scores of shape \(3, 1\)"),
            (np.zeros((2, 3)), r"ndarray of shape \(2, 3\)"),
            (np.zeros((3, 3, 1)), r"ndarray of shape \(3, 3, 1\)"),
            (np.full((3, 3), np.nan), r"NaN or infinite scores in 3 of 3 rows, the first is row 0"),
            (np.asarray([[0, 1, 2], [0, -np.inf, 1], [0, 0, 1]]), r"in 1 of 3 rows, the first is row 1"),
            (np.full((3, 3), 1e300), r"NaN or infinite scores"),
            (np.zeros((3, 3), dtype=complex), r"scores of type complex128"),
            ([[1, 2, 3], [1, 2], [1, 2, 3]], r"list, which NumPy cannot read"),
            (torch.zeros(3, 3, dtype=torch.bfloat16), r"Tensor, which NumPy cannot read"),
            (None, r"NoneType of shape \(\)"),
        ],
        ids=lambda value: str(value)[:20],
    )
    def test_answers_outside_the_contract(self, answer: object, text: str) -> None:
        with pytest.raises(ModelError, match=rf"^model output: got .*{text}") as caught:
            BlackBox(lambda _: answer, classes=3)(torch.zeros(3, 2))
        assert "\n" not in str(caught.value)
        assert caught.value.name == "model"

    def test_labels_need_the_number_of_classes(self) -> None:
        with pytest.raises(ModelError, match=r"labels without a number of classes; .*classes=K"):
            BlackBox(_sign)(X)

    def test_a_label_that_comes_late_is_no_vote_for_another(self) -> None:
        box = BlackBox(lambda x: (x[:, 0] > 2).astype(np.int64) * 5, classes=3)
        assert box(torch.zeros(4, 2)).argmax(dim=1).tolist() == [0] * 4
        with pytest.raises(ModelError, match="the first is 5 at row 1"):
            box(torch.tensor([[0.0, 0.0], [3.0, 0.0]]))

    def test_the_number_of_scores_stays(self) -> None:
        box = BlackBox(lambda x: np.zeros((len(x), 1 + len(x))))
        assert box(torch.zeros(2, 2)).shape == (2, 3)
        with pytest.raises(ModelError, match=r"scores of shape \(3, 4\); allowed: scores of shape \(3, 3\)"):
            box(torch.zeros(3, 2))

    def test_a_plain_function_of_arrays_or_labels_is_told_of_it(self) -> None:
        with pytest.raises(ModelError, match=r"got ndarray; .*goes into heatproof\.BlackBox\(function\)"):
            certify(lambda x: x.numpy(), X, noise_std=0.5)  # type: ignore[arg-type, return-value]
        with pytest.raises(ModelError, match=r"got torch\.int64 of shape \(1,\); .*Labels go into"):
            certify(lambda x: x.argmax(dim=1), X, noise_std=0.5)

    def test_what_is_no_function(self) -> None:
        with pytest.raises(ModelError, match=r"^function: got an object of type LogisticRegression"):
            BlackBox(LogisticRegression())
        with pytest.raises(InputError, match=r"^classes: got 1"):
            BlackBox(_sign, classes=1)

    def test_its_name(self) -> None:
        assert repr(BlackBox(_sign, classes=2)) == "BlackBox(_sign, classes=2)"
        assert repr(BlackBox(functools.partial(_sign), classes=2)) == "BlackBox(partial, classes=2)"


class TestInputs:
    @pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, ">f4", ">f8"])
    def test_arrays(self, kind: Any) -> None:
        values = np.linspace(0, 1, 12).reshape(4, 3).astype(kind)[::-1]
        values.flags.writeable = False
        x, y, index = as_inputs(values, [0, 1, 2, 3])
        assert x.dtype == (torch.float64 if values.itemsize == 8 else torch.float32)
        assert np.array_equal(x.numpy(), values)
        assert y is not None
        assert y.tolist() == [0, 1, 2, 3]
        assert y.dtype == torch.int64
        assert index is None

    def test_float64_is_not_rounded(self) -> None:
        assert as_inputs(np.full((1, 1), 0.1))[0].item() == 0.1  # exactly

    def test_tensors(self) -> None:
        assert as_inputs(X)[0] is not None
        assert torch.equal(as_inputs(X.requires_grad_())[0], X.detach())
        assert not as_inputs(X.requires_grad_())[0].requires_grad
        assert as_inputs(X.bfloat16())[0].dtype == torch.float32
        X.requires_grad_(False)

    def test_a_table(self) -> None:
        pandas = pytest.importorskip("pandas")
        table = pandas.DataFrame({"a": [0.5, 1.5], "b": [2.5, 3.5]})
        assert as_inputs(table, pandas.Series([0, 1]))[0].tolist() == [[0.5, 2.5], [1.5, 3.5]]
        with pytest.raises(InputError, match="an array of objects"):
            as_inputs(pandas.DataFrame({"a": [0.5], "b": ["x"]}))

    def test_splits_bring_labels_and_index(self) -> None:
        data = hd.load("half_moons", size=60)
        for given_ in (data.test, data):
            x, y, index = as_inputs(given_)
            assert torch.equal(x, data.test.x)
            assert y is not None
            assert index is not None
            assert torch.equal(y, data.test.y)
            assert torch.equal(index, data.test.index)
        with pytest.raises(InputError, match=r"^y: got labels beside those that x brings"):
            as_inputs(data.test, data.test.y)

    def test_loaders_and_batches(self) -> None:
        labels = torch.arange(8) % 2
        pairs = TensorDataset(X, labels)
        for batches in (DataLoader(pairs, batch_size=3), pairs, iter(DataLoader(pairs, batch_size=8))):
            x, y, _ = as_inputs(batches)
            assert torch.equal(x, X)
            assert y is not None
            assert torch.equal(y, labels)
        x, y, _ = as_inputs(part.numpy() for part in X.split(3))
        assert torch.equal(x, X)
        assert y is None
        assert as_inputs(iter(X.split(3)), labels)[1] is not None

    @pytest.mark.parametrize(
        ("x", "text"),
        [
            (np.arange(256, dtype=np.uint8).reshape(2, 128), r"uint8 values from 0 to 255; .* / 255"),
            (np.arange(6).reshape(2, 3), r"int64 values from 0 to 5; .*/ 255"),
            (torch.full((2, 3), -7), r"int64 values from -7 to -7; .*astype\('float32'\)"),
            (np.asarray([[1, None]]), r"an array of objects of shape \(1, 2\)"),
            (np.asarray([["a", "b"]]), r"an array of text"),
            (np.zeros((2, 2), dtype=complex), r"an array of complex numbers"),
            (torch.zeros(2, 2, dtype=torch.complex64), r"complex64"),
            (np.zeros((2, 2), dtype=bool), r"bool"),
            (np.zeros((2, 2), dtype="datetime64[s]"), r"an array of datetime64"),
            (np.zeros(3), r"shape \(3,\)"),
            (np.zeros((0, 3)), r"shape \(0, 3\)"),
            ("digits", r"got str"),
            ({"x": 1}, r"got dict"),
            (7, r"got int"),
            (None, r"got NoneType"),
            ([], r"no batches"),
            ([[0.5, 0.5], [0.1, 0.2]], r"a list of 2; allowed: \(inputs, labels\)"),
            ([(X, X, X)], r"a tuple of 3"),
            ([{"image": X}], r"a dict"),
            ([X[0], X[1]], r"shape \(2,\); allowed: inputs \(batch, \*event\)"),
        ],
        ids=lambda value: str(value)[:20],
    )
    def test_what_is_refused(self, x: object, text: str) -> None:
        with pytest.raises(InputError, match=rf"{text}") as caught:
            as_inputs(x)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("y", "text"),
        [
            (np.zeros(8), r"labels of type float64; allowed: whole numbers"),
            (["a"] * 8, r"labels of type <U1"),
            (np.zeros(7, dtype=np.int64), r"shape \(7,\); allowed: one label for each of 8 inputs"),
            (np.eye(8, dtype=np.int64), r"shape \(8, 8\).*argmax"),
            (np.full(8, -1), r"8 labels outside, the first is -1"),
        ],
        ids=str,
    )
    def test_labels_that_do_not_fit(self, y: object, text: str) -> None:
        with pytest.raises(DataError, match=rf"^y: got .*{text}"):
            as_inputs(X, y)

    def test_batches_that_do_not_fit_together(self) -> None:
        with pytest.raises(DataError, match=r"inputs of shapes \[\(2,\), \(3,\)\]"):
            as_inputs([torch.zeros(2, 2), torch.zeros(2, 3)])
        with pytest.raises(DataError, match="labels in some batches only"):
            as_inputs([torch.zeros(2, 2), (torch.zeros(2, 2), torch.zeros(2).long())])

    def test_values_that_are_not_finite(self) -> None:
        with pytest.raises(DataError, match="the first is row 1"):
            as_inputs(np.asarray([[0.0], [np.nan]]))


class DropPath(nn.Module):
    """A module of somebody else's that drops rows in training mode."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (torch.rand(len(x), 1) < 0.5) if self.training else x


class Unregistered(nn.Module):
    """Keeps layers in a plain list, which eval() does not reach."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layers = [nn.Linear(2, 3), layer]

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class Holder:
    """A callable object with a network in it."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net

    def __call__(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x)
        return logits

    def logits(self, x: Tensor) -> Tensor:
        return self(x)


def _function(net: nn.Module) -> Callable[[Tensor], Tensor]:
    def model(x: Tensor) -> Tensor:
        logits: Tensor = net(x)
        return logits

    return model


def _hidden(net: nn.Module) -> Iterator[Callable[[Tensor], Tensor]]:
    yield _function(net)
    yield Holder(net)
    yield Holder(net).logits
    yield functools.partial(nn.Module.__call__, net)
    yield BlackBox(lambda x: net(torch.from_numpy(x)))


class TestNames:
    @pytest.fixture(autouse=True)
    def _seeded(self) -> Iterator[None]:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            yield

    @pytest.mark.parametrize("number", range(5))
    def test_dropout_inside_a_function(self, number: int) -> None:
        model = list(_hidden(nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.5))))[number]
        with pytest.raises(ModelError, match=r"because of Dropout at '1' \(in training mode\)\. Switch off"):
            check_rows(model, X, 3)

    def test_batch_normalisation_of_images(self) -> None:
        net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(48, 3))
        images = torch.rand(8, 1, 6, 6)
        with pytest.raises(
            ModelError, match=r"because of BatchNorm2d at '1' \(in training mode\)\. Use running"
        ):
            check_rows(_function(net), images, 3)
        bare = nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False), nn.Flatten(), nn.Linear(36, 3))
        with pytest.raises(ModelError, match=r"BatchNorm2d at '0' \(without running statistics\)"):
            check_rows(bare.eval(), images, 3)

    def test_a_module_of_ones_own_and_one_that_is_not_registered(self) -> None:
        net = nn.Sequential(nn.Linear(2, 3), DropPath())
        with pytest.raises(ModelError, match=r"because of DropPath at '1'"):
            check_rows(_function(net), X.repeat(4, 1), 3)
        with pytest.raises(ModelError, match=r"because of Dropout \(in training mode\)"):
            check_rows(Unregistered(nn.Dropout()).eval(), X, 3)

    def test_where_nothing_is_known_to_draw_nothing_is_named(self) -> None:
        with pytest.raises(ModelError, match=r"row\. Switch off dropout"):
            check_rows(lambda x: torch.rand(len(x), 3), X, 3)
