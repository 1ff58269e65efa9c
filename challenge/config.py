"""Typed, strict configuration: dataclasses filled from one YAML file and `key=value` overrides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from challenge.errors import ConfigError

T = TypeVar("T")


def load_config(
    schema: type[T], path: Path, overrides: Sequence[str] = (), base: T | None = None
) -> T:
    """Fill the dataclass `schema` from a YAML file, then from overrides such as
    `train.iterations=100`.

    Args:
        base: holds what both leave out; None: the defaults of `schema`.

    Raises:
        ConfigError: no such file; not YAML; an unknown key (with the nearest known one); a value of
            the
            wrong type.
    """
    if not path.is_file():
        known = sorted(str(found) for found in path.parent.glob("*.yml"))
        hint = f"; there are {', '.join(known)}" if known else ""
        raise ConfigError(f"{path}: no such configuration file{hint}")
    try:
        values = OmegaConf.load(path)
    except (YAMLError, OmegaConfBaseException, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path}: not valid YAML: {_one_line(error)}") from error
    merged = _merge(OmegaConf.structured(schema if base is None else base), values, str(path))
    for override in overrides:
        key, equals, _ = override.partition("=")
        if not key or not equals:
            raise ConfigError(f"{override!r}: expected KEY=VALUE, such as train.iterations=100")
        try:
            parsed = OmegaConf.from_dotlist([override])
        except (YAMLError, OmegaConfBaseException, ValueError) as error:
            raise ConfigError(f"{override!r}: cannot be read: {_one_line(error)}") from error
        merged = _merge(merged, parsed, f"override {override!r}")
    try:
        return cast(T, OmegaConf.to_object(merged))
    except OmegaConfBaseException as error:
        raise ConfigError(f"{path}: {_one_line(error)}") from error


def flatten(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Name every value of a nested configuration by its whole key; lists are values.

    >>> flatten({"name": "a", "train": {"batch": 4, "augment": {"resize": [1.0, 1.0]}}})
    {'name': 'a', 'train.batch': 4, 'train.augment.resize': [1.0, 1.0]}
    """
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{before}{key}.")
        else:
            flat[f"{before}{key}"] = value
    return flat


def differing(
    configs: Sequence[Mapping[str, Any]], default: Mapping[str, Any] | None = None
) -> list[str]:
    """List the keys whose values are not the same in all configurations, in their order.

    Args:
        configs: nested, or flat already.
        default: what holds where a configuration has no such key, say since it is older than the
            key; without it, to have none is a value of its own.

    >>> differing([{"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3, "d": 4}}], {"b": {"d": 4}})
    ['b.c']
    """
    base = flatten(default or {})
    flat = [base | flatten(config) for config in configs]
    keys = dict.fromkeys(key for config in flat for key in config)
    return [key for key in keys if any(_value(each, key) != _value(flat[0], key) for each in flat)]


def changes(config: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a configuration says otherwise than the default does: key to value.

    >>> changes({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3, "d": 4}})
    {'b.c': 2}
    """
    base = flatten(default)
    flat = flatten(config)
    return {key: value for key, value in flat.items() if _value(base, key) != _value(flat, key)}


def _value(flat: Mapping[str, Any], key: str) -> tuple[bool, Any]:
    """Look a value up, and whether there is one; true is not 1."""
    value = flat.get(key)
    return key in flat, (isinstance(value, bool), value)


def _merge(base: Any, values: Any, source: str) -> Any:
    try:
        return OmegaConf.merge(base, values)
    except (OmegaConfBaseException, ValueError, TypeError) as error:
        key = getattr(error, "full_key", None)
        raise ConfigError(f"{source}: {key + ': ' if key else ''}{_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return str(error).split("\n    ")[0].replace("\n", " ")
