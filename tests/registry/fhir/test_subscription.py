"""Subscriptions (DSUBm): asked for, shaken hands on, told of documents by HTTP to somebody else's server, nothing lost."""

from datetime import timedelta

import orjson
import pytest
from django.db.models import F
from django.utils import timezone

from access.database import run_write, write_transaction
from access.models import ApiClient, AuditEvent
from registry import changes
from registry.documents import register as take_in
from registry.fhir.identifiers import system_of
from registry.fhir.subscriptions import channel
from registry.fhir.subscriptions.notify import notify_subscribers
from registry.fhir.subscriptions.topics import DSUBM
from registry.models import Association, DocumentCode, FhirNotification, FhirSubscription, SubmissionSet
from registry.submission import Origin
from tests.registry.factories import make_department, make_study, make_uid
from tests.registry.fhir.oracle import check_resource, read_xml
from tests.registry.fhir.test_imaging_study import NUMBER, SYSTEM, ids_of, make_known
from tests.registry.test_document_visibility import make_entry
from tests.support.hook import run_hook
from tests.support.submissions import make_entry as make_draft
from tests.support.submissions import make_patient, make_submission

pytestmark = pytest.mark.django_db(transaction=True)
TOPIC = f"{DSUBM}/SubscriptionTopic/DSUBm-SubscriptionTopic-"
BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-"
OF_PATIENT = f"DocumentReference?patient.identifier={SYSTEM}|{NUMBER}"


@pytest.fixture
def hook(tmp_path):
    with run_hook(tmp_path) as running:
        yield running


@pytest.fixture
def subscribe(ask, hook):
    """Return a function that asks for a subscription and returns the answer."""

    def send(path="/ok", *, topic="DocumentReference-PatientDependent", criteria=OF_PATIENT, **values):
        content = values.pop("content", "id-only")
        extra = values.pop("channel", {})
        body = {
            "resourceType": "Subscription",
            "status": "requested",
            "reason": "test",
            "criteria": TOPIC + topic,
            "channel": {
                "type": "rest-hook",
                "endpoint": hook.url(path) if path.startswith("/") else path,
                "payload": "application/fhir+json",
                "_payload": {"extension": [{"url": f"{BACKPORT}payload-content", "valueCode": content}]},
                **extra,
            },
            **values,
        }
        if criteria:
            body["_criteria"] = {
                "extension": [{"url": f"{BACKPORT}filter-criteria", "valueString": criteria}]
            }
        return ask("Subscription", "POST", body=orjson.dumps(body))

    return send


def register(study, **values):
    """Register a document as the registry does: its rows, and its change in the feed."""
    submission = values.pop("submission_set", None) or SubmissionSet.objects.create(
        entry_uuid=f"urn:uuid:00000000-0000-4000-8000-{int(make_uid()[5:]):012d}",
        unique_id=make_uid(),
        source_id="1.2.3",
        patient=study.person,
        patient_id_as_sent="",
        submission_time="20260101",
        submission_time_from="20260101000000",
        registered_at=timezone.now(),
    )
    uuid = f"urn:uuid:00000000-0000-4000-9000-{int(make_uid()[5:]):012d}"
    with write_transaction():
        entry = make_entry(study, entry_uuid=uuid, logical_uuid=uuid, submission_set=submission, **values)
        changes.append("document_registered", study.study_instance_uid, {"entry": entry.pk})
    return entry


def send_again() -> None:
    """Let what waits be due."""
    FhirNotification.objects.filter(sent_at__isnull=True, not_before__isnull=False).update(
        not_before=timezone.now()
    )
    notify_subscribers()


def values_of(bundle, name):
    status = bundle["entry"][0]["resource"]
    return [
        next(value for key, value in one.items() if key.startswith("value"))
        for one in status["parameter"]
        if one["name"] == name
    ]


def events_of(bundle):
    """Return number and focus of each event."""
    found = []
    for one in bundle["entry"][0]["resource"]["parameter"]:
        if one["name"] == "notification-event":
            parts = {part["name"]: part for part in one["part"]}
            focus = parts["focus"]["valueReference"]["reference"] if "focus" in parts else ""
            found.append((int(parts["event-number"]["valueString"]), focus.rpartition("/fhir/")[2]))
    return found


def focus_of(entry) -> str:
    return f"DocumentReference/{entry.entry_uuid.removeprefix('urn:uuid:')}"


