"""Which classifier is certified, and what is refused before a single draw is wasted."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from heatproof.certification import ABSTAIN, SmoothedPredictor, certify, fingerprint, guarantee
from heatproof.certification._choice import input_keys
from heatproof.errors import DataError, InputError, ModelError, UnknownNameError
from heatproof.networks import MLP
from heatproof.noise import Gaussian

Model = Callable[[Tensor], Tensor]
X = torch.tensor([[0.4, 0.0], [-0.4, 0.1]])


def test_the_rule_which_classifier_is_meant(timed: Callable[..., nn.Module], threshold: Model) -> None:
    def chosen(model: Model, **options: object) -> tuple[str, float]:
        predictor = SmoothedPredictor(model, **options)  # type: ignore[arg-type]
        noise = predictor.noise
        assert isinstance(noise, Gaussian)
        return predictor.classifier, noise.noise_std

    assert chosen(timed(0.3)) == ("equation", 0.3)
    assert chosen(timed(0.3), noise_std=0.5) == ("network", 0.5)
    assert chosen(timed(0.3), classifier="network") == ("network", 0.3)
    assert chosen(timed(None), noise_std=0.5, classifier="equation") == ("equation", 0.5)
    model = timed(None)
    model.noise_std = np.float32(0.5)  # type: ignore[assignment]
    assert chosen(model) == ("equation", 0.5)
    assert chosen(threshold, noise_std=0.5) == ("network", 0.5)


def test_the_equation_is_sampled_at_time_zero_and_the_one_pass_label_is_of_the_whole_network(
    timed: Callable[..., nn.Module],
) -> None:
    model = timed(0.25)
    certificates = certify(model, X, estimation_samples=600, index=torch.tensor([1, 2]), pilot=False)
    assert certificates[0].settings.classifier == "equation"
    assert [one.label for one in certificates] == [1, 0]
    assert [one.one_pass for one in certificates] == [0, 1]  # the spy turns round at t = None
    times: list[object] = list(model.times)  # type: ignore[arg-type]
    assert times.count(None) == 1
    assert set(times) == {None, 0.0}
    assert not any(model.modes)  # type: ignore[arg-type]


def test_the_equation_with_another_noise_is_refused(timed: Callable[..., nn.Module]) -> None:
    with pytest.raises(InputError, match=r"noise_std: got 0\.5; allowed: 0\.3, that of the model's own"):
        SmoothedPredictor(timed(0.3), noise_std=0.5, classifier="equation")
    assert SmoothedPredictor(timed(0.3), noise_std=0.3, classifier="equation").noise == Gaussian(
        noise_std=0.3
    )


def test_the_network_is_sampled_whole(timed: Callable[..., nn.Module]) -> None:
    model = timed(0.25)
    certificates = certify(model, X, classifier="network", estimation_samples=600)
    assert [one.label for one in certificates] == [0, 1]
    assert set(model.times) == {None}  # type: ignore[arg-type]


def test_the_guarantee_names_level_noise_and_classifier(timed: Callable[..., nn.Module]) -> None:
    predictor = SmoothedPredictor(timed(0.25))
    text = guarantee(predictor.settings(X, alpha=1e-9))
    assert "at least 1 − 1e-09" in text  # not rounded to 1
    assert "noise_std 0.25" in text
    assert "u(·, T)" in text
    assert "exact draws assumed" in text
    assert "abstained" in text
    other = guarantee(SmoothedPredictor(timed(0.25), classifier="network").settings(X))
    assert "the network with Gaussian noise" in other
    assert "u(·, T)" not in other


def test_targets_and_progress(threshold: Model) -> None:
    told: list[tuple[int, int]] = []

    def progress(done: int, total: int, note: str = "") -> None:
        assert note
        told.append((done, total))

    y = torch.tensor([1, 1])
    found = certify(threshold, X, y, noise_std=0.25, estimation_samples=500, progress=progress)
    assert [one.target for one in found] == [1, 1]
    assert [one.correct for one in found] == [True, False]
    assert told == [(1, 2), (2, 2)]
    assert [one.correct for one in certify(threshold, X, noise_std=0.25)] == [False, False]


def test_settings_of_another_predictor_are_refused(threshold: Model) -> None:
    """Sampling with one noise_std and computing the radius with another would be an unsound certificate."""
    loud = SmoothedPredictor(threshold, noise_std=1.0)
    quiet = SmoothedPredictor(threshold, noise_std=0.1)
    with pytest.raises(
        InputError, match=r"^settings: got noise = .*1.0\); allowed: .*0.1\), .*different: unit"
    ):
        quiet.certify(X, loud.settings(X))
    seeded = SmoothedPredictor(threshold, noise_std=1.0, seed=3)
    with pytest.raises(InputError, match=r"^settings: got seed = 0"):
        seeded.certify(X, loud.settings(X))
    with pytest.raises(InputError, match=r"^settings: got dimension = 2"):
        loud.certify(torch.zeros(1, 3), loud.settings(X))
    net = nn.Linear(2, 2)
    made = SmoothedPredictor(net, noise_std=1.0).settings(X)
    nn.init.zeros_(net.weight)
    with pytest.raises(InputError, match=r"^settings: got model_fingerprint"):
        SmoothedPredictor(net, noise_std=1.0).certify(X, made)
    fine = loud.settings(X, alpha=0.2, estimation_samples=7, selection_samples=3)
    assert [one.settings for one in loud.certify(X, fine)] == [fine, fine]


def test_precision_of_the_inputs(threshold: Model) -> None:
    """Inputs of any floating type; a function gets float32."""
    seen: set[torch.dtype] = set()

    def spy(x: Tensor) -> Tensor:
        seen.add(x.dtype)
        return threshold(x)

    x = X.half()
    counts = [
        [one.estimation_counts for one in certify(spy, x.to(kind), noise_std=0.5, index=torch.arange(2))]
        for kind in (torch.float16, torch.float32, torch.float64)
    ]
    assert counts[0] == counts[1] == counts[2]
    assert seen == {torch.float32}


class _Spy(nn.Module):
    """A linear model that notes the numbers it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.register_parameter("count", nn.Parameter(torch.ones(1, dtype=torch.int64), requires_grad=False))
        self.weight = nn.Parameter(torch.eye(2))
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor, t: float | None = None) -> Tensor:
        self.seen.append(x)
        return x @ self.weight + (0.0 if t is None else t)


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("classifier", ["network", "equation"])
def test_a_model_of_another_precision_gets_the_same_lattice_sums(kind: torch.dtype, classifier: str) -> None:
    """They are cast after the sum: a function of the sum alone."""
    plain, other = _Spy(), _Spy().to(kind)
    found = []
    for model in (plain, other):
        model.time_conditioned = True  # type: ignore[assignment]
        found.append(certify(model, X, noise_std=0.5, classifier=classifier, estimation_samples=300))
    assert {rows.dtype for rows in plain.seen} == {torch.float32}
    assert {rows.dtype for rows in other.seen} == {kind}
    assert all(torch.equal(a.to(kind), b) for a, b in zip(plain.seen, other.seen, strict=True))
    if kind is torch.float64:
        counts = [[one.estimation_counts for one in certificates] for certificates in found]
        assert counts[0] == counts[1]


