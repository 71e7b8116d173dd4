"""Settings as words of the command line: a name and its fields, "uniform,half_width=0.5"."""

from __future__ import annotations

from typing import Any

__all__ = ["settings_from"]

_PLAIN: dict[str, bool] = {"true": True, "false": False}


def settings_from(option: str, words: str, example: str) -> dict[str, Any]:
    """Return {"name": …, field: value, …}; values are numbers, true or false where they look so, else text.

    Errors: `InputError`, with the option and the example, for a field without "=", without a name, or twice.
    """
    from heatproof._check import message
    from heatproof.errors import InputError

    name, *fields = (word.strip() for word in words.split(","))
    parts = [[part.strip() for part in field.partition("=")] for field in fields]
    keys = [key for key, _, _ in parts]
    if not name or "=" in name or not all(key and sign for key, sign, _ in parts):
        allowed = f"a name and its fields, such as {example}"
        raise InputError(message(option, repr(words), allowed), name=option.lstrip("-"))
    if len(set(keys)) < len(keys):
        raise InputError(message(option, repr(words), "each field once"), name=option.lstrip("-"))
    return {"name": name, **{key: _value(value) for key, _, value in parts}}


def _value(word: str) -> Any:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return _PLAIN.get(word.lower(), word)