def test_a_handshake_makes_it_active_and_events_follow_with_their_numbers(ask, department, subscribe, hook):
    study = make_known(department)
    made = subscribe(channel={"header": ["Authorization: Bearer secret"]})
    assert (made.status_code, made.json()["status"]) == (201, "requested")
    path = made.headers["Location"].partition("/fhir/")[2]
    assert b"secret" not in ask(path).content
    assert "secret" not in FhirSubscription.objects.get().headers_sealed
    notify_subscribers()
    assert ask(path).json()["status"] == "active"
    first, second = register(study), register(study)
    other = register(make_study(department))
    notify_subscribers()
    handshake, event = hook.bundles
    for bundle in hook.bundles:
        check_resource(bundle)
        assert bundle["type"] == "history"
    assert hook.taken[0]["headers"]["Authorization"] == "Bearer secret"
    assert (values_of(handshake, "type"), values_of(handshake, "status")) == (["handshake"], ["requested"])
    assert (values_of(event, "type"), values_of(event, "status")) == (["event-notification"], ["active"])
    assert events_of(event) == [(1, focus_of(first)), (2, focus_of(second))]
    assert values_of(event, "events-since-subscription-start") == ["2"]
    assert [entry["fullUrl"].rpartition("/fhir/")[2] for entry in event["entry"][1:]] == [
        focus_of(first),
        focus_of(second),
    ]
    assert not any("resource" in entry for entry in event["entry"][1:])
    assert focus_of(other) not in str(hook.bundles)
    notify_subscribers()
    assert len(hook.bundles) == 2
    assert AuditEvent.objects.filter(action="deliver", patient_id=study.person_id).count() == 2
    assert AuditEvent.objects.filter(action="subscribe").count() == 1


@pytest.mark.parametrize("path", ["/fail", "/gone", "/move"])
def test_a_handshake_that_fails_is_an_error_and_nothing_else_goes_there(
    ask, department, subscribe, hook, path
):
    study = make_known(department)
    made = subscribe(path).json()
    notify_subscribers()
    shown = ask(f"Subscription/{made['id']}").json()
    assert shown["status"] == "error"
    assert shown["error"]
    register(study)
    send_again()
    assert hook.taken == []
    made["channel"]["endpoint"] = hook.url("/ok")
    made["status"] = "requested"
    assert ask(f"Subscription/{made['id']}", "PUT", body=orjson.dumps(made)).status_code == 200
    notify_subscribers()
    assert ask(f"Subscription/{made['id']}").json()["status"] == "active"


def test_a_receiver_that_is_away_or_restarted_misses_nothing(ask, department, subscribe, hook):
    study = make_known(department)
    subscribe()
    notify_subscribers()
    hook.stop()
    entries = [register(study) for _ in range(25)]
    for _ in range(3):
        send_again()
    row = FhirSubscription.objects.get()
    assert (row.status, row.error.startswith("no answer")) == ("error", True)
    late = register(study)  # what happens meanwhile waits too
    hook.start()
    while FhirNotification.objects.filter(sent_at__isnull=True).exists():
        send_again()
    told = [event for bundle in hook.bundles[1:] for event in events_of(bundle)]
    assert told == [(number, focus_of(entry)) for number, entry in enumerate([*entries, late], 1)]
    row.refresh_from_db()
    assert (row.status, row.error) == ("active", "")


def test_what_was_claimed_by_a_process_that_died_is_sent_by_the_next(
    department, subscribe, hook, monkeypatch
):
    study = make_known(department)
    subscribe()
    notify_subscribers()
    entry = register(study)

    def die(message):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("registry.fhir.subscriptions.notify.post", die)
        with pytest.raises(KeyboardInterrupt):
            notify_subscribers()
    notify_subscribers()
    assert len(hook.bundles) == 1  # another process may be at it: its lease is not over
    FhirNotification.objects.filter(sent_at__isnull=True).update(
        not_before=F("not_before") - timedelta(seconds=61)
    )
    notify_subscribers()
    assert events_of(hook.bundles[1]) == [(1, focus_of(entry))]


def test_a_slow_receiver_keeps_nobody_waiting(department, subscribe, hook, monkeypatch):
    monkeypatch.setattr(channel, "TIMEOUT_S", 1.0)
    study = make_known(department)
    subscribe("/ok")
    subscribe("/ok2")
    notify_subscribers()
    FhirSubscription.objects.filter(endpoint__endswith="/ok2").update(endpoint=hook.url("/slow"))
    entry = register(study)
    started = timezone.now()
    notify_subscribers()
    assert timezone.now() - started < timedelta(seconds=10)
    assert events_of(hook.bundles[-1]) == [(1, focus_of(entry))]
    waiting = FhirNotification.objects.get(sent_at__isnull=True)
    assert waiting.last_error.startswith("no answer")


