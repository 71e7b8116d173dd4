"""Reading a configuration's document: YAML of plain values, and changes to it by key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from heatproof._check import message
from heatproof.errors import InputError

__all__ = ["apply_overrides", "read_yaml"]

_MOST = 10_000
"""Values in one document; more is a mistake, or an attempt to fill the memory through aliases."""

_FAILURES = (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError)
"""What PyYAML raises for text that it cannot turn into values (the last four for odd tags and depths)."""

_NAMED = ("data", "network", "objective")
_LENGTHS = ("epochs", "budget")


class _Loader(yaml.SafeLoader):
    """Plain values only: no key twice (PyYAML takes the last one silently), no merge keys.

    Nested merge keys multiply before anything can count them: ten short lines would fill the memory.
    """

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Compose one mapping and look at its keys."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        keys = [(key.tag, str(key.value)) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = next((word for place, (tag, word) in enumerate(keys) if (tag, word) in keys[:place]), None)
        if any(tag == "tag:yaml.org,2002:merge" for tag, _ in keys):
            raise yaml.composer.ComposerError(None, None, "the merge key << is not taken", node.start_mark)
        if twice is not None:
            raise yaml.composer.ComposerError(None, None, f"the key {twice!r} stands twice", node.start_mark)
        return node


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a YAML document as a mapping (safe loading: plain values only). Errors: `InputError`."""
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise InputError(message(str(path), reason, "a readable YAML file"), name="config") from error
    try:
        document = _parse(text)
    except _FAILURES as error:
        got = f"no YAML of plain values ({_reason(error)})"
        raise InputError(message(str(path), got, "a YAML document"), name="config") from error
    if not isinstance(document, dict):
        got = "an empty document" if document is None else f"a {type(document).__name__}"
        raise InputError(message(str(path), got, "a YAML mapping of keys to values"), name="config")
    return document


def apply_overrides(document: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return a copy of the document with each "a.b=value" set; values are read as YAML.

    A training has one length: setting training.epochs unsets a budget of the document, and the other way
    round. Errors: `InputError` for an override without "=", an empty key, or a path through something that is
    no mapping. Unknown keys, and both lengths set, are found when the configuration is built.
    """
    result: dict[str, Any] = _copy(document)
    keys = []
    for override in overrides:
        key, equals, text = override.partition("=")
        parts = [part.strip() for part in key.split(".")]
        if not equals or not all(parts):
            advice = "For example --set training.epochs=5."
            raise InputError(message("--set", repr(override), "key=value", advice), name="set")
        _put(result, parts, _value(text), key)
        keys.append(".".join(parts))
    for one, other in _LENGTHS, _LENGTHS[::-1]:
        if f"training.{one}" in keys and f"training.{other}" not in keys:
            _give_way(result["training"], one, other)
    return result


def _give_way(training: dict[str, Any], one: str, other: str) -> None:
    if training[one] is not None and training.get(other) is not None:
        training[other] = None


def _parse(text: str) -> Any:
    loader = _Loader(text)
    try:
        document = loader.get_single_data()
    finally:
        loader.dispose()
    _check_size(document)
    return document


def _check_size(document: Any) -> None:
    """Raise `ValueError` for too many values, and for keys that are no words."""
    waiting, count = [document], 0
    while waiting:
        value = waiting.pop()
        count += 1
        if count > _MOST:
            raise ValueError(f"more than {_MOST:,} values, or one that contains itself")
        if isinstance(value, dict):
            odd = next((key for key in value if not isinstance(key, str)), None)
            if odd is not None:
                raise ValueError(f"the key {odd!r} is no word")
            waiting += value.values()
        elif isinstance(value, list | set | tuple):
            waiting += value


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deep"
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error) or type(error).__name__
    return f"line {mark.line + 1}: {problem}" if mark is not None else str(problem)


def _copy(value: Any) -> Any:
    return {key: _copy(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def _value(text: str) -> Any:
    try:
        return _parse(text)
    except _FAILURES as error:
        got = f"{text!r} ({_reason(error)})"
        raise InputError(message("--set", got, "a YAML value"), name="set") from error


def _put(document: dict[str, Any], parts: list[str], value: Any, key: str) -> None:
    here = document
    for part in parts[:-1]:
        inner = here.setdefault(part, {})
        if isinstance(inner, str) and part in _NAMED:
            inner = here[part] = {"name": inner}
        if inner is None:
            inner = here[part] = {}
        if not isinstance(inner, dict):
            got = f"{key!r}, but {part} has no keys"
            raise InputError(message("--set", got, "a key that exists"), name="set")
        here = inner
    here[parts[-1]] = value
