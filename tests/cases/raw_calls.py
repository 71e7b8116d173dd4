"""Calls in a process of their own, without the checks of annotations that the test suite adds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable

__all__ = ["outcomes"]

_REPORT = """
import json as _json, sys as _sys, heatproof as _heatproof
told = {}
for call in _json.loads(_sys.stdin.read()):
    try:
        eval(call)
        told[call] = "accepted"
    except _heatproof.errors.HeatproofError as error:
        told[call] = str(error)
    except Exception as error:
        told[call] = f"a raw {type(error).__name__}: {error}"
print(_json.dumps(told))
"""


def outcomes(names: str, calls: Iterable[str]) -> dict[str, str]:
    """Return what each call ended in, as a user would see it; `names` is code that defines what they use.

    A call that hangs is a failure of all.
    """
    done = subprocess.run(
        [sys.executable, "-c", names + _REPORT],
        input=json.dumps(list(calls)),
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    lines: dict[str, str] = json.loads(done.stdout)
    return lines
