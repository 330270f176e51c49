"""A resource held to the table of elements: no unknown element, lists where lists belong, values of the right kind.

Standard: FHIR R4 json.html
"""

from typing import Any

from registry.fhir.elements import ANY_RESOURCE, Element, elements_of, is_resource
from registry.fhir.errors import MalformedResource

MAX_DEPTH = 40
Resource = dict[str, Any]

_PYTHON: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "xhtml": (str,),
    "boolean": (bool,),
    "number": (int, float),
}


def check_structure(resource: Any, path: str = "") -> Resource:
    """Return the resource if every element is known to its type, at its place and of its kind.

    Raises
    ------
    MalformedResource
        Names the first element that is not.
    """
    if not isinstance(resource, dict):
        raise MalformedResource("the body must be one resource: an object with resourceType", path)
    name = resource.get("resourceType")
    if not isinstance(name, str) or not is_resource(name):
        raise MalformedResource(f"resourceType {str(name)[:40]!r} is not known here", path)
    _check_type(resource, name, path or name, 0)
    return resource


def _check_type(value: dict[str, Any], name: str, path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise MalformedResource(f"elements lie deeper than {MAX_DEPTH} levels in each other", path)
    known = elements_of(name)
    if not value or value.keys() == {"resourceType"}:
        raise MalformedResource(f"{path} is empty: an element has a value or is left out", path)
    for key, item in value.items():
        element = known.get(key.removeprefix("_"))
        if key == "resourceType" and is_resource(name):
            continue
        if element is None or (key.startswith("_") and element.kind == "complex"):
            raise MalformedResource(f"{name} has no element {key[:60]!r}", f"{path}.{key[:60]}")
        _check_element(item, element, f"{path}.{key}", depth, is_extra=key.startswith("_"))


def _check_element(value: Any, element: Element, path: str, depth: int, *, is_extra: bool) -> None:
    if isinstance(value, list) != element.repeats:
        raise MalformedResource(f"{path} must {'' if element.repeats else 'not '}be a list", path)
    if value == []:
        raise MalformedResource(f"{path} is empty: an element has a value or is left out", path)
    for index, item in enumerate(value if element.repeats else [value]):
        place = f"{path}[{index}]" if element.repeats else path
        if item is None and element.repeats and element.kind != "complex":
            continue
        if is_extra:
            _check_object(item, "Element", place, depth)
        elif element.kind == "complex":
            _check_object(item, element.type, place, depth)
        elif not _is_kind(item, element.kind):
            raise MalformedResource(f"{place} must be a {element.kind}, without being empty", place)


def _check_object(value: Any, name: str, path: str, depth: int) -> None:
    if not isinstance(value, dict):
        raise MalformedResource(f"{path} must be an object", path)
    if name == ANY_RESOURCE:
        inner = value.get("resourceType")
        if not isinstance(inner, str) or not is_resource(inner):
            raise MalformedResource(f"resourceType {str(inner)[:40]!r} is not known here", path)
        name = inner
    _check_type(value, name, path, depth + 1)


def _is_kind(value: Any, kind: str) -> bool:
    if kind == "number" and isinstance(value, bool):
        return False
    return isinstance(value, _PYTHON[kind]) and value != ""
