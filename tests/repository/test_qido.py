"""QIDO-RS over HTTP: by Django's client, by dicomweb-client, read by pydicom."""

import csv
import email
import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import pytest
import requests
import zstandard
from dicomweb_client.api import DICOMwebClient
from django.test import Client
from pydicom import Dataset

from access.authentication import issue_token
from access.models import ApiClient, AuditEvent, Department
from registry.models import Instance, Series, Study
from tests.registry.factories import CT_IMAGE, make_department, make_series, make_study
from tests.repository.conftest import make_vendor
from tests.support import dicom

pytestmark = pytest.mark.django_db
BASE = "/dicom-web"
NATIVE = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"
NAME_PARTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")


@pytest.fixture
def department() -> Department:
    return make_department()


@pytest.fixture
def token(department: Department) -> str:
    return issue_token(ApiClient.objects.create(name="viewer", department=department), ("read",)).text


@pytest.fixture
def client(token: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {token}", "Accept": "application/dicom+json"})


def ask(client: Client, path: str, status: int = 200, **headers: str) -> Any:
    response = client.get(BASE + path, headers=headers or None)
    assert response.status_code == status, response.content
    return response


def read(client: Client, path: str) -> list[Dataset]:
    return [Dataset.from_json(item) for item in json.loads(ask(client, path).content)]


def test_six_resources(client: Client, department: Department) -> None:
    study = make_study(department, modalities=("CT", "SR"), instances=2, accession_number="A1")
    make_study(department, study_date="20200101")
    series = Series.objects.filter(study=study).order_by("series_number")[0]
    here = f"/studies/{study.study_instance_uid}"
    assert [len(read(client, path)) for path in ("/studies", "/series", "/instances")] == [2, 3, 5]
    assert [d.Modality for d in read(client, f"{here}/series")] == ["CT", "SR"]
    assert [d.InstanceNumber for d in read(client, f"{here}/instances")] == [1, 2, 1, 2]
    [first, second] = read(client, f"{here}/series/{series.series_instance_uid}/instances")
    assert (first.InstanceNumber, second.InstanceNumber, first.Rows) == (1, 2, 512)
    assert first.RetrieveURL == (
        f"http://testserver{BASE}{here}/series/{series.series_instance_uid}/instances/{first.SOPInstanceUID}"
    )


def test_relational_answers_hold_their_parents(client: Client, department: Department) -> None:
    study = make_study(department, accession_number="A1")
    [series] = read(client, "/series?AccessionNumber=A1")
    assert (series.PatientID, series.StudyDate, series.Modality) == ("191212121212", "20250314", "CT")
    [instance] = read(client, "/instances?AccessionNumber=A1")
    assert (instance.StudyInstanceUID, instance.Modality) == (study.study_instance_uid, "CT")
    [instance] = read(client, f"/studies/{study.study_instance_uid}/instances")
    assert instance.Modality == "CT"
    assert "PatientID" not in instance


def test_nothing_found_is_an_empty_list(client: Client) -> None:
    response = ask(client, "/studies?PatientID=none")
    assert response.content == b"[]"
    assert response["Content-Type"] == "application/dicom+json"
    assert response["Cache-Control"] == "private, no-store"
    assert "Accept" in response["Vary"]


def test_further_rows_are_announced(client: Client, department: Department) -> None:
    for _ in range(5):
        make_study(department, patient_name="Öberg^Eva")
    uids: list[str] = []
    path = "/studies?PatientName=%C3%96berg*&limit=2"
    for remaining in (3, 1, 0):
        response = ask(client, path)
        uids += [Dataset.from_json(item).StudyInstanceUID for item in json.loads(response.content)]
        if "Link" in response:
            more = f"There are {remaining} additional results that can be requested"
            assert response["Warning"] == f"299 http://testserver{BASE}: {more}"
            path = response["Link"].split(">")[0].removeprefix(f"<http://testserver{BASE}")
    assert len(set(uids)) == len(uids) == 5
    assert "Link" not in response
    assert "Warning" not in response


def test_unknown_include_field_is_a_warning(client: Client, department: Department) -> None:
    make_study(department, institution_name="Region")
    response = ask(client, "/studies?includefield=Nonsense,InstitutionName&limit=1")
    assert "Nonsense" in response["Warning"]
    [dataset] = read(client, "/studies?includefield=Nonsense,InstitutionName")
    assert dataset.InstitutionName == "Region"


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/studies?Favourite=1", "Favourite"),
        ("/studies?limit=-1", "limit"),
        ("/studies?StudyDate=yesterday", "StudyDate"),
        ("/instances?StudyInstanceUID=1.*", "StudyInstanceUID"),
        ("/series?00081110.00081155=1.2", "00081110"),
    ],
)
def test_bad_searches_are_refused_by_name(client: Client, path: str, named: str) -> None:
    assert named in ask(client, path, 400).json()["error"]


