"""Settings that are data: frozen, validated, writable to YAML, with errors in the house's one form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import pydantic
from pydantic import BaseModel, ConfigDict

from heatproof._check import message, nearest
from heatproof.errors import InputError, UnknownNameError

__all__ = ["Specification", "named"]


def named(value: Any) -> Any:
    """Return settings that are given by their name alone as a mapping: what a field calls beforehand."""
    return {"name": value} if isinstance(value, str) else value


class Specification(BaseModel):
    """Base of every settings class: unknown keys are errors that name the nearest key."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)

    def __init__(self, *unnamed: Any, **values: Any) -> None:
        if unnamed:
            fields = ", ".join(name for name in type(self).model_fields if name != "name")
            got, allowed = f"{unnamed[0]!r} without a name", f"fields by name: {fields or 'none'}"
            raise InputError(message(type(self).__name__, got, allowed))
        _check_booleans(type(self), values)
        try:
            super().__init__(**values)
        except pydantic.ValidationError as error:
            raise _translate(type(self), error) from None

    @classmethod
    def from_mapping(cls, values: object) -> Self:
        """Build from a parsed YAML document, with the errors of the constructor."""
        if not isinstance(values, Mapping) or not all(isinstance(key, str) for key in values):
            raise InputError(message("configuration", type(values).__name__, "a mapping of keys to values"))
        return cls(**values)

    def to_mapping(self) -> dict[str, Any]:
        """Return plain Python values, ready for YAML or JSON; `from_mapping` takes them back."""
        return self.model_dump(mode="json")


def _check_booleans(model: type[BaseModel], values: Mapping[str, Any]) -> None:
    """Refuse true where a number is meant, and 1 or "yes" where true is: pydantic would convert them."""
    for name, field in model.model_fields.items():
        if name not in values or field.annotation is Any:
            continue
        wanted, value = field.annotation is bool, values[name]
        if wanted != isinstance(value, bool) and (wanted or "bool" not in str(field.annotation)):
            allowed = "true or false" if wanted else "no truth value"
            raise InputError(message(name, repr(value), allowed), name=name)


def _translate(model: type[BaseModel], error: pydantic.ValidationError) -> InputError:
    """Turn pydantic's first complaint into one line of the house's form."""
    first = error.errors(include_url=False)[0]
    inner = first.get("ctx", {}).get("error")
    if isinstance(inner, InputError):
        return _within(first["loc"], inner)
    path = ".".join(str(part) for part in first["loc"]) or "configuration"
    if first["type"] == "extra_forbidden":
        return _unknown(path, "an unknown key", str(first["loc"][-1]), sorted(model.model_fields))
    if first["type"] == "union_tag_invalid":
        got = str(first["ctx"]["tag"])
        return _unknown(f"{path}.name", repr(got), got, _words(first["ctx"]["expected_tags"]))
    if first["type"] == "literal_error":
        got = str(first["input"])
        return _unknown(path, repr(got), got, _words(first["ctx"]["expected"]))
    if first["type"] in {"missing", "union_tag_not_found"}:
        place = path if first["type"] == "missing" else f"{path}.name"
        return InputError(message(place, "nothing", "a value (this key is required)"), name=place)
    allowed = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return InputError(message(path, repr(first["input"]), allowed), name=path)


def _within(location: tuple[int | str, ...], inner: InputError) -> InputError:
    """Name a nested settings class's own error by its place in this one (a union's tag is no place)."""
    if not location:
        return inner
    path = ".".join(str(part) for part in location if isinstance(part, int) or part == location[0])
    text, name = f"{path}.{inner}", f"{path}.{inner.name}"
    if isinstance(inner, UnknownNameError):
        return UnknownNameError(text, name=name, nearest=inner.nearest)
    return InputError(text, name=name)


def _unknown(path: str, got: str, word: str, allowed: list[str]) -> UnknownNameError:
    close = nearest(word, allowed)
    advice = f"Did you mean {close!r}?" if close else ""
    return UnknownNameError(message(path, got, ", ".join(allowed), advice), name=path, nearest=close)


def _words(listing: str) -> list[str]:
    return [word.strip(" '") for word in listing.replace(" or ", ",").split(",")]
