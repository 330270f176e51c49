"""ServiceRequest: the orders of the studies that the actor may see, and those that its department placed.

Standard: FHIR R4 ServiceRequest
"""

from django.db.models import Q

from access import audit
from access.database import write_transaction
from access.policy import Decision
from registry.document_visibility import visible_orders
from registry.fhir.conditions import any_of, date_condition, hsa_ids_of, order_numbers, tokens_of
from registry.fhir.door import Asked, Found, ResourceDoor
from registry.fhir.errors import UnknownResource
from registry.fhir.identifiers import issuer_of
from registry.fhir.orders import PRIORITIES, STATUSES, make_service_requests
from registry.fhir.parameters import Criterion, Query, SearchParameter
from registry.fhir.patients import PATIENT_PARAMETERS, find_patient_ids
from registry.fhir.resources.included import include_patients, include_reports_of
from registry.fhir.scan import key_of, require_read, scan
from registry.fhir.structure import Resource
from registry.fhir.values import Token
from registry.models import Order

PARAMETERS = (
    SearchParameter("_id", "token", "The id"),
    SearchParameter(
        "identifier", "token", "Accession, placer or filler number, as number or system of its issuer|number"
    ),
    *PATIENT_PARAMETERS,
    SearchParameter("subject", "reference", "As patient", target="Patient"),
    SearchParameter("status", "token", "active, on-hold, completed, revoked or unknown"),
    SearchParameter("priority", "token", "routine, urgent, asap or stat"),
    SearchParameter("intent", "token", "order: others are not kept"),
    SearchParameter("code", "token", "The procedure asked for, as code or system|code"),
    SearchParameter("authored", "date", "When it was placed"),
    SearchParameter("occurrence", "date", "When it is planned for"),
    SearchParameter("requester", "reference", "The department that asks", target="Organization"),
    SearchParameter("requester.identifier", "token", "The department that asks, by HSA-id"),
    SearchParameter("performer", "reference", "The department that does it", target="Organization"),
    SearchParameter("performer.identifier", "token", "The department that does it, by HSA-id"),
)
_DATES = {"authored": "ordered_at", "occurrence": "scheduled_at"}
_PARTIES = {"requester": "ordering_department", "performer": "performing_department"}


def read_service_request(asked: Asked, key: str) -> Resource:
    """Read an order.

    Raises
    ------
    UnknownResource
        There is none, or none that the actor may see.
    """
    require_read(asked)
    found = visible_orders(asked.actor, Order.objects.filter(pk=key_of(key)))
    if not found:
        raise UnknownResource("no such ServiceRequest")
    order, decision = found[0]
    with write_transaction():
        record_order_reading(asked, order, decision)
    return make_service_requests([order])[0]


def record_order_reading(asked: Asked, order: Order, decision: Decision) -> None:
    """Record that a permitted order is read."""
    study = next(iter(order.studies.all()), None)
    audit.record(
        asked.actor,
        "read",
        door="fhir",
        study_instance_uid=study.study_instance_uid if study else "",
        patient_id=order.patient_id,
        rule=decision.rule,
        reason=decision.reason,
        basis=decision.basis,
        detail={"order": order.pk},
    )


def search_service_requests(asked: Asked, query: Query) -> Found:
    """Search orders, newest first."""
    require_read(asked)
    candidates = Order.objects.filter(condition_of(asked, query)).order_by("-pk")
    if query.sort:
        column = "ordered_at" if query.sort[0] == "authored" else "-ordered_at"
        candidates = candidates.filter(ordered_at__isnull=False).order_by(column, "-pk")
    page = scan(asked.actor, candidates, query, visible_orders)
    orders = [order for order, _ in page.rows]
    included: list[Resource] = []
    if {"ServiceRequest:patient", "ServiceRequest:subject"} & query.included:
        included += include_patients(asked, (order.patient_id for order in orders))
    if "DiagnosticReport:based-on" in query.included:
        included += include_reports_of(asked, orders)
    detail = {"resource": "ServiceRequest", "query": dict(query.applied), "results": len(orders)}
    with write_transaction():
        audit.record(asked.actor, "search", door="fhir", detail=detail)
    return Found(tuple(make_service_requests(orders)), page.position, included=tuple(included))


def condition_of(asked: Asked, query: Query) -> Q:
    """Return what all criteria of a search say of the columns of an order."""
    condition = Q()
    patients = find_patient_ids(asked, query.of("patient", "subject", "patient.identifier"))
    if patients is not None:
        condition &= Q(patient__in=patients)
    for criterion in query.criteria:
        condition &= _read(asked, criterion)
    return condition


def _read(asked: Asked, criterion: Criterion) -> Q:
    name = criterion.name
    tokens = tokens_of(criterion)
    if name == "_id":
        return Q(pk__in=[key_of(token.code or "") for token in tokens])
    if name == "identifier":
        return order_numbers(tokens)
    if name == "code":
        return any_of(_code(token) for token in tokens)
    if name in ("status", "priority", "intent"):
        return _read_word(name, {token.code or "" for token in tokens})
    if name in _DATES:
        return any_of(date_condition(_DATES[name], value, name) for value in criterion.values)
    party = _PARTIES.get(name.partition(".")[0])
    if party:
        return Q(**{f"{party}__hsa_id__in": hsa_ids_of(asked, criterion)})
    return Q()


def _code(token: Token) -> Q:
    condition = Q(procedure_code=token.code) if token.code else ~Q(procedure_code="")
    return condition if token.system is None else condition & Q(procedure_code_scheme=issuer_of(token.system))


def _read_word(name: str, wanted: set[str]) -> Q:
    if name == "intent":
        return Q() if "order" in wanted else Q(pk__in=[])
    if name == "priority":
        urgencies = {word for word, priority in PRIORITIES.items() if priority in wanted}
        return Q(urgency__in=[*urgencies, *(word.upper() for word in urgencies)])
    words = [word for word, status in STATUSES.items() if status in wanted]
    known = Q(status__in=words)
    return known | ~Q(status__in=list(STATUSES)) if "unknown" in wanted else known


DOOR = ResourceDoor(
    type="ServiceRequest",
    documentation="Orders of imaging: the question, the history, who asks and how urgently.",
    read=read_service_request,
    search=search_service_requests,
    parameters=PARAMETERS,
    sorts=("-authored", "authored"),
    includes=("ServiceRequest:patient", "ServiceRequest:subject"),
    reverse_includes=("DiagnosticReport:based-on",),
)
