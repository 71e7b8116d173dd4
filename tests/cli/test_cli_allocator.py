"""The command line's process keeps freed memory; the library, and a process that says so, does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from heatproof.cli import _allocator

GLIBC = _allocator._is_glibc()
BLOCK = 96 * 2**20
FAULTS = f"""
import ctypes, resource
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = libc.memset.argtypes = None
def touch():
    block = libc.malloc({BLOCK})
    libc.memset(ctypes.c_void_p(block), 1, ctypes.c_size_t({BLOCK}))
    libc.free(ctypes.c_void_p(block))
touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
"""Counts the pages that the kernel hands out anew when 96 MiB are taken, filled and freed eight times."""


def _python(code: str, word: str | None) -> str:
    variables = {key: value for key, value in os.environ.items() if key != "HEATPROOF_ALLOCATOR"}
    if word is not None:
        variables["HEATPROOF_ALLOCATOR"] = word
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout


def _faults(word: str | None) -> int:
    return int(_python("from heatproof.cli._allocator import keep_memory; keep_memory()\n" + FAULTS, word))


@pytest.mark.skipif(not GLIBC, reason="glibc's settings")
def test_freed_memory_stays_and_by_default_it_does_not() -> None:
    pages = 8 * BLOCK // os.sysconf("SC_PAGE_SIZE")
    kept, handed_back = _faults(None), _faults("default")
    assert kept < pages / 100
    assert handed_back > pages / 1000, "the same loop tells the two apart (huge pages make it fewer faults)"
    assert handed_back > 10 * kept


@pytest.mark.skipif(not GLIBC, reason="glibc's settings")
@pytest.mark.parametrize(
    ("word", "done"), [(None, "True"), ("keep", "True"), ("default", "False"), ("", "True")]
)
def test_it_says_whether_it_was_done(word: str | None, done: str) -> None:
    code = "from heatproof.cli._allocator import keep_memory; print(keep_memory())"
    assert _python(code, word).strip() == done


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEATPROOF_ALLOCATOR", raising=False)
    monkeypatch.setattr(_allocator, "_is_glibc", lambda: False)
    assert not _allocator.keep_memory()


def test_the_command_line_calls_it_before_torch_and_the_library_never() -> None:
    code = """
import sys
from heatproof.cli import _allocator, main
seen = []
main.keep_memory = lambda: seen.append("torch" in sys.modules)
sys.argv = ["heatproof", "--version"]
try:
    main.run()
except SystemExit:
    print(seen)
"""
    assert _python(code, None).splitlines()[-1] == "[False]"
    source = Path(_allocator.__file__).parents[1]
    users = {path.name for path in source.rglob("*.py") if "keep_memory" in path.read_text(encoding="utf-8")}
    assert users == {"_allocator.py", "main.py"}


def test_another_word_is_refused() -> None:
    program = str(Path(sys.executable).with_name("heatproof"))
    done = subprocess.run(
        [program, "--version"],
        env={**os.environ, "HEATPROOF_ALLOCATOR": "fast"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 2
    assert done.stderr == "heatproof: HEATPROOF_ALLOCATOR: got 'fast'; allowed: keep or default.\n"
