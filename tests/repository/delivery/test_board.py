"""The board's figures of the last hour: read over an index, on both databases."""

from datetime import timedelta

from django.db import connection
from django.utils import timezone

from registry.models import Destination
from repository.delivery.operating.board import delivered_since, read_board
from repository.models import Attempt, Delivery
from tests.registry.care import make_doctor
from tests.registry.factories import make_department, make_study

MANY = 4000


def deliver_many(study, destinations):
    """Write deliveries as they were over the years, two of them in the last hour."""
    now = timezone.now()
    rows = [
        Delivery(
            study=study,
            destination=destinations[number % len(destinations)],
            generation=number,
            state=Delivery.DELIVERED,
            planned_at=now,
            not_before=now,
            deadline_at=now,
            delivered_at=now - timedelta(hours=number // 2, minutes=1),
        )
        for number in range(MANY)
    ]
    Delivery.objects.bulk_create(rows)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE repository_delivery")


def test_what_went_in_the_last_hour_is_found_over_an_index_however_much_went_before(region):
    study = make_study(department=region.ward)
    ward, other = (
        region.destination,
        Destination.objects.create(department=make_department(), name="Other", url="worklist:"),
    )
    deliver_many(study, [ward, other])
    newest = Delivery.objects.filter(destination=ward).order_by("generation")[0]
    Attempt.objects.create(delivery=newest, started_at=timezone.now(), worker="w", bytes_sent=7)
    rows = delivered_since([ward.pk, other.pk], timezone.now() - timedelta(hours=1))
    assert rows.count() == 2
    assert "delivery_gone" in rows.explain()
    (line,) = read_board(make_doctor(region.ward, "keep_destinations"))
    assert (line.destination, line.delivered, line.bytes_sent) == (ward, 1, 7)
