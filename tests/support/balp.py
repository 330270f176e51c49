"""What the profiles of IHE BALP ask of an AuditEvent, as a table: written down from the guide, not from our code.

Each violation is a sentence; a resource that fulfils every profile that it names has none.

Standard: IHE ITI BALP 1.1.4, StructureDefinition IHE.BasicAudit.*
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Resource = dict[str, Any]
Coded = tuple[str, str]

PREFIX = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
INTERACTION = "http://hl7.org/fhir/restful-interaction"
PERSON, SYSTEM_OBJECT = ((f"{TERMINOLOGY}audit-entity-type", code) for code in "12")
SOURCE_ROLE, DESTINATION_ROLE = (DCM, "110153"), (DCM, "110152")
PARTICIPATION = f"{TERMINOLOGY}v3-ParticipationType"


@dataclass(frozen=True)
class Profile:
    """The constraints of one profile.

    `client` and `server` are the agent types of slices that stand once each; `users` the types of the slice for a
    person. `data` is whether there is one System Object: "object" with `what` and a REST role, "query" with the
    query in base64 and nothing else, or "any" entity besides the patient.
    """

    type: Coded
    action: str
    subtypes: frozenset[Coded]
    client: Coded
    server: Coded
    users: frozenset[Coded]
    data: str
    has_patient: bool
    source_is_observer: bool = False


def _rest(action: str, interactions: tuple[str, ...], *agents: Any, data: str, has_patient: bool) -> Profile:
    client, server, users = agents
    return Profile(
        type=(f"{TERMINOLOGY}audit-event-type", "rest"),
        action=action,
        subtypes=frozenset((INTERACTION, each) for each in interactions),
        client=client,
        server=server,
        users=frozenset((PARTICIPATION, each) for each in users),
        data=data,
        has_patient=has_patient,
    )


_READ = ("R", ("read", "vread"), DESTINATION_ROLE, SOURCE_ROLE, ("IRCP",))
_CREATE = ("C", ("create",), SOURCE_ROLE, DESTINATION_ROLE, ("AUT", "INF", "CST"))
_QUERY = ("E", ("search", "search-type", "search-system"), SOURCE_ROLE, DESTINATION_ROLE, ("IRCP",))
PROFILES = {
    "Read": _rest(*_READ, data="object", has_patient=False),
    "PatientRead": _rest(*_READ, data="object", has_patient=True),
    "Create": _rest(*_CREATE, data="object", has_patient=False),
    "PatientCreate": _rest(*_CREATE, data="object", has_patient=True),
    "Query": _rest(*_QUERY, data="query", has_patient=False),
    "PatientQuery": _rest(*_QUERY, data="query", has_patient=True),
    "PrivacyDisclosure.Source": Profile(
        type=(DCM, "110106"),
        action="R",
        subtypes=frozenset({(f"{TERMINOLOGY}iso-21089-lifecycle", "disclose")}),
        client=DESTINATION_ROLE,
        server=SOURCE_ROLE,
        users=frozenset(),
        data="any",
        has_patient=True,
        source_is_observer=True,
    ),
}
REST_ROLES = ("3", "4", "20")
OBJECT_ROLE = f"{TERMINOLOGY}object-role"
NETWORK_TYPES = ("1", "2", "3", "4", "5")


def find_violations(resource: Resource) -> list[str]:
    """Return what a resource does not keep of the profiles that it claims."""
    return [
        f"{canonical.removeprefix(PREFIX)}: {violation}"
        for canonical in resource["meta"].get("profile", ())
        for violation in _violations(resource, PROFILES[canonical.removeprefix(PREFIX)])
    ]


def _violations(resource: Resource, profile: Profile) -> Iterator[str]:
    if _coded(resource["type"]) != profile.type:
        yield f"type is {resource['type']}"
    if not profile.subtypes & {_coded(each) for each in resource.get("subtype", ())}:
        yield "no subtype of the profile"
    if resource.get("action") != profile.action:
        yield f"action is {resource.get('action')}"
    if resource.get("outcome") != "0":
        yield "failures are recorded differently"
    if not resource.get("recorded"):
        yield "not recorded at any time"
    if "modifierExtension" in resource:
        yield "a modifier extension"
    yield from _agent_violations(resource, profile)
    yield from _entity_violations(resource.get("entity", []), profile)


def _agent_violations(resource: Resource, profile: Profile) -> Iterator[str]:
    agents, observer = resource["agent"], resource["source"].get("observer")
    for name, wanted in (("client", profile.client), ("server", profile.server)):
        found = [each for each in agents if wanted in _types(each)]
        if len(found) != 1:
            yield f"{len(found)} agents are the {name}"
        for each in found:
            yield from _machine_violations(name, each)
            if name == "server" and profile.source_is_observer and each.get("who") != observer:
                yield "the source is not who recorded it"
    users = [each for each in agents if profile.users & _types(each)]
    if len(users) > 1:
        yield "more than one user"
    for each in users:
        yield from _user_violations(each)
    if not isinstance(observer, dict):
        yield "nobody recorded it"
    if any(not isinstance(each.get("requestor"), bool) for each in agents):
        yield "an agent of whom it is not said whether it asked"


def _machine_violations(name: str, agent: Resource) -> Iterator[str]:
    network = agent.get("network") or {}
    if not _is_named(agent.get("who")):
        yield f"the {name} is nobody"
    if not network.get("address") or network.get("type") not in NETWORK_TYPES:
        yield f"the {name} has no network"
    if "media" in agent:
        yield f"the {name} has media"


def _user_violations(agent: Resource) -> Iterator[str]:
    if not _is_named(agent.get("who")) or agent.get("requestor") is not True:
        yield "the user is nobody, or did not ask"
    if "network" in agent or "media" in agent:
        yield "the user has a network or media"


def _entity_violations(entities: list[Resource], profile: Profile) -> Iterator[str]:
    if len(entities) < (2 if profile.has_patient else 1):
        yield "too few entities"
    if profile.has_patient:
        yield from _patient_violations([each for each in entities if _coded(each["type"]) == PERSON])
    objects = [each for each in entities if _coded(each["type"]) == SYSTEM_OBJECT]
    if profile.data != "any" and len(objects) != 1:
        yield f"{len(objects)} System Objects"
    for each in objects:
        yield from _object_violations(each, profile)


def _patient_violations(patients: list[Resource]) -> Iterator[str]:
    if len(patients) != 1:
        yield f"{len(patients)} patients"
    for each in patients:
        if _coded(each["role"]) != (OBJECT_ROLE, "1"):
            yield "the patient has another role"
        if not each.get("what", {}).get("reference", "").startswith("Patient/"):
            yield "the patient is no Patient"


def _object_violations(entity: Resource, profile: Profile) -> Iterator[str]:
    role = _coded(entity["role"])
    if profile.data == "object" and (not entity.get("what") or role not in _rest_roles()):
        yield "the object is nothing, or in another role"
    if profile.data == "query":
        if role != (OBJECT_ROLE, "24") or not entity.get("query"):
            yield "the query is none"
        if {"what", "lifecycle", "detail"} & set(entity):
            yield "the query says what it may not"


def _rest_roles() -> set[Coded]:
    return {(OBJECT_ROLE, code) for code in REST_ROLES}


def _coded(coding: Resource) -> Coded:
    return coding.get("system", ""), coding.get("code", "")


def _types(agent: Resource) -> set[Coded]:
    return {_coded(coding) for coding in agent["type"]["coding"]}


def _is_named(who: Any) -> bool:
    return isinstance(who, dict) and bool(who.get("reference") or who.get("identifier", {}).get("value"))
