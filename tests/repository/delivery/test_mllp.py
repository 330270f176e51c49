"""Messages to somebody else's HL7 v2 system: python-hl7's server takes them, hl7apy says whether they are valid."""

import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import hl7
import pytest
from django.utils import timezone
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hl7apy.validation import Validator

from access.database import run_write
from access.models import AuditEvent
from registry import changes
from registry.linking import Accession
from registry.models import (
    Change,
    DepartmentMilestone,
    Destination,
    Order,
    PatientIdentifier,
    Report,
    ReportReading,
    ReportVersion,
    Study,
    Subscription,
)
from registry.orders import OrderDraft, take_order
from registry.reports import ReportDraft, take_version
from repository.delivery.duties import plan_deliveries, send_ready
from repository.delivery.planning.requests import STATED
from repository.delivery.receivers import mllp
from repository.document_store import keep, store_bytes
from repository.models import Attempt, Delivery
from tests.repository.delivery.conftest import MEMORY
from tests.support.certificates import make_certificates
from tests.support.hl7v2 import make_source, take
from tests.support.mllp_receiver import MllpReceiver, run_mllp_receiver

pytestmark = pytest.mark.django_db(transaction=True)
LOCAL, THEIRS = "1.2.752.99.1", "1.2.752.99.77"
AT = timezone.now().replace(microsecond=0) - timedelta(hours=1)


@pytest.fixture
def his() -> Iterator[MllpReceiver]:
    with run_mllp_receiver() as running:
        yield running


@pytest.fixture
def study(region, his: MllpReceiver, make_quiet) -> Study:
    """A study whose reports and requests a department wants in its own system."""
    Destination.objects.update(
        url=his.url, receiving_application="COSMIC", receiving_facility="NORR", patient_issuer=THEIRS
    )
    Subscription.objects.update(wants=["report", "request"])
    made: Study = make_quiet(accession_number="A1", accession_issuer=LOCAL, issuer_of_patient_id=LOCAL)
    made.person.patient_birth_date, made.person.patient_sex = "19121212", "M"
    made.person.save()
    PatientIdentifier.objects.create(patient=made.person, value="191212121212", issuer=LOCAL)
    return made


def take_report(study: Study, status: str, text: str, minutes: int = 0, **values) -> ReportVersion:
    draft = ReportDraft(
        patient=study.person,
        filler_number="R1",
        issuer=LOCAL,
        status=status,
        changed_at=AT + timedelta(minutes=minutes),
        title="DT buk",
        text=text,
        author="Öberg^Åsa",
        study_instance_uids=(study.study_instance_uid,),
        **values,
    )
    return run_write(lambda: take_version(draft))[1]


def change_order(study: Study, minutes: int = 0, **values) -> Order:
    texts = {"question": "Sten?\nBlödning?", "procedure_text": "DT buk", "urgency": "urgent"} | values
    status = texts.pop("status", "")
    draft = OrderDraft(
        patient=study.person,
        changed_at=AT + timedelta(minutes=minutes),
        accession=Accession("A1", LOCAL),
        placer_order_number="P1",
        placer_issuer=LOCAL,
        status=status,
        texts=texts,
        study_instance_uids=(study.study_instance_uid,),
    )
    return run_write(lambda: take_order(draft))


def send_all() -> list[str]:
    """Plan, and make one attempt at what may go until nothing may; returns the states."""
    plan_deliveries()
    Delivery.objects.filter(state="ready").update(not_before=timezone.now() - timedelta(hours=1))
    while send_ready("w", MEMORY):
        pass
    plan_deliveries()
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


def check_valid(message: hl7.Message) -> None:
    """Hold a message against the grammar of its version, as another library knows it."""
    parsed = parse_message(str(message), validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=True)
    assert Validator.validate(parsed)


def text_of(message: hl7.Message) -> str:
    (row,) = [row for row in message.segments("OBX") if str(row[2]) == "FT"]
    return str(message.unescape(str(row[5]))).replace("\r", "\n")


