"""A prepared query is the queryset's own SQL, run again with other values."""

from datetime import timedelta

import pytest
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from access.authentication import issue_token
from access.models import ApiClient, CareUnit, ClientToken, Department
from access.prepared import PreparedList, Slot, lift, prepare, prepare_models
from registry.models import Study
from tests.registry.factories import make_department, make_study

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


def test_conditions_that_differ_in_values_only_have_one_shape():
    one = lift(Q(name="a", pk__in=[1, 2]) & ~Q(hsa_id=""))
    other = lift(Q(name="b", pk__in=[3, 4]) & ~Q(hsa_id="x"))
    assert one.shape == other.shape
    assert list(other.values.values()) == ["b", 3, 4, "x"]
    for different in (
        Q(name="a", pk__in=[1]) & ~Q(hsa_id=""),
        Q(name="a", pk__in=[1, 2]) & Q(hsa_id=""),
        Q(name="a", pk__in=[1, 2]) | ~Q(hsa_id=""),
        Q(hsa_id="a", pk__in=[1, 2]) & ~Q(name=""),
        Q(name__gte="a", pk__in=[1, 2]) & ~Q(hsa_id=""),
    ):
        assert lift(different).shape != one.shape


@pytest.mark.parametrize(
    "condition",
    [
        Q(name__isnull=True),
        Q(name__regex="a"),
        Q(pk__in=list(range(21))),
        Q(pk__in=Department.objects.values("pk")),
        Q(Exists(Department.objects.all())),
        Q(name="a") & Q(Q(name__isnull=False) | Q(name="b")),
    ],
)
def test_what_writes_its_value_into_the_sql_is_not_lifted(condition):
    assert lift(condition) is None


def test_a_lifted_condition_finds_what_the_condition_finds():
    departments = [make_department() for _ in range(3)]
    keys = [row.pk for row in departments]
    for wanted in (
        Q(pk__in=keys[:2]) & ~Q(hsa_id=departments[0].hsa_id),
        Q(pk__in=keys[1:]) & ~Q(hsa_id=departments[1].hsa_id),
        Q(pk__gte=keys[1]) | Q(name=departments[0].name, pk__lt=keys[1]),
    ):
        lifted = lift(wanted)
        rows = Department.objects.order_by("pk").values_list("pk")
        assert prepare(rows.filter(lifted.condition)).fetch(**lifted.values) == list(rows.filter(wanted))


@pytest.mark.parametrize("count", [0, 1, 2, 20, 21, 501])
def test_a_list_of_any_length_is_asked(count):
    keys = [make_department().pk for _ in range(2)]
    query = PreparedList(lambda slots: Department.objects.filter(pk__in=slots).values_list("pk"))
    asked = (keys + [-n for n in range(1, 600)])[:count]
    assert sorted(query.fetch(asked)) == sorted((pk,) for pk in keys[:count])


def test_models_come_as_the_queryset_gives_them():
    client = ApiClient.objects.create(name="pacs", department=make_department())
    row = issue_token(client).row
    ClientToken.objects.update(expires_at=timezone.now())
    [read] = prepare_models(ClientToken.objects.filter(digest=Slot("digest"))).fetch(digest=row.digest)
    expected = ClientToken.objects.get(digest=row.digest)
    assert read == expected
    assert vars(read).keys() == vars(expected).keys()
    for field in ClientToken._meta.concrete_fields:
        assert getattr(read, field.attname) == getattr(expected, field.attname), field.name


def test_models_with_json_and_truth_values_are_whole_and_can_be_saved():
    study = make_study(make_department())
    study.modalities_in_study, study.in_conflict = ["CT", "Å"], True
    study.save()
    query = prepare_models(Study.objects.filter(study_instance_uid=Slot("uid")))
    [read] = query.fetch(uid=study.study_instance_uid)
    assert (read.modalities_in_study, read.in_conflict) == (["CT", "Å"], True)
    read.state = "complete"
    read.save()
    assert Study.objects.get().state == "complete"
    assert query.fetch(uid="1.2.3") == []
