"""Rows written with ready statements are the rows the ORM would write."""

import hashlib

import pytest
from django.db import DataError, IntegrityError
from django.utils import timezone

from access.models import ApiClient, AuditEvent, CareProvider, CareUnit
from access.rows import add, insert, insert_many, update
from registry.models import Change, Patient
from repository.models import Pack
from tests.registry.factories import make_department

pytestmark = pytest.mark.django_db


def make_event(**values):
    return AuditEvent(
        recorded_at=timezone.now(),
        action="read",
        outcome="success",
        actor="dr",
        actor_kind="person",
        **values,
    )


def test_a_row_reads_back_as_it_was_with_defaults_json_and_times():
    event = make_event(detail={"query": "PatientName=Å*", "n": [1, None]}, patient_id=7)
    assert insert(event)
    read = AuditEvent.objects.get(pk=event.pk)
    for field in AuditEvent._meta.concrete_fields:
        assert getattr(read, field.attname) == getattr(event, field.attname), field.name
    assert read.rule == ""


def test_a_column_filled_by_the_model_is_filled():
    patient = Patient(patient_name="A^B")
    insert(patient)
    assert Patient.objects.get().created_at == patient.created_at


def test_an_inserted_row_can_be_saved_and_updated():
    change = Change(kind="store", appended_at=timezone.now())
    insert(change)
    change.detail = {"pack": "x"}
    change.save()
    change.kind, change.study_instance_uid = "delete", "1.2"
    update(change, ("kind",))
    read = Change.objects.get()
    assert (read.kind, read.study_instance_uid, read.detail) == ("delete", "", {"pack": "x"})


def test_a_row_added_without_an_instance_is_the_row_the_model_would_save():
    values = {"query": "PatientName=Å*", "n": [1, None, {}]}
    event = make_event(detail=values, patient_id=7)
    event.save()
    columns = {f.attname: getattr(event, f.attname) for f in AuditEvent._meta.concrete_fields}
    named = ("recorded_at", "action", "outcome", "actor", "actor_kind", "detail", "patient_id")
    key = add(AuditEvent, **{name: columns[name] for name in named})
    read = AuditEvent.objects.get(pk=key)
    for name, value in columns.items():
        assert name == "id" or getattr(read, name) == value, name
    assert AuditEvent.objects.filter(detail__query="PatientName=Å*", detail__n__2={}).count() == 2


def test_an_added_row_tells_its_key_or_that_it_is_taken():
    now = timezone.now()
    assert add(Pack, key="packs/aa/1", state="live", written_at=now, unless_known=True) == "packs/aa/1"
    assert add(Pack, key="packs/aa/1", state="gone", written_at=now, unless_known=True) is None
    assert Pack.objects.get().state == "live"
    with pytest.raises(IntegrityError):
        add(Pack, key="packs/aa/2", state="live")


def test_a_taken_key_is_told_or_raised():
    now = timezone.now()
    assert insert(Pack(key="packs/aa/1", state="live", written_at=now), unless_known=True)
    assert not insert(Pack(key="packs/aa/1", state="condemned", written_at=now), unless_known=True)
    assert Pack.objects.get().state == "live"


def test_a_taken_key_is_an_error_when_nobody_expects_it():
    make_department()
    with pytest.raises(IntegrityError):
        insert(CareProvider(hsa_id=CareProvider.objects.get().hsa_id, name="x"))


def test_many_rows_go_in_but_those_that_are_known():
    provider = make_department().unit.provider
    columns = ("provider", "hsa_id", "name")
    rows = [(provider.pk, f"SE{n}", "quote'\" å") for n in range(3)]
    assert insert_many(CareUnit, columns, rows[:2]) == 2
    assert insert_many(CareUnit, columns, rows) == 1
    assert sorted(CareUnit.objects.filter(name=rows[0][2]).values_list(*columns)) == rows


def test_missing_values_and_truth_values_pass():
    department = make_department()
    columns = (
        "name",
        "department",
        "region_wide",
        "active",
        "on_conflict",
        "token_subject",
        "may_act_for_users",
    )
    rest = ("refuse", "", False)
    rows = [("one", department.pk, False, True, *rest), ("two", None, True, False, *rest)]
    assert insert_many(ApiClient, columns, rows) == 2
    assert sorted(ApiClient.objects.values_list(*columns)) == rows


def test_text_that_is_too_long_is_never_cut_silently():
    long = hashlib.sha512(b"").hexdigest() + "x"
    try:
        insert_many(CareProvider, ("hsa_id", "name"), [(long, "x")])
    except DataError:  # PostgreSQL keeps to the length
        return
    assert CareProvider.objects.get().hsa_id == long
