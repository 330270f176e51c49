"""Where patients live and how to reach them: fed by HL7 v2 and FHIR, found by PDQm, told of no protected identity."""

from urllib.parse import quote

import pytest
from django.utils import timezone
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.patient import Patient as ForeignPatient

from registry.fhir.patient_contacts import read_contacts
from registry.identity import PatientNumber, find_patient
from registry.merges import merge
from registry.models import PatientAddress, PatientFlag, PatientTelecom
from tests.registry.fhir.test_imaging_study import NUMBER, SYSTEM, ids_of, make_known
from tests.registry.fhir.test_patient_identity import LOCAL, LOCAL_SYSTEM, feed, make_sent
from tests.support.hl7v2 import PNR, PNR_OID, make_message, make_source, take

__all__ = ["feed"]

HOME = {
    "use": "home",
    "line": ["Storgatan 1", "lgh 1101"],
    "city": "Malmö",
    "postalCode": "211 22",
    "country": "SE",
}
MOBILE = {"system": "phone", "value": "+46 70-123 45 67", "use": "mobile"}
MAIL = {"system": "email", "value": "Asa.Ek@example.org"}


def pid(address="", phones="", work=""):
    return f"PID|1||{PNR}^^^&{PNR_OID}&ISO||Ek^Åsa||19121212|F|||{address}||{phones}|{work}"


@pytest.fixture
def found(ask, token_of):
    token = token_of(None, "read")
    return lambda query: ids_of(ask(f"Patient?{query}", token=token))


def test_an_adt_message_feeds_them_and_a_later_one_replaces_them(ask, token_of, db):
    make_source()
    mail = "^NET^Internet^asa@example.org"
    at_work = "(040)33 10 00"
    take(
        make_message(
            "ADT^A04",
            pid(
                "Storgatan 1&Storgatan&1^c/o Ek^Malmö^M^211 22^SWE^H~Box 7^^Lund^^22100^^O",
                f"^PRN^CP^^46^70^1234567~{mail}",
                at_work,
            ),
        )
    )
    patient = find_patient(PatientNumber(PNR, PNR_OID, is_national=True))
    shown = ask(f"Patient/{patient.pk}", token=token_of(None, "read"))
    resource = ForeignPatient.model_validate_json(shown.content)
    assert [(one.use, one.line, one.city, one.postalCode) for one in resource.address] == [
        ("home", ["Storgatan 1", "c/o Ek"], "Malmö", "21122"),
        ("work", ["Box 7"], "Lund", "22100"),
    ]
    assert [(one.system, one.use, one.value) for one in resource.telecom] == [
        ("phone", "mobile", "+46 70 1234567"),
        ("email", None, "asa@example.org"),
        ("phone", "work", at_work),
    ]
    take(make_message("ADT^A08", pid()))
    assert PatientAddress.objects.count() == 2
    take(make_message("ADT^A08", pid("Byvägen 2^^Sjöbo^^27530", '""')))
    assert (PatientAddress.objects.get().city, PatientTelecom.objects.count()) == ("Sjöbo", 0)
    take(make_message("ADT^A08", pid('""')))
    patient.refresh_from_db()
    assert (PatientAddress.objects.count(), patient.postal_code) == (0, "")


def test_a_fed_patient_is_found_by_each_part_of_them(feed, found, ask, token_of):
    feed("1", make_sent("1", address=[HOME], telecom=[MOBILE, MAIL]))
    feed("2", make_sent("2", address=[{"city": "Lund", "state": "Skåne"}]))
    first, second = (str(find_patient(PatientNumber(value, LOCAL)).pk) for value in "12")
    for query, ids in (
        ("address=storg", [first]),
        ("address=LGH", [first]),
        ("address=malm%C3%B6", [first]),
        ("address=gatan", []),
        ("address-city=lund", [second]),
        ("address-city=storg", []),
        ("address-city=lund,malm%C3%B6", [first, second]),
        ("address-state=sk%C3%A5ne", [second]),
        ("address-country=se", [first]),
        ("address-postalcode=211", [first]),
        ("address-postalcode=211+22", [first]),
        ("telecom=%2B46701234567", [first]),
        ("telecom=phone%7C%2B46+70+1234567", [first]),
        ("telecom=email%7C%2B46701234567", []),
        ("phone=%2B46701234567", [first]),
        ("email=asa.ek@EXAMPLE.org", [first]),
        ("email=%2B46701234567", []),
        ("family=ek&address-city=malm%C3%B6", [first]),
        ("family=alm&address-city=malm%C3%B6", []),
    ):
        assert found(query) == ids, query
    page = ask("Patient?address-city=malm%C3%B6", token=token_of(None, "read"))
    [entry] = Bundle.model_validate_json(page.content).entry
    assert isinstance(entry.resource, ForeignPatient)
    assert entry.resource.address[0].line == ["Storgatan 1", "lgh 1101"]
    assert [one.value for one in entry.resource.telecom] == [MOBILE["value"], MAIL["value"]]


