"""Registry Stored Query (ITI-18): whatever is found is shown only as far as the actor may see it.

Standard: IHE ITI TF-2 3.18
"""

import logging
from collections.abc import Iterator, Sequence

from django.conf import settings
from django.db import OperationalError
from lxml import etree

from access import audit
from access.actor import Actor
from access.database import StatementTimeout, time_limit
from registry.affinity import affinity
from registry.document_drafts import draft_association, draft_entries, draft_folders, draft_sets
from registry.ihe.ebrim_names import QUERY, RIM
from registry.ihe.ebrim_writing import write_association, write_entry, write_folder, write_set
from registry.ihe.errors import BUSY, FAILURE, SUCCESS, add_errors
from registry.ihe.queries import QUERIES, Answer, Found
from registry.ihe.query_parameters import Parameters, QueryRefused, read_parameters
from registry.ihe.xml import Element
from registry.submission import RegistryError

ACTION = "urn:ihe:iti:2007:RegistryStoredQuery"
ANSWER = "urn:ihe:iti:2007:RegistryStoredQueryResponse"
ROOT = f"{{{QUERY}}}AdhocQueryRequest"
DOOR = "iti-18"
MAX_OBJECTS = 5000

log = logging.getLogger(__name__)


def handle(body: Element, actor: Actor) -> Element:
    """Take an AdhocQueryRequest and return the AdhocQueryResponse."""
    name = "unknown"
    try:
        query, return_type = _read_request(body)
        answer = QUERIES[query.get("id", "").strip().lower().removeprefix("urn:uuid:")]
        name = answer.__name__
        found = _find(answer, actor, read_parameters(query))
        _check_result(found, return_type, is_find=name.startswith("find") or name == "get_all")
    except QueryRefused as refused:
        code = refused.error.code
        audit.record(actor, "search", outcome="refused", door=DOOR, detail={"query": name, "error": code})
        return _make_answer([], (refused.error,))
    except OperationalError as error:
        log.warning("%s is busy: %s", DOOR, type(error).__name__)
        return _make_answer([], (BUSY,))
    _record(actor, name, found)
    return _make_answer(_write_refs(found) if return_type == "ObjectRef" else _write(found))


def _read_request(body: Element) -> tuple[Element, str]:
    option = body.find(f"{{{QUERY}}}ResponseOption")
    return_type = option.get("returnType", "LeafClass").strip() if option is not None else "LeafClass"
    if return_type not in ("LeafClass", "LeafClassWithRepositoryItem", "ObjectRef"):
        raise QueryRefused("XDSRegistryError", f"returnType {return_type[:40]!r} is not served")
    query = body.find(f"{{{RIM}}}AdhocQuery")
    if query is None:
        raise QueryRefused("XDSRegistryError", "AdhocQuery is missing")
    identity = query.get("id", "").strip()
    if identity.lower().removeprefix("urn:uuid:") not in QUERIES:
        raise QueryRefused("XDSUnknownStoredQuery", f"the query {identity[:80]!r} is not known")
    home = query.get("home", "").strip()
    if home and home != affinity().home_community_id:
        raise QueryRefused("XDSUnknownCommunity", f"the community {home[:80]!r} is not known")
    return query, return_type


def _find(answer: Answer, actor: Actor, asked: Parameters) -> Found:
    """Ask the database, and give up when it needs too long."""
    try:
        with time_limit(settings.SEARCH_TIMEOUT_S):
            return answer(actor, asked)
    except StatementTimeout as error:
        text = f"the query took longer than {settings.SEARCH_TIMEOUT_S:g} s; narrow it"
        raise QueryRefused("XDSRegistryOutOfResources", text) from error


def _check_result(found: Found, return_type: str, *, is_find: bool) -> None:
    if return_type == "ObjectRef":
        return
    if not is_find and len(found.patients) > 1:
        raise QueryRefused("XDSResultNotSinglePatient", "the result is about more than one patient")
    if found.count > MAX_OBJECTS:
        text = f"more than {MAX_OBJECTS} objects; narrow the query or ask for ObjectRef"
        raise QueryRefused("XDSTooManyResults", text)


def _record(actor: Actor, name: str, found: Found) -> None:
    """Record the query for each patient of whom something was asked or shown."""
    patients: set[int | None] = {found.patient_id} if found.patient_id else {*found.patients}
    for patient_id in patients or {None}:
        audit.record(
            actor, "search", door=DOOR, patient_id=patient_id, detail={"query": name, "found": found.count}
        )


def _write_refs(found: Found) -> Iterator[Element]:
    uuids = [row.entry_uuid for row in found.entries]
    uuids += [row.entry_uuid for row in found.sets]
    uuids += [row.entry_uuid for row in found.folders]
    uuids += [row.entry_uuid for row in found.links]
    for uuid in uuids:
        yield etree.Element(f"{{{RIM}}}ObjectRef", nsmap={"rim": RIM}, id=uuid)


def _write(found: Found) -> Iterator[Element]:
    for row, entry in zip(found.entries, draft_entries(found.entries), strict=True):
        yield write_entry(entry, row.status, row.version)
    for holder, draft in zip(found.sets, draft_sets(found.sets), strict=True):
        yield write_set(draft, holder.status)
    for folder, held in zip(found.folders, draft_folders(found.folders), strict=True):
        yield write_folder(held, folder.last_update_time, folder.status)
    for link in found.links:
        yield write_association(draft_association(link), link.status)


def _make_answer(
    objects: "Iterator[Element] | list[Element]", errors: Sequence[RegistryError] = ()
) -> Element:
    answer = etree.Element(
        f"{{{QUERY}}}AdhocQueryResponse",
        nsmap={"query": QUERY, "rim": RIM},
        status=FAILURE if errors else SUCCESS,
    )
    add_errors(answer, errors)
    etree.SubElement(answer, f"{{{RIM}}}RegistryObjectList").extend(objects)
    return answer
