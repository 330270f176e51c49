"""Documents, reports and orders are decided as the studies they are about; without study, as their department's."""

from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings

from access.models import AuditEvent
from registry.document_visibility import (
    UnknownDocument,
    permitted_document,
    visible_documents,
    visible_orders,
    visible_reports,
    with_places,
)
from registry.models import DocumentEntry, Order, Participation, Report, ReportVersion, Share, Study
from registry.visibility import decide_studies
from tests.registry.factories import make_actor, make_department, make_region_actor, make_study, make_uid
from tests.support.access_situations import (
    World,
    actors_of,
    make_rows,
    make_studies,
    make_world,
    rolled_back,
    situations,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(db) -> World:
    return make_world()


def make_entry(about: Study, **values: Any) -> DocumentEntry:
    """Make an entry about a study, or with `study=None` of its department on its date."""
    uid = make_uid()
    now = timezone.now()
    columns: dict[str, Any] = {
        "entry_uuid": f"urn:uuid:{uid}",
        "logical_uuid": f"urn:uuid:{uid}",
        "unique_id": uid,
        "patient": about.person,
        "mime_type": "application/pdf",
        "service_start_time_from": f"{about.study_date}000000",
        "department": about.custodian,
        "study": about,
        "registered_at": now,
        "updated_at": now,
    }
    return DocumentEntry.objects.create(**columns | values)


def make_order(study: Study) -> Order:
    order = Order.objects.create(
        patient=study.person, accession_number=make_uid(), performing_department=study.custodian
    )
    order.studies.add(study)
    return order


def make_report(*studies: Study) -> Report:
    report = Report.objects.create(patient=studies[0].person, filler_number=make_uid())
    report.studies.set(studies)
    return report


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(situation=situations())
def test_what_is_about_a_study_is_decided_as_the_study(world: World, situation) -> None:
    with rolled_back():
        by_place = make_studies(world)
        make_rows(world, by_place, situation)
        studies = list(by_place.values())
        entries = [make_entry(study) for study in studies]
        orders = [make_order(study) for study in studies]
        reports = [make_report(study) for study in studies]
        for actor in actors_of(world):
            decisions = decide_studies(actor, studies)
            permitted = [decisions[study.pk].permits for study in studies]
            expected = {entry.pk for entry, permits in zip(entries, permitted, strict=True) if permits}
            rows = with_places(DocumentEntry.objects.all())
            assert {entry.pk for entry in visible_documents(actor, rows)} == expected
            seen_orders = {order.pk for order, _ in visible_orders(actor, Order.objects.all())}
            assert seen_orders == {o.pk for o, permits in zip(orders, permitted, strict=True) if permits}
            seen_reports = {report.pk for report, _ in visible_reports(actor, Report.objects.all())}
            assert seen_reports == {r.pk for r, permits in zip(reports, permitted, strict=True) if permits}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(situation=situations())
def test_what_is_about_no_study_is_decided_as_one_of_its_department(world: World, situation) -> None:
    with rolled_back():
        by_place = make_studies(world)
        make_rows(world, by_place, situation)
        # These two open one study and nothing else of its department.
        Share.objects.all().delete()
        Participation.objects.all().delete()
        studies = [study for study in by_place.values() if not study.in_conflict]
        entries = {study.pk: make_entry(study, study=None) for study in studies}
        for actor in actors_of(world):
            decisions = decide_studies(actor, studies)
            expected = {entries[study.pk].pk for study in studies if decisions[study.pk].permits}
            rows = with_places(DocumentEntry.objects.all())
            assert {entry.pk for entry in visible_documents(actor, rows)} == expected


def test_a_report_about_two_studies_needs_both(world: World) -> None:
    own, neighbour = make_study(world.departments["own"]), make_study(world.departments["stranger"])
    neighbour.person = own.person
    neighbour.save()
    report = make_report(own, neighbour)
    actor = make_actor(world.departments["own"])
    assert [row for row, _ in visible_reports(make_region_actor(), Report.objects.all())] == [report]
    assert visible_reports(actor, Report.objects.all()) == []


def test_the_document_of_a_report_about_two_studies_needs_both(world: World) -> None:
    own, elsewhere = make_study(world.departments["own"]), make_study(world.departments["stranger"])
    Study.objects.filter(pk=elsewhere.pk).update(person=own.person)
    elsewhere.refresh_from_db()
    version = ReportVersion.objects.create(
        report=make_report(own, elsewhere), number=1, status="final", authored_at=timezone.now()
    )
    entry = make_entry(own, report_version=version)
    alone = make_entry(own)
    rows = with_places(DocumentEntry.objects.order_by("pk"))
    assert visible_documents(make_region_actor(), rows) == [entry, alone]
    assert visible_documents(make_actor(world.departments["own"]), rows) == [alone]


def test_what_belongs_to_no_department_is_nobody_s(world: World) -> None:
    study = make_study(world.departments["own"])
    entry = make_entry(study, study=None, department=None)
    assert visible_documents(make_actor(world.departments["own"]), [entry]) == []
    assert visible_documents(make_region_actor(), [entry]) == [entry]


def test_a_reading_is_recorded_and_an_unknown_document_looks_like_a_hidden_one(world: World) -> None:
    study = make_study(world.departments["own"])
    entry = make_entry(study)
    permitted = permitted_document(make_region_actor(), entry.unique_id, door="xds")
    assert permitted.entry == entry
    read = AuditEvent.objects.get(action="read", outcome="success")
    assert (read.study_instance_uid, read.patient_id) == (study.study_instance_uid, study.person_id)
    assert read.detail["document"] == entry.unique_id
    stranger = make_actor(make_department())
    messages = []
    for unique_id in (entry.unique_id, "1.2.3.404"):
        with pytest.raises(UnknownDocument) as refused:
            permitted_document(stranger, unique_id, door="xds")
        messages.append(str(refused.value))
    assert messages[0] == messages[1]
    assert AuditEvent.objects.filter(outcome="refused", door="xds").count() == 2


def test_of_two_entries_with_one_unique_id_the_approved_one_is_taken(world: World) -> None:
    study = make_study(world.departments["own"])
    approved = make_entry(study)
    make_entry(study, unique_id=approved.unique_id, status="deprecated")
    assert permitted_document(make_region_actor(), approved.unique_id, door="xds").entry == approved


def test_many_documents_of_one_patient_cost_two_queries(world: World, django_assert_num_queries) -> None:
    study = make_study(world.departments["own"])
    for _ in range(20):
        make_entry(study)
    actor = make_actor(world.departments["own"])
    with django_assert_num_queries(2):
        visible_documents(actor, with_places(DocumentEntry.objects.filter(patient=study.person)))