def test_what_a_source_does_not_say_stays(feed):
    feed("1", make_sent("1", address=[HOME], telecom=[MOBILE]))
    feed("1")
    assert (PatientAddress.objects.count(), PatientTelecom.objects.count()) == (1, 1)


def test_of_a_protected_identity_nothing_is_told_and_nobody_is_found_by_it(feed, found, ask, token_of):
    token = token_of(None, "read")
    made = feed("1", make_sent("1", address=[HOME], telecom=[MOBILE]))
    patient = find_patient(PatientNumber("1", LOCAL))
    number = f"identifier={quote(LOCAL_SYSTEM + '|1')}"
    assert found(f"{number}&address-city=malm%C3%B6") == [str(patient.pk)]
    flag = PatientFlag.objects.create(patient=patient, kind="protected_2", registered_at=timezone.now())
    again = feed("1", make_sent("1", address=[HOME], telecom=[MOBILE]))
    answers = [
        ask(f"Patient/{patient.pk}", token=token),
        ask(f"Patient?{number}", token=token),
        again,
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert not {"Malmö", "21122", "Storgatan 1", MOBILE["value"]} & set(_texts(answer.json()))
    assert "Malmö" in _texts(made.json())
    for query in (
        "address-city=malm%C3%B6",
        "address-postalcode=21122",
        "phone=%2B46701234567",
        "address=storg",
    ):
        assert found(query) == []
        assert found(f"{number}&{query}") == []
    assert found(number) == [str(patient.pk)]
    flag.ended_at = timezone.now()
    flag.save()
    assert "Malmö" in _texts(ask(f"Patient/{patient.pk}", token=token).json())


def test_after_a_merge_only_the_survivors_are_told(feed, found, ask, token_of):
    feed("1", make_sent("1", address=[HOME]))
    feed("2", make_sent("2", address=[{"city": "Lund"}]))
    subsumed = find_patient(PatientNumber("1", LOCAL))
    merge(PatientNumber("2", LOCAL), PatientNumber("1", LOCAL), source="test")
    assert found("address-city=malm%C3%B6") == []
    assert "address" not in ask(f"Patient/{subsumed.pk}", token=token_of(None, "read")).json()
    assert subsumed.addresses.get().city == "Malmö"


def test_only_patients_of_whom_the_caller_sees_a_study_are_found_by_it(feed, ask, department):
    feed("1", make_sent("1", address=[HOME]))
    seen = make_known(department)
    feed(
        NUMBER,
        {**make_sent("x", address=[HOME]), "identifier": [{"system": SYSTEM, "value": NUMBER}]},
        condition=f"{SYSTEM}|{NUMBER}",
    )
    assert ids_of(ask("Patient?address-city=malm%C3%B6")) == [str(seen.person_id)]


def test_a_removed_patient_leaves_none_behind(feed, ask, token_of):
    feed("1", make_sent("1", address=[HOME], telecom=[MOBILE]))
    where = quote(f"{LOCAL_SYSTEM}|1")
    assert ask(f"Patient?identifier={where}", "DELETE", token=token_of(None, "store")).status_code == 204
    assert not PatientAddress.objects.exists()
    assert not PatientTelecom.objects.exists()


def _texts(value):
    if isinstance(value, dict):
        return [text for one in value.values() for text in _texts(one)]
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    return [value]


def test_county_and_municipality_go_in_and_out_by_both_ways(ask, token_of, db):
    make_source()
    take(make_message("ADT^A04", pid("Kyrkogatan 1^^Lund^Skåne län^22222^SWE^H^^128101")))
    patient = find_patient(PatientNumber(PNR, PNR_OID, is_national=True))
    shown = ask(f"Patient/{patient.pk}", token=token_of(None, "read"))
    [address] = ForeignPatient.model_validate_json(shown.content).address
    assert (address.city, address.district, address.state) == ("Lund", "128101", "Skåne län")
    [told] = read_contacts({"address": [{"city": "Lund", "district": "Lunds kommun"}]}).addresses
    assert (told.city, told.district) == ("Lund", "Lunds kommun")
