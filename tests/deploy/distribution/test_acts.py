"""What operators do over the management API: to deliveries one by one and by filter, and to destinations."""

import socket
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.utils import timezone

from access.models import AuditEvent
from registry.models import Subscription
from repository.models import Delivery, Recall, RecallReceipt
from tests.deploy.distribution.conftest import Keeper
from tests.deploy.distribution.test_deliveries import make_delivery
from tests.registry.factories import make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def study(clinic):
    return make_study(clinic)


@pytest.fixture
def delivery(study, archive):
    return make_delivery(study, archive)


class _Pacs(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"[]")

    def log_message(self, *args):
        pass


@pytest.fixture
def pacs(archive):
    """Let a system answer searches at the archive's address."""
    server = HTTPServer(("127.0.0.1", 0), _Pacs)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    archive.url = f"http://127.0.0.1:{server.server_address[1]}/dicom-web/studies"
    archive.save()
    yield archive
    server.shutdown()
    server.server_close()


def test_a_delivery_is_held_released_withdrawn_and_sent_again(keeper, delivery):
    path = f"deliveries/{delivery.pk}"
    status, row = keeper.post(f"{path}/hold", reason="Disk change")
    assert (status, row["state"], row["receiver_says"]) == (200, "held", "Disk change")
    assert keeper.post(f"{path}/hold", reason="Disk change")[0] == 409
    assert keeper.post(f"{path}/release")[1]["state"] == "ready"
    assert keeper.post(f"{path}/withdraw", reason="Wrong receiver")[1]["state"] == "withdrawn"
    assert keeper.post(f"{path}/replay", reason="It was right")[1]["state"] == "ready"
    done = AuditEvent.objects.filter(action__startswith="delivery_").order_by("pk")
    assert [event.action for event in done] == [
        "delivery_hold",
        "delivery_release",
        "delivery_withdraw",
        "delivery_replay",
    ]
    assert {event.actor for event in done} == {keeper.user.username}


@pytest.mark.parametrize("act", ["hold", "withdraw", "replay"])
def test_an_act_needs_a_reason(keeper, delivery, act):
    Delivery.objects.update(state="dead" if act == "replay" else "ready")
    status, answer = keeper.post(f"deliveries/{delivery.pk}/{act}")
    assert status == 400
    assert "reason" in answer["error"]


def test_a_pause_is_ended_but_no_hold(keeper, delivery):
    later = timezone.now() + timedelta(minutes=20)
    Delivery.objects.update(not_before=later)
    assert keeper.post(f"deliveries/{delivery.pk}/retry")[0] == 200
    delivery.refresh_from_db()
    assert delivery.not_before < later
    Delivery.objects.update(state="held", not_before=later)
    assert keeper.post(f"deliveries/{delivery.pk}/retry")[0] == 409


def test_acts_by_filter_meet_only_what_it_names_and_one_keeps(keeper, stranger, study, archive, delivery):
    dead = [make_delivery(study, archive, generation=n, state="dead").pk for n in (2, 3)]
    body = {"reason": "Repaired", "filter": {"state": ["dead"]}}
    assert stranger.post("deliveries/bulk/replay", **body) == (200, {"done": 0})
    assert keeper.post("deliveries/bulk/replay", **body) == (200, {"done": 2})
    assert set(Delivery.objects.filter(reason_code="replayed").values_list("pk", flat=True)) == set(dead)
    status, answer = keeper.post("deliveries/bulk/hold", reason="x", filter={})
    assert (status, "name at least one" in answer["error"]) == (400, True)
    assert keeper.post("deliveries/bulk/hold", reason="x", filter={"state": ["dead"], "all": True})[0] == 400


def test_each_act_needs_its_right_and_others_know_nothing(hospital, stranger, delivery):
    sender = Keeper(hospital, "replay")
    operator = Keeper(hospital, "keep_destinations")
    path = f"deliveries/{delivery.pk}"
    for act in ("hold", "release", "withdraw", "retry"):
        assert sender.post(f"{path}/{act}", reason="x")[0] == 403
        assert sender.post(f"deliveries/bulk/{act}", reason="x", filter={"state": ["ready"]})[0] == 403
        assert stranger.post(f"{path}/{act}", reason="x")[0] == 404
    for act in ("replay", "verify"):
        assert operator.post(f"{path}/{act}", reason="x")[0] == 403
        assert stranger.post(f"{path}/{act}", reason="x")[0] == 404
    delivery.refresh_from_db()
    assert delivery.state == "ready"


