"""Destinations over the management API: checked, kept by their own department, secrets in and never out."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from access.authentication import issue_token
from access.models import ApiClient, AuditEvent
from access.secrets import unseal
from registry.models import Destination
from tests.deploy.distribution.conftest import Keeper, read

pytestmark = pytest.mark.django_db
URL = "https://pacs.example.invalid/dicom-web/studies"
PATH = "destinations"


def test_a_destination_is_created_shown_and_changed(keeper, hospital):
    hours = [{"days": [0, 1], "from": "18:00", "to": "06:00", "max_mbit": 20}]
    status, row = keeper.post(
        PATH, department=hospital.hsa_id, name="Archive", url=URL, token="s3cret", windows=hours, max_mbit=2.5
    )
    assert status == 201
    assert (row["kind"], row["has_token"], row["breaker"]) == ("stow", True, "closed")
    kept = Destination.objects.get(pk=row["id"])
    assert unseal(kept.token_sealed) == "s3cret"
    assert (kept.windows, kept.max_mbit, kept.max_parallel) == (hours, 2.5, 2)
    status, changed = keeper.send("patch", f"{PATH}/{row['id']}", name="Old archive", max_mbit=None)
    assert (status, changed["name"], changed["max_mbit"], changed["has_token"]) == (
        200,
        "Old archive",
        None,
        True,
    )
    keeper.send("patch", f"{PATH}/{row['id']}", token="")
    assert keeper.get(f"{PATH}/{row['id']}")[1]["has_token"] is False
    assert [found["name"] for found in keeper.get(PATH)[1]["results"]] == ["Old archive"]


def test_a_secret_is_in_no_answer_and_in_no_log(keeper, hospital):
    status, row = keeper.post(PATH, department=hospital.hsa_id, name="A", url=URL, token="s3cret")
    assert status == 201
    answers = [row, keeper.get(PATH)[1], keeper.send("patch", f"{PATH}/{row['id']}", token="s3cret2")[1]]
    assert "s3cret" not in str(answers)
    assert Destination.objects.get().token_sealed not in str(answers)
    logged = AuditEvent.objects.filter(action__startswith="destination_").order_by("pk")
    assert [event.action for event in logged] == ["destination_add", "destination_change"]
    assert "token" in logged[1].detail["fields"]
    assert "s3cret" not in str([event.detail for event in logged])


def test_another_department_is_unknown(keeper, stranger, archive, clinic):
    assert stranger.get(PATH) == (200, {"results": []})
    for method in ("get", "patch"):
        answer = read(getattr(stranger.client, method)(f"/api/v1/{PATH}/{archive.pk}"))
        unknown = read(getattr(stranger.client, method)(f"/api/v1/{PATH}/999999"))
        assert answer == unknown
        assert answer[0] == 404
    assert keeper.post(PATH, department=clinic.hsa_id, name="A", url=URL)[0] == 404
    assert Destination.objects.count() == 1


def test_only_who_keeps_destinations_may(hospital, archive):
    for rights in (("read_studies", "push"), ("keep_subscriptions",)):
        other = Keeper(hospital, *rights)
        assert other.get(PATH)[0] == 403
        assert other.post(PATH, department=hospital.hsa_id, name="A", url=URL)[0] == 403
        assert other.send("patch", f"{PATH}/{archive.pk}", name="B")[0] == 403


def test_staff_keeps_those_of_every_department(clinic, hospital, archive):
    staff = Keeper(clinic, "keep_destinations", is_staff=True)
    assert [row["id"] for row in staff.get(PATH)[1]["results"]] == [archive.pk]
    assert staff.post(PATH, department=hospital.hsa_id, name="B", url=URL)[0] == 201


def test_a_system_of_the_region_keeps_all_and_one_of_a_department_its_own(client, hospital, clinic, archive):
    def ask(department, **values):
        system = ApiClient.objects.create(name=f"system {department}", department=department, **values)
        token = issue_token(system, ("keep_destinations",)).text
        return read(client.get(f"/api/v1/{PATH}", headers={"authorization": f"Bearer {token}"}))[1]["results"]

    assert len(ask(hospital)) == len(ask(None, region_wide=True)) == 1
    assert ask(clinic) == []


def test_people_show_their_second_factor_before_data_leave_for_elsewhere(keeper, hospital, archive, settings):
    settings.STEP_UP = True
    assert keeper.post(PATH, department=hospital.hsa_id, name="A", url=URL)[0] == 403
    assert keeper.send("patch", f"{PATH}/{archive.pk}", url=URL)[0] == 403
    archive.refresh_from_db()
    assert archive.url != URL


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"url": "ftp://a/b"}, "url: the address must begin with one of https:, http:, dicom:"),
        ({"url": "https://a.example/dicom-web"}, "ends in /studies"),
        ({"url": "https://user:pw@a.example/studies"}, "user or password"),
        ({"url": "https://a.example/studies?x=1"}, "question mark"),
        ({"url": "http://169.254.169.254/studies"}, "url: "),
        ({"url": "dicom://a.example:104"}, "called_ae_title has 0 characters"),
        ({"url": "dicom://a.example/x", "called_ae_title": "A"}, "without a path"),
        ({"url": "worklist:x"}, "worklist: and nothing else"),
        ({"url": "s3://"}, "the address of a bucket is"),
        ({"url": "https://a b/studies"}, "blanks"),
        ({"url": "https://[::1/studies"}, "cannot be read"),
        ({"max_parallel": 0}, "max_parallel: "),
        ({"max_mbit": -1}, "max_mbit: a limit"),
        ({"max_instance_bytes": 0}, "max_instance_bytes: "),
        ({"verify": "maybe"}, "verify: "),
        ({"windows": [{"days": [7], "from": "18:00", "to": "06:00"}]}, "windows, window 1: days"),
        ({"windows": [{"days": [1], "from": "25:00", "to": "06:00"}]}, "from is a time of day"),
        ({"windows": [{"days": [1], "from": "06:00", "to": "06:00"}]}, "begins when it ends"),
        ({"windows": [{"days": [1], "from": "06:00", "to": "07:00", "max_mbit": 0}]}, "max_mbit is a number"),
        ({"transfer_syntaxes": ["JPEG"]}, "not a UID"),
        ({"translates": True}, "patient_issuer: "),
        ({"patient_issuer": "Region"}, "not an OID"),
        ({"procedure_codes": {"CT": ["X"]}}, "procedure_codes: 'CT' needs"),
        ({"procedure_codes": {"CT": ["X" * 17, "L", "x"]}}, "procedure_codes: of 'CT' the code or scheme"),
        ({"trusted_certificates": "no PEM"}, "not certificates in PEM"),
        ({"client_certificate": "no PEM"}, "client_certificate: "),
        ({"secret": "x"}, "unknown field 'secret'"),
        ({"name": "PACS"}, "has a destination 'PACS' already"),
    ],
)
def test_what_is_no_destination_is_refused_with_its_reason(keeper, hospital, archive, values, named):
    body = {"department": hospital.hsa_id, "name": "A", "url": URL} | values
    status, answer = keeper.post(PATH, **body)
    assert status == 400
    assert named in answer["error"]
    assert Destination.objects.count() == 1


def test_a_client_certificate_goes_with_its_key(keeper, hospital):
    certificate, key = make_certificate()
    _, other = make_certificate()
    status, row = keeper.post(
        PATH, department=hospital.hsa_id, name="A", url=URL, client_certificate=certificate + key
    )
    assert (status, row["has_client_certificate"]) == (201, True)
    assert keeper.send("patch", f"{PATH}/{row['id']}", trusted_certificates=certificate)[0] == 200
    status, answer = keeper.send("patch", f"{PATH}/{row['id']}", client_certificate=certificate + other)
    assert (status, "does not belong" in answer["error"]) == (400, True)


def test_a_new_address_is_tried_at_once(keeper, archive):
    Destination.objects.update(breaker="open", consecutive_failures=9, last_error="refused")
    assert keeper.send("patch", f"{PATH}/{archive.pk}", name="P")[1]["breaker"] == "open"
    assert keeper.send("patch", f"{PATH}/{archive.pk}", url=URL)[1]["breaker"] == "closed"
    archive.refresh_from_db()
    assert (archive.consecutive_failures, archive.last_error) == (0, "")


def make_certificate():
    """Make a certificate and its key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "samsyn")])
    now = datetime.datetime.now(datetime.UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return built.sign(key, hashes.SHA256()).public_bytes(pem).decode(), private.decode()


def test_who_tells_a_system_of_merges_is_an_hl7_destination_of_the_same_department(
    keeper, stranger, hospital, archive, clinic
):
    Destination.objects.create(department=hospital, name="ADT", url="mllp://127.0.0.1:2575")
    Destination.objects.create(department=clinic, name="Theirs", url="mllp://127.0.0.1:2575")
    status, row = keeper.post(PATH, department=hospital.hsa_id, name="A", url=URL, corrected_through="ADT")
    assert (status, row["corrected_through"]) == (201, "ADT")
    for name in ("Theirs", "A", "nobody"):
        status, problem = keeper.send("patch", f"{PATH}/{row['id']}", corrected_through=name)
        assert status == 400
        assert "corrected_through" in str(problem)
    assert Destination.objects.get(pk=row["id"]).corrected_through == "ADT"