@pytest.mark.parametrize("classifier", ["network", "equation"])
def test_the_networks_of_the_library_in_double(classifier: str) -> None:
    net = MLP(widths=(4,), time_conditioned=True).build((2,), 2).double()
    certificates = certify(net, X, noise_std=0.5, classifier=classifier, estimation_samples=100)
    assert len(certificates) == 2
    with pytest.raises(ModelError, match="for float64 inputs of shape"):
        certify(nn.Linear(3, 2).double(), X, noise_std=0.5)
    linear = nn.Linear(2, 2).double()
    SmoothedPredictor(linear, noise_std=0.5).predict(X, samples=10)
    assert linear.weight.dtype == torch.float64


def test_the_fingerprint_knows_every_number_and_name() -> None:
    def net() -> nn.Module:
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
        module.register_buffer("shift", torch.zeros(()), persistent=False)
        module.register_buffer("none", torch.zeros(0, 3))
        module.register_buffer("short", torch.zeros(2, dtype=torch.bfloat16))
        return module

    first = fingerprint(net())
    assert re.fullmatch(r"[0-9a-f]{64}", first)
    assert fingerprint(net()) == first
    assert fingerprint(net().train(mode=False)) == first
    for name in ("0.weight", "1.running_mean", "shift", "short", "1.num_batches_tracked"):
        other = net()
        tensors = dict([*other.named_parameters(), *other.named_buffers()])
        with torch.no_grad():
            tensors[name].view(-1)[0] += 1
        assert fingerprint(other) != first, name
    shapes = [nn.Linear(4, 1, bias=False), nn.Linear(1, 4, bias=False), nn.Linear(2, 2, bias=False)]
    for module in shapes:
        nn.init.zeros_(module.weight)
    assert len({fingerprint(module) for module in shapes}) == 3
    assert fingerprint(lambda x: x) == ""


