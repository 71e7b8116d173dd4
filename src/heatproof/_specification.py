"""Settings that are data: frozen, validated, writable to YAML, with errors in the house's one form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self, get_args

import pydantic
from pydantic import BaseModel, ConfigDict

from heatproof._check import message, nearest
from heatproof.errors import InputError, UnknownNameError

__all__ = ["Specification"]


class Specification(BaseModel):
    """Base of every settings class: unknown keys are errors that name the nearest key."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:
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


def _translate(model: type[BaseModel], error: pydantic.ValidationError) -> InputError:
    """Turn pydantic's first complaint into one line of the house's form."""
    first = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"]) or "configuration"
    if first["type"] == "extra_forbidden":
        return _unknown_key(model, tuple(first["loc"]), path)
    if first["type"] in {"union_tag_invalid", "literal_error"}:
        return _unknown_word(path, first)
    if first["type"] == "missing":
        return InputError(message(path, "nothing", "a value (this key is required)"), name=path)
    got = repr(first.get("input"))
    return InputError(message(path, got, first["msg"].removeprefix("Value error, ")), name=path)


def _unknown_word(path: str, first: Any) -> UnknownNameError:  # noqa: ANN401 - pydantic's own error mapping
    context = first.get("ctx", {})
    if "expected_tags" in context:
        got, path = str(context["tag"]), f"{path}.name"
        words = [word.strip(" '") for word in str(context["expected_tags"]).split(",")]
    else:
        got = str(first.get("input"))
        words = [word.strip(" '") for word in str(context["expected"]).replace(" or ", ",").split(",")]
    close = nearest(got, words)
    advice = f"Did you mean {close!r}?" if close else ""
    return UnknownNameError(message(path, repr(got), ", ".join(words), advice), name=path, nearest=close)


def _unknown_key(model: type[BaseModel], location: tuple[int | str, ...], path: str) -> UnknownNameError:
    allowed = sorted(_keys_at(model, [str(part) for part in location[:-1]]))
    close = nearest(str(location[-1]), allowed)
    advice = f"Did you mean {close!r}?" if close else ""
    text = message(path, "an unknown key", "the keys " + ", ".join(allowed), advice)
    return UnknownNameError(text, name=path, nearest=close)


def _keys_at(model: type[BaseModel], path: Iterable[str]) -> set[str]:
    """Return the field names of the settings class that `path` leads to (union tags are steps, too)."""
    here: list[type[BaseModel]] = [model]
    for part in path:
        fields = [cls.model_fields[part].annotation for cls in here if part in cls.model_fields]
        tagged = [cls for cls in here if "name" in cls.model_fields and part in _tags(cls)]
        here = tagged or [found for annotation in fields for found in _models_in(annotation)]
    return {key for cls in here for key in cls.model_fields}


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    return get_args(model.model_fields["name"].annotation)


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for inner in get_args(annotation) for found in _models_in(inner)]