@pytest.mark.parametrize("content", ["empty", "id-only"])
def test_as_little_is_told_as_was_asked_for(department, subscribe, hook, content):
    study = make_known(department)
    subscribe(content=content)
    notify_subscribers()
    entry = register(study)
    notify_subscribers()
    assert events_of(hook.bundles[1]) == [(1, focus_of(entry) if content == "id-only" else "")]
    assert len(hook.bundles[1]["entry"]) == (2 if content == "id-only" else 1)


def test_whole_resources_where_they_are_wanted(ask, department, subscribe, hook):
    study = make_known(department)
    subscribe(content="full-resource")
    subscribe(topic="SubmissionSet-MultiPatient", criteria="", content="full-resource")
    notify_subscribers()
    entry = register(study)
    submission = entry.submission_set
    Association.objects.create(
        entry_uuid=f"urn:uuid:{make_uid()}",
        kind="HasMember",
        source_uuid=submission.entry_uuid,
        target_uuid=entry.entry_uuid,
        submission_set=submission,
    )
    notify_subscribers()
    told = {}
    for bundle in hook.bundles[2:]:
        check_resource(bundle)
        told[bundle["entry"][1]["resource"]["resourceType"]] = bundle["entry"][1]["resource"]
    assert told["DocumentReference"] == ask(focus_of(entry)).json()
    assert told["List"] == ask(f"List/{told['List']['id']}").json()
    assert told["List"]["entry"] == [{"item": {"reference": focus_of(entry)}}]


def test_rights_are_those_of_the_moment(department, subscribe, hook, token_of):
    study = make_known(department)
    subscribe()
    notify_subscribers()
    hidden = register(make_known(make_department()))  # of the same patient, at another unit
    seen = register(study)
    notify_subscribers()
    assert focus_of(hidden) not in str(hook.bundles)
    assert events_of(hook.bundles[1]) == [(1, focus_of(seen))]
    hook.stop()
    register(study)
    notify_subscribers()
    ApiClient.objects.update(active=False)  # between the event and its notification
    hook.start()
    send_again()
    assert len(hook.bundles) == 2
    register(study)
    notify_subscribers()
    assert len(hook.bundles) == 2


def test_filters(department, subscribe, hook):
    study = make_known(department)
    subscribe(
        topic="DocumentReference-MultiPatient", criteria="DocumentReference?type=http://loinc.org|18748-4"
    )
    subscribe(topic="SubmissionSet-MultiPatient", criteria="List?code=submissionset&sourceId=1.2.3")
    notify_subscribers()
    register(study)
    typed = register(study)
    DocumentCode.objects.create(entry=typed, kind="type", code="18748-4", scheme="2.16.840.1.113883.6.1")
    again = register(study, submission_set=typed.submission_set)
    notify_subscribers()
    told = [event for bundle in hook.bundles for event in events_of(bundle)]
    documents = [focus for _, focus in told if focus.startswith("DocumentReference")]
    assert documents == [focus_of(typed)] != [focus_of(again)]
    assert len([focus for _, focus in told if focus.startswith("List/")]) == 2  # once for each submission


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"topic": "Folder-Nothing"}, "Subscription.criteria"),
        ({"criteria": ""}, "Subscription.criteria.extension"),
        ({"criteria": "DocumentReference?type=1"}, "Subscription.criteria.extension"),
        ({"criteria": f"{OF_PATIENT}&colour=red"}, "Subscription.criteria.extension"),
        ({"criteria": "List?patient=1"}, "Subscription.criteria.extension"),
        ({"topic": "DocumentReference-MultiPatient"}, "Subscription.criteria.extension"),
        ({"content": "everything"}, "Subscription.channel.payload"),
        ({"channel": {"payload": "text/plain"}}, "Subscription.channel.payload"),
        ({"channel": {"type": "email"}}, "Subscription.channel.type"),
        ({"channel": {"header": ["Host: inside"]}}, "Subscription.channel.header"),
        ({"channel": {"header": ["no colon"]}}, "Subscription.channel.header"),
        ({"path": "ftp://receiver.example/"}, "Subscription.channel.endpoint"),
        ({"path": "http://user:word@receiver.example/"}, "Subscription.channel.endpoint"),
        ({"path": "http://169.254.169.254/latest"}, "Subscription.channel.endpoint"),
        ({"end": "2020-01-01T00:00:00Z"}, "Subscription.end"),
        ({"status": "off"}, "Subscription.status"),
        (
            {"channel": {"extension": [{"url": f"{BACKPORT}heartbeat-period", "valueUnsignedInt": 1}]}},
            "Subscription.channel.extension",
        ),
    ],
)
def test_what_cannot_be_done_is_422_with_its_element(subscribe, change, place):
    answer = subscribe(**change)
    assert answer.status_code == 422, answer.content
    assert answer.json()["issue"][0]["expression"] == [place]
    assert not FhirSubscription.objects.exists()


