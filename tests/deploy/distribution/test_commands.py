"""The commands of distribution: what they create, list, do and explain, and what they refuse."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from access.models import AuditEvent
from access.secrets import unseal
from registry.models import Destination, Subscription
from repository.models import Delivery, DeliveryItem
from tests.deploy.distribution.test_deliveries import make_delivery
from tests.registry.factories import make_study

pytestmark = pytest.mark.django_db


def run(*arguments):
    """Run a command and return what it printed."""
    shown = StringIO()
    call_command(*arguments, stdout=shown)
    return shown.getvalue()


def test_a_destination_and_a_subscription_are_created(hospital, tmp_path):
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    place = ("--department", hospital.hsa_id, "--name", "PACS")
    printed = run(
        "create_destination", *place, "--url", "http://127.0.0.1:1/studies", "--token-file", str(token)
    )
    row = Destination.objects.get()
    assert printed.startswith(f"destination {row.pk}: PACS")
    assert unseal(row.token_sealed) == "s3cret"
    assert "s3cret" not in printed
    printed = run(
        "create_subscription", "--destination", str(row.pk), "--filter", '{"modality_family": ["CT"]}'
    )
    assert "to PACS." in printed or "till PACS." in printed
    assert Subscription.objects.get().department == hospital
    events = AuditEvent.objects.filter(action__in=("destination_add", "subscription_add"))
    assert events.count() == 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("create_destination", "--department", "x", "--name", "A", "--url", "worklist:"), "HSA-id x"),
        (("create_destination", "--department", "{hsa}", "--name", "A", "--url", "ftp:"), "must begin with"),
        (("create_subscription", "--destination", "999"), "no destination has the number 999"),
        (("create_subscription", "--destination", "{archive}", "--filter", "{"), "--filter is not JSON"),
        (("create_subscription", "--destination", "{archive}", "--filter", '{"a": 1}'), "unknown test"),
        (("deliveries", "hold", "--reason", "x"), "name the deliveries"),
        (("deliveries", "hold", "--state", "ready"), "reason"),
        (("deliveries", "why", "1.2.3", "1"), "no study 1.2.3"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_reason(hospital, archive, clinic, arguments, named):
    make_delivery(make_study(clinic), archive)
    filled = [
        text.replace("{hsa}", hospital.hsa_id).replace("{archive}", str(archive.pk)) for text in arguments
    ]
    with pytest.raises(CommandError, match=named):
        run(*filled)


def test_deliveries_are_listed_held_released_sent_again_and_explained(archive, clinic):
    study = make_study(clinic)
    row = make_delivery(study, archive)
    dead = make_delivery(study, archive, generation=2, state="dead")
    assert f"{row.pk}  " in run("deliveries", "list", "--state", "ready")
    assert f"{dead.pk}  " not in run("deliveries", "list", "--state", "ready")
    assert "queued 1, on their way 0, held 0, failed 1" in run("deliveries", "destinations")
    assert run("deliveries", "hold", "--id", str(row.pk), "--reason", "Disk").strip() == "hold: 1 deliveries"
    assert run("deliveries", "release", "--state", "held").strip() == "release: 1 deliveries"
    assert (
        run("deliveries", "replay", "--state", "dead", "--reason", "Again").strip() == "replay: 1 deliveries"
    )
    assert set(Delivery.objects.values_list("state", flat=True)) == {"ready"}
    Delivery.objects.filter(pk=dead.pk).update(state="dead")
    DeliveryItem.objects.create(delivery=dead, sop_instance_uid="1.2.3", state="delivered")
    assert run("deliveries", "verify", "--state", "dead").strip() == "verify: 0 deliveries"
    Destination.objects.update(verify="qido-count")
    assert run("deliveries", "verify", "--state", "dead").strip() == "verify: 1 deliveries"
    assert run("deliveries", "why", study.study_instance_uid, str(archive.pk)).strip()
    assert AuditEvent.objects.filter(actor__startswith="deliveries command").count() == 4
