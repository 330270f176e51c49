"""A prepared query is the queryset's own SQL, run again with other values."""

from datetime import timedelta

import pytest
from django.db.models import Exists, OuterRef
from django.utils import timezone

from access.authentication import issue_token
from access.models import ApiClient, CareUnit, ClientToken, Department
from access.prepared import Slot, prepare
from tests.registry.factories import make_department

pytestmark = pytest.mark.django_db


def test_slots_are_filled_wherever_they_stand():
    department, other = make_department(), make_department()
    units = CareUnit.objects.filter(provider=Slot("provider"), pk=OuterRef("unit"))
    query = prepare(
        Department.objects.filter(Exists(units), hsa_id=Slot("hsa_id")).values_list("pk", "unit__hsa_id")
    )
    for row in (department, other):
        found = query.fetch(hsa_id=row.hsa_id, provider=row.unit.provider_id)
        assert found == [(row.pk, row.unit.hsa_id)]
    assert query.fetch(hsa_id=department.hsa_id, provider=other.unit.provider_id) == []


def test_values_beside_slots_stay():
    department = make_department()
    query = prepare(Department.objects.filter(pk=department.pk, name=Slot("name")).values_list("pk"))
    assert query.fetch(name=department.name) == [(department.pk,)]
    assert query.fetch(name="' OR 1=1 --") == []


def test_times_compare_as_the_database_keeps_them():
    client = ApiClient.objects.create(name="pacs", department=make_department())
    row, now = issue_token(client).row, timezone.now()
    ClientToken.objects.update(expires_at=now)
    query = prepare(ClientToken.objects.filter(expires_at__gt=Slot("now")).values_list("pk"))
    assert query.fetch(now=now - timedelta(microseconds=1)) == [(row.pk,)]
    assert query.fetch(now=now) == []


def test_a_slot_without_a_value_is_an_error():
    query = prepare(Department.objects.filter(hsa_id=Slot("hsa_id")).values_list("pk"))
    with pytest.raises(KeyError):
        query.fetch(name="x")