def test_private_addresses_are_refused_when_asked_for_and_when_sent(department, subscribe, hook, settings):
    make_known(department)
    subscribe()
    settings.ALLOW_PRIVATE_DESTINATIONS = False
    refused = subscribe()
    assert refused.status_code == 422
    notify_subscribers()
    assert hook.taken == []
    assert "may not be asked" in FhirSubscription.objects.get().error


def test_a_system_sees_its_own_only(ask, department, subscribe, token_of):
    made = subscribe().json()
    other = token_of(department, "read")
    key = made["id"]
    assert ask(f"Subscription/{key}", token=other).status_code == 404
    assert ids_of(ask("Subscription", token=other)) == []
    assert ask(f"Subscription/{key}/$status", token=other).status_code == 404
    assert ask(f"Subscription/{key}", "DELETE", token=other).status_code == 204
    assert ids_of(ask("Subscription?status=requested")) == [key]
    assert ids_of(ask("Subscription?status=off")) == []
    assert ids_of(ask(f"Subscription?criteria={made['criteria']}&type=rest-hook")) == [key]
    assert ids_of(ask("Subscription?filter-criteria=patient.identifier")) == [key]
    assert ask("Subscription", token=token_of(department, "store")).status_code == 403
    assert ask(f"Subscription/{key}", "DELETE").status_code == 204
    assert ask(f"Subscription/{key}").status_code == 404


def test_it_ends_by_itself_or_when_turned_off(ask, department, subscribe, hook):
    study = make_known(department)
    one = subscribe(end=(timezone.now() + timedelta(hours=1)).isoformat()).json()
    two = subscribe().json()
    notify_subscribers()
    FhirSubscription.objects.filter(pk=one["id"]).update(ends_at=timezone.now())
    two["status"] = "off"
    assert ask(f"Subscription/{two['id']}", "PUT", body=orjson.dumps(two)).json()["status"] == "off"
    register(study)
    notify_subscribers()
    notify_subscribers()
    assert ask(f"Subscription/{one['id']}").json()["status"] == "off"
    assert len(hook.bundles) == 4
    assert {values_of(bundle, "status")[0] for bundle in hook.bundles[2:]} == {"off"}


def test_the_receiver_is_told_of_the_end_and_of_nothing_else(ask, department, subscribe, hook):
    study = make_known(department)
    made = subscribe().json()
    notify_subscribers()
    hook.stop()
    register(study)
    notify_subscribers()
    made["status"] = "off"
    for _ in range(2):  # turned off twice is turned off
        ask(f"Subscription/{made['id']}", "PUT", body=orjson.dumps(made))
    hook.start()
    send_again()
    send_again()
    [bundle] = hook.bundles[1:]
    check_resource(bundle)
    assert (values_of(bundle, "type"), values_of(bundle, "status")) == (["event-notification"], ["off"])
    assert (events_of(bundle), len(bundle["entry"])) == ([], 1)
    made["status"] = "requested"
    ask(f"Subscription/{made['id']}", "PUT", body=orjson.dumps(made))
    notify_subscribers()
    assert values_of(hook.bundles[2], "type") == ["handshake"]
    assert ask(f"Subscription/{made['id']}").json()["status"] == "active"


def test_who_never_took_a_handshake_is_told_of_no_end_and_the_end_is_told_three_times_at_most(
    ask, subscribe, hook, department
):
    make_known(department)
    bad, good = subscribe("/fail").json(), subscribe().json()
    notify_subscribers()
    hook.stop()
    for one in (bad, good):
        ask(f"Subscription/{one['id']}", "PUT", body=orjson.dumps(one | {"status": "off"}))
    for _ in range(5):
        send_again()
    told = FhirNotification.objects.get(kind="deactivation")
    assert (str(told.subscription_id), told.attempts, told.not_before) == (good["id"], 3, None)
    assert set(FhirSubscription.objects.values_list("status", flat=True)) == {"off"}


def test_a_heartbeat_is_sent_when_nothing_else_was(ask, department, subscribe, hook):
    study = make_known(department)
    subscribe(channel={"extension": [{"url": f"{BACKPORT}heartbeat-period", "valueUnsignedInt": 60}]})
    notify_subscribers()
    notify_subscribers()
    assert len(hook.bundles) == 1
    FhirSubscription.objects.update(heartbeat_at=timezone.now())
    notify_subscribers()
    assert values_of(hook.bundles[1], "type") == ["heartbeat"]
    register(study)
    notify_subscribers()
    assert FhirSubscription.objects.get().heartbeat_at > timezone.now() + timedelta(seconds=50)


