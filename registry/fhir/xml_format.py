"""Resources as XML, made of their JSON form and read back into it.

The reader is expat without a DTD: what needs a declaration (entities, external files) is refused before it can do
anything.

Standard: FHIR R4 xml.html
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from registry.fhir.elements import ANY_RESOURCE, Element, elements_of, is_resource
from registry.fhir.errors import MalformedResource
from registry.fhir.structure import Resource

NAMESPACE = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"
MAX_DEPTH = 80

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
_SPECIAL = re.compile('[&<>"\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]')
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?")


@dataclass(slots=True)
class _Node:
    """An XML element: its name with its namespace before a space, and children that are nodes or text."""

    name: str
    attributes: dict[str, str]
    children: list["_Node | str"] = field(default_factory=list)

    @property
    def tag(self) -> str:
        return self.name.rpartition(" ")[2]

    @property
    def nodes(self) -> list["_Node"]:
        return [child for child in self.children if isinstance(child, _Node)]


def xml_of_resource(resource: Resource) -> bytes:
    """Write a resource as an XML document; characters that XML cannot carry become U+FFFD."""
    pieces = [_HEAD]
    _write_resource(resource, pieces, f' xmlns="{NAMESPACE}"')
    return "".join(pieces).encode("utf-8")


def resource_of_xml(body: bytes) -> Resource:
    """Read an XML document as the JSON form of a resource; `check_structure` says whether it is one.

    Raises
    ------
    MalformedResource
        Not well formed, with a document type, or with elements that FHIR does not know.
    """
    return _read_resource(_parse(body))


def _write_resource(resource: Resource, pieces: list[str], namespace: str = "") -> None:
    name = str(resource["resourceType"])
    pieces.append(f"<{name}{namespace}>")
    _write_children(resource, name, pieces)
    pieces.append(f"</{name}>")


def _write_children(value: Resource, name: str, pieces: list[str]) -> None:
    for element in elements_of(name).values():
        if element.is_attribute:
            continue
        items, extras = value.get(element.name), value.get(f"_{element.name}")
        if not element.repeats:
            items, extras = [items], [extras]
        items, extras = items or [], extras or []
        for index in range(max(len(items), len(extras))):
            item = items[index] if index < len(items) else None
            extra = extras[index] if index < len(extras) else None
            if item is not None or extra is not None:
                _write_element(element, item, extra, pieces)


def _write_element(element: Element, item: Any, extra: Any, pieces: list[str]) -> None:
    if element.kind == "xhtml":
        pieces.extend(_serialise(_parse(str(item).encode()), is_top=True))
    elif element.type == ANY_RESOURCE:
        pieces.append(f"<{element.name}>")
        _write_resource(item, pieces)
        pieces.append(f"</{element.name}>")
    elif element.kind == "complex":
        pieces.append(f"<{element.name}{_attributes(item, element.type)}>")
        _write_children(item, element.type, pieces)
        pieces.append(f"</{element.name}>")
    else:
        attributes = _attributes(extra or {}, "Element")
        if item is not None:
            attributes += f' value="{_escape(_text(item))}"'
        pieces.append(f"<{element.name}{attributes}>")
        _write_children(extra or {}, "Element", pieces)
        pieces.append(f"</{element.name}>")


def _attributes(value: Resource, name: str) -> str:
    marked = (element.name for element in elements_of(name).values() if element.is_attribute)
    return "".join(f' {name}="{_escape(str(value[name]))}"' for name in marked if name in value)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _escape(text: str) -> str:
    return _SPECIAL.sub(lambda found: _ESCAPES.get(found[0], "\ufffd"), text)


def _parse(body: bytes) -> _Node:
    """Parse into nodes; nothing is declared, so nothing is expanded."""
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    top = _Node("", {})
    open_nodes = [top]

    def refuse_doctype(*_: Any) -> None:
        raise MalformedResource("a document type (DOCTYPE) is not taken: send the XML without it")

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(open_nodes) > MAX_DEPTH:
            raise MalformedResource(f"elements lie deeper than {MAX_DEPTH} levels in each other")
        node = _Node(name, attributes)
        open_nodes[-1].children.append(node)
        open_nodes.append(node)

    parser.StartDoctypeDeclHandler = refuse_doctype
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: open_nodes.pop()
    parser.CharacterDataHandler = lambda text: open_nodes[-1].children.append(text)
    parser.buffer_text = True
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise MalformedResource(f"the XML is not well formed: {error}") from error
    return top.nodes[0]


def _read_resource(node: _Node) -> Resource:
    name = node.tag
    if node.name != f"{NAMESPACE} {name}" or not is_resource(name):
        raise MalformedResource(
            f"{name[:60]!r} in its namespace is not the name of a resource that is known here"
        )
    return {"resourceType": name, **_read_children(node, name, name)}


def _read_children(node: _Node, name: str, path: str) -> Resource:
    known = elements_of(name)
    found: Resource = {}
    for attribute, text in node.attributes.items():
        if attribute == "value" and name == "Element":
            continue
        if attribute not in known or not known[attribute].is_attribute:
            raise MalformedResource(f"{path} has no attribute {attribute[:60]!r}", path)
        found[attribute] = text
    if any(isinstance(child, str) and child.strip() for child in node.children):
        raise MalformedResource(f"{path} holds text: values are in the attribute `value`", path)
    for child in node.nodes:
        element = known.get(child.tag)
        if element is None or element.is_attribute or not _is_in_namespace(child, element):
            raise MalformedResource(f"{name} has no element {child.tag[:60]!r}", f"{path}.{child.tag[:60]}")
        if child.tag in found and not element.repeats:
            raise MalformedResource(f"{path}.{child.tag} is there twice", f"{path}.{child.tag}")
        _add(found, element, child, f"{path}.{child.tag}")
    return {key: value for key, value in found.items() if not _is_bare(value)}


def _is_bare(value: Any) -> bool:
    """Tell whether a list holds no value at all: of primitives without extensions, or with nothing else."""
    return isinstance(value, list) and all(item is None for item in value)


def _is_in_namespace(node: _Node, element: Element) -> bool:
    return node.name == f"{XHTML if element.kind == 'xhtml' else NAMESPACE} {element.name}"


def _add(found: Resource, element: Element, node: _Node, path: str) -> None:
    value, extra = _read_value(element, node, path)
    if element.repeats:
        found.setdefault(element.name, []).append(value)
        if element.kind != "complex":
            found.setdefault(f"_{element.name}", []).append(extra or None)
        return
    if value is not None:
        found[element.name] = value
    if extra:
        found[f"_{element.name}"] = extra


def _read_value(element: Element, node: _Node, path: str) -> tuple[Any, Resource]:
    """Return the value of an element, and what a primitive has beside its value."""
    if element.kind == "xhtml":
        return "".join(_serialise(node, is_top=True)), {}
    if element.type == ANY_RESOURCE:
        if len(node.nodes) != 1:
            raise MalformedResource(f"{path} must hold one resource", path)
        return _read_resource(node.nodes[0]), {}
    if element.kind == "complex":
        return _read_children(node, element.type, path), {}
    extra = _read_children(node, "Element", path)
    return _read_primitive(element, node.attributes.get("value"), path), extra


def _read_primitive(element: Element, text: str | None, path: str) -> Any:
    if text is None or element.kind == "text":
        return text
    text = text.strip()
    if element.kind == "boolean" and text in ("true", "false"):
        return text == "true"
    if element.kind == "number" and _INTEGER.fullmatch(text):
        return int(text)
    if element.kind == "number" and _DECIMAL.fullmatch(text):
        return float(text)
    raise MalformedResource(f"{path} is no {element.kind}: {text[:40]!r}", path)


def _serialise(node: _Node, *, is_top: bool = False) -> Iterator[str]:
    if node.name != f"{XHTML} {node.tag}" or any(" " in name for name in node.attributes):
        raise MalformedResource("a narrative holds XHTML only", "text.div")
    attributes = "".join(f' {name}="{_escape(text)}"' for name, text in node.attributes.items())
    namespace = f' xmlns="{XHTML}"' if is_top else ""
    yield f"<{node.tag}{namespace}{attributes}>"
    for child in node.children:
        if isinstance(child, str):
            yield _escape(child)
        else:
            yield from _serialise(child)
    yield f"</{node.tag}>"
