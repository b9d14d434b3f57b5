# SPDX-License-Identifier: MIT OR Apache-2.0
"""JSON to dataclasses. What is missing or of another type is named; fields of newer versions are passed over."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

__all__ = ["decode", "require"]

T = TypeVar("T")


def require(fields: Mapping[str, Any], name: str, where: str) -> Any:
    """The field, or a ``ValueError`` that says where it is missing."""
    if name not in fields:
        raise ValueError(f"{where}: no field {name!r}")
    return fields[name]


def decode(cls: type[T], value: object, where: str) -> T:
    """An instance of the dataclass ``cls``; ``where`` begins the message of the ``ValueError``."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{where}: an object expected, {value!r} seen")
    hints = typing.get_type_hints(cls)
    found: dict[str, Any] = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]  # T is a dataclass by contract
        if field.name in value:
            found[field.name] = _convert(hints[field.name], value[field.name], f"{where}.{field.name}")
        elif field.default is dataclasses.MISSING:
            raise ValueError(f"{where}: no field {field.name!r}")
    return cls(**found)


def _convert(hint: Any, value: object, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return None if value is None else _convert(arguments[0], value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{where}: a list expected, {value!r} seen")
        return tuple(_convert(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if dataclasses.is_dataclass(hint):
        return decode(typing.cast(type, hint), value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    # bool is an int to isinstance, and neither is the other in a report.
    if not isinstance(value, hint) or isinstance(value, bool) is not (hint is bool):
        raise ValueError(f"{where}: {hint.__name__} expected, {value!r} seen")
    return value
