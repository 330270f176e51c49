"""What documents may be to each other, on-demand entries, and lists of codes that are closed."""

from pathlib import Path
from typing import Any

import pytest

from access.database import run_write
from registry.documents import register
from registry.models import Association, DocumentEntry, Patient
from registry.submission import Code, Origin, Registered, Submission, SubmissionRefused
from tests.support.submissions import link, make_entry, make_folder, make_patient, make_submission

SNAPSHOT, TRANSFORM_REPLACE, SIGNS = "IsSnapshotOf", "XFRM_RPLC", "signs"
METADATA, UNRESOLVED = "XDSRegistryMetadataError", "UnresolvedReferenceException"
ORIGIN = Origin(None, "tests")


@pytest.fixture
def patient(db: None) -> Patient:
    return make_patient()


def take(submission: Submission) -> Registered:
    return run_write(lambda: register(submission, ORIGIN))


def take_one(**values: Any) -> str:
    """Register one document and return the UUID of its entry."""
    return take(make_submission(make_entry(**values))).uuids["Document01"]


def refused(submission: Submission) -> list[tuple[str, str]]:
    before = DocumentEntry.objects.count()
    with pytest.raises(SubmissionRefused) as caught:
        take(submission)
    assert DocumentEntry.objects.count() == before
    return [(error.code, error.context) for error in caught.value.errors]


def codes(submission: Submission) -> list[str]:
    return [code for code, _ in refused(submission)]


def make_on_demand(symbol: str = "Document01", **values: Any):
    empty = {"object_type": "on_demand", "creation_time": "", "hash": "", "size": None}
    return make_entry(symbol, **{**empty, **values})


def statuses() -> dict[str, str]:
    return dict(DocumentEntry.objects.values_list("entry_uuid", "status"))


def test_an_on_demand_entry_has_no_bytes_and_says_where_it_is_made(patient: Patient) -> None:
    take(make_submission(make_on_demand()))
    assert DocumentEntry.objects.get().object_type == "on_demand"
    for values in ({"hash": "a" * 40}, {"size": 7}, {"creation_time": "20260301"}):
        [(code, text)] = refused(make_submission(make_on_demand(**values)))
        assert code == METADATA
        assert "is not for an on-demand entry" in text
    [(code, text)] = refused(make_submission(make_on_demand(repository_unique_id="")))
    assert (code, "repositoryUniqueId is missing" in text) == (METADATA, True)


def test_a_snapshot_is_of_an_on_demand_entry_that_stays(patient: Patient) -> None:
    source = take(make_submission(make_on_demand())).uuids["Document01"]
    made = take(make_submission(make_entry(), links=(link(SNAPSHOT, "Document01", source),)))
    assert statuses() == {source: "approved", made.uuids["Document01"]: "approved"}
    assert Association.objects.get(kind=SNAPSHOT).target_uuid == source


def test_a_snapshot_of_what_is_stable_or_not_registered_is_refused(patient: Patient) -> None:
    stable = take_one()
    [(code, text)] = refused(make_submission(make_entry(), links=(link(SNAPSHOT, "Document01", stable),)))
    assert (code, "is no on-demand entry" in text) == (METADATA, True)
    inside = make_submission(make_entry("A"), make_on_demand("B"), links=(link(SNAPSHOT, "A", "B"),))
    assert codes(inside) == [UNRESOLVED]


def test_a_transformation_that_replaces_does_both(patient: Patient) -> None:
    first = make_submission(
        make_entry(), folders=(make_folder(),), links=(link("HasMember", "Folder01", "Document01"),)
    )
    old = take(first).uuids
    target = old["Document01"]
    addendum = take(make_submission(make_entry(), links=(link("APND", "Document01", target),)))
    transformed = take(make_submission(make_entry(), links=(link("XFRM", "Document01", target),)))
    new = take(make_submission(make_entry(), links=(link(TRANSFORM_REPLACE, "Document01", target),)))
    assert statuses() == {
        target: "deprecated",
        addendum.uuids["Document01"]: "deprecated",
        transformed.uuids["Document01"]: "deprecated",
        new.uuids["Document01"]: "approved",
    }
    members = Association.objects.filter(kind="HasMember", source_uuid=old["Folder01"])
    assert set(members.values_list("target_uuid", flat=True)) == {target, new.uuids["Document01"]}
    again = make_submission(make_entry(), links=(link(TRANSFORM_REPLACE, "Document01", target),))
    assert codes(again) == ["XDSRegistryDeprecatedDocumentError"]
    inside = make_submission(make_entry("A"), make_entry("B"), links=(link(TRANSFORM_REPLACE, "A", "B"),))
    assert codes(inside) == [UNRESOLVED]


