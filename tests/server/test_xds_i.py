"""XDS-I from end to end on a running server: a study that is stored is a document that is found and fetched.

One study walks through what can happen to it, by Store, by rejection and by HL7 v2; after each step every door
says the same.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import hl7
import orjson
import pytest
import requests
from hl7.client import MLLPClient

from tests.support.dicom import StudyFacts, make_ct, make_uid
from tests.support.doors import Doors, Number, named_in, read_key_object
from tests.support.hl7v2 import LOCAL_OID, PNR, PNR_OID, make_message, pid, segment
from tests.support.http import list_stored, store
from tests.support.mllp import MllpListener, run_mllp
from tests.support.samsyn import SamsynServer

pytestmark = pytest.mark.server

WITHIN_S = 60.0  # the promise is 10 s; a loaded machine must not make the test lie
KOS = "1.2.840.10008.5.1.4.1.1.88.59"
ORGANISATION = f"""
from access.models import ApiClient, CareProvider, CareUnit, Department
from registry.models import Hl7Source
provider = CareProvider.objects.create(hsa_id="SE-P", name="P")
unit = CareUnit.objects.create(provider=provider, hsa_id="SE-U", name="U")
department = Department.objects.create(unit=unit, hsa_id="SE-D", name="D")
Hl7Source.objects.create(
    sending_application="RIS", sending_facility="NORR", department=department, accession_issuer="{LOCAL_OID}.1"
)
"""
RESERVE, NATIONAL = Number("R-77", LOCAL_OID), Number(PNR, PNR_OID)


@dataclass(frozen=True, slots=True)
class Told:
    """What every door has to tell of the one study.

    `other` is another patient's number, or after a merge the subsumed one. `images` are the instances by UID with their series; `report` is the state and text of the newest version.
    """

    patient: Number
    other: Number
    images: dict[str, str]
    gone: dict[str, str] = field(default_factory=dict)
    report: tuple[str, str] = ("", "")
    request: str = ""
    is_merged: bool = False


@pytest.fixture(scope="module")
def doors(start_embedded: Callable[..., SamsynServer]) -> Doors:
    server = start_embedded(SAMSYN_QUIET_S="1")
    server.run_code(ORGANISATION)
    return Doors(server, "SE-D")


@pytest.fixture(scope="module")
def listener(doors: Doors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MllpListener]:
    folder: Path = tmp_path_factory.mktemp("mllp")
    with run_mllp(doors.server, folder) as running:
        yield running


def test_after_each_step_every_door_says_the_same(doors: Doors, listener: MllpListener) -> None:
    study = StudyFacts(patient_id=RESERVE.value, issuer_oid=RESERVE.oid, accession_number="ACC-77")
    series = [make_uid(), make_uid()]
    images = {make_uid(): series[0], make_uid(): series[0]}
    store_images(doors, study, images)
    told = Told(RESERVE, NATIONAL, images)
    agree("store", doors, study, told)

    late = {make_uid(): series[1]}
    store_images(doors, study, late)
    told = replace(told, images=images | late)
    agree("add an instance", doors, study, told)

    path = f"/studies/{study.study_instance_uid}/series/{series[1]}/reject/113001%5EDCM"
    answer = requests.post(doors.dicomweb_url + path, headers=doors.headers, timeout=60)
    assert answer.status_code == 204
    told = replace(told, images=images, gone=late)
    agree("reject it", doors, study, told)

    send(listener, write_order(RESERVE, "Sten?"))
    told = replace(told, request="Sten?")
    agree("order", doors, study, told)
    for status, state, text in (
        ("P", "preliminary", "Trolig sten."),
        ("F", "final", "Sten i höger njure."),
        ("C", "corrected", "Sten i vänster njure."),
    ):
        send(listener, write_report(study, RESERVE, status, text))
        told = replace(told, report=(state, text))
        agree(f"{state} report", doors, study, told)

    merging = make_message("ADT^A40^ADT_A39", pid(NATIONAL.value, NATIONAL.oid), f"MRG|{RESERVE.cx}^PI")
    send(listener, merging)
    told = replace(told, patient=NATIONAL, other=RESERVE, is_merged=True)
    agree("merge the patient", doors, study, told)
    send(listener, write_report(study, NATIONAL, "C", "Sten i vänster uretär.", 14))
    told = replace(told, report=("corrected", "Sten i vänster uretär."))
    agree("correct it under the survivor", doors, study, told)

    doors.server.run_command("merges", "undo", "1", "--reason", "two persons")
    told = replace(told, patient=RESERVE, other=NATIONAL, is_merged=False)
    agree("undo the merge", doors, study, told)


def store_images(doors: Doors, study: StudyFacts, images: dict[str, str]) -> None:
    files = [
        make_ct(study, series_instance_uid=series, sop_instance_uid=uid, instance_number=n)
        for n, (uid, series) in enumerate(images.items(), 1)
    ]
    assert set(list_stored(store(doors.pool, doors.dicomweb_url, doors.storing_token, files))) == set(images)


def send(listener: MllpListener, message: str) -> None:
    with MLLPClient("127.0.0.1", listener.port) as client:
        answer = hl7.parse(client.send_message(message).strip(b"\x0b\x1c\r").decode())
    assert str(answer.segment("MSA")[1]) == "AA", str(answer)


def write_order(patient: Number, question: str) -> str:
    request = segment(
        "OBR", f1="1", f2="P77", f3="F77", f4="CT-BUK^DT buk^L", f18="ACC-77", f31=f"^{question}"
    )
    return make_message("ORM^O01", pid(patient.value, patient.oid), "ORC|NW|P77|F77", request)


def write_report(study: StudyFacts, patient: Number, status: str, text: str, hour: int = 13) -> str:
    at = f"20260303{hour}000{'PFC'.index(status)}"
    return make_message(
        "ORU^R01^ORU_R01",
        pid(patient.value, patient.oid),
        segment("OBR", f1="1", f3="R77", f4="CT-BUK^DT buk^L", f18="ACC-77", f22=at, f25=status),
        f"OBX|1|TX|18748-4^Utlåtande^LN||{text}||||||{status}",
        f"OBX|2|ST|113014^DICOM Study^DCM||{study.study_instance_uid}||||||{status}",
    )


def agree(step: str, doors: Doors, study: StudyFacts, told: Told) -> None:
    """Wait until every door tells what is to be told, and say how long that took."""
    began = time.monotonic()
    while (wrong := list(find_faults(doors, study, told))) and time.monotonic() - began < WITHIN_S:
        time.sleep(0.2)
    print(f"{step}: all doors agree after {time.monotonic() - began:.1f} s")
    assert not wrong, f"{step}: {wrong}"


def find_faults(doors: Doors, study: StudyFacts, told: Told) -> Iterator[str]:
    """Yield what a door tells otherwise."""
    found = doors.find_documents(told.patient)
    expected = 3 + bool(told.report[0]) + bool(told.request)
    if len(found) != expected:
        yield f"ITI-18 finds {len(found)} documents, not {expected}"
    references = {
        one["masterIdentifier"]["value"].removeprefix("urn:oid:"): one["content"][0]["attachment"]
        for one in doors.search_fhir("DocumentReference", told.patient, status="current")
    }
    if set(references) != found:
        yield f"ITI-67 finds {len(references)} documents"
    sets = doors.find_submission_sets(told.patient)
    lists = doors.search_fhir("List", told.patient, code="submissionset", status="current")
    listed = {str(one["identifier"][-1]["value"]).removeprefix("urn:oid:") for one in lists}
    if not sets or len(listed) != len(sets):
        yield f"ITI-66 finds {len(listed)} submission sets, ITI-18 {len(sets)}"
    yield from find_faults_of_documents(doors, study, told, {uid: references.get(uid) for uid in found})
    yield from find_faults_of_images(doors, study, told)
    yield from find_faults_of_the_other(doors, told)


def find_faults_of_documents(doors: Doors, study: StudyFacts, told: Told, found) -> Iterator[str]:
    """Yield what ITI-43 and ITI-68 give otherwise; the manifests name the images, the texts are the newest."""
    texts = []
    for uid, attachment in found.items():
        body = doors.fetch_document(uid)
        if attachment and doors.fetch_address(attachment["url"], attachment["contentType"]) != body:
            yield f"ITI-68 gives other bytes of {uid}"
        manifest = read_key_object(body)
        if manifest is None and body[:1] == b"{":
            yield from find_faults_of_bundle(orjson.loads(body), told)
        elif manifest is None:
            texts.append(body.decode())
        elif named_in(manifest) != told.images or manifest.StudyInstanceUID != study.study_instance_uid:
            yield f"manifest {uid} names {len(named_in(manifest))} images"
        elif (manifest.SOPClassUID, manifest.PatientID) != (KOS, told.patient.value):
            yield f"manifest {uid} is of {manifest.PatientID}"
    wanted = [text for text in (told.report[1], told.request) if text]
    if not all(any(text in one for one in texts) for text in wanted) or len(texts) != len(wanted):
        yield f"texts are {texts}"


def find_faults_of_bundle(bundle, told: Told) -> Iterator[str]:
    resources = {entry["resource"]["resourceType"]: entry["resource"] for entry in bundle["entry"]}
    numbers = {one["value"] for one in resources["Patient"]["identifier"]}
    if told.patient.value not in numbers or told.other.value in numbers:
        yield f"the FHIR document is of {numbers}"
    uids = {one["uid"] for series in resources["ImagingStudy"]["series"] for one in series["instance"]}
    if uids != set(told.images):
        yield f"the FHIR document names {len(uids)} images"


def find_faults_of_images(doors: Doors, study: StudyFacts, told: Told) -> Iterator[str]:
    """Yield what RAD-69, WADO-RS, QIDO-RS, ImagingStudy and DiagnosticReport tell otherwise."""
    uid = study.study_instance_uid
    both = told.images | told.gone
    given = {
        one
        for series in set(both.values())
        for one in doors.fetch_images(uid, series, [image for image in both if both[image] == series])
    }
    if given != set(told.images):
        yield f"RAD-69 gives {len(given)} images"
    if doors.retrieve(uid) != set(told.images):
        yield "WADO-RS gives other images"
    counts = [row["00201208"]["Value"][0] for row in doors.search_studies(told.patient)]
    if counts != [len(told.images)]:
        yield f"QIDO-RS finds {counts}"
    numbers = [one["numberOfInstances"] for one in doors.search_fhir("ImagingStudy", told.patient)]
    if numbers != [len(told.images)]:
        yield f"ImagingStudy has {numbers}"
    reports = [one["status"] for one in doors.search_fhir("DiagnosticReport", told.patient)]
    if reports != [told.report[0]] * bool(told.report[0]):
        yield f"DiagnosticReport is {reports}"
    requests_found = doors.search_fhir("ServiceRequest", told.patient)
    if len(requests_found) != bool(told.request):
        yield f"there are {len(requests_found)} ServiceRequests"


def find_faults_of_the_other(doors: Doors, told: Told) -> Iterator[str]:
    """Yield what is found under the other number: of another patient nothing at all.

    A subsumed number leads to the survivor by DICOMweb and FHIR, and to nothing by XDS (ITI TF-2 3.18.4.1.2.3.9.1).
    """
    if doors.find_documents(told.other) | doors.find_submission_sets(told.other):
        yield f"ITI-18 finds something under {told.other.value}"
    searched: dict[str, Callable[[Number], list[dict[str, Any]]]] = {
        "QIDO-RS": doors.search_studies,
        "ITI-67": lambda number: doors.search_fhir("DocumentReference", number, status="current"),
        "ITI-66": lambda number: doors.search_fhir("List", number, code="submissionset", status="current"),
        "ImagingStudy": lambda number: doors.search_fhir("ImagingStudy", number),
        "DiagnosticReport": lambda number: doors.search_fhir("DiagnosticReport", number),
    }
    for door, search in searched.items():
        expected = len(search(told.patient)) if told.is_merged else 0
        if (found := len(search(told.other))) != expected:
            yield f"{door} finds {found} under {told.other.value}, not {expected}"
