"""The people of the directory of care services (mCSD): who works where now, in which role.

Only what a colleague needs to find another: name, HSA-id, role and department, of assignments for care that are valid
now. A person whose identity is protected is nobody here, and their role stands without a name.

Standard: IHE ITI mCSD (ITI-90); FHIR R4 Practitioner, PractitionerRole
"""

from collections.abc import Iterable

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from access.assignments import CARE
from access.models import Assignment, User
from access.roles import read_role_code
from registry.fhir.directory import MCSD, refer_to_organization
from registry.fhir.identifiers import hsa_identifier
from registry.fhir.structure import Resource

ROLE_SYSTEM = "urn:samsyn:role"
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


def list_roles() -> "QuerySet[Assignment]":
    """Return the assignments for care of known people that are valid now, with their places, oldest first."""
    now = timezone.now()
    rows = Assignment.objects.filter(purpose=CARE, user__is_active=True).exclude(user__hsa_id="")
    for place in ("", "department__", "department__unit__", "department__unit__provider__"):
        begun = Q(**{f"{place}valid_from": None}) | Q(**{f"{place}valid_from__lte": now})
        unended = Q(**{f"{place}valid_to": None}) | Q(**{f"{place}valid_to__gt": now})
        rows = rows.filter(begun, unended)
    return rows.select_related("user", "group", "department__unit").order_by("pk")


def list_people() -> "QuerySet[User]":
    """Return those who have such an assignment and whose identity is not protected, by HSA-id, each once."""
    of_person = User.objects.filter(hsa_id=OuterRef("hsa_id"), is_active=True)
    return User.objects.filter(
        Exists(list_roles().order_by().filter(user=OuterRef("pk"))),
        ~Exists(_protected().filter(hsa_id=OuterRef("hsa_id"))),
        ~Exists(of_person.filter(pk__lt=OuterRef("pk"))),
    ).order_by("hsa_id")


def list_named_roles() -> "QuerySet[Assignment]":
    """Return the roles of those who are named here."""
    return list_roles().exclude(Exists(_protected().filter(hsa_id=OuterRef("user__hsa_id"))))


def make_practitioner(user: User) -> Resource:
    """Make the Practitioner of a person: the HSA-id and the name, nothing else."""
    names = {"family": user.last_name, "given": [user.first_name] if user.first_name else []}
    text = " ".join(filter(None, (user.first_name, user.last_name))) or user.hsa_id
    return {
        "resourceType": "Practitioner",
        "id": user.hsa_id,
        "meta": {"profile": [f"{MCSD}/StructureDefinition/IHE.mCSD.Practitioner"]},
        "identifier": [hsa_identifier(user.hsa_id)],
        "active": True,
        "name": [{"text": text} | {name: value for name, value in names.items() if value}],
    }


def make_practitioner_roles(rows: Iterable[Assignment]) -> list[Resource]:
    """Make the PractitionerRole of each assignment."""
    found = list(rows)
    asked = {row.user.hsa_id for row in found}
    hidden = set(_protected().filter(hsa_id__in=asked).values_list("hsa_id", flat=True))
    return [_make_role(row, is_named=row.user.hsa_id not in hidden) for row in found]


def _make_role(row: Assignment, *, is_named: bool) -> Resource:
    code, unit = read_role_code(row.group), row.department.unit
    concept: Resource = {"coding": [{"system": ROLE_SYSTEM, "code": code}]} if code else {}
    return {
        "resourceType": "PractitionerRole",
        "id": str(row.pk),
        "meta": {"profile": [f"{MCSD}/StructureDefinition/IHE.mCSD.PractitionerRole"]},
        "active": True,
        "practitioner": _refer_to(row.user)
        if is_named
        else {"extension": [{"url": ABSENT, "valueCode": "masked"}]},
        "organization": refer_to_organization(row.department),
        "code": [concept | {"text": row.role}],
        "location": [{"reference": f"Location/{unit.hsa_id}", "display": unit.name}],
    }


def _refer_to(user: User) -> Resource:
    return {
        "reference": f"Practitioner/{user.hsa_id}",
        "type": "Practitioner",
        "identifier": hsa_identifier(user.hsa_id),
    }


def _protected() -> "QuerySet[User]":
    """Return the accounts of people whose identity is protected: one such account protects them all."""
    return User.objects.filter(is_protected=True)
