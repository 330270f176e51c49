"""What must hold whatever happened, read from the rows of the sender and from what the receivers have."""

from collections.abc import Iterable

from registry.models import Instance, Study
from repository.models import Delivery, DeliveryItem
from tests.support.sink import Ward


def uids_of(*studies: Study) -> set[str]:
    """Return the SOP Instance UIDs of studies."""
    rows = Instance.objects.filter(series__study__in=studies)
    return set(rows.values_list("sop_instance_uid", flat=True))


def assert_exactly(ward: Ward, expected: Iterable[str]) -> None:
    """Say that a receiver has these instances, no others, and each in one form only."""
    expected = set(expected)
    has = set(ward.files)
    assert has == expected, f"missing {len(expected - has)}, not meant for it {len(has - expected)}"
    assert ward.changed == [], "the same UID came with other bytes"


def assert_no_delivery_lost(ward: Ward) -> None:
    """Say that every planned instance of a delivered delivery is at the receiver, and that all have ended."""
    states = dict.fromkeys(Delivery.objects.values_list("state", flat=True))
    assert set(states) <= {"delivered", "superseded", "withdrawn"}, states
    delivered = DeliveryItem.objects.filter(delivery__state="delivered", state="delivered")
    assert set(delivered.values_list("sop_instance_uid", flat=True)) <= set(ward.files)