def test_status_and_events_are_asked_for(ask, department, subscribe):
    study = make_known(department)
    key = subscribe().json()["id"]
    notify_subscribers()
    entries = [register(study) for _ in range(3)]
    notify_subscribers()
    status = ask(f"Subscription/{key}/$status").json()
    assert values_of(status, "events-since-subscription-start") == ["3"]
    assert values_of(status, "type") == ["query-status"]
    events = ask(f"Subscription/{key}/$events?eventsSinceNumber=2").json()
    assert events_of(events) == [(2, focus_of(entries[1])), (3, focus_of(entries[2]))]
    assert ask("Subscription/$status?status=error").json()["total"] == 0
    assert ask(f"Subscription/{key}/$events?eventsSinceNumber=x").status_code == 400


def test_xml_to_the_receiver_and_at_the_door(ask, department, subscribe, hook):
    study = make_known(department)
    key = subscribe(channel={"payload": "application/fhir+xml"}).json()["id"]
    notify_subscribers()
    register(study)
    notify_subscribers()
    assert [read_xml(one["body"].encode())["type"] for one in hook.taken] == ["history", "history"]
    assert hook.taken[0]["headers"]["Content-Type"].startswith("application/fhir+xml")
    xml = ask(f"Subscription/{key}?_format=xml")
    assert read_xml(xml.content)["criteria"].endswith("DocumentReference-PatientDependent")


def test_the_topics_are_found(ask):
    found = ask("Basic?code=http://hl7.org/fhir/fhir-types|SubscriptionTopic").json()
    assert found["total"] == 7
    [topic] = ask(f"Basic?url={TOPIC}SubmissionSet-MultiPatient").json()["entry"]
    resource = topic["resource"]
    assert ask(f"Basic/{resource['id']}").json() == resource
    filters = [
        one["extension"][2]["valueString"] for one in resource["extension"] if "canFilterBy" in one["url"]
    ]
    assert filters == ["code", "sourceId", "status"]
    assert ask("Basic/none").status_code == 404


def test_a_patient_named_by_number_is_looked_up_at_each_event(department, subscribe, hook):
    subscribe()  # before anything is known of the patient
    notify_subscribers()
    entry = register(make_known(department))
    notify_subscribers()
    assert events_of(hook.bundles[1]) == [(1, focus_of(entry))]


def test_the_capability_statement_names_the_topics_the_operations_and_the_actors(ask):
    statement = ask("metadata", token="").json()
    resources = {one["type"]: one for one in statement["rest"][0]["resource"]}
    subscription = resources["Subscription"]
    assert {one["valueCanonical"].removeprefix(TOPIC) for one in subscription["extension"]} == {
        "DocumentReference-PatientDependent",
        "DocumentReference-MultiPatient",
        "SubmissionSet-PatientDependent",
        "SubmissionSet-MultiPatient",
        "DocReference-PatientDependent-MinUpdate",
        "DocReference-MultiPatient-MinUpdate",
        "Basic-Folder-Subscription",
    }
    assert {one["name"] for one in subscription["operation"]} == {"status", "events"}
    assert {"create", "update", "delete", "read", "search-type"} == {
        one["code"] for one in subscription["interaction"]
    }
    assert "Organization:endpoint" in resources["Organization"]["searchInclude"]
    assert {one["code"] for one in resources["DiagnosticReport"]["interaction"]} >= {
        "vread",
        "history-instance",
    }
    assert {
        f"{DSUBM}/CapabilityStatement/IHE.DSUBm.ResourceNotificationBroker",
        "https://profiles.ihe.net/ITI/mCSD/CapabilityStatement/IHE.mCSD.Directory",
    } <= set(statement["instantiates"])


def test_what_the_registry_takes_is_told(department, subscribe, hook):
    patient = make_patient()
    number = patient.identifiers.get()
    subscribe(criteria=f"DocumentReference?patient.identifier={system_of(number.issuer)}|{number.value}")
    notify_subscribers()
    taken = run_write(lambda: take_in(make_submission(make_draft()), Origin(department.pk, "test")))
    notify_subscribers()
    uuid = taken.uuids["Document01"].removeprefix("urn:uuid:")
    assert events_of(hook.bundles[1]) == [(1, f"DocumentReference/{uuid}")]