# What is refused


@pytest.mark.parametrize("bad", [0, -0.1, math.nan, math.inf, "0.5", True, [0.5]])
def test_a_noise_std_that_is_none(timed: Callable[..., nn.Module], threshold: Model, bad: object) -> None:
    words = r"^noise_std: got .*; allowed: a finite number > 0"
    if isinstance(bad, float | int):
        with pytest.raises(InputError, match=words):
            certify(threshold, X, noise_std=bad)
    model = timed(None)
    model.noise_std = bad  # type: ignore[assignment]
    with pytest.raises(InputError, match=words):
        certify(model, X)


def test_a_noise_std_that_is_missing_or_an_array(timed: Callable[..., nn.Module], threshold: Model) -> None:
    with pytest.raises(InputError, match=r"^noise_std: got None; .*convection–diffusion objective"):
        certify(threshold, X)
    for array in (torch.tensor([0.1, 0.2]), np.array([0.1, 0.2])):
        model = timed(None)
        model.noise_std = array  # type: ignore[assignment]
        with pytest.raises(InputError, match=r"^noise_std: got an array; .*chosen per input voids"):
            certify(model, X)


def test_only_a_time_conditioned_model_brings_its_own_noise_std() -> None:
    """In another model the name may mean anything, and the radius is computed from it."""
    net = nn.Linear(2, 2)
    net.noise_std = 0.9  # type: ignore[assignment]
    with pytest.raises(InputError, match=r"^noise_std: got None; .*convection–diffusion objective"):
        certify(net, X)
    assert SmoothedPredictor(net, noise_std=0.5).noise == Gaussian(noise_std=0.5)


def test_an_equation_without_time_and_a_classifier_unknown(threshold: Model) -> None:
    with pytest.raises(
        InputError, match=r"^classifier: got 'equation' for a model without time; allowed: 'net"
    ):
        certify(threshold, X, noise_std=0.5, classifier="equation")
    with pytest.raises(UnknownNameError, match="Did you mean 'network'"):
        certify(threshold, X, noise_std=0.5, classifier="netwrok")


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0, math.nan])
def test_a_level_outside(threshold: Model, alpha: float) -> None:
    with pytest.raises(InputError, match=r"^alpha: got .*; allowed: a finite number > 0 and < 1"):
        certify(threshold, X, noise_std=0.5, alpha=alpha)
    with pytest.raises(InputError, match=r"^alpha: got "):
        SmoothedPredictor(threshold, noise_std=0.5).predict(X, alpha=alpha)


@pytest.mark.parametrize("name", ["estimation_samples", "selection_samples", "batch_size"])
@pytest.mark.parametrize("bad", [0, -5])
def test_numbers_of_samples_that_are_not_positive(threshold: Model, name: str, bad: int) -> None:
    with pytest.raises(
        InputError, match=rf"^{name}: got {bad}; allowed: (a whole number ≥ 1|greater than or equal to 1)"
    ):
        certify(threshold, X, noise_std=0.5, **{name: bad})  # type: ignore[arg-type]


def test_predict_names_its_own_argument(threshold: Model) -> None:
    with pytest.raises(InputError, match=r"^samples: got 0; allowed: a whole number ≥ 1"):
        SmoothedPredictor(threshold, noise_std=0.5).predict(X, samples=0)
    with pytest.raises(InputError, match=r"^seed: got -1"):
        SmoothedPredictor(threshold, noise_std=0.5, seed=-1)
    with pytest.raises(InputError, match=r"^grid_step: got 0"):
        SmoothedPredictor(threshold, noise_std=0.5, grid_step=0.0)


