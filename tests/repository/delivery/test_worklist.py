"""A destination that is the department's worklist: a line on the list, and the delivery has arrived."""

from dataclasses import dataclass

import pytest

from registry.models import DepartmentMilestone, Destination, Instance, Study, WorklistItem
from repository.delivery.duties import plan_deliveries, send_ready
from repository.delivery.send import Source
from repository.models import Delivery

pytestmark = pytest.mark.django_db


@dataclass(frozen=True, slots=True)
class Placed:
    """An instance of which nobody reads the file."""

    study_instance_uid: str
    sop_instance_uid: str
    length: int = 64


def list_instances(study: Study) -> list[Placed]:
    rows = Instance.objects.filter(series__study=study).order_by("pk")
    return [Placed(study.study_instance_uid, uid) for uid in rows.values_list("sop_instance_uid", flat=True)]


def refuse_to_read(*_args):
    raise AssertionError("nothing is to be read")
    yield b""


def test_a_study_is_put_on_the_worklist_of_its_department(region, make_quiet):
    Destination.objects.update(url="worklist:")
    region.subscription.priority = "urgent"
    region.subscription.save()
    study = make_quiet(instances=3)
    plan_deliveries()
    assert send_ready("worker", Source(list_instances, refuse_to_read))
    delivery = Delivery.objects.get()
    assert delivery.state == "delivered"
    item = WorklistItem.objects.get()
    assert (item.department, item.study, item.state, item.priority_rank) == (region.ward, study, "new", 0)
    assert DepartmentMilestone.objects.get(department=region.ward).delivered_at is not None