def test_a_destination_is_held_released_and_taken_out_of_service(keeper, stranger, archive):
    path = f"destinations/{archive.pk}"
    status, row = keeper.post(f"{path}/hold", reason="Migration")
    assert (status, row["held_reason"], row["held_by"]) == (200, "Migration", keeper.user.username)
    assert keeper.post(f"{path}/release")[1]["held_reason"] == ""
    until = (timezone.now() + timedelta(hours=2)).isoformat()
    assert keeper.post(f"{path}/maintenance", until=until)[1]["maintenance_until"] is not None
    assert keeper.post(f"{path}/maintenance", until=None)[1]["maintenance_until"] is None
    assert keeper.post(f"{path}/maintenance", until="2001-01-01T00:00:00Z")[0] == 400
    for act in ("hold", "release", "maintenance", "test"):
        assert stranger.post(f"{path}/{act}", reason="x", until=None)[0] == 404


def test_a_test_says_whether_the_system_answers(keeper, pacs):
    status, found = keeper.post(f"destinations/{pacs.pk}/test")
    assert (status, found["answers"], found["error"], found["certificate"]) == (200, True, "", None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        pacs.url = f"http://127.0.0.1:{free.getsockname()[1]}/studies"
    pacs.save()
    found = keeper.post(f"destinations/{pacs.pk}/test")[1]
    assert found["answers"] is False
    assert found["error"]
    assert AuditEvent.objects.filter(action="destination_test").count() == 2


def test_why_is_one_sentence_for_who_may_know_of_the_study(
    keeper, stranger, clinic, hospital, study, archive
):
    path = f"studies/{study.study_instance_uid}/why"
    sender = Keeper(clinic, "push")
    status, found = sender.get(path, department=hospital.hsa_id)
    assert status == 200
    assert [row["why"] for row in found["results"]] == [
        "Not sent: no active subscription sends anything there."
    ]
    Subscription.objects.create(
        department=hospital, destination=archive, filter={"modality_family": ["MR"]}, name="MR"
    )
    why = sender.get(path, destination=archive.pk)[1]["results"][0]["why"]
    assert why.startswith("Not sent: MR: asks for kind of examination MR")
    assert sender.get(path, destination=archive.pk, language="sv")[1]["results"][0]["why"] != why
    assert sender.get(path, destination=archive.pk, language="xx")[0] == 400
    assert keeper.get(path, destination=archive.pk)[0] == 404, "nothing of it ever went there"
    make_delivery(study, archive)
    assert keeper.get(path, destination=archive.pk)[1]["results"][0]["why"].startswith("Waits for its turn.")
    assert sender.get(path)[0] == sender.get(path, destination="x")[0] == 400
    assert sender.get(path, department="nobody")[0] == sender.get(path, destination=999999)[0] == 404


def test_a_person_at_the_receiver_says_that_a_recall_is_done(keeper, stranger, study, archive):
    recall = Recall.objects.create(study=study, code_value="113001", made_by="x", made_at=timezone.now())
    receipt = RecallReceipt.objects.create(
        recall=recall, destination=archive, state="task", changed_at=timezone.now(), sop_instance_uids=["1.2"]
    )
    [row] = keeper.get("recalls")[1]["results"]
    assert [item["state"] for item in row["receipts"]] == ["task"]
    path = f"recalls/{recall.pk}/receipts/{receipt.pk}/done"
    assert stranger.get("recalls") == (200, {"results": []})
    assert stranger.post(path)[0] == 404
    status, done = keeper.post(path)
    assert (status, done["state"], done["changed_by"]) == (200, "done", keeper.user.username)
    assert keeper.post(path)[0] == 409
    assert keeper.get("recalls") == (200, {"results": []})
