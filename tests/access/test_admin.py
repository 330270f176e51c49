"""The administration: every change under a new access epoch, rights by roles only, nothing deleted."""

from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from access.assignments import valid_assignments
from access.authentication import person_actor
from access.epochs import read_access_epoch
from access.models import (
    ApiClient,
    Assignment,
    AuditEvent,
    CareProcess,
    CareProvider,
    CareUnit,
    Department,
    Role,
    SharingAgreement,
    User,
)
from tests.registry.factories import make_department
from tests.support.people import give_assignment, make_role

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(settings):
    settings.STEP_UP = settings.ADMIN_NEEDS_SECOND_FACTOR = False
    client = Client(headers={"accept-language": "en"})
    boss = User.objects.create(username="forvaltare", is_staff=True, is_superuser=True)
    client.force_login(boss, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def department():
    return make_department()


def send(client, address, **values):
    """Post a form of the administration; an answer without redirect shows what was wrong."""
    answer = client.post(f"/admin/access/{address}", values)
    if answer.status_code == 302:
        return ""
    return answer.content.decode()


def list_ours() -> list[Any]:
    """Return the models of the package that the administration shows."""
    return [model for model in admin.site._registry if model._meta.app_label == "access"]


def moments(name, at):
    return {f"{name}_0": f"{at:%Y-%m-%d}", f"{name}_1": f"{at:%H:%M:%S}"}


def test_every_list_and_form_opens_and_searches(staff, department):
    give_assignment(User.objects.create(username="doktor"), department)
    provider = department.unit.provider
    CareProcess.objects.create(provider=provider, hsa_id="SE-1", name="Bröst").units.add(department.unit)
    SharingAgreement.objects.create(name="A", kind="cohesive").parties.add(provider)
    ApiClient.objects.create(name="pacs", department=department)
    ours = list_ours()
    assert {Assignment, CareProvider, Role, User, ApiClient} <= set(ours)
    for model in [*ours, Group]:
        address = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        assert staff.get(address).status_code == 200, address
        assert staff.get(address, {"q": "a"}).status_code == 200, address
        row = model._default_manager.first()
        if row is not None:
            assert staff.get(f"{address}{row.pk}/change/").status_code == 200, address


def test_organisation_is_made_and_changed_under_a_new_epoch(staff):
    steps: list[tuple[str, dict[str, Any]]] = [
        ("careprovider/add/", {"hsa_id": "SE1", "name": "Regionen"}),
        (
            "careunit/add/",
            {"hsa_id": "SE1-A", "name": "Sjukhuset", "provider": lambda: CareProvider.objects.get().pk},
        ),
        (
            "department/add/",
            {"hsa_id": "SE1-A-D", "name": "Röntgen", "unit": lambda: CareUnit.objects.get().pk},
        ),
    ]
    for number, (address, values) in enumerate(steps, start=1):
        fault = send(staff, address, **{k: v() if callable(v) else v for k, v in values.items()})
        assert fault == ""
        assert read_access_epoch() == number
    row = Department.objects.get()
    ends = timezone.now() + timedelta(days=1)
    assert (
        send(
            staff, f"department/{row.pk}/change/", name="Röntgen syd", hsa_id="X", **moments("valid_to", ends)
        )
        == ""
    )
    row.refresh_from_db()
    assert (row.name, row.hsa_id) == ("Röntgen syd", "SE1-A-D")
    assert row.valid_to is not None
    assert read_access_epoch() == 4
    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.actor, event.detail["columns"]) == (
        "department_edit",
        "forvaltare",
        ["name", "valid_to"],
    )


def test_an_assignment_is_given_by_role_and_ended(staff, department):
    user, role = User.objects.create(username="doktor"), make_role("Läkare", ("read_studies",))
    values = {"user": user.pk, "department": department.pk, "given_role": role.pk, "purpose": "care"}
    began = moments("valid_from", timezone.localtime() - timedelta(hours=1))
    assert send(staff, "assignment/add/", **values, **began) == ""
    row = valid_assignments(user)[0]
    assert (row.role, row.group.name) == ("Läkare", f"läkare@{department.hsa_id}")
    assert person_actor(user, row).may("read")
    assert "in this department at that time already" in send(staff, "assignment/add/", **values, **began)
    ended = moments("valid_to", timezone.localtime() - timedelta(minutes=1))
    assert send(staff, f"assignment/{row.pk}/change/", **ended) == ""
    assert valid_assignments(user) == []


def test_a_role_that_is_changed_is_changed_everywhere(staff, department):
    user = User.objects.create(username="doktor")
    row = give_assignment(user, department, "Läkare", ("read_studies",))
    assert person_actor(user, row).may("read")
    role = Role.objects.get()
    assert send(staff, f"role/{role.pk}/change/", name="Läkare", permissions=["report", "export"]) == ""
    assert person_actor(user, row).permissions == {"report", "export"}
    assert "fly is not one of the available choices" in send(
        staff, f"role/{role.pk}/change/", name="Läkare", permissions=["fly"]
    )
    assert "Small letters" in send(staff, "role/add/", code="A@B", name="Ond", permissions=["report"])


def test_rights_are_given_by_roles_only(staff, department):
    user = User.objects.create(username="doktor")
    row = give_assignment(user, department)
    page = staff.get(f"/admin/access/user/{user.pk}/change/").content.decode()
    assert 'name="groups"' not in page
    assert 'name="user_permissions"' not in page
    assert staff.get("/admin/auth/group/add/").status_code == 403
    change = staff.post(f"/admin/auth/group/{row.group.pk}/change/", {"name": "x"})
    assert change.status_code == 403
    row.group.refresh_from_db()
    assert row.group.name == f"läkare@{department.hsa_id}"
    assert apps.get_model("access.DepartmentGroupPermission") not in admin.site._registry


def test_nothing_is_deleted(staff, department):
    row = give_assignment(User.objects.create(username="doktor"), department)
    for model in list_ours():
        first = model._default_manager.first()
        if first is not None:
            address = f"/admin/access/{model._meta.model_name}/{first.pk}/delete/"
            assert staff.post(address, {"post": "yes"}).status_code == 403, address
    assert Assignment.objects.get() == row


def test_a_process_and_an_agreement_must_make_sense(staff, department):
    stranger = make_department()
    process = {"provider": department.unit.provider_id, "hsa_id": "SE-P", "name": "Bröst"}
    refused = send(staff, "careprocess/add/", **process, units=[department.unit_id, stranger.unit_id])
    assert "Not units of this provider" in refused
    assert send(staff, "careprocess/add/", **process, units=[department.unit_id]) == ""
    both = [department.unit.provider_id, stranger.unit.provider_id]
    agreement = {"name": "Avtal", "days_after_final": 30}
    assert "at least two parties" in send(
        staff, "sharingagreement/add/", **agreement, kind="cohesive", parties=both[:1]
    )
    processor = {**agreement, "kind": "processor_on_behalf", "parties": both}
    assert "Name for whom the others read" in send(staff, "sharingagreement/add/", **processor)
    assert send(staff, "sharingagreement/add/", **processor, commissioner=both[0]) == ""
    assert SharingAgreement.objects.get().parties.count() == 2


def test_a_change_that_cannot_be_recorded_does_not_happen(staff, department, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("full")

    monkeypatch.setattr("access.admin.audit.record", fail)
    epoch = read_access_epoch()
    with pytest.raises(RuntimeError):
        send(staff, f"department/{department.pk}/change/", name="Nytt")
    department.refresh_from_db()
    assert department.name == "Radiology"
    assert read_access_epoch() == epoch
