"""Merges that wait for a person where an issuer wants it so, and go on at once everywhere else."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from access.models import AuditEvent, User
from registry.affinity import affinity
from registry.affinity_domain.read import InvalidAffinity
from registry.identity import PatientNumber, find_patient
from registry.models import MergeRequest, PatientIdentifier, PatientMerge, Study
from tests.deploy.test_merges_api import Keeper
from tests.registry.factories import make_department, make_study
from tests.registry.queue_of_merges import queue
from tests.support.hl7v2 import LOCAL_OID, PNR, PNR_OID, make_message, make_source, pid, take

__all__ = ["queue"]

pytestmark = pytest.mark.django_db

OLD, NEW = PatientNumber("OLD", LOCAL_OID), PatientNumber(PNR, PNR_OID, is_national=True)


@pytest.fixture(autouse=True)
def no_second_factor(settings):
    settings.STEP_UP = False


@pytest.fixture
def source(db):
    return make_source()


@pytest.fixture
def study(source):
    row = make_study(source.department)
    PatientIdentifier.objects.create(patient=row.person, value="OLD", issuer=LOCAL_OID)
    return row


def ask_by_message(control_id="M1", event="A40"):
    return take(make_message(f"ADT^{event}", pid(), f"MRG|OLD^^^&{LOCAL_OID}&ISO", control_id=control_id))


def test_a_feed_merges_at_once_where_nobody_wants_to_be_asked(study, queue) -> None:
    queue("1.2.3.4.5")
    ask_by_message()
    assert find_patient(OLD) == find_patient(NEW)
    assert not MergeRequest.objects.exists()


def test_a_message_waits_and_nothing_moves_before_somebody_makes_it(study, queue) -> None:
    queue(LOCAL_OID)
    ask_by_message()
    [row] = MergeRequest.objects.all()
    assert (row.decision, row.kind, row.message_id) == ("", "merge", "M1")
    assert find_patient(OLD) != find_patient(NEW)
    assert not PatientMerge.objects.exists()
    ask_by_message("M2")
    assert MergeRequest.objects.count() == 1
    keeper = Keeper(study.custodian, "keep_identity")
    status, page = keeper.get("merges/requests", state="waiting")
    assert status == 200
    [shown] = page["results"]
    assert (shown["id"], shown["state"], shown["told_by"]) == (row.pk, "waiting", "RIS|NORR")
    assert (shown["survivor"]["value"], shown["subsumed"]["value"]) == (PNR, "OLD")
    status, made = keeper.post(f"merges/requests/{row.pk}/make", reason="Same card")
    assert (status, made["state"], made["merge"]) == (200, "made", PatientMerge.objects.get().pk)
    study.refresh_from_db()
    assert find_patient(OLD) == find_patient(NEW) == study.person
    assert PatientMerge.objects.get().reason == "Same card"
    assert keeper.post(f"merges/requests/{row.pk}/make", reason="again")[0] == 409
    ask_by_message("M3")
    assert (MergeRequest.objects.count(), PatientMerge.objects.count()) == (1, 1)
    logged = AuditEvent.objects.filter(action="merge_made").values_list("detail", flat=True)
    assert {entry["request"] for entry in logged} == {row.pk}


def test_a_refused_one_changes_nothing_and_may_be_asked_for_again(study, queue) -> None:
    queue(LOCAL_OID)
    ask_by_message()
    keeper = Keeper(study.custodian, "keep_identity")
    row = MergeRequest.objects.get()
    status, refused = keeper.post(f"merges/requests/{row.pk}/refuse", reason="Twins")
    assert (status, refused["state"], refused["reason"]) == (200, "refused", "Twins")
    assert find_patient(OLD) != find_patient(NEW)
    assert keeper.get("merges/requests", state="waiting")[1]["results"] == []
    ask_by_message("M2")
    assert MergeRequest.objects.filter(decision="").count() == 1


def test_who_keeps_nothing_of_either_patient_learns_of_no_request(study, queue) -> None:
    queue(LOCAL_OID)
    ask_by_message()
    row = MergeRequest.objects.get()
    stranger = Keeper(make_department(), "keep_identity")
    assert stranger.get("merges/requests")[1]["results"] == []
    assert stranger.post(f"merges/requests/{row.pk}/make", reason="x")[0] == 404
    assert Keeper(study.custodian, "read_studies").get("merges/requests")[0] == 403
    staff = Keeper(make_department(), "keep_identity", is_staff=True)
    assert [one["id"] for one in staff.get("merges/requests")[1]["results"]] == [row.pk]


def test_nobody_decides_about_themselves(study, queue) -> None:
    queue(LOCAL_OID)
    ask_by_message()
    row = MergeRequest.objects.get()
    oneself = Keeper(study.custodian, "keep_identity", is_staff=True)
    User.objects.filter(pk=oneself.user.pk).update(national_number=PNR)
    assert oneself.get("merges/requests") == (200, {"results": [], "next": None})
    for act in ("make", "refuse"):
        assert oneself.post(f"merges/requests/{row.pk}/{act}", reason="I know")[0] == 404
    other = Keeper(study.custodian, "keep_identity")
    made = other.post(f"merges/requests/{row.pk}/make", reason="Same card")[1]["merge"]
    assert oneself.get("merges") == (200, {"results": [], "next": None})
    assert oneself.get(f"merges/{made}")[0] == 404
    assert oneself.post(f"merges/{made}/undo", reason="I know")[0] == 404
    assert other.get(f"merges/{made}")[0] == 200


def test_a_link_waits_and_is_withdrawn_by_its_feed(study, queue) -> None:
    queue(LOCAL_OID)
    two = (pid(), pid("OLD", LOCAL_OID, sequence="2"))
    take(make_message("ADT^A24", *two))
    assert find_patient(OLD) != find_patient(NEW)
    take(make_message("ADT^A37", *two))
    assert MergeRequest.objects.get().decision == "withdrawn"


def test_the_command_lists_what_waits_and_refuses_it(study, queue) -> None:
    queue(LOCAL_OID)
    ask_by_message()
    key = str(MergeRequest.objects.get().pk)
    shown = StringIO()
    call_command("merges", "waiting", stdout=shown)
    assert shown.getvalue().startswith(f"{key}  ")
    assert f"merge OLD ({LOCAL_OID}) into {PNR} ({PNR_OID}) by RIS|NORR" in shown.getvalue()
    call_command("merges", "refuse", key, "--reason", "no", stdout=StringIO())
    with pytest.raises(CommandError, match="decided already"):
        call_command("merges", "make", key, "--reason", "yes")
    assert not PatientMerge.objects.exists()
    assert Study.objects.get().person == find_patient(OLD)


def test_an_undone_merge_may_be_asked_for_again(study, queue) -> None:
    queue(LOCAL_OID)
    ask_by_message()
    call_command("merges", "make", str(MergeRequest.objects.get().pk), "--reason", "so", stdout=StringIO())
    call_command("merges", "undo", str(PatientMerge.objects.get().pk), "--reason", "no", stdout=StringIO())
    ask_by_message("M2")
    assert list(MergeRequest.objects.order_by("pk").values_list("decision", flat=True)) == ["made", ""]


def test_a_policy_that_is_none_is_refused_at_start(tmp_path, monkeypatch) -> None:
    path = tmp_path / "affinity.yaml"
    path.write_text("patient_domains:\n  - {oid: 1.2.3, name: A, is_xds: true, merges: perhaps}\n")
    monkeypatch.setenv("SAMSYN_AFFINITY_DOMAIN", str(path))
    with pytest.raises(InvalidAffinity, match="choose one of auto, queue"):
        affinity()
