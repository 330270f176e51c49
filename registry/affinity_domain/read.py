"""Read an affinity domain from its YAML file, over the shipped one, and say all that is wrong with it."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from registry.affinity_domain.rules import broken_rules
from registry.affinity_domain.shapes import (
    Affinity,
    CodeList,
    CodeLists,
    TextList,
)
from registry.submission import Code

Tree = dict[str, Any]


class InvalidAffinity(ValueError):
    """The affinity domain cannot be used; `errors` are sentences that name the place and what to do."""

    def __init__(self, path: Path, errors: tuple[str, ...]) -> None:
        super().__init__("\n".join(f"{path}: {error}" for error in errors))
        self.path = path
        self.errors = errors


class _Misshapen(ValueError):
    """A value is not what its place needs."""


def read_affinity(path: Path, shipped: Path) -> Affinity:
    """Read a file; what it does not say is taken from the shipped one, key by key (lists as a whole).

    Raises
    ------
    InvalidAffinity
        The file is missing, no YAML, or breaks rules.
    """
    tree = _load(shipped)
    if path != shipped:
        own = _load(path)
        _refuse_unknown(path, own, tree)
        tree = _overlay(tree, own)
    domain = _make_domain(path, tree)
    errors = broken_rules(domain)
    if errors:
        raise InvalidAffinity(path, errors)
    return domain


def _load(path: Path) -> Tree:
    try:
        tree = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        message = f"cannot be read ({error.strerror}); correct SAMSYN_AFFINITY_DOMAIN or remove it"
        raise InvalidAffinity(path, (message,)) from error
    except UnicodeDecodeError as error:
        raise InvalidAffinity(path, ("is not UTF-8; save it as UTF-8",)) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise InvalidAffinity(path, (f"{place}{error.problem}; correct the YAML there",)) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidAffinity(path, (f"cannot be read as YAML ({error})",)) from error
    if not isinstance(tree, dict):
        raise InvalidAffinity(path, ("is no mapping; begin with lines like 'name: My region'",))
    return tree


def _refuse_unknown(path: Path, own: Tree, shipped: Tree) -> None:
    unknown = [str(key) for key in own if key not in shipped]
    known = ", ".join(sorted(shipped))
    errors = tuple(f"{key}: is no key of an affinity domain; known are {known}" for key in unknown)
    if errors:
        raise InvalidAffinity(path, errors)


def _overlay(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return {**below, **{key: _overlay(below.get(key), value) for key, value in above.items()}}
    return above


def _make_domain(path: Path, tree: Tree) -> Affinity:
    errors: list[str] = []
    values = {}
    hints = typing.get_type_hints(Affinity)
    for name, hint in hints.items():
        if name == "path":
            continue
        try:
            values[name] = _convert(tree.get(name), hint, name)
        except _Misshapen as error:
            errors.append(str(error))
    if errors:
        raise InvalidAffinity(path, tuple(errors))
    return Affinity(path=str(path), **values)


def _convert(value: Any, hint: Any, place: str) -> Any:
    """Make what a field is declared as of a YAML value."""
    origin = typing.get_origin(hint)
    if hint is Code:
        return _convert_code(value, place)
    if hint in (CodeList, TextList):
        return _convert_list(value, hint, place)
    if hint is str:
        return _convert_text(value, place)
    if hint is bool:
        return _demand(value, bool, place, "true or false")
    if origin is tuple:
        items = _demand([] if value is None else value, list, place, "a list")
        inner = typing.get_args(hint)[0]
        return tuple(_convert(item, inner, f"{place}[{number}]") for number, item in enumerate(items, 1))
    if origin in (Mapping, dict):
        inner = typing.get_args(hint)[1]
        items = _demand({} if value is None else value, dict, place, "a mapping")
        return {str(key): _convert(item, inner, f"{place}.{key}") for key, item in items.items()}
    return _convert_shape(value, hint, place)


def _convert_shape(value: Any, shape: Any, place: str) -> Any:
    """Make a dataclass of a mapping; every field without default must be there, and no other."""
    tree = _demand(value, dict, place, "a mapping")
    hints = typing.get_type_hints(shape)
    for key in tree:
        if key not in hints:
            raise _Misshapen(f"{place}.{key}: is not known; known are {', '.join(hints)}")
    values = {}
    for field in dataclasses.fields(shape):
        if field.name in tree:
            values[field.name] = _convert(tree[field.name], hints[field.name], f"{place}.{field.name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise _Misshapen(f"{place}.{field.name}: is missing; add it")
    return shape(**values)


def _convert_code(value: Any, place: str) -> Code:
    """Make a code of `[code, scheme, display]`."""
    parts = _demand(value, list, place, "a list [code, scheme, display]")
    if len(parts) not in (2, 3):
        raise _Misshapen(f"{place}: is no [code, scheme, display]; give two or three texts")
    return Code(*(_convert_text(part, place) for part in parts))


def _convert_list(value: Any, shape: type[CodeList] | type[TextList], place: str) -> CodeList | TextList:
    """Make a value set of `{closed: ..., values: [...]}`."""
    tree = _demand(value, dict, place, "a mapping with 'closed' and 'values'")
    extra = set(tree) - {"closed", "values"}
    if extra:
        raise _Misshapen(f"{place}.{min(map(str, extra))}: is not known; known are closed, values")
    name = place.rsplit(".", 1)[-1]
    is_closed = _demand(tree.get("closed", False), bool, f"{place}.closed", "true or false")
    if shape is CodeList:
        return CodeList(name, is_closed, _convert(tree.get("values"), tuple[Code, ...], f"{place}.values"))
    return TextList(name, is_closed, _convert(tree.get("values"), tuple[str, ...], f"{place}.values"))


def _convert_text(value: Any, place: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _Misshapen(
            f"{place}: is {_name_of(value)}, not a text; put it in quotation marks, as numbers with dots"
            " lose their zeros"
        )
    return str(value).strip()


def _demand(value: Any, kind: type, place: str, wanted: str) -> Any:
    if not isinstance(value, kind):
        raise _Misshapen(f"{place}: is {_name_of(value)}; give {wanted}")
    return value


def _name_of(value: Any) -> str:
    if isinstance(value, types.NoneType):
        return "empty"
    return f"{value!r}"[:60]


__all__ = ["CodeLists", "InvalidAffinity", "read_affinity"]