def test_unknown_and_invisible_parents_are_the_same(client: Client, department: Department) -> None:
    foreign = make_study(make_department())
    own = make_study(department)
    other = make_series(foreign, modality="CT")
    bodies = {
        ask(client, f"/studies/{uid}/series", 404).content
        for uid in (foreign.study_instance_uid, "1.2.3", "x")
    }
    assert len(bodies) == 1
    ask(client, f"/studies/{own.study_instance_uid}/series/{other.series_instance_uid}/instances", 404)
    assert [d.StudyInstanceUID for d in read(client, "/studies")] == [own.study_instance_uid]


def test_accept(client: Client) -> None:
    assert ask(client, "/studies", Accept="*/*")["Content-Type"] == "application/dicom+json"
    assert ask(client, "/studies", Accept="application/json")["Content-Type"] == "application/json"
    assert ask(client, "/studies?accept=application/json")["Content-Type"] == "application/json"
    ask(client, "/studies", 406, Accept="application/pdf")
    ask(client, "/studies", 406, Accept="application/dicom+xml")
    ask(client, "/studies?charset=iso-8859-1", 406)
    ask(client, "/studies?charset=UTF-8")


def read_xml(response: Any) -> list[Dataset]:
    """Read the parts by the rules of mail, and each by the letter of the Native DICOM Model."""
    head = f"Content-Type: {response['Content-Type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + response.content)
    parts = [part for part in message.walk() if not part.is_multipart()] if message.is_multipart() else []
    assert all(part.get_content_type() == "application/dicom+xml" for part in parts)
    return [
        read_native(ElementTree.fromstring(cast("bytes", part.get_payload(decode=True)).decode()))
        for part in parts
    ]


def read_native(element: ElementTree.Element) -> Dataset:
    dataset = Dataset()
    for attribute in element.findall(f"{NATIVE}DicomAttribute"):
        tag, vr = attribute.attrib["tag"], attribute.attrib["vr"]
        if vr == "SQ":
            items: Any = [read_native(item) for item in attribute.findall(f"{NATIVE}Item")]
            dataset.add_new(int(tag, 16), vr, items)
            continue
        values = [value.text or "" for value in attribute.findall(f"{NATIVE}Value")]
        for name in attribute.findall(f"{NATIVE}PersonName"):
            components = {c.tag.removeprefix(NATIVE): c.text or "" for c in name[0]}
            values.append("^".join(components.get(part, "") for part in NAME_PARTS).rstrip("^"))
        numbers = [int(value) for value in values] if vr == "US" else values
        dataset.add_new(int(tag, 16), vr, numbers[0] if len(numbers) == 1 else numbers or None)
    return dataset


@pytest.mark.parametrize("path", ["/studies", "/series?includefield=all", "/instances"])
def test_json_xml_and_csv_say_the_same(client: Client, department: Department, path: str) -> None:
    item = {"00400009": {"vr": "SH", "Value": ["S<1>"]}}
    make_study(
        department,
        patient_name="Åkerström^Lars",
        modalities=("CT", "SR"),
        study_description="A & B",
        series_values={"request_attributes_sequence": [item]},
    )
    make_study(department, patient_name="")
    plain = read(client, path)
    response = ask(client, path, Accept='multipart/related; type="application/dicom+xml"')
    native = read_xml(response)
    assert len(native) == len(plain) >= 2
    for one, other in zip(plain, native, strict=True):
        assert set(one.keys()) == set(other.keys())
        for keyword in ("StudyInstanceUID", "PatientName", "RetrieveURL", "NumberOfStudyRelatedSeries"):
            assert (one.get(keyword) or None) == (other.get(keyword) or None)
    table = list(csv.DictReader(io.StringIO(ask(client, path, Accept="text/csv").content.decode())))
    assert [row["StudyInstanceUID"] for row in table] == [one.StudyInstanceUID for one in plain]
    assert [row["PatientName"] for row in table] == [str(one.PatientName or "") for one in plain]
    for row, one in zip(table, plain, strict=True):
        assert {element.keyword for element in one} <= set(row)