def test_inputs_with_nan_or_nothing_or_no_batch(threshold: Model) -> None:
    bad = X.clone()
    bad[1, 0] = math.nan
    with pytest.raises(DataError, match=r"^x: got 1 of 2 rows with NaN .*the first is row 1"):
        certify(threshold, bad, noise_std=0.5)
    with pytest.raises(InputError, match=r"^x: got torch.float32 of shape \(0, 2\)"):
        certify(threshold, X[:0], noise_std=0.5)
    predictor = SmoothedPredictor(threshold, noise_std=0.5)
    with pytest.raises(InputError, match=r"^inputs: got values up to 1e\+09; .*Rescale"):
        predictor.certify(X + 1e9)  # at the call, not at the first certificate


def test_indices_and_labels_that_do_not_fit(threshold: Model) -> None:
    with pytest.raises(DataError, match=r"^index: got torch.int64 of shape \(3,\); allowed: an int64 tensor"):
        input_keys(X, torch.arange(3))  # directly: in tests shapes are checked before it
    with pytest.raises(DataError, match=r"^index: got torch.int32 of shape \(2,\)"):
        input_keys(X, torch.arange(2, dtype=torch.int32))
    with pytest.raises(DataError, match=r"^y: got 1 labels outside, the first is 2 at row 1"):
        certify(threshold, X, torch.tensor([0, 2]), noise_std=0.5)


def _giving(logits: Callable[[Tensor], object]) -> Model:
    return logits  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (_giving(lambda x: x.sum(dim=1)), "torch.float32 of shape (1,)"),
        (_giving(lambda x: x[:, :1]), "of shape (1, 1)"),
        (_giving(lambda x: x[:, :, None]), "of shape (1, 2, 1)"),
        (_giving(lambda x: torch.cat([x, x])), "of shape (2, 2)"),
        (_giving(lambda x: x.argmax(dim=1, keepdim=True).expand(-1, 2)), "torch.int64"),
        (_giving(lambda x: (x, x)), "got tuple"),
        (_giving(lambda x: x * math.nan), "NaN or infinite logits"),
        (_giving(lambda x: x.new_full((len(x), 2), math.inf)), "NaN or infinite logits"),
        (nn.Linear(3, 2), "got RuntimeError (mat1 and mat2 shapes cannot be multiplied"),
        (_giving(lambda x: {"scores": x}["logits"]), "got KeyError"),
    ],
)
def test_models_that_break_the_contract(model: Model, words: str) -> None:
    with pytest.raises(ModelError, match=re.escape(words)) as caught:
        certify(model, X, noise_std=0.5)
    assert caught.value.name == "model"
    with pytest.raises(ModelError, match=re.escape(words)):
        SmoothedPredictor(model, noise_std=0.5).predict(X)


def _after(calls: int, otherwise: Callable[[Tensor], Tensor], threshold: Model) -> Model:
    count = 0

    def model(x: Tensor) -> Tensor:
        nonlocal count
        count += 1
        return threshold(x) if count <= calls else otherwise(x)

    return model


@pytest.mark.parametrize(
    ("otherwise", "words"),
    [
        (lambda x: x * math.nan, r"NaN or infinite logits; allowed: finite .* of shape \(\d+, (2|K)\)"),
        (
            lambda x: torch.cat([x, x], dim=1),
            r"of shape \(\d+, 4\); allowed: finite .* of shape \(\d+, (2|K)\)",
        ),
    ],
)
def test_models_that_break_it_only_under_noise(
    threshold: Model, otherwise: Callable[[Tensor], Tensor], words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        certify(_after(3, otherwise, threshold), X, noise_std=0.5, pilot=False)


def test_one_half_abstains(threshold: Model) -> None:
    x = torch.zeros(40, 2)
    index = torch.arange(40)
    certificates = certify(threshold, x, noise_std=0.5, alpha=1e-6, index=index, pilot=False)
    assert {one.label for one in certificates} == {ABSTAIN}
    assert {one.radius for one in certificates} == {0.0}
    predicted = SmoothedPredictor(threshold, noise_std=0.5).predict(x, alpha=1e-6, index=index)
    assert predicted.tolist() == [ABSTAIN] * 40
