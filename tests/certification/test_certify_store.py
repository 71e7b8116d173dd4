"""The store: one transaction an input, killed and resumed, full disks, damaged and foreign files."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from heatproof.certification import (
    Certificate,
    CertificateStore,
    CertificationSettings,
    make_certificate,
    verify_store,
)
from heatproof.certification._store_rows import Certification
from heatproof.errors import InputError, RunFolderError, StorageError

MakeSettings = Callable[..., CertificationSettings]

SCRIPT = """
import resource, signal, sys, time
from pathlib import Path
import torch
from heatproof.certification import CertificateStore, SmoothedPredictor
from heatproof.errors import StorageError

path, pause, limit = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(1)
x = torch.linspace(-1, 1, 40)[:, None]
index = torch.arange(40) * 3
model = lambda z: torch.cat([-z, z], dim=1)
predictor = SmoothedPredictor(model, noise_std=0.5)
settings = predictor.settings(x, estimation_samples=200, selection_samples=20)
with CertificateStore(path) as store:
    certification = store.open(settings, "test", tuple(index.tolist()))
    done = {one.index for one in store.stored(certification)}
    left = torch.tensor([int(key) not in done for key in index])
    if limit:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if left.any():
        try:
            for certificate in predictor.certify(x[left], settings, index=index[left]):
                store.add(certification, certificate, seconds=1.0)
                print(certificate.index, flush=True)
                time.sleep(pause)
        except StorageError as error:
            print(error, file=sys.stderr)
            sys.exit(7)