def test_nothing_found_has_its_form_in_every_format(client: Client) -> None:
    assert read_xml(ask(client, "/studies", Accept='multipart/related; type="application/dicom+xml"')) == []
    text = ask(client, "/studies", Accept="text/csv").content.decode()
    assert list(csv.DictReader(io.StringIO(text))) == []
    assert "PatientName" in text


@pytest.mark.parametrize("text", ["=1+1", "+46", "-x", "@sum", "\t=1"])
def test_no_cell_begins_a_formula(client: Client, department: Department, text: str) -> None:
    make_study(department, study_id=text, patient_name=f"{text}^Lars")
    [row] = csv.DictReader(io.StringIO(ask(client, "/studies?accept=text/csv").content.decode()))
    assert (row["StudyID"], row["PatientName"]) == (f"'{text}", f"'{text}^Lars")


def test_count(client: Client, department: Department) -> None:
    study = make_study(department, modalities=("CT", "SR"), instances=2)
    make_study(department, study_date="20200101")
    make_study(make_department())
    here = f"/studies/{study.study_instance_uid}"
    counts = {
        "/studies/count": 2,
        "/series/count": 3,
        "/instances/count?Modality=CT": 3,
        f"{here}/series/count": 2,
        f"{here}/instances/count?limit=1": 4,
        "/studies/count?StudyDate=2024-": 400,
    }
    for path, expected in counts.items():
        if expected == 400:
            ask(client, path, 400, Accept="application/json")
        else:
            assert ask(client, path, Accept="application/json").json() == {"count": expected}


def test_match_keys_are_in_the_answer(client: Client, department: Department) -> None:
    make_study(department, institution_name="Region", series_values={"body_part_examined": "CHEST"})
    [study] = read(client, "/studies?InstitutionName=Reg*")
    assert study.InstitutionName == "Region"
    [series] = read(client, f"/studies/{study.StudyInstanceUID}/series?00180015=")
    assert series.BodyPartExamined == "CHEST"


def test_no_answer_without_credential_or_permission(department: Department) -> None:
    assert Client().get(f"{BASE}/studies").status_code == 401
    text = issue_token(ApiClient.objects.create(name="sender", department=department), ("store",)).text
    assert Client(headers={"Authorization": f"Bearer {text}"}).get(f"{BASE}/studies").status_code == 403


def test_every_search_is_recorded(client: Client, department: Department) -> None:
    study = make_study(department)
    ask(client, f"/studies/{study.study_instance_uid}/series?Modality=CT")
    event = AuditEvent.objects.get(action="search")
    assert (event.actor, event.door, event.study_instance_uid) == ("viewer", "qido", study.study_instance_uid)
    assert event.detail == {"level": "series", "query": "Modality=CT", "results": 1}


def test_requests_of_ohif(client: Client, department: Department) -> None:
    one = make_study(department, study_description="CT Thorax", instances=3)
    two = make_study(department, study_date="20240101")
    [found] = read(
        client,
        "/studies?StudyDescription=*Thorax*&ModalitiesInStudy=CT&StudyDate=20250101-20260101&limit=101&offset=0"
        "&fuzzymatching=true&includefield=00081030%2C00080060%2C00080090%2C00100030",
    )
    assert (found.StudyDescription, found.NumberOfStudyRelatedInstances) == ("CT Thorax", 3)
    [series] = read(client, f"/studies/{one.study_instance_uid}/series?includefield=0008103E,00080021")
    assert (series.NumberOfSeriesRelatedInstances, series.SeriesDate) == (3, "")
    uids = f"{one.study_instance_uid}%5C{two.study_instance_uid}"
    assert len(read(client, f"/studies?StudyInstanceUID={uids}")) == 2
    [instance] = read(client, "/instances?limit=1&includefield=00080018")
    assert Instance.objects.filter(sop_instance_uid=instance.SOPInstanceUID).exists()


def test_the_public_base_is_in_every_url(client: Client, department: Department, settings: Any) -> None:
    settings.PUBLIC_BASE_URL = "https://region.example/samsyn"
    study = make_study(department)
    [found] = read(client, "/studies")
    assert found.RetrieveURL == f"https://region.example/samsyn{BASE}/studies/{study.study_instance_uid}"


@pytest.fixture
def web(transactional_db: None, live_server: Any) -> Iterator[tuple[DICOMwebClient, Department]]:
    department = make_department()
    text = issue_token(ApiClient.objects.create(name="web", department=department), ("read",)).text
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {text}"
        yield DICOMwebClient(f"{live_server.url}{BASE}", session=session), department


