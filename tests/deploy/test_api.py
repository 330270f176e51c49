"""The management API: everything over HTTP as a person with a session or a system with a token asks for it."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone
from drf_spectacular.validation import validate_schema

from access import audit
from access.authentication import SESSION_ASSIGNMENT, issue_token
from access.models import (
    ApiClient,
    Assignment,
    AuditEvent,
    DepartmentGroupPermission,
    SharingAgreement,
    User,
)
from access.models.organisation import PERMISSIONS
from registry.consent.blocks import Holder, register_block
from registry.models import Block, CareRelation, Consent, EmergencyOpening, PatientFlag, Share
from registry.visibility import decide_study
from tests.registry.care import make_doctor, make_patient
from tests.registry.factories import make_department, make_relation, make_study

pytestmark = pytest.mark.django_db
API = "/api/v1"
NUMBER = "191212121212"


class Person:
    """Somebody with a session, as the API sees them; `actor` is who they are to the registry."""

    def __init__(self, department, *rights):
        names = rights or tuple(PERMISSIONS)
        self.actor = make_doctor(department, *(set(names) - {"read_studies"}), "read")
        self.user = User.objects.get(pk=self.actor.subject_id)
        group = Assignment.objects.get(pk=self.actor.assignment_id).group
        for name in (*names, "read_studies"):
            DepartmentGroupPermission.objects.get_or_create(
                content_object=department,
                group=group,
                permission=Permission.objects.get(codename=name, content_type__app_label="access"),
            )
        self.client = Client()
        self.client.force_login(self.user)
        session = self.client.session
        session[SESSION_ASSIGNMENT] = self.actor.assignment_id
        session.save()

    def get(self, path, **query):
        return _read(self.client.get(f"{API}/{path}", query))

    def post(self, path, **body):
        return _read(self.client.post(f"{API}/{path}", json.dumps(body, default=str), "application/json"))

    def find(self, patient):
        """Return the path below which the patient is, by number."""
        value = patient.identifiers.get().value
        status, found = self.post("patients/find", value=value, issuer="1.2.752.129.2.1.3.1")
        assert status == 200
        return f"patients/{found['patient']}"


def _read(response):
    content = response.content
    return response.status_code, json.loads(content) if content else None


def in_days(number):
    return (timezone.now() + timedelta(days=number)).isoformat()


@pytest.fixture(autouse=True)
def no_second_factor(settings):
    settings.STEP_UP = False


@pytest.fixture
def hospital():
    return make_department()


@pytest.fixture
def private(hospital):
    made = make_department()
    agreement = SharingAgreement.objects.create(name="Cohesive", kind="cohesive")
    agreement.parties.add(made.unit.provider, hospital.unit.provider)
    return made


@pytest.fixture
def study(private):
    made = make_study(private)
    made.person = make_patient(NUMBER)
    made.save()
    make_relation(made.person, private.unit, source="admission")
    return made


@pytest.fixture
def doctor(hospital):
    return Person(hospital)


@pytest.fixture
def custodian(private):
    return Person(private)


def test_a_patient_is_found_by_number_and_named_for_one_caller_only(doctor, custodian, study):
    path = doctor.find(study.person)
    assert NUMBER not in path
    assert doctor.get(f"{path}/relations") == (200, {"results": []})
    for stranger in (custodian, Person(study.custodian)):
        assert stranger.get(f"{path}/relations")[0] == 404
    assert doctor.get("patients/1/relations")[0] == 404
    assert doctor.get(f"{path}x/relations")[0] == 404
    assert doctor.post("patients/find", value="191111111111")[0] == 404
    assert doctor.post("patients/find", value=NUMBER)[0] == 200
    found = AuditEvent.objects.filter(action="search", actor=doctor.actor.subject)
    assert set(found.values_list("outcome", "patient_id")) == {
        ("success", study.person_id),
        ("refused", None),
    }


def test_a_reference_ends_after_a_day(doctor, study, monkeypatch):
    path = doctor.find(study.person)
    monkeypatch.setattr("deploy.api.patients.LONGEST_S", -1)
    assert doctor.get(f"{path}/relations")[0] == 404


def test_a_relation_a_consent_and_its_withdrawal_over_http(doctor, study):
    path = doctor.find(study.person)
    status, relation = doctor.post(f"{path}/relations", source="self_declared", reason="covers the ward")
    assert (status, relation["source"], relation["user"]) == (201, "self_declared", doctor.user.hsa_id)
    recipient = {"provider": study_provider(doctor)}
    body = {"recipient": recipient, "valid_to": in_days(30), "text_version": "2026-1"}
    status, consent = doctor.post(f"{path}/consents", **body)
    assert (status, consent["recipient_provider"]) == (201, recipient["provider"])
    assert decide_study(doctor.actor, study).permits
    assert [row["id"] for row in doctor.get(f"{path}/consents")[1]["results"]] == [consent["id"]]
    other = doctor.find(make_patient())
    assert doctor.post(f"{other}/consents/{consent['id']}/withdraw")[0] == 404
    status, ended = doctor.post(f"{path}/consents/{consent['id']}/withdraw")
    assert (status, ended["withdrawn_at"] is not None) == (200, True)
    assert doctor.post(f"{path}/consents/{consent['id']}/withdraw")[0] == 409
    assert not decide_study(doctor.actor, study).permits
    assert doctor.post(f"{path}/relations/{relation['id']}/end")[0] == 200
    assert doctor.post(f"{path}/relations/{relation['id']}/end")[0] == 409
    assert AuditEvent.objects.get(action="consent_register").door == "api"


def study_provider(person):
    return person.user.assignments.get().department.unit.provider.hsa_id


def test_a_block_is_registered_lifted_and_cancelled_where_the_data_are_kept(
    doctor, custodian, study, private, hospital
):
    theirs, ours = custodian.find(study.person), doctor.find(study.person)
    status, block = custodian.post(f"{theirs}/blocks", unit=private.unit.hsa_id, is_silent=True)
    assert (status, block["unit"], block["is_silent"]) == (201, private.unit.hsa_id, True)
    assert doctor.get(f"{ours}/blocks") == (200, {"results": []})
    lift = {
        "unit": hospital.unit.hsa_id,
        "user": doctor.user.hsa_id,
        "basis": "consent",
        "requested_by": "the patient",
        "reason": "operation tomorrow",
        "valid_to": in_days(3),
    }
    for path, body in (
        (f"{ours}/blocks/{block['id']}/lifts", lift),
        (f"{ours}/blocks/{block['id']}/cancel", {"reason": "mine"}),
    ):
        assert doctor.post(path, **body)[0] == 404
    status, lifted = custodian.post(f"{theirs}/blocks/{block['id']}/lifts", **lift)
    assert (status, lifted["block"], lifted["user"]) == (201, block["id"], doctor.user.hsa_id)
    assert len(custodian.get(f"{theirs}/blocks/{block['id']}/lifts")[1]["results"]) == 1
    assert doctor.post(f"{ours}/lifts/{lifted['id']}/cancel")[0] == 200
    assert custodian.post(f"{theirs}/blocks/{block['id']}/lifts", **lift | {"valid_to": in_days(8)})[0] == 400
    assert custodian.post(f"{theirs}/blocks/{block['id']}/cancel", reason="taken back")[0] == 200
    assert custodian.post(f"{theirs}/blocks/{block['id']}/cancel", reason="taken back")[0] == 409
    status, refused = custodian.post(f"{theirs}/blocks", unit=private.unit.hsa_id, asked_by="guardian")
    assert (status, refused["error"]) == (400, "a guardian cannot block a child's data")


def test_an_emergency_takes_two_requests_and_waits_for_its_review(
    doctor, custodian, study, hospital, private
):
    register_block(custodian.actor, study.person, Holder(unit_id=private.unit_id))
    path = doctor.find(study.person)
    status, located = doctor.post(f"{path}/emergency", reason_code="unconscious", reason="found unconscious")
    assert status == 201
    assert located["providers"] == [{"hsa_id": study_provider(custodian), "name": private.unit.provider.name}]
    key = located["opening"]["id"]
    assert not decide_study(doctor.actor, study).permits
    for stranger in (custodian, Person(hospital, "break_glass")):
        assert stranger.get(f"openings/{key}")[0] == 404
        assert stranger.post(f"openings/{key}/open")[0] == 404
    status, opened = doctor.post(f"openings/{key}/open", hours=2)
    assert (status, opened["opened_at"] is not None) == (200, True)
    assert decide_study(doctor.actor, study).permits
    head = Person(hospital, "review_access")
    assert [row["id"] for row in head.get("openings")[1]["results"]] == [key]
    assert head.get("openings", overdue="true")[1]["results"] == []
    [notice] = head.get("notices", unseen="true")[1]["results"]
    assert notice["subject_row"] == f"opening:{key}"
    assert head.post(f"notices/{notice['id']}/seen") == (204, None)
    assert head.get("notices", unseen="true")[1]["results"] == []
    assert doctor.post(f"openings/{key}/review", verdict="justified")[0] == 403
    assert head.post(f"openings/{key}/review", verdict="justified")[0] == 201
    assert doctor.post(f"openings/{key}/close")[0] == 200
    assert doctor.post(f"openings/{key}/close")[0] == 409
    assert custodian.get("openings")[1]["results"] == []


def test_opening_and_lifting_ask_for_a_fresh_second_factor(doctor, custodian, study, private, settings):
    settings.STEP_UP = True
    block = register_block(custodian.actor, study.person, Holder(unit_id=private.unit_id))
    path = doctor.find(study.person)
    key = doctor.post(f"{path}/emergency", reason_code="unconscious", reason="found unconscious")[1][
        "opening"
    ]["id"]
    status, refused = doctor.post(f"openings/{key}/open")
    assert (status, "second factor" in refused["error"]) == (403, True)
    assert EmergencyOpening.objects.get().opened_at is None
    body = {"basis": "consent", "requested_by": "x", "reason": "operation tomorrow", "valid_to": in_days(1)}
    assert (
        custodian.post(
            f"{custodian.find(study.person)}/blocks/{block.pk}/lifts", unit=private.unit.hsa_id, **body
        )[0]
        == 403
    )
    session = doctor.client.session
    session["account_authentication_methods_user"] = str(doctor.user.pk)
    session["account_authentication_methods"] = [
        {"method": "mfa", "type": "totp", "at": timezone.now().timestamp()}
    ]
    session.save()
    assert doctor.post(f"openings/{key}/open")[0] == 200


def test_choices_marks_and_relatives(custodian, study, private):
    path = custodian.find(study.person)
    neighbour = make_department(private.unit.provider)
    assert custodian.post(f"{path}/choices", unit=neighbour.unit.hsa_id)[0] == 201
    assert custodian.post(f"{path}/choices", reason="short")[0] == 400
    assert custodian.post(f"{path}/choices", reason="on call tonight")[0] == 201
    status, flag = custodian.post(f"{path}/flags", kind="protected_1", source="register")
    assert status == 201
    registrar = Person(private, "register_block")
    theirs = registrar.find(study.person)
    assert registrar.get(f"{theirs}/flags")[1]["results"] == []
    assert registrar.post(f"{theirs}/flags", kind="vip")[0] == 403
    assert registrar.post(f"{theirs}/flags", kind="opted_out")[0] == 201
    assert registrar.post(f"{theirs}/flags/{flag['id']}/end")[0] == 404
    assert custodian.post(f"{path}/flags/{flag['id']}/end")[0] == 200
    assert PatientFlag.objects.filter(ended_at=None).count() == 1
    status, relative = custodian.post(f"{path}/relatives")
    assert (status, relative["user"]) == (201, custodian.user.hsa_id)
    assert custodian.post(f"{path}/relatives/{relative['id']}/end")[0] == 200


def test_a_study_is_shared_by_those_who_keep_it_and_unknown_to_others(doctor, custodian, study, hospital):
    uid = study.study_instance_uid
    body = {"department": hospital.hsa_id, "basis": "second_opinion"}
    status, share = custodian.post(f"studies/{uid}/shares", **body)
    assert (status, share["study_instance_uid"]) == (201, uid)
    assert decide_study(doctor.actor, study).permits
    for path in (f"studies/{uid}/shares", "studies/1.2.3/shares"):
        assert doctor.get(path) == (404, {"status": 404, "error": "no such study"})
        assert doctor.post(path, **body)[0] == 404
    assert doctor.post(f"shares/{share['id']}/withdraw")[0] == 404
    assert custodian.post(f"shares/{share['id']}/withdraw")[0] == 200
    assert [row["id"] for row in custodian.get(f"studies/{uid}/shares")[1]["results"]] == [share["id"]]
    assert Share.objects.get().withdrawn_at is not None


def test_a_log_review_over_http(doctor, custodian, study, hospital, private):
    event = audit.record(
        doctor.actor, "read", study_instance_uid=study.study_instance_uid, patient_id=study.person_id
    )
    AuditEvent.objects.filter(pk=event).update(recorded_at=timezone.now() - timedelta(days=2))
    head = Person(hospital, "review_access")
    period = {"period_from": in_days(-5), "period_to": in_days(-1)}
    status, review = head.post("log-reviews", **period)
    assert (status, review["events"]) == (201, 1)
    path = f"log-reviews/{review['id']}"
    [item] = head.get(path)[1]["items"]
    assert (item["event"], item["reasons"]) == (event, ["random"])
    assert custodian.get(path)[0] == 404
    assert custodian.post(f"{path}/items/{item['id']}/finding", finding="justified")[0] == 404
    assert head.post(f"{path}/sign", summary="nothing found")[0] == 409
    assert doctor.post(f"{path}/items/{item['id']}/finding", finding="justified")[0] == 403
    assert head.post(f"{path}/items/{item['id']}/finding", finding="justified")[0] == 200
    assert head.post(f"{path}/sign", summary="nothing found")[0] == 200
    assert [row["id"] for row in head.get("log-reviews")[1]["results"]] == [review["id"]]
    [outside] = custodian.post("outside-reads", **period)[1]["results"]
    assert (outside["actor"], outside["study_instance_uid"]) == (
        doctor.actor.subject,
        study.study_instance_uid,
    )
    assert custodian.get("log-reviews")[1]["results"] == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"colour": "red"}, "unknown field 'colour'"),
        (
            {"recipient": {"provider": "SE-nobody"}, "valid_to": "2099-01-01T00:00:00Z"},
            "recipient: provider: ",
        ),
        ({"recipient": {}, "valid_to": "2099-01-01T00:00:00Z", "text_version": "1"}, "one recipient"),
        ({"recipient": {"user": ""}, "valid_to": "2099-01-01T00:00:00Z"}, "recipient: user: "),
        ({"recipient": {}, "valid_to": "soon"}, "valid_to: "),
        ({"recipient": {}, "valid_to": "2099-01-01T00:00:00Z", "kind": "maybe"}, "kind: "),
    ],
)
def test_a_wrong_body_is_named(doctor, study, body, message):
    status, refused = doctor.post(f"{doctor.find(study.person)}/consents", **body)
    assert (status, message in refused["error"]) == (400, True), refused
    assert not Consent.objects.exists()


def test_what_is_no_json_is_refused(doctor, study):
    path = f"{API}/{doctor.find(study.person)}/consents"
    assert doctor.client.post(path, "{", content_type="application/json").status_code == 400
    assert doctor.client.post(path, "[1]", content_type="application/json").status_code == 400
    assert doctor.client.post(path, "a=b", content_type="text/plain").status_code == 415
    assert doctor.client.put(path).status_code in (403, 405)


def test_without_a_credential_or_a_right_nothing_is_done(doctor, study, hospital):
    path = doctor.find(study.person)
    assert Client().get(f"{API}/{path}/consents").status_code == 401
    reader = Person(hospital, "report")
    own = reader.find(study.person)
    for refused in ("consents", "blocks", "emergency", "flags"):
        assert reader.post(f"{own}/{refused}")[0] == 403
    for refused in ("openings", "notices", "log-reviews"):
        assert reader.get(refused)[0] == 403


def test_a_session_does_not_act_for_another_site(doctor, study):
    path = f"{API}/{doctor.find(study.person)}/relations"
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = doctor.client.cookies
    body = json.dumps({"source": "self_declared", "reason": "covers the ward"})
    response = strict.post(
        path, body, content_type="application/json", headers={"Origin": "https://evil.example"}
    )
    assert response.status_code == 401
    assert not CareRelation.objects.filter(source="self_declared").exists()


def test_a_system_registers_what_its_scope_lets_it(study, private, hospital):
    def ask(department, scopes, path, body):
        name = f"service {len(scopes)} {department}"
        client, _ = ApiClient.objects.get_or_create(name=name, defaults={"department": department})
        token = issue_token(client, scopes).text
        response = Client().post(
            f"{API}/{path}",
            json.dumps(body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )
        return _read(response)

    scopes = ("consent",)
    status, found = ask(private, scopes, "patients/find", {"value": NUMBER})
    assert status == 200
    path = f"patients/{found['patient']}"
    body = {"provider": private.unit.provider.hsa_id}
    assert ask(private, scopes, f"{path}/blocks", body)[0] == 201
    assert Block.objects.get().registered_by.startswith("service")
    assert ask(hospital, scopes, f"{path}/blocks", body)[0] == 404  # the reference is another caller's
    for number in (NUMBER, "191111111111"):  # a system that only reads does not learn who is a patient
        assert ask(private, ("store", "read"), "patients/find", {"value": number})[0] == 403
    declared = {"source": "self_declared", "reason": "covers the ward"}
    assert ask(private, scopes, f"{path}/relations", declared)[0] == 403


def test_the_api_describes_itself_and_leaves_nothing_out(doctor, capsys):
    status, schema = doctor.get("openapi.json")
    assert status == 200
    validate_schema(schema)
    assert capsys.readouterr().err.count("Warning") == 0
    patterns = {str(pattern.pattern) for pattern in get_resolver("deploy.api.urls").url_patterns}
    assert len(schema["paths"]) == len(patterns)
    [results] = schema["components"]["schemas"]["ConsentRows"]["properties"].values()
    assert results["items"] == {"$ref": "#/components/schemas/ConsentRow"}
    assert all(path.startswith("/api/v1/") for path in schema["paths"])
    assert Client().get(f"{API}/openapi.json").status_code == 401