"""


def _start(path: Path, pause: float = 0.0, limit: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(path), str(pause), str(limit)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def _finish(path: Path, limit: int = 0) -> tuple[int, list[int], str]:
    process = _start(path, limit=limit)
    out, err = process.communicate(timeout=120)
    return process.returncode, [int(line) for line in out.split()], err


def _content(path: Path) -> tuple[list[Certificate], Certification]:
    with CertificateStore(path) as store:
        (certification,) = store.certifications()
        return store.stored(certification), certification


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("unbroken") / "store.sqlite"
    code, printed, err = _finish(path)
    assert (code, printed) == (0, list(range(0, 120, 3))), err
    return path


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_killed_and_resumed_is_the_unbroken_run(tmp_path: Path, unbroken: Path) -> None:
    path = tmp_path / "store.sqlite"
    process = _start(path, pause=0.05)
    assert process.stdout is not None
    before = [int(process.stdout.readline()) for _ in range(11)]
    time.sleep(0.02)
    process.kill()
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    before += [int(line) for line in rest.split()]
    middle, _ = _content(path)
    # What was printed is stored; at most one more was stored and not yet printed.
    assert [one.index for one in middle][: len(before)] == before
    assert len(before) <= len(middle) <= len(before) + 1 < 40
    assert verify_store(path).mismatches == ()
    assert verify_store(path).missing == 40 - len(middle)
    code, after, err = _finish(path)
    assert code == 0, err
    assert [one.index for one in middle] + after == list(range(0, 120, 3))  # none twice, none lost
    assert _content(path) == _content(unbroken)
    assert verify_store(path) == verify_store(unbroken)
    assert _finish(path)[1] == []  # nothing is left to do


def test_a_full_disk_stops_with_everything_before_it_stored(tmp_path: Path, unbroken: Path) -> None:
    """A real limit on the size of files: SQLite meets EFBIG as it meets a full disk."""
    path = tmp_path / "store.sqlite"
    code, printed, err = _finish(path, limit=80_000)
    assert code == 7
    assert "store.sqlite: could not be read or written" in err
    assert "What was stored before is intact; free some space" in err
    stored, _ = _content(path)
    assert 0 < len(printed) < 40
    assert [one.index for one in stored] == printed
    assert verify_store(path).mismatches == ()
    assert verify_store(path).missing == 40 - len(printed)
    code, after, err = _finish(path)
    assert (code, printed + after) == (0, list(range(0, 120, 3))), err
    assert _content(path) == _content(unbroken)


def test_a_full_database_stops_with_everything_before_it_stored(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    path, chosen = tmp_path / "store.sqlite", make_settings(classes=500)
    counts = (np.eye(1, 500, 3, dtype=np.int64)[0] * 10, np.eye(1, 500, 3, dtype=np.int64)[0] * 100)
    added: list[Certificate] = []
    with CertificateStore(path) as store:
        certification = store.open(chosen, "test", tuple(range(100)))
        store._connection.execute("PRAGMA max_page_count = 20")

        def fill() -> None:
            for index in range(100):
                one = make_certificate(
                    chosen,
                    index=index,
                    selection_counts=counts[0],
                    estimation_counts=counts[1],
                    rounding=chosen.unit,
                )
                store.add(certification, one)
                added.append(one)

        with pytest.raises(StorageError, match=r"^store.sqlite: could not be read or written \(.*full\)"):
            fill()
        assert 0 < len(added) < 100
        assert store.stored(certification) == added  # the same connection goes on
        store._connection.execute("PRAGMA max_page_count = 1000")
        store.add(certification, make_certificate(
            chosen, index=99, selection_counts=counts[0], estimation_counts=counts[1], rounding=chosen.unit
        ))  # fmt: skip
    assert verify_store(path).checked == len(added) + 1
    assert verify_store(path).mismatches == ()


def test_what_comes_back_is_what_was_added(filled: Path, some_certificates: list[Certificate]) -> None:
    stored, certification = _content(filled)
    assert stored == some_certificates  # every field, to the last bit
    assert certification.settings == some_certificates[0].settings
    assert certification.split == "test"
    assert certification.index == tuple(one.index for one in some_certificates)
    assert certification.seconds == 3.0


def test_stored_follows_the_plan_whatever_the_order_of_adding(
    tmp_path: Path, some_certificates: list[Certificate]
) -> None:
    with CertificateStore(tmp_path / "store.sqlite") as store:
        index = tuple(one.index for one in some_certificates)
        certification = store.open(some_certificates[0].settings, "test", index)
        for certificate in reversed(some_certificates):
            store.add(certification, certificate)
        assert store.stored(certification) == some_certificates


def test_certifications_side_by_side(filled: Path, some_certificates: list[Certificate]) -> None:
    first = some_certificates[0].settings
    index = tuple(one.index for one in some_certificates)
    other = first.model_copy(update={"seed": 1})
    with CertificateStore(filled) as store:
        assert store.open(first, "test", index).id == 1  # found again, not made again
        ids = [
            store.open(other, "test", index).id,  # the first one is finished
            store.open(first, "validation", index).id,  # other inputs
            store.open(first, "test", index[:3], beside=True).id,  # the second one is not
        ]
        assert ids == [2, 3, 4]
        third = store.certifications()[2]
        store.add(third, some_certificates[0])
        assert store.stored(third) == some_certificates[:1]
        assert len(store.stored(store.certifications()[0])) == 6
    found = verify_store(filled)
    assert (found.checked, found.missing, found.mismatches) == (7, 6 + 5 + 3, ())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 1}, "seed 1, there 0"),
        ({"alpha": 0.05}, "alpha 0.05, there 0.01"),
        ({"noise_std": 0.25}, r"noise .*0.25\), there .*0.5\)"),
        ({"model_fingerprint": "other"}, r"another model \(weights or structure\)"),
        ({"estimation_samples": 200}, "estimation_samples 200, there 100"),
        ({"seed": 1, "alpha": 0.05}, "alpha 0.05, there 0.01; seed 1, there 0"),
    ],
)
def test_an_unfinished_certification_is_not_resumed_with_other_settings(
    filled: Path, make_settings: MakeSettings, changes: dict[str, object], words: str
) -> None:
    with closing(sqlite3.connect(filled, isolation_level=None)) as connection:
        connection.execute("DELETE FROM certificates WHERE input = 20")
    with CertificateStore(filled) as store:
        index = store.certifications()[0].index
        with pytest.raises(
            InputError, match=rf"^certification: got {words}; .*certification 1 .*5 of 6 .*--beside"
        ):
            store.open(make_settings(**changes), "test", index)
        assert len(store.certifications()) == 1
        assert store.open(make_settings(), "test", index).id == 1
        assert store.open(make_settings(**changes), "test", index, beside=True).id == 2


def test_other_inputs_are_no_obstacle(filled: Path, make_settings: MakeSettings) -> None:
    with CertificateStore(filled) as store:
        store.open(make_settings(seed=1), "test", (7, 8))
        with pytest.raises(InputError, match="seed 2, there 1; 1 other inputs"):
            store.open(make_settings(seed=2), "test", (8,))
        assert store.open(make_settings(seed=2), "test", (9,)).id == 3


def test_an_input_is_stored_once(filled: Path, some_certificates: list[Certificate]) -> None:
    with CertificateStore(filled) as store:
        (certification,) = store.certifications()
        with pytest.raises(InputError, match=r"^certificate: got UNIQUE .*; allowed: each input of a certif"):
            store.add(certification, some_certificates[0], seconds=100.0)
        assert store.certifications()[0].seconds == 3.0  # nothing of the transaction stays
        assert store.stored(certification) == some_certificates


def test_an_interrupt_inside_a_transaction_leaves_nothing(
    filled: Path, some_certificates: list[Certificate]
) -> None:
    with CertificateStore(filled) as store:
        (certification,) = store.certifications()

        def interrupted() -> None:
            with store._transaction() as run:
                run.execute("DELETE FROM certificates")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert store.stored(certification) == some_certificates


def test_a_writer_that_waits_too_long_is_told_so(filled: Path, some_certificates: list[Certificate]) -> None:
    with CertificateStore(filled) as store, closing(sqlite3.connect(filled, isolation_level=None)) as other:
        store._connection.execute("PRAGMA busy_timeout = 10")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match=r"locked.*wait for the process that uses the file"):
            store.open(some_certificates[0].settings, "other", (1,))
        assert len(store.certifications()) == 1  # reading goes on


def test_other_formats_are_refused(filled: Path) -> None:
    with closing(sqlite3.connect(filled, isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(
        RunFolderError, match=r"^certificates.sqlite: got format 99; allowed: format 2\. A newer version"
    ):
        CertificateStore(filled)


def test_another_program_s_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(RunFolderError, match=r"^other.sqlite: got format 0"):
        CertificateStore(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"no database\n" * 1000, b"\x00" * 4096, b"SQLite format 3\x00" + b"\xff" * 5000]
)
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(content)
    with pytest.raises(
        RunFolderError, match=r"^store.sqlite: got .*; allowed: an SQLite certificate store\. The"
    ):
        CertificateStore(path)
    assert path.read_bytes() == content


def test_a_store_that_is_cut_off(filled: Path) -> None:
    with closing(sqlite3.connect(filled, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = filled.read_bytes()
    filled.write_bytes(whole[: len(whole) // 2])

    def read() -> list[Certificate]:
        return _content(filled)[0]

    with pytest.raises(RunFolderError, match=r"malformed.*move it away and certify again"):
        read()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        StorageError,
        match=r"gone/store.sqlite: could not be read or written \(unable to open.* Name a file in a folder",
    ):
        CertificateStore(tmp_path / "gone" / "store.sqlite")


def test_a_connection_is_closed_when_opening_fails(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[sqlite3.Connection] = []
    real = sqlite3.connect

    def connect(*arguments: object, **options: object) -> sqlite3.Connection:
        opened.append(real(*arguments, **options))  # type: ignore[call-overload]
        return opened[-1]

    with closing(real(filled, isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version = 99")
    monkeypatch.setattr("heatproof.certification._store.sqlite3.connect", connect)
    with pytest.raises(RunFolderError):
        CertificateStore(filled)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")