def test_dicomweb_client_with_every_parameter(web: tuple[DICOMwebClient, Department]) -> None:
    client, department = web
    steps = [{"00400009": {"vr": "SH", "Value": ["S1"]}, "00401001": {"vr": "SH", "Value": ["P1"]}}]
    one = make_study(
        department,
        patient_name="Åkerström^Lars=山田",
        study_time="1015",
        accession_number="A,1",
        modalities=("CT", "SR"),
        institution_name="Region",
        series_values={"request_attributes_sequence": steps},
    )
    make_study(department, patient_name="Öberg^Eva", study_date="20240101", modalities=("MR",))

    def find(**filters: str) -> list[str]:
        found = client.search_for_studies(search_filters=filters)
        return [Dataset.from_json(item).StudyInstanceUID for item in found]

    for filters in (
        {"PatientName": "Åker*"},
        {"PatientName": "山田"},
        {"00100010": "ÅKERSTRÖM^LARS"},
        {"AccessionNumber": "A,1"},
        {"ModalitiesInStudy": "SR"},
        {"StudyDate": "20250101-20250401", "StudyTime": "1000-1030"},
        {"StudyInstanceUID": f"1.2,{one.study_instance_uid}"},
        {"00400275.00400009": "S1", "RequestAttributesSequence.RequestedProcedureID": "P?"},
    ):
        assert find(**filters) == [one.study_instance_uid], filters
    fields = ["InstitutionName", "00080062"]
    [found] = client.search_for_studies(
        search_filters={"PatientName": "akerstrom"}, fuzzymatching=True, fields=fields, limit=5, offset=0
    )
    study = Dataset.from_json(found)
    assert (study.InstitutionName, study.SOPClassesInStudy) == ("Region", CT_IMAGE)
    uid = study.StudyInstanceUID
    assert len(client.search_for_series(uid, search_filters={"Modality": "S*"}, fields=["all"])) == 1
    assert len(client.search_for_instances(uid, search_filters={"SOPClassUID": CT_IMAGE}, offset=1)) == 1
    assert len(client.search_for_studies(get_remaining=True, limit=1)) == 2


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("%50atientName=%C3%85ker%2A", 200),
        ("PatientName=%C3%85kerstr%C3%B6m%5ELars", 200),
        ("patientName=x", 400),
        ("PatientName=%FF", 400),
        ("PatientName=a%00b", 400),
        ("%00=1", 400),
        ("=1", 400),
        ("PatientName=a&PatientName=b", 400),
        ("StudyInstanceUID=1.2&0020000D=1.3", 200),
        ("PatientAge=045Y", 400),
        ("PatientAge=", 200),
        ("00091001=x", 400),
        ("00081110.00081155=1.2", 400),
        ("LIMIT=1&Offset=0&FuzzyMatching=TRUE", 200),
        ("limit=01", 200),
        ("limit=%2B1", 400),
        ("offset=-1", 400),
        ("limit=1e3", 400),
        ("emptyvaluematching=maybe", 400),
        ("StudyDate=20250101-20250102-20250103", 400),
        ("Rows=512&Columns=512", 200),
        ("Rows=many", 400),
        ("includefield=&includefield=,", 200),
        ("accept=application/dicom%2Bjson", 200),
        ("&&", 200),
        ("AccessionNumber=" + "%20" * 2000, 200),
        ("PatientName=" + "*a" * 40, 400),
        ("&".join(f"0020000D={n}" for n in range(300)), 400),
    ],
)
def test_what_raw_query_strings_give(client: Client, query: str, status: int) -> None:
    for path in ("/studies", "/series", "/instances"):
        ask(client, f"{path}?{query}", status)


def test_a_key_that_asks_for_nothing_is_announced(client: Client, department: Department) -> None:
    make_study(department)
    response = ask(client, "/studies?PatientAge=&limit=1")
    assert "PatientAge is not searched here" in response["Warning"]
    assert len(json.loads(response.content)) == 1