def test_a_report_arrives_whole_in_the_words_of_the_receiver(study, his: MllpReceiver):
    PatientIdentifier.objects.create(patient=study.person, value="77", issuer=THEIRS)
    version = take_report(study, "final", "Ingen blödning.\nNjursten | 5 mm ^ höger & vänster ~ \\ #")
    assert send_all() == ["delivered"]
    (message,) = his.messages
    header, patient, request = (message.segment(name) for name in ("MSH", "PID", "OBR"))
    assert [str(header[n]) for n in (5, 6, 9, 12, 18)] == [
        "COSMIC",
        "NORR",
        "ORU^R01^ORU_R01",
        "2.5.1",
        "UNICODE UTF-8",
    ]
    assert [str(number) for number in patient[3]] == [
        f"77^^^&{THEIRS}&ISO^PI",
        f"191212121212^^^&{LOCAL}&ISO^PI",
    ]
    assert (str(patient[5]), str(patient[7]), str(patient[8])) == ("Åkerström^Lars", "19121212", "M")
    assert (str(request[3]), str(request[18]), str(request[25])) == (f"R1^^{LOCAL}^ISO", "A1", "F")
    assert text_of(message) == version.text
    uids = [str(row[5]) for row in message.segments("OBX") if str(row[3]).startswith("113014^")]
    assert uids == [study.study_instance_uid]
    check_valid(message)
    delivery = Delivery.objects.get()
    assert (delivery.kind, delivery.subject, delivery.reason_code) == (
        "report",
        str(version.report_id),
        "acknowledged",
    )
    assert delivery.ended_at is not None
    reading = ReportReading.objects.get()
    assert (reading.version, reading.department, reading.user) == (
        version,
        delivery.destination.department,
        None,
    )
    assert AuditEvent.objects.get(action="deliver").door == "hl7v2"
    assert not DepartmentMilestone.objects.exists(), "the images have not arrived"


def test_every_version_arrives_in_order_with_its_state_and_once(study, region, his: MllpReceiver):
    take_report(study, "preliminary", "Preliminärt")
    plan_deliveries()
    take_report(study, "final", "Slutligt", 5)
    take_report(study, "addendum", "Tillägg", 10)
    take_report(study, "corrected", "Ändrat", 15)
    take_report(study, "cancelled", "", 20)
    assert send_all() == ["delivered"] * 5
    found = [(str(m.segment("OBR")[25]), text_of(m)) for m in his.messages]
    assert found == [
        ("P", "Preliminärt"),
        ("F", "Slutligt"),
        ("F", "Tillägg"),
        ("C", "Ändrat"),
        ("X", ""),
    ]
    observed = [str(m.segments("OBX")[1][3]) for m in his.messages]
    assert [name for name in observed if "ADT" in name] == ["18748-4&ADT^Diagnostic imaging study^LN"]
    for message in (message for message in his.messages if "ADT" not in str(message)):
        check_valid(message)  # a suffix of OBX-3 is IHE's, and the grammar has none


def test_a_later_version_waits_for_an_earlier_one(study, his: MllpReceiver, monkeypatch):
    monkeypatch.setattr(mllp, "ANSWER_TIMEOUT_S", 0.3)
    his.script = ["silence"]
    take_report(study, "preliminary", "Preliminärt")
    take_report(study, "final", "Slutligt", 5)
    assert send_all() == ["ready", "ready"]
    assert Delivery.objects.first().reason_code == "receiver_slow"
    assert len(his.messages) == 1, "the final version went before the preliminary one"
    assert send_all() == ["delivered", "delivered"]
    ids = his.control_ids()
    assert ids[0] == ids[1] != ids[2]
    assert [text_of(message) for message in his.taken.values()] == ["Preliminärt", "Slutligt"]