def test_a_signature_signs_what_is_known_or_comes_with_it(patient: Patient) -> None:
    signed = take_one()
    take(make_submission(make_entry(), links=(link(SIGNS, "Document01", signed),)))
    take(make_submission(make_entry("A"), make_entry("B"), links=(link(SIGNS, "A", "B"),)))
    assert set(statuses().values()) == {"approved"}
    assert Association.objects.filter(kind=SIGNS).count() == 2
    DocumentEntry.objects.filter(entry_uuid=signed).update(status="deprecated")
    late = make_submission(make_entry(), links=(link(SIGNS, "Document01", signed),))
    assert codes(late) == ["XDSRegistryDeprecatedDocumentError"]


@pytest.mark.parametrize("kind", [SNAPSHOT, TRANSFORM_REPLACE, SIGNS])
def test_a_relationship_ends_at_documents(patient: Patient, kind: str) -> None:
    held = take(make_submission(make_entry(), folders=(make_folder(),))).uuids
    to_folder = make_submission(make_entry(), links=(link(kind, "Document01", held["Folder01"]),))
    assert codes(to_folder) == [UNRESOLVED]
    backwards = make_submission(make_entry(), links=(link(kind, held["Document01"], "Document01"),))
    assert UNRESOLVED in codes(backwards)


CLOSED = """
code_lists:
  event_code: {closed: true, values: [[CT, 1.2.840.10008.2.16.4, CT]]}
  folder_code: {closed: true, values: [[18748-4, 2.16.840.1.113883.6.1, Imaging]]}
  practice_setting_code: {closed: true, values: [[394914008, 2.16.840.1.113883.6.96, Radiology]]}
  confidentiality_code: {closed: true, values: [[N, 2.16.840.1.113883.5.25, Normal], [R, 2.16.840.1.113883.5.25, R], [V, 2.16.840.1.113883.5.25, V]]}
allowed_source_ids: [1.2.3.4.6]
"""


@pytest.fixture
def closed(patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An affinity domain some of whose lists are closed."""
    (tmp_path / "domain.yaml").write_text(CLOSED, "utf-8")
    monkeypatch.setenv("SAMSYN_AFFINITY_DOMAIN", str(tmp_path / "domain.yaml"))


def test_a_closed_list_takes_its_own_codes_whatever_they_are_called(closed: None) -> None:
    ct = Code("CT", "1.2.840.10008.2.16.4", "Datortomografi")
    take(make_submission(make_entry(event_codes=(ct,)), folders=(make_folder(),)))


def test_a_closed_list_takes_no_other_code(closed: None) -> None:
    other = Code("X", "1.2.3")
    spoilt = make_entry(event_codes=(other,), practice_setting_code=other, confidentiality_codes=(other,))
    told = refused(make_submission(spoilt, folders=(make_folder(codes=(other,)),), source_id="1.2.3.9"))
    assert {code for code, _ in told} == {METADATA}
    texts = " ".join(text for _, text in told)
    for name in ("eventCodeList", "practiceSettingCode", "confidentialityCode", "codeList"):
        assert f"{name} X^^1.2.3 is not in the affinity domain's list" in texts
    assert "sourceId 1.2.3.9 is no source of the affinity domain" in texts
    same_code = make_entry(event_codes=(Code("CT", "1.2.3"),))
    assert codes(make_submission(same_code)) == [METADATA]