def test_attributes_that_no_column_keeps_come_from_the_metadata(
    client: Client, department: Department, objects_root: Path
) -> None:
    vendor = make_vendor(department, "vendor")
    facts = dicom.StudyFacts()
    assert vendor.store(*dicom.make_series(facts, 3)).status_code == 200
    here = f"/studies/{facts.study_instance_uid}"
    series_uid = read(client, f"{here}/series")[0].SeriesInstanceUID
    documents = b"".join(ask(client, f"{here}/metadata").streaming_content)
    read_all = [Dataset.from_json(d, lambda _: b"") for d in json.loads(documents)]
    stored = {dataset.SOPInstanceUID: dataset for dataset in read_all}
    fields = "includefield=PhotometricInterpretation,00280103&includefield=PixelData,ImageComments,00080005"
    found = json.loads(ask(client, f"{here}/series/{series_uid}/instances?{fields}").content)
    assert len(found) == 3
    for row in found:
        assert list(row) == sorted(row)
        assert row["00080005"]["Value"] == ["ISO_IR 192"]
        assert row["7FE00010"]["BulkDataURI"].startswith("http://testserver/")
        assert row["00204000"] == {"vr": "LT"}
        dataset = stored[row["00080018"]["Value"][0]]
        assert row["00280004"]["Value"] == [dataset.PhotometricInterpretation]
        assert row["00280103"]["Value"] == [dataset.PixelRepresentation]
    [study] = json.loads(ask(client, "/studies?includefield=PatientAge,ProtocolName,Rows").content)
    assert "00101010" in study
    response = ask(client, "/studies?includefield=PatientAge,ProtocolName,Rows&limit=1", Accept="text/csv")
    assert "PatientAge" in response.content.decode().splitlines()[0]
    assert [part.split()[3] for part in response["Warning"].split(", ")] == ["ProtocolName", "Rows"]
    [series] = read(client, f"{here}/series?includefield=ProtocolName,PatientAge,PhotometricInterpretation")
    assert {"ProtocolName", "PatientAge"} <= {element.keyword for element in series}
    assert "PhotometricInterpretation" not in series


def test_lists_follow_a_date_that_comes_later(
    client: Client, department: Department, objects_root: Path
) -> None:
    vendor = make_vendor(department, "vendor")
    facts = dicom.StudyFacts(study_date="", study_time="")
    assert vendor.store(dicom.make_ct(facts)).status_code == 200
    assert read(client, "/studies?StudyDate=20260302") == []
    later = replace(facts, study_date="20260302", study_time="1015")
    assert vendor.store(dicom.make_ct(later)).status_code == 200
    make_study(department, study_date="20260301")
    assert [d.StudyDate for d in read(client, "/studies")] == ["20260302", "20260301"]
    [found] = read(client, "/studies?StudyDate=20260302&StudyTime=1015")
    assert found.StudyInstanceUID == facts.study_instance_uid


def test_dicomweb_client(web: tuple[DICOMwebClient, Department]) -> None:
    client, department = web
    for name in ("Åkerström^Lars", "Öberg^Eva"):
        make_study(department, patient_name=name, modalities=("CT", "MR"), instances=2)
    [found] = client.search_for_studies(search_filters={"PatientName": "åker*"}, fields=["InstitutionName"])
    uid = Dataset.from_json(found).StudyInstanceUID
    assert Study.objects.get(study_instance_uid=uid).patient_name == "Åkerström^Lars"
    assert len(client.search_for_studies(search_filters={"PatientName": "oberg"}, fuzzymatching=True)) == 1
    assert len(client.search_for_studies(limit=1, offset=1)) == 1
    assert len(client.search_for_series(uid)) == 2
    [series] = client.search_for_series(uid, search_filters={"Modality": "MR"})
    instances = client.search_for_instances(uid, Dataset.from_json(series).SeriesInstanceUID)
    assert len(instances) == 2
    assert len(client.search_for_instances(limit=3)) == 3


def test_long_answers_are_coded_for_who_names_a_coding(vendor):
    for number in range(12):
        vendor.store(dicom.make_ct(study_description=f"Study {number}"))
    plain = vendor.get("/studies")
    assert "Content-Encoding" not in plain
    for encoding in ("gzip, deflate", "zstd, gzip"):
        response = vendor.client.get(
            "/dicom-web/studies", headers={**vendor.headers, "Accept-Encoding": encoding}
        )
        assert response["Content-Encoding"] == encoding.split(",")[0]
        body = response.content
        unpacked = (
            gzip.decompress(body)
            if encoding.startswith("gzip")
            else zstandard.ZstdDecompressor().decompressobj().decompress(body)
        )
        assert unpacked == plain.content
        assert "Accept-Encoding" in response["Vary"]
    short = vendor.client.get(
        "/dicom-web/studies?limit=1&PatientID=x", headers={**vendor.headers, "Accept-Encoding": "gzip"}
    )
    assert (short.content, "Content-Encoding" in short) == (b"[]", False)