def test_a_version_that_comes_too_late_is_not_sent_as_if_it_were_news(study, his: MllpReceiver):
    take_report(study, "corrected", "Ändrat", 15)
    assert send_all() == ["delivered"]
    take_report(study, "final", "Slutligt", 5)
    take_report(study, "addendum", "Tillägg", 10)
    assert send_all() == ["delivered", "delivered"]
    assert [text_of(m) for m in his.messages] == ["Ändrat", "Tillägg"]


def test_a_dead_earlier_version_that_is_replayed_is_not_sent_after_a_newer_one(study, his: MllpReceiver):
    his.script = ["AR", "AA"]
    take_report(study, "preliminary", "Preliminärt")
    take_report(study, "final", "Slutligt", 5)
    assert send_all() == ["dead", "delivered"]
    Delivery.objects.filter(state="dead").update(state="ready")
    assert send_all() == ["superseded", "delivered"]
    assert Delivery.objects.first().reason_code == "overtaken"
    assert len(his.messages) == 2


def test_a_report_goes_as_its_pdf_too(study, his: MllpReceiver, settings, tmp_path: Path):
    settings.OBJECTS_ROOT = tmp_path
    content = store_bytes(b"%PDF-1.4 report", "2.25.1234", "application/pdf")
    keep(content)
    take_report(study, "final", "", document_unique_id="2.25.1234", file_sha256=content.sha256)
    assert send_all() == ["delivered"]
    (row,) = [row for row in his.messages[0].segments("OBX") if str(row[2]) == "ED"]
    assert str(row[5]) == "^AP^PDF^Base64^JVBERi0xLjQgcmVwb3J0"
    check_valid(his.messages[0])


def test_a_report_goes_as_the_file_it_came_as(study, his: MllpReceiver, settings, tmp_path: Path):
    settings.OBJECTS_ROOT = tmp_path
    content = store_bytes(b"<ClinicalDocument/>", "2.25.1235", "text/xml")
    keep(content)
    take_report(study, "final", "", document_unique_id="2.25.1235", file_sha256=content.sha256)
    assert send_all() == ["delivered"]
    (row,) = [row for row in his.messages[0].segments("OBX") if str(row[2]) == "ED"]
    assert str(row[5]) == "^TEXT^XML^Base64^PENsaW5pY2FsRG9jdW1lbnQvPg=="


def test_a_receiver_that_translates_gets_its_own_numbers_alone(study, his: MllpReceiver):
    Destination.objects.update(translates=True, accession_issuer=THEIRS)
    PatientIdentifier.objects.create(patient=study.person, value="77", issuer=THEIRS)
    take_report(study, "final", "Slutligt")
    assert send_all() == ["delivered"]
    assert [str(n) for n in his.messages[0].segment("PID")[3]] == [f"77^^^&{THEIRS}&ISO^PI"]
    assert str(his.messages[0].segment("OBR")[18]) == "", "another's accession number could be one of theirs"


def test_a_patient_without_number_there_comes_under_all_that_are_known(study, his: MllpReceiver):
    Destination.objects.update(translates=True)
    PatientIdentifier.objects.create(
        patient=study.person, value="191212121212", issuer="1.2.752.129.2.1.3.1", is_national=True
    )
    take_report(study, "final", "Slutligt")
    assert send_all() == ["delivered"]
    assert [str(n) for n in his.messages[0].segment("PID")[3]] == [
        f"191212121212^^^&{LOCAL}&ISO^PI",
        "191212121212^^^&1.2.752.129.2.1.3.1&ISO^NNSWE",
    ]


def test_speaks_iso_8859_1_and_loses_no_meaning(study, region):
    with run_mllp_receiver(encoding="latin-1") as old:
        Destination.objects.update(url=old.url, character_set="8859/1")
        take_report(study, "final", "Åsa: ≥ 5 mm – α-receptor, Dvořák\x1c\x0bslut")
        assert send_all() == ["delivered"]
    (message,) = old.messages
    assert str(message.segment("MSH")[18]) == "8859/1"
    assert text_of(message) == "Åsa: >= 5 mm - [greek small letter alpha]-receptor, Dvorákslut"


