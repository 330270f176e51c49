"""The portal's notice of an urgent delivery that is late."""

import pytest
from django.urls import reverse
from django.utils import timezone, translation

from frontend.unit_notices import list_unit_notices
from registry.notices import URGENT_LATE, tell_head
from tests.registry.care import make_doctor, make_patient
from tests.registry.factories import make_department

pytestmark = pytest.mark.django_db


def test_it_says_what_is_late_and_leads_to_the_deliveries():
    ward = make_department()
    tell_head(URGENT_LATE, ward.unit_id, make_patient().pk, "delivery:7", timezone.now())
    with translation.override("sv"):
        [line] = list_unit_notices(make_doctor(ward, "keep_destinations"))
    assert line.words == "En brådskande leverans har inte kommit fram inom en timme."
    assert line.address == reverse("deliveries")
    assert list_unit_notices(make_doctor(ward, "review_access")) == ()
