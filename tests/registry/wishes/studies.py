"""Studies with everything that a filter can ask for, drawn from small vocabularies so that filters meet them."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import count

from django.utils import timezone
from hypothesis import strategies as st

from access.models import CareProvider, CareUnit, Department
from registry.contacts import Address, Contacts, keep_contacts
from registry.models import Encounter, Harmonised, Order, Patient, PatientFlag, Study
from tests.registry.factories import make_department, make_relation, make_series

FAMILIES = ("CT", "MR", "XR")
REGIONS = ("774007", "67734004", "53120007")
MODALITIES = ("CT", "MR", "DX", "SR")
PROCEDURES = ("P1", "P2")
CLASSES = ("E", "I", "O")
STATES = ("in_progress", "complete", "verified")
SYSTEMS = (("", ""), ("ct-1", ""), ("pacs", "CT_AE"), ("pacs", "MR_AE"))
"""Client and AE title of the system that stored a series; nothing of one that was stored long ago."""
POSTAL_CODES = ("", "58225", "582 25", "11122")
ADDRESSES = (
    (),
    (Address(city="Linköping", district="058001", state="Östergötlands län"),),
    (Address(city="LUND", state="Skåne  län", use="home"), Address(city="Linköping", use="old")),
    (Address(line="Lund", district="Lunds kommun", use="home"), Address(city="Åre", use="temp")),
    (Address(city="Norra Lund"), Address(district="128101", use="home")),
)
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a study is made of; places are positions among the departments, None for none."""

    custodian: int | None
    family: str
    regions: frozenset[str]
    modalities: frozenset[str]
    system: tuple[str, str]
    procedure: str
    orders: tuple["DrawnOrder", ...]
    postal_code: str
    addresses: tuple[Address, ...]
    is_protected: bool
    related: int | None
    relation_days: int
    admitted: int | None
    admission_is_over: bool
    state: str
    is_final: bool


@dataclass(frozen=True, slots=True)
class DrawnOrder:
    """An order of a drawn study."""

    ordering: int | None
    performing: int | None
    urgency: str
    patient_class: str
    status: str


PLACE = st.sampled_from((None, 0, 1, 2))
ORDERS = st.builds(
    DrawnOrder,
    ordering=PLACE,
    performing=PLACE,
    urgency=st.sampled_from(("", "normal", "urgent")),
    patient_class=st.sampled_from(("", *CLASSES)),
    status=st.sampled_from(("requested", "cancelled")),
)
STUDIES = st.builds(
    Drawn,
    custodian=PLACE,
    family=st.sampled_from(("", *FAMILIES)),
    regions=st.frozensets(st.sampled_from(REGIONS)),
    modalities=st.frozensets(st.sampled_from(MODALITIES), max_size=2),
    system=st.sampled_from(SYSTEMS),
    procedure=st.sampled_from(("", *PROCEDURES)),
    orders=st.lists(ORDERS, max_size=2).map(tuple),
    postal_code=st.sampled_from(POSTAL_CODES),
    addresses=st.sampled_from(ADDRESSES),
    is_protected=st.sampled_from((False, False, True)),
    related=PLACE,
    relation_days=st.sampled_from((-1, 1)),
    admitted=PLACE,
    admission_is_over=st.booleans(),
    state=st.sampled_from(STATES),
    is_final=st.booleans(),
)


def make_departments() -> list[Department]:
    """Make three departments: two in one unit, one of another provider."""
    first, other = make_department(), make_department()
    second = Department.objects.create(unit=first.unit, hsa_id=f"SE-S{next(_numbers)}", name="Ward")
    assert isinstance(first.unit, CareUnit)
    assert isinstance(first.unit.provider, CareProvider)
    return [first, second, other]


def make_drawn(drawn: Drawn, departments: list[Department]) -> Study:
    """Make the rows of a drawn study."""
    now, number = timezone.now(), next(_numbers)
    patient = Patient.objects.create(postal_code=drawn.postal_code)
    keep_contacts(patient, Contacts(addresses=drawn.addresses))
    if drawn.is_protected:
        PatientFlag.objects.create(patient=patient, kind="protected_2", registered_at=now, registered_by="t")
    study = Study.objects.create(
        study_instance_uid=f"2.25.77{number}",
        person=patient,
        custodian=_at(departments, drawn.custodian),
        modalities_in_study=sorted(drawn.modalities),
        state=drawn.state,
        final_at=now if drawn.is_final else None,
        first_instance_at=now,
        last_instance_at=now,
        visible_at=now,
    )
    for position, modality in enumerate(sorted(drawn.modalities)):
        stored_by, title = drawn.system
        make_series(
            study,
            modality=modality,
            series_number=position,
            instances=1,
            stored_by=stored_by,
            stored_by_ae_title=title,
        )
    Harmonised.objects.create(
        study=study,
        version=1,
        modality_family=drawn.family,
        body_regions=sorted(drawn.regions),
        procedure_code=drawn.procedure,
        made_at=now,
    )
    for order in drawn.orders:
        _make_order(order, study, departments)
    if drawn.related is not None:
        unit = departments[drawn.related].unit
        make_relation(patient, unit, valid_to=now + timedelta(days=drawn.relation_days))
    if drawn.admitted is not None:
        ended_at = now - timedelta(hours=1) if drawn.admission_is_over else None
        _make_encounter(patient, departments[drawn.admitted], "I", ended_at=ended_at)
    return study


def _make_order(drawn: DrawnOrder, study: Study, departments: list[Department]) -> None:
    encounter = None
    if drawn.patient_class:
        encounter = _make_encounter(study.person, None, drawn.patient_class)
    order = Order.objects.create(
        patient=study.person,
        accession_number=f"A{next(_numbers)}",
        ordering_department=_at(departments, drawn.ordering),
        performing_department=_at(departments, drawn.performing),
        urgency=drawn.urgency,
        encounter=encounter,
        status=drawn.status,
    )
    order.studies.add(study)


def _make_encounter(
    patient: Patient, department: Department | None, patient_class: str, **values: object
) -> Encounter:
    return Encounter.objects.create(
        patient=patient,
        department=department,
        number=f"V{next(_numbers)}",
        issuer="1.2.3",
        patient_class=patient_class,
        **values,
    )


def _at(departments: list[Department], position: int | None) -> Department | None:
    return None if position is None else departments[position]
