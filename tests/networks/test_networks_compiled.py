"""Without the run-time checks of the test suite: wrong types in the house's words, and `torch.compile`.

In a fresh process, because those checks stop a wrong type earlier and cannot be traced.
"""

from __future__ import annotations

import subprocess
import sys

COMPILED = """
import torch
from heatproof import networks as hn

torch.manual_seed(0)
for kind, event in [(hn.MLP(widths=(8,), time_conditioned=True), (1, 4, 4)),
                    (hn.ResNet(depth=8, width=2, time_conditioned=True), (1, 8, 8))]:
    torch.compiler.reset()  # all share one forward, and few versions of one are kept
    model = kind.build(event, 3, [0.5], [2.0]).eval()
    fast = torch.compile(model, backend="eager", fullgraph=True)
    x = torch.rand(4, *event)
    for t in (None, 0.25, torch.linspace(0, 1, 4)):
        torch.testing.assert_close(fast(x, t), model(x, t))
    bad = fast(x, torch.tensor([0.0, 0.5, 1.0, 1.5]))
    assert bool(torch.isfinite(bad[:3]).all()), "good times stay"
    assert not bool(torch.isfinite(bad[3]).any()), "bad times are NaN"
    before = torch.compile(hn.at_time(model, 0.0), backend="eager", fullgraph=True)
    torch.testing.assert_close(before(x), model(x, 0.0))
torch.compiler.reset()
model = hn.MLP(widths=(8,), time_conditioned=True).build((2,), 3)
fast = torch.compile(model, backend="eager", fullgraph=True)
for k in range(12):  # a new number must not cost a new version each
    torch.testing.assert_close(fast(torch.ones(2, 2), k / 11), model(torch.ones(2, 2), k / 11))
nn = torch.nn
own = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3))
flow = hn.PotentialFlowNetwork(width=4, blocks=1, stages=1, channels=4, time_conditioned=True)
for timed in (hn.with_time(own, (1, 8, 8)),
              hn.VisionTransformer(patch=4, width=8, depth=1, time_conditioned=True).build((1, 8, 8), 3),
              flow.build((1, 8, 8), 3)):
    torch.compiler.reset()
    for weight in timed.parameters():
        torch.nn.init.normal_(weight)
    fast = torch.compile(timed, backend="eager", fullgraph=True)
    x = torch.rand(4, *timed.event_shape)
    for t in (0.25, torch.linspace(0, 1, 4)):
        torch.testing.assert_close(fast(x, t), timed(x, t))
    assert not torch.equal(fast(x, 0.0), fast(x, 1.0))
torch.compiler.reset()
plain = hn.MLP(widths=(8,)).build((5,), 3, [0.5], [2.0])
fast = torch.compile(plain, backend="eager", fullgraph=True)
torch.testing.assert_close(fast(torch.ones(2, 5)), plain(torch.ones(2, 5)))
print("compiled")
"""

TYPES = """
import numpy as np
import torch
from heatproof import networks as hn
from heatproof.errors import InputError

model = hn.MLP(widths=(4,), time_conditioned=True).build((2,), 2)
x = torch.zeros(3, 2)
attempts = [
    lambda: model(x, "late"), lambda: model(x, True), lambda: model(x, np.zeros(3)),
    lambda: model(x, [0, 0, 0]),
    lambda: hn.at_time(model, None), lambda: hn.at_time(model, torch.tensor(0.5)),
    lambda: hn.at_time(lambda x: x, 0.5),
    lambda: hn.MLP().build(5, 2), lambda: hn.MLP().build(None, 2), lambda: hn.MLP().build((2,), 2.5),
    lambda: hn.MLP().build((2,), "two"), lambda: hn.MLP().build((2,), 2, "a"),
    lambda: hn.MLP().build((2,), 2, [0.0], ["b"]), lambda: hn.MLP().build((2,), 2, [None], [1.0]),
    lambda: hn.build({"name": "mlp"}, (2,), 2), lambda: hn.build("mlp", (2,), 2),
    lambda: hn.Factory(factory="a:b").build((2,), 2, trust="yes"),
]
for number, attempt in enumerate(attempts):
    try:
        attempt()
    except InputError as error:
        assert "allowed: " in str(error) and "\\n" not in str(error), (number, str(error))
    else:
        raise SystemExit(f"attempt {number} passed")
print("refused", len(attempts))
"""


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_compiles_without_a_graph_break() -> None:
    assert run(COMPILED) == "compiled\n"


def test_wrong_types_are_refused_in_the_house_form() -> None:
    assert run(TYPES) == "refused 17\n"
