"""The smoothed classifier at work: what its model is shown, what it answers, how it is sampled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from heatproof._types import Classifier
from heatproof.certification._choice import Choice
from heatproof.certification._identity import changed_meanwhile, fingerprint, unchanged_attributes, written
from heatproof.certification._model import (
    check_rows,
    checked_logits,
    device_of,
    evaluating,
    not_finite,
    one_pass_labels,
)
from heatproof.certification._under_noise import UnderNoise, noisy_copies, pilot_rows, under_noise
from heatproof.certification.sampling.draws import Drawing
from heatproof.certification.sampling.execution import Execution
from heatproof.certification.sampling.forward import Forward, prepare
from heatproof.certification.sampling.sampler import Sampler
from heatproof.certification.sampling.schedule import Sampled, Schedule
from heatproof.certification.sampling.votes import Voter, score_edges
from heatproof.noise import InteriorDiffusion, Lattice
from heatproof.noise.keyed import Stage, Stream, content_key, generator
from heatproof.statistics import State, StoppingRule

__all__ = ["Smoothing"]

_PROBES = 8
_OPEN_INPUTS = 512


class Smoothing:
    """One model with one noise on one lattice, as `SmoothedPredictor` describes them; it draws and counts."""

    def __init__(
        self, model: Classifier, choice: Choice, grid_step: float | None, seed: int, execution: Execution
    ) -> None:
        self.model = model
        self.classifier, self.noise, self._base = choice.classifier, choice.noise, choice.base
        self.lattice = Lattice.for_noise(choice.noise, grid_step)
        self.seed, self.execution = seed, execution
        self.device = device_of(model)
        self._ready: tuple[str, tuple[Forward, ...]] | None = None

    def tried(self, x: Float[Tensor, "batch *event"]) -> dict[str, Any]:
        """Return the settings that model and inputs fix, after a trial of the model on a few noisy rows."""
        self.noise.check_event(x.shape[1:])
        check_noise = getattr(self.model, "check_noise", None)
        if check_noise is not None and isinstance(self.noise, InteriorDiffusion):
            check_noise(self.noise)  # its Lipschitz bounds, with the weights of now
        identity = fingerprint(self.model)
        with evaluating(self.model), unchanged_attributes(self.model):
            _, classes = one_pass_labels(self._base, x[:1].detach(), 1)
            check_rows(self._base, self.probes(x[0].detach()), classes)
        return {
            "noise": self.noise,
            "classifier": self.classifier,
            "seed": self.seed,
            "grid_step": self.lattice.grid_step,
            "unit": self.lattice.unit,
            "dimension": x[0].numel(),
            "classes": classes,
            "precision": self.execution.precision,
            "model_fingerprint": identity,
        }

    def rounding(self, x: Float[Tensor, "batch *event"]) -> Float64[Tensor, " batch"]:
        """Return by how much the lattice shrinks the radius of each input, in the noise's own norm."""
        parts = x.detach().split(self.execution.rows(x.shape[1:], self.device))
        return torch.cat([self.lattice.rounding(part) for part in parts])

    def under_noise(
        self, x: Float[Tensor, "batch *event"], y: Tensor | None, keys: Sequence[int]
    ) -> UnderNoise:
        """Measure, on a few noisy copies of a few inputs, how often the model keeps its answer."""
        rows = pilot_rows(len(x))
        chosen = x.detach()[rows]
        copies = noisy_copies(chosen, [keys[row] for row in rows.tolist()], self.lattice, self.seed)

        def logits(batch: Tensor) -> Tensor:
            parts = batch.split(self.execution.rows(x.shape[1:], self.device))
            # a model may write each answer in one place
            return torch.cat([checked_logits(self._base, part, self.device, None).clone() for part in parts])

        with evaluating(self.model):
            return under_noise(logits, chosen, copies, None if y is None else y[rows])

    def sample(
        self,
        x: Tensor,
        keys: list[int],
        rule: StoppingRule,
        classes: int,
        selection_samples: int,
        *,
        soft: bool = False,
    ) -> tuple[State, Iterator[Sampled]]:
        """Return the state of the rule, which goes on changing, and the inputs as they are finished."""
        inputs = x.detach().clone()  # the caller may write into hers meanwhile
        edges = torch.from_numpy(score_edges()) if soft else None
        bins = None if edges is None else len(edges)
        schedule = Schedule(rule, len(x), selection_samples, classes, bins=bins)

        @lru_cache(maxsize=_OPEN_INPUTS)
        def codes(position: int) -> Tensor:
            return self.lattice.ready(self.lattice.codes(inputs[position : position + 1])[0])

        @lru_cache(maxsize=2 * _OPEN_INPUTS)
        def stream(position: int, stage: Stage) -> Stream:
            return Stream(self.seed, keys[position], stage)

        with evaluating(self.model):
            forwards = self.prepared(x)
        sampler = Sampler(
            forwards,
            Voter(classes, edges, self.execution.deterministic),
            Drawing(self.lattice, inputs.shape[1:]),
            codes,
            stream,
            width=max(classes, bins or 0),
            failed=lambda: not_finite(forwards[0].rows, classes),
        )
        return schedule.state, self._guarded(sampler.run(schedule), forwards)

    def _guarded(self, stream: Iterator[Sampled], forwards: tuple[Forward, ...]) -> Iterator[Sampled]:
        """Yield what is finished, as long as the model is the one that the sampling began with."""
        networks = [self.model, *(forward.network for forward in forwards)]
        identity, writes = fingerprint(self.model), written(networks)
        while True:
            with evaluating(self.model):  # flags are restored between inputs: the caller may stop here
                one = next(stream, None)
            if written(networks) != writes or (one is None and fingerprint(self.model) != identity):
                raise changed_meanwhile()
            if one is None:
                return
            yield one

    def prepared(self, x: Tensor) -> tuple[Forward, ...]:
        """Return the forward passes that the execution asks for; made anew for new weights."""
        weights = fingerprint(self.model)
        if self._ready is None or self._ready[0] != weights:
            self._ready = (weights, prepare(self._base, self.execution, self._row_shape(x), self.device))
        return self._ready[1]

    def _row_shape(self, x: Tensor) -> torch.Size:
        """Return the shape of what the model is shown for one draw."""
        return self.shown(x[0].detach(), torch.zeros(1, *self.noise.drawn_shape(x.shape[1:]))).shape[1:]

    def one_pass(self, x: Tensor) -> Int64[Tensor, " batch"]:
        """Return the labels of the noise-free network."""
        rows = 1 if self.execution.deterministic else self.execution.rows(x.shape[1:], self.device)
        with evaluating(self.model):
            return one_pass_labels(self.model, x, rows)[0]

    def shown(self, x: Float[Tensor, "*event"], values: Tensor) -> Tensor:
        """Return what the model is shown for one input and some filled values."""
        return self.lattice.perturb(self.lattice.codes(x[None])[0], values)

    def probes(self, x: Float[Tensor, "*event"]) -> Float[Tensor, "rows ..."]:
        """Return a few different noisy copies of one input, no more than a batch holds."""
        values = torch.empty(
            min(_PROBES, self.execution.rows(x.shape[1:], self.device)), *self.noise.drawn_shape(x.shape)
        )
        self.noise.fill(values, generator(self.seed, content_key(x), Stage.SELECTION))
        return self.shown(x, values)
