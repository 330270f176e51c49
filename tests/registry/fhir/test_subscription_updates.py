"""Subscriptions by the options of DSUBm: a document that is superseded, a folder that is made or gets documents."""

import pytest
from fhir.resources.R4B.list import List

from access.database import run_write, write_transaction
from access.models import AuditEvent
from registry.documents import deprecate
from registry.documents import register as take_in
from registry.fhir.subscriptions.notify import notify_subscribers
from registry.models import DocumentEntry, Folder
from registry.submission import AssociationDraft, Origin, Submission
from tests.registry.fhir.test_imaging_study import NUMBER, SYSTEM, make_known
from tests.registry.fhir.test_subscription import (  # noqa: F401
    OF_PATIENT,
    TOPIC,
    events_of,
    focus_of,
    hook,
    register,
    subscribe,
    values_of,
)
from tests.support.submissions import make_entry, make_folder, make_patient, make_submission

pytestmark = pytest.mark.django_db(transaction=True)
UPDATES = "DocReference-PatientDependent-MinUpdate"
FOLDERS = {
    "topic": "Basic-Folder-Subscription",
    "criteria": f"List?patient.identifier={SYSTEM}|{NUMBER}&code=folder",
}


def told(hook):  # noqa: F811
    return [event for bundle in hook.bundles for event in events_of(bundle)]


def submit(submission, department):
    return run_write(lambda: take_in(submission, Origin(department.pk, "test")))


def test_a_document_that_is_superseded_is_told_to_whom_asked_for_updates(department, subscribe, hook):  # noqa: F811
    study = make_known(department)
    only_new, both = subscribe(), subscribe(topic=UPDATES)
    assert (only_new.status_code, both.status_code) == (201, 201), both.content
    notify_subscribers()
    entry = register(study)
    notify_subscribers()
    with write_transaction():
        deprecate([entry])
    notify_subscribers()
    by_topic: dict[str, list[tuple[int, str]]] = {}
    for bundle in hook.bundles:
        by_topic.setdefault(values_of(bundle, "topic")[0], []).extend(events_of(bundle))
    assert by_topic == {
        f"{TOPIC}DocumentReference-PatientDependent": [(1, focus_of(entry))],
        f"{TOPIC}{UPDATES}": [(1, focus_of(entry)), (2, focus_of(entry))],
    }


def test_a_filter_by_status_tells_new_ones_from_superseded(department, subscribe, hook):  # noqa: F811
    study = make_known(department)
    subscribe(topic=UPDATES, criteria=f"{OF_PATIENT}&status=superseded")
    notify_subscribers()
    entry = register(study)
    notify_subscribers()
    assert told(hook) == []
    with write_transaction():
        deprecate([entry])
    notify_subscribers()
    assert told(hook) == [(1, focus_of(entry))]


def test_a_folder_is_told_when_it_is_made_and_when_it_gets_documents(department, subscribe, hook):  # noqa: F811
    patient = make_patient()
    criteria = f"List?patient=Patient/{patient.pk}&code=folder"
    answer = subscribe(topic=FOLDERS["topic"], criteria=criteria, content="full-resource")
    assert answer.status_code == 201, answer.content
    subscribe(
        topic="SubmissionSet-PatientDependent", criteria=f"List?patient=Patient/{patient.pk}&code=folder"
    )
    notify_subscribers()
    put = AssociationDraft("put", "HasMember", "Folder01", "Document01")
    tell = AssociationDraft("tell", "HasMember", "SubmissionSet01", "put")
    submit(make_submission(make_entry(), folders=(make_folder(),), links=(put, tell)), department)
    notify_subscribers()
    folder = Folder.objects.get()
    focus = f"List/{folder.entry_uuid.removeprefix('urn:uuid:')}"
    assert told(hook) == [(1, focus)]
    whole = List.model_validate(hook.bundles[-1]["entry"][1]["resource"])
    assert len(whole.entry) == 1

    later = make_submission(
        make_entry(unique_id="1.2.3.9"),
        links=(
            AssociationDraft("put", "HasMember", folder.entry_uuid, "Document01"),
            AssociationDraft("tell", "HasMember", "SubmissionSet01", "put"),
        ),
    )
    submit(later, department)
    notify_subscribers()
    assert told(hook) == [(1, focus), (2, focus)]
    assert DocumentEntry.objects.count() == 2
    assert AuditEvent.objects.filter(action="deliver", door="fhir", detail__focus=focus).count() == 2
    submit(make_submission(make_entry(unique_id="1.2.3.10")), department)  # into no folder
    notify_subscribers()
    assert len(told(hook)) == 2


def test_an_empty_folder_is_told_to_its_own_department_alone(department, subscribe, hook):  # noqa: F811
    patient = make_patient()
    subscribe(topic=FOLDERS["topic"], criteria=f"List?patient=Patient/{patient.pk}")
    notify_subscribers()
    submission = make_submission(folders=(make_folder(),))
    assert isinstance(submission, Submission)
    run_write(lambda: take_in(submission, Origin(None, "test")))
    notify_subscribers()
    assert told(hook) == []
