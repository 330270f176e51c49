"""An organisation tree from a Bundle of a care services directory (mCSD), FHIR R4 JSON.

Organizations hang together by `partOf`: what stands at the top is a care provider, below it units, below them
departments. A Location with an HSA-id of its own hangs below its `partOf`, else its `managingOrganization`.
Resources of other types, and Locations without an HSA-id, are left alone.

Standard: IHE ITI mCSD, ITI-90; FHIR R4 Organization, Location
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from access.organisation_import.tree import LEVELS, Entry, InvalidTree, Level, check_entries

HSA_SYSTEMS = frozenset(
    {
        "urn:oid:1.2.752.129.2.1.4.1",
        "http://electronichealth.se/identifier/hsaid",
    }
)
TAKEN = ("Organization", "Location")
INACTIVE_STATUS = ("suspended", "inactive")


@dataclass(frozen=True, slots=True)
class _Node:
    """One resource of the Bundle: its names for references, its HSA-id, and what it says it is part of."""

    where: str
    addresses: tuple[str, ...]
    hsa_id: str
    name: str
    parent: Any
    has_ended: bool
    is_location: bool


def read_bundle(content: bytes) -> tuple[Entry, ...]:
    """Read the entries of a Bundle.

    Raises
    ------
    InvalidTree
        With a sentence for everything that is wrong, each with its entry.
    """
    faults: list[str] = []
    nodes = list(_merge_facilities(_read_nodes(_read_resources(content), faults)))
    by_address = {address: node for node in nodes for address in node.addresses}
    by_hsa_id = {node.hsa_id: node for node in nodes if node.hsa_id}
    entries = []
    for node in nodes:
        line = _line_to_top(node, by_address, by_hsa_id, faults)
        if line is None:
            continue
        if len(line) > len(LEVELS):
            faults.append(f"{node.where}: {len(line)} levels deep; there are {', '.join(LEVELS)}")
            continue
        level: Level = LEVELS[len(line) - 1]
        parent = line[1].hsa_id if len(line) > 1 else ""
        entries.append(Entry(level, node.hsa_id, node.name, parent, node.where, has_ended=node.has_ended))
    faults += check_entries(tuple(entries))
    if not entries and not faults:
        faults.append("the Bundle holds no Organization")
    if faults:
        raise InvalidTree(faults)
    return tuple(entries)


def _read_resources(content: bytes) -> list[Any]:
    try:
        bundle = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidTree([f"not JSON: {error}"]) from error
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise InvalidTree(["not a FHIR Bundle: its resourceType is not Bundle"])
    if any(link.get("relation") == "next" for link in _list(bundle.get("link")) if isinstance(link, dict)):
        raise InvalidTree(
            ["the Bundle has a next page: fetch all pages and put their entries into one Bundle"]
        )
    return _list(bundle.get("entry"))


def _read_nodes(entries: list[Any], faults: list[str]) -> Iterator[_Node]:
    for number, entry in enumerate(entries, start=1):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict) or resource.get("resourceType") not in TAKEN:
            continue
        kind, key = resource["resourceType"], _text(resource.get("id"))
        where = f"entry {number} ({kind}{'/' + key if key else ''})"
        hsa_ids = sorted({value for value in _hsa_ids(resource) if value})
        if len(hsa_ids) > 1:
            faults.append(f"{where}: more than one HSA-id: {', '.join(hsa_ids)}")
            continue
        is_location = kind == "Location"
        if is_location and not hsa_ids:
            continue
        addresses = (_text(entry.get("fullUrl")), f"{kind}/{key}" if key else "")
        yield _Node(
            where,
            tuple(address for address in addresses if address),
            hsa_ids[0] if hsa_ids else "",
            _text(resource.get("name")).strip(),
            resource.get("partOf") or (resource.get("managingOrganization") if is_location else None),
            resource.get("active") is False or resource.get("status") in INACTIVE_STATUS,
            is_location,
        )


def _merge_facilities(nodes: Iterator[_Node]) -> Iterator[_Node]:
    """Take a facility, which mCSD writes as an Organization and a Location of the same HSA-id, once.

    References to either find the Organization.
    """
    found = list(nodes)
    organisations = {node.hsa_id: node for node in found if not node.is_location and node.hsa_id}
    twins: dict[str, tuple[str, ...]] = {}
    for node in found:
        if node.is_location and node.hsa_id in organisations:
            twins[node.hsa_id] = twins.get(node.hsa_id, ()) + node.addresses
    for node in found:
        if not node.is_location:
            yield _with_addresses(node, twins.get(node.hsa_id, ()))
        elif node.hsa_id not in organisations:
            yield node


def _with_addresses(node: _Node, more: tuple[str, ...]) -> _Node:
    return _Node(
        node.where,
        node.addresses + more,
        node.hsa_id,
        node.name,
        node.parent,
        node.has_ended,
        node.is_location,
    )


def _line_to_top(
    node: _Node, by_address: dict[str, _Node], by_hsa_id: dict[str, _Node], faults: list[str]
) -> list[_Node] | None:
    """Return the node and everything above it; None, with a fault, if the line breaks or runs in a circle."""
    line = [node]
    while line[-1].parent is not None:
        above = _find(line[-1].parent, by_address, by_hsa_id)
        if above is None:
            if len(line) == 1:
                faults.append(f"{node.where}: what it is part of is not in the Bundle: {_name(node.parent)}")
            return None
        if above in line:
            faults.append(f"{node.where}: part of itself")
            return None
        line.append(above)
    return line


def _find(reference: Any, by_address: dict[str, _Node], by_hsa_id: dict[str, _Node]) -> _Node | None:
    """Find what a Reference names: by its address, relative or whole, or by the HSA-id of its identifier."""
    if not isinstance(reference, dict):
        return None
    address = _text(reference.get("reference")).split("/_history/")[0]
    if address in by_address:
        return by_address[address]
    if "://" in address:
        tail = "/".join(address.rsplit("/", 2)[-2:])
        if tail in by_address:
            return by_address[tail]
    return next(
        (by_hsa_id[v] for v in _hsa_ids({"identifier": [reference.get("identifier")]}) if v in by_hsa_id),
        None,
    )


def _hsa_ids(resource: dict[str, Any]) -> Iterator[str]:
    for identifier in _list(resource.get("identifier")):
        if isinstance(identifier, dict) and identifier.get("system") in HSA_SYSTEMS:
            yield _text(identifier.get("value")).strip()


def _name(reference: Any) -> str:
    return json.dumps(reference, ensure_ascii=False)[:200]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