def test_an_order_goes_in_each_of_its_states(study, his: MllpReceiver):
    change_order(study)
    assert send_all() == ["delivered"]
    change_order(study, 5, status="scheduled")
    plan_deliveries()
    change_order(study, 6, status="cancelled")
    assert send_all() == ["delivered", "superseded", "delivered"]
    first, last = his.messages
    assert [str(m.segment("ORC")[1]) for m in (first, last)] == ["NW", "CA"]
    request, procedure = first.segment("OBR"), first.segment("IPC")
    assert [str(value) for value in request[31]] == ["^Sten?", "^Blödning?"]
    assert (str(request[18]), str(procedure[3])) == ("A1", study.study_instance_uid)
    assert str(first.segment("TQ1")[9]) == "S"
    assert str(first.segment("MSH")[9]) == "OMI^O23^OMI_O23"
    check_valid(first)
    check_valid(last)
    assert Change.objects.filter(kind="delivered").count() == 2


ANSWERS = {
    "AE": (["AE 103", "AE 103"], ["ready", "dead"], "message_error"),
    "AR": (["AR 200"], ["dead"], "message_rejected"),
    "AR for now": (["AR 207", "AA"], ["ready", "delivered"], "acknowledged"),
    "another": (["another", "another"], ["ready", "dead"], "answer_mismatch"),
    "garbage": (["garbage", "garbage"], ["ready", "dead"], "answer_unreadable"),
    "silence": (["silence", "AA"], ["ready", "delivered"], "acknowledged"),
    "hangs up": (["hang", "AA"], ["ready", "delivered"], "acknowledged"),
    "CA": (["CA"], ["delivered"], "acknowledged"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_an_answer_means(study, his: MllpReceiver, monkeypatch, name):
    monkeypatch.setattr(mllp, "ANSWER_TIMEOUT_S", 0.3)
    his.script, states, code = list(ANSWERS[name][0]), ANSWERS[name][1], ANSWERS[name][2]
    take_report(study, "final", "Slutligt")
    assert [send_all()[0] for _ in states] == states
    assert Delivery.objects.get().reason_code == code
    assert len(set(his.control_ids())) == 1, "a receiver could not tell a repeat"
    assert Attempt.objects.count() == len(states)


def test_nobody_listens(study):
    Destination.objects.update(url="mllp://127.0.0.1:9")
    take_report(study, "final", "Slutligt")
    assert send_all() == ["ready"]
    assert Delivery.objects.get().reason_code == "no_connection"


def test_what_a_receiver_says_is_kept_without_what_it_repeats_of_the_patient(
    study, his: MllpReceiver, caplog
):
    his.script, his.error_text = ["AR"], "Okänd patient 191212121212 Åkerström, Lars"
    take_report(study, "final", "Slutligt")
    assert send_all() == ["dead"]
    delivery = Delivery.objects.get()
    assert "Okänd patient … …, …" in delivery.reason
    assert "PID-1-3" in delivery.reason
    assert "191212121212" not in caplog.text


def test_a_report_is_decided_by_every_study_that_it_is_about(study, region, his: MllpReceiver, make_quiet):
    other = make_quiet(accession_number="A2", accession_issuer=LOCAL)
    other.person, other.in_conflict = study.person, True
    other.save()
    report = take_report(study, "final", "Slutligt").report
    report.studies.add(other)
    assert send_all() == ["awaiting_basis"]
    assert Delivery.objects.get().reason_code == "in_conflict"
    assert his.messages == []
    Study.objects.update(in_conflict=False)
    Delivery.objects.update(state="ready")
    assert send_all() == ["delivered"]


def test_a_report_that_came_before_its_images_goes_when_they_are_wanted(
    region, his: MllpReceiver, make_quiet
):
    Destination.objects.update(url=his.url)
    Subscription.objects.update(wants=["report"])
    study = make_quiet()
    Subscription.objects.update(active=False)
    take_report(study, "preliminary", "Preliminärt")
    take_report(study, "final", "Slutligt", 5)
    assert send_all() == []
    Subscription.objects.update(active=True)
    make_quiet(study)
    assert send_all() == ["delivered", "delivered"]
    make_quiet(study)
    assert send_all() == ["delivered", "delivered"]
    assert Report.objects.count() == 1


def test_who_wants_verified_studies_gets_no_preliminary_version(study, his: MllpReceiver):
    Subscription.objects.update(from_state="verified")
    take_report(study, "preliminary", "Preliminärt")
    assert send_all() == []
    take_report(study, "final", "Slutligt", 5)
    take_report(study, "corrected", "Ändrat", 10)
    assert send_all() == ["delivered", "delivered"]
    assert [text_of(m) for m in his.messages] == ["Slutligt", "Ändrat"]


def test_the_past_goes_to_the_one_subscription_that_asks_for_it(study, region, his: MllpReceiver):
    Subscription.objects.update(active=False)
    take_report(study, "final", "Slutligt")
    change_order(study)
    assert send_all() == []
    Subscription.objects.update(active=True)
    other = Subscription.objects.create(
        department=region.ward,
        destination=Destination.objects.create(department=region.ward, name="B", url=his.url),
        wants=["report"],
    )
    changes.append("replay", study.study_instance_uid, {"subscription": other.pk})
    assert send_all() == ["delivered"]
    assert Delivery.objects.get().subscription_ids == [other.pk]


def test_a_report_goes_when_its_study_is_wanted_since_a_word_was_mapped(study, his: MllpReceiver):
    wanted = Subscription.objects.get().filter
    Subscription.objects.update(filter={"modality": ["MR"]})
    take_report(study, "final", "Slutligt")
    assert send_all() == []
    Subscription.objects.update(filter=wanted)
    changes.append("harmonised", study.study_instance_uid)
    assert send_all() == ["delivered"]


def test_nothing_goes_to_who_does_not_want_it(study, his: MllpReceiver):
    Subscription.objects.update(wants=["images"])
    take_report(study, "final", "Slutligt")
    change_order(study)
    assert send_all() == []


def test_under_tls_a_receiver_is_known_by_its_certificate(study, region, tmp_path: Path):
    certificates = make_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    with run_mllp_receiver(context=context) as secure:
        Destination.objects.update(url=f"mllps://localhost:{secure.port}")
        take_report(study, "final", "Slutligt")
        assert send_all() == ["ready"]
        destination = Destination.objects.get()
        assert (destination.breaker, "certificate" in destination.last_error) == ("open", True)
        authority = certificates.ca.read_text()
        Destination.objects.update(
            trusted_certificates=authority, breaker="closed", open_until=None, consecutive_failures=0
        )
        assert send_all() == ["delivered"]


def test_what_is_sent_says_the_same_to_the_door_it_might_have_come_in_by(study, region, his: MllpReceiver):
    make_source(region.hospital, sending_application="SAMSYN", sending_facility="", accession_issuer=LOCAL)
    for minutes, (status, text) in enumerate(
        [
            ("preliminary", "Rad ett\nRad två | ^ & ~ \\"),
            ("final", "Slutligt"),
            ("addendum", "Tillägg"),
            ("corrected", "Ändrat"),
        ]
    ):
        take_report(study, status, text, minutes)
    order = change_order(study, requested_procedure_id="RP1")
    assert send_all() == ["delivered"] * 5
    stated = [
        name for name in STATED if name not in ("performing_department_id", "ordered_at")
    ]  # the sender's
    before = Order.objects.values(*stated).get()
    for message in his.messages:
        take(str(message))
    assert Order.objects.values(*stated).get() == before
    assert Order.objects.get().changed_at == order.changed_at
    assert ReportVersion.objects.count() == 4, "a version reads otherwise than it was"
