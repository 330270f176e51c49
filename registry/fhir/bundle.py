"""The Bundle of a search: what was found, what was not understood, and the way to the next page.

A page's address holds one sealed word (`_page`): the search, where the page begins and who asked. Nobody else can
use it, nothing of it can be read or changed, and no patient's number gets into the logs of a proxy.

Standard: FHIR R4 http.html#paging, bundle.html
"""

from collections.abc import Sequence
from urllib.parse import quote, urlencode

import orjson
from django.utils import timezone

from access.actor import Actor
from access.secrets import UnreadableSecret, seal, unseal
from registry.fhir.door import Asked, Found
from registry.fhir.errors import InvalidParameter
from registry.fhir.outcome import join_issues, make_issue
from registry.fhir.parameters import Pairs, Query
from registry.fhir.structure import Resource

Position = tuple[str | int, ...]


def make_bundle(asked: Asked, resource_type: str, query: Query, found: Found) -> Resource:
    """Make the searchset of one page; `total` is there where the first page is the last."""
    address = f"{asked.base}/{resource_type}"
    bundle: Resource = {
        "resourceType": "Bundle",
        "meta": {"lastUpdated": timezone.now().isoformat(timespec="milliseconds")},
        "type": "searchset",
        "link": [{"relation": "self", "url": _join(address, urlencode(query.applied, safe="|:,/"))}],
    }
    if found.position:
        page = seal_page(asked.actor, resource_type, query.applied, found.position)
        bundle["link"].append({"relation": "next", "url": f"{address}?_page={quote(page)}"})
    elif not query.position:
        bundle["total"] = len(found.resources)
    entries = [_make_entry(asked.base, resource, "match") for resource in found.resources]
    entries += [_make_entry(asked.base, resource, "include") for resource in _select_included(found)]
    warnings = (*query.warnings, *found.warnings)
    if warnings:
        issues = (make_issue("warning", "not-supported", warning) for warning in warnings)
        entries.append({"resource": join_issues(*issues), "search": {"mode": "outcome"}})
    if entries:
        bundle["entry"] = entries
    return bundle


def make_history(base: str, resource_type: str, key: str, versions: Sequence[Resource]) -> Resource:
    """Make the Bundle of the versions of a resource, newest first. Standard: FHIR R4 http.html#history"""
    address = f"{resource_type}/{key}"
    return {
        "resourceType": "Bundle",
        "meta": {"lastUpdated": timezone.now().isoformat(timespec="milliseconds")},
        "type": "history",
        "total": len(versions),
        "link": [{"relation": "self", "url": f"{base}/{address}/_history"}],
        "entry": [
            {
                "fullUrl": f"{base}/{address}",
                "resource": version,
                "request": {"method": "PUT" if number < len(versions) else "POST", "url": address},
                "response": {
                    "status": "200" if number < len(versions) else "201",
                    "etag": f'W/"{version["meta"]["versionId"]}"',
                    "lastModified": version["meta"]["lastUpdated"],
                },
            }
            for number, version in enumerate(versions, 1)
        ],
    }


def seal_page(actor: Actor, resource_type: str, pairs: Pairs, position: Position) -> str:
    """Make the word for the page that begins at a position of a search."""
    return seal(orjson.dumps([_name(actor), resource_type, pairs, position]).decode())


def open_page(actor: Actor, resource_type: str, word: str) -> tuple[list[tuple[str, str]], Position]:
    """Return the search and the position that a page's word stands for.

    Raises
    ------
    InvalidParameter
        It was changed, made for somebody else, or for another resource.
    """
    try:
        name, kind, pairs, position = orjson.loads(unseal(word))
    except (UnreadableSecret, ValueError) as error:
        raise InvalidParameter("_page is not a word of this server: search again", "_page") from error
    if (name, kind) != (_name(actor), resource_type):
        raise InvalidParameter("_page was made for another search: search again", "_page")
    return [(key, value) for key, value in pairs], tuple(position)


def _name(actor: Actor) -> str:
    return f"{actor.kind} {actor.subject} {actor.assignment_id}"


def _make_entry(base: str, resource: Resource, mode: str) -> Resource:
    address = f"{base}/{resource['resourceType']}/{resource['id']}"
    return {"fullUrl": address, "resource": resource, "search": {"mode": mode}}


def _select_included(found: Found) -> list[Resource]:
    """Return what is included, each resource once and none that matches. Standard: FHIR R4 search.html#include"""
    there = {(resource["resourceType"], resource["id"]) for resource in found.resources}
    selected = {
        (resource["resourceType"], resource["id"]): resource
        for resource in found.included
        if (resource["resourceType"], resource["id"]) not in there
    }
    return list(selected.values())


def _join(address: str, query: str) -> str:
    return f"{address}?{query}" if query else address
