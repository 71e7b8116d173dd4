"""Killed at random moments, and full disks: decisions by two workers into a store, in processes of their own.

HEATPROOF_FAULTS is the number of kills (`make faults`: 50), HEATPROOF_FAULTS_SEED their moments (random, and
printed, if not set).
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and POSIX signals")

KILLS = int(os.environ.get("HEATPROOF_FAULTS", "5"))
SEED = int(os.environ.get("HEATPROOF_FAULTS_SEED", str(random.SystemRandom().randrange(10**6))))

SCRIPT = """
import json, os, random, resource, signal, sqlite3, sys, time
from pathlib import Path
import torch
import heatproof
from heatproof.certification import verify_store
from heatproof.errors import StorageError

folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(1)
INPUTS = 60
PAUSE = kills * 0.15 / 60

class Slow(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))
    def forward(self, x):
        time.sleep(PAUSE)
        return torch.cat([-x, x], dim=1) * self.scale

def certify(store, told):
    def progress(done, total, note=""):
        os.write(told, f"{done}\\n".encode())
    heatproof.certify(
        Slow(), torch.linspace(-1, 1, INPUTS)[:, None], noise_std=0.5, radii=[0.25, 0.5], alpha=0.01,
        estimation_samples=500, index=torch.arange(INPUTS) * 3, store=store, pilot=False, workers=2,
        batch_size=64, progress=progress,
    )

def start(store, limit=0):
    come, told = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(come)
            if limit:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            certify(store, told)
            code = 0
        except StorageError as error:
            os.write(told, (str(error) + "\\n").encode())
            code = 7
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(told)
    return child, come

def finish(child, come):
    text = b""
    while part := os.read(come, 65536):
        text += part
    os.close(come)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), text.decode().splitlines()

def content(store):
    if not store.exists():
        return []
    connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    try:
        if not connection.execute("SELECT name FROM sqlite_master").fetchall():
            return []
        return [list(row) for row in connection.execute("SELECT * FROM certificates ORDER BY input")]
    finally:
        connection.close()

def checked(store):
    if not content(store):
        return []
    return list(verify_store(store).mismatches)

def tell(**values):
    print(json.dumps(values), flush=True)

whole = folder / "whole.sqlite"
child, come = start(whole)
began = time.perf_counter()
os.read(come, 2)  # the work has begun: "0"
begun = time.perf_counter() - began
code, lines = finish(child, come)
lasted = time.perf_counter() - began
tell(what="whole", code=code, rows=content(whole), mismatches=checked(whole), lasted=lasted)

moments = random.Random(seed)
broken = folder / "broken.sqlite"
for number in range(kills):
    before = content(broken)
    child, come = start(broken)
    time.sleep(moments.uniform(0.0, begun + 2 * (lasted - begun) / kills))
    os.kill(child, signal.SIGKILL)
    code, lines = finish(child, come)
    told = max([int(line) for line in lines], default=len(before))
    tell(what="kill", code=code, before=before, told=told, after=content(broken), mismatches=checked(broken))
code, lines = finish(*start(broken))
tell(what="resumed", code=code, first=lines[0], rows=content(broken), mismatches=checked(broken))
code, lines = finish(*start(broken))
tell(what="again", code=code, lines=lines, rows=content(broken), mismatches=[])

full = folder / "full.sqlite"
code, lines = finish(*start(full, limit=80_000))
tell(what="full", code=code, lines=lines, rows=content(full), mismatches=checked(full))
code, lines = finish(*start(full))
tell(what="room", code=code, first=lines[0], rows=content(full), mismatches=checked(full))
"""


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Run the script: one unbroken run, KILLS kills and a resumption, a full disk and a resumption."""
    print(f"HEATPROOF_FAULTS={KILLS} HEATPROOF_FAULTS_SEED={SEED}")  # noqa: T201 - shown when a test fails
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path_factory.mktemp("faults")), str(KILLS), str(SEED)],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def _named(events: list[dict[str, Any]], what: str) -> list[dict[str, Any]]:
    return [event for event in events if event["what"] == what]


def _rows(event: dict[str, Any], name: str = "rows") -> dict[int, list[Any]]:
    """Return rows by input; each input is there once."""
    found = {row[1]: row for row in event[name]}
    assert len(found) == len(event[name])
    return found


def test_a_kill_loses_and_doubles_nothing(events: list[dict[str, Any]]) -> None:
    kills = _named(events, "kill")
    assert len(kills) == KILLS
    for event in kills:
        before, after = _rows(event, "before"), _rows(event, "after")
        assert event["code"] in {-9, 0}, f"seed {SEED}"
        assert all(after[key] == row for key, row in before.items()), f"seed {SEED}"
        assert len(after) >= event["told"], f"seed {SEED}"  # what was told was stored
        assert event["mismatches"] == []
    assert any(event["code"] == -9 for event in kills), f"seed {SEED}"


def test_the_end_is_that_of_an_unbroken_run(events: list[dict[str, Any]]) -> None:
    (whole,), (resumed,), (again,) = (_named(events, name) for name in ("whole", "resumed", "again"))
    assert whole["code"] == resumed["code"] == again["code"] == 0
    assert len(whole["rows"]) == 60
    assert resumed["rows"] == whole["rows"], f"seed {SEED}"
    assert resumed["first"] == str(len(_named(events, "kill")[-1]["after"]))
    assert (again["rows"], again["lines"]) == (whole["rows"], ["60"])  # nothing was left to do
    assert whole["mismatches"] == resumed["mismatches"] == []
    looks = [json.loads(row[13]) for row in whole["rows"]]
    assert len({look["samples"] for row in looks for look in row}) > 3  # inputs finish at different times


def test_a_full_disk_stops_with_everything_before_it_stored(events: list[dict[str, Any]]) -> None:
    (whole,), (full,), (room,) = (_named(events, name) for name in ("whole", "full", "room"))
    assert full["code"] == 7
    assert full["lines"][-1].startswith("full.sqlite: could not be read or written")
    assert "What was stored before is intact; free some space" in full["lines"][-1]
    assert 0 < len(full["rows"]) < 60
    assert full["lines"][-2] == str(len(full["rows"]))
    assert full["mismatches"] == []
    assert (room["code"], room["first"]) == (0, str(len(full["rows"])))
    assert room["rows"] == whole["rows"]
    assert room["mismatches"] == []


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    """A file that is no store is refused before anything is sampled."""
    (tmp_path / "store.sqlite").write_text("no store\n" * 1000)
    code = (
        "import torch, heatproof\n"
        "try:\n"
        "    heatproof.certify(torch.nn.Linear(1, 2), torch.ones(1, 1), noise_std=0.5,\n"
        f"        store={str(tmp_path / 'store.sqlite')!r}, pilot=False)\n"
        "except heatproof.errors.RunFolderError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.startswith("store.sqlite: got ")
