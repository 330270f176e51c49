"""A study's manifests in the registry: made, replaced, withdrawn, once, and without holding up others."""

import orjson
import pytest
from django.core.management import CommandError, call_command
from fhir.resources.R4B.bundle import Bundle

from access.database import write_transaction
from registry import changes
from registry.manifest import reading
from registry.manifest.fhir_reading import read_bundle
from registry.models import Association, DocumentEntry, Instance, PatientIdentifier, Study
from registry.models.document import APPROVED, DEPRECATED
from repository.document_store import open_document
from repository.models import Publication, StoredDocument
from repository.xds import publish
from repository.xds.manifests import read_key_object
from repository.xds.publish import publish_due, publish_study
from tests.registry.factories import make_department, make_study

pytestmark = pytest.mark.django_db(transaction=True)
PERSONNUMMER = "1.2.752.129.2.1.3.1"


@pytest.fixture(autouse=True)
def public_address(settings):
    settings.PUBLIC_BASE_URL = "https://samsyn.example"


@pytest.fixture
def study():
    return make_known_study()


def make_known_study(number="191212121212", **values):
    study = make_study(make_department(), instances=2, accession_number="A1", **values)
    PatientIdentifier.objects.create(
        patient=study.person, value=number, issuer=PERSONNUMMER, is_national=True
    )
    return study


def tell(kind, study):
    with write_transaction():
        changes.append(kind, study.study_instance_uid, {"generation": 1})


def approved(study):
    return {row.maker: row for row in DocumentEntry.objects.filter(study=study, status=APPROVED)}


def body_of(entry):
    _, blocks = open_document(entry.unique_id)
    return b"".join(blocks)


def test_a_quiet_study_gets_its_three_manifests(study):
    tell("study_quiet", study)
    assert publish_due() == 1
    entries = approved(study)
    assert set(entries) == {"kos", "mado", "fhir"}
    for entry in entries.values():
        stored = StoredDocument.objects.get(unique_id=entry.unique_id)
        assert (entry.hash, entry.size) == (bytes(stored.sha1).hex(), stored.size)
        assert entry.study == study
        assert entry.references.filter(text__startswith=f"{study.study_instance_uid}^^^^").exists()
    for maker in ("kos", "mado"):
        content, identity = read_key_object(body_of(entries[maker]))
        assert identity.sop_instance_uid == entries[maker].unique_id
        assert content.number_of_instances == 2
        source = content.series[0].source
        assert source.retrieve_url == "https://samsyn.example/dicom-web"
        assert source.retrieve_ae_title
        assert source.retrieve_location_uid
    from_document, identity = read_bundle(orjson.loads(body_of(entries["fhir"])))
    assert from_document == read_key_object(body_of(entries["mado"]))[0]
    assert identity.sop_instance_uid == entries["mado"].unique_id
    assert Association.objects.filter(
        kind="XFRM", source_uuid=entries["fhir"].entry_uuid, target_uuid=entries["mado"].entry_uuid
    ).exists()


def test_the_document_is_fhir_to_others(study):
    publish_study(study.study_instance_uid)
    bundle = Bundle.model_validate_json(body_of(approved(study)["fhir"]))
    kinds = [entry.resource.get_resource_type() for entry in bundle.entry]
    assert kinds[0] == "Composition"
    assert {"ImagingStudy", "Patient", "Device", "Organization", "ServiceRequest", "Endpoint"} <= set(kinds)
    assert bundle.total is None
    addresses = {entry.fullUrl for entry in bundle.entry}
    assert orjson.dumps(orjson.loads(body_of(approved(study)["fhir"]))).count(b"urn:uuid:") > len(addresses)
    resources = [entry["resource"] for entry in bundle.model_dump(mode="json")["entry"]]
    imaging_study = next(row for row in resources if row["resourceType"] == "ImagingStudy")
    assert all(
        reference["reference"] in addresses
        for series in imaging_study["series"]
        for reference in series["endpoint"]
    )


def test_nothing_new_publishes_nothing(study):
    assert publish_study(study.study_instance_uid) is True
    tell("study_quiet", study)
    assert publish_due() == 0
    assert DocumentEntry.objects.count() == 3


def test_a_change_replaces_each_manifest(study):
    publish_study(study.study_instance_uid)
    former = approved(study)
    Instance.objects.filter(series__study=study).first().delete()
    tell("instances_removed", study)
    assert publish_due() == 1
    entries = approved(study)
    assert set(entries) == {"kos", "mado", "fhir"}
    for maker, entry in entries.items():
        assert entry.unique_id != former[maker].unique_id
        assert Association.objects.filter(
            kind="RPLC", source_uuid=entry.entry_uuid, target_uuid=former[maker].entry_uuid
        ).exists()
        assert DocumentEntry.objects.get(pk=former[maker].pk).status == DEPRECATED
    assert read_key_object(body_of(entries["kos"]))[0].number_of_instances == 1


def test_manifests_of_what_is_gone_are_deprecated_and_come_back(study):
    publish_study(study.study_instance_uid)
    rows = list(Instance.objects.filter(series__study=study))
    Instance.objects.filter(series__study=study).delete()
    tell("instances_removed", study)
    publish_due()
    assert approved(study) == {}
    Instance.objects.bulk_create(rows)
    tell("instances_restored", study)
    assert publish_due() == 1
    assert set(approved(study)) == {"kos", "mado", "fhir"}


def test_one_that_cannot_be_published_holds_up_no_other(study, monkeypatch, capsys):
    broken = make_known_study("191010101010", study_date="20250102")

    def read(uid):
        if uid == broken.study_instance_uid:
            raise RuntimeError("unreadable")
        return reading.read_content(uid)

    monkeypatch.setattr(publish, "read_content", read)
    for row in (broken, study):
        tell("study_quiet", row)
    assert publish_due() == 1
    row = Publication.objects.get(pk=broken.study_instance_uid)
    assert (row.attempts, row.error) == (1, "RuntimeError: unreadable")
    assert row.due_at is not None
    with pytest.raises(SystemExit):
        call_command("doctor")
    assert "1 studies could not be published" in capsys.readouterr().out
    monkeypatch.undo()
    Publication.objects.filter(pk=row.pk).update(due_at=row.due_at.replace(year=2020))
    assert publish_due() == 1
    assert Publication.objects.get(pk=row.pk).error == ""


def test_a_patient_without_number_is_told_of():
    study = make_study(make_department())
    with pytest.raises(publish.Unpublishable, match="no number"):
        publish_study(study.study_instance_uid)


def test_a_second_publisher_writes_nothing(study, monkeypatch):
    other: list[str] = []

    def read(uid):
        content = reading.read_content(uid)
        if not other:
            other.append(uid)
            publish_study(uid)
        return content

    monkeypatch.setattr(publish, "read_content", read)
    with pytest.raises(publish._OtherPublisher):
        publish_study(study.study_instance_uid)
    assert DocumentEntry.objects.count() == 3
    assert StoredDocument.objects.count() == 3


def test_the_command_publishes_anew(study, capsys):
    publish_study(study.study_instance_uid)
    call_command("publish", "--study", study.study_instance_uid)
    assert DocumentEntry.objects.filter(study=study).count() == 6
    call_command("publish", "--all")
    assert "published 1 studies" in capsys.readouterr().out
    with pytest.raises(CommandError, match="no study"):
        call_command("publish", "--study", "1.2.3.4")


def test_a_study_is_read_in_few_queries(django_assert_max_num_queries, study):
    assert Study.objects.count() == 1
    with django_assert_max_num_queries(9):
        reading.read_content(study.study_instance_uid)
