"""A server that sends its access log to a real rsyslog while it works."""

import base64
from collections.abc import Callable, Iterator

import pytest
from lxml import etree

from tests.support.dicom import StudyFacts, make_ct
from tests.support.http import bearer, make_pool, store
from tests.support.processes import wait_until
from tests.support.rsyslog import RsyslogServer, run_rsyslog
from tests.support.samsyn import SamsynServer

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def rsyslog(tmp_path_factory) -> Iterator[RsyslogServer]:
    """An audit repository."""
    with run_rsyslog(tmp_path_factory.mktemp("rsyslog")) as server:
        yield server


@pytest.fixture(scope="module")
def server(start_embedded: Callable[..., SamsynServer], rsyslog: RsyslogServer) -> SamsynServer:
    """A server that knows it."""
    known = rsyslog.certificates
    return start_embedded(
        SAMSYN_SYSLOG_HOST="localhost",
        SAMSYN_SYSLOG_PORT=str(rsyslog.port),
        SAMSYN_SYSLOG_CA_FILE=str(known.ca),
        SAMSYN_SYSLOG_CERTIFICATE_FILE=str(known.client_certificate),
        SAMSYN_SYSLOG_KEY_FILE=str(known.client_key),
        SAMSYN_AUDIT_SOURCE_ID="https://samsyn.example",
        SAMSYN_AUDIT_SITE_ID="Region",
    )


def find_messages(rsyslog: RsyslogServer, study: str) -> list[etree._Element]:
    messages = [etree.fromstring(m["text"]) for m in rsyslog.read() if m["id"] == "DICOM+RFC3881"]
    return [m for m in messages if m.find(f".//*[@ParticipantObjectID='{study}']") is not None]


def test_what_happens_while_the_repository_is_away_arrives_later(
    server: SamsynServer, rsyslog: RsyslogServer
) -> None:
    token, pool, facts = server.issue_token("ct-1"), make_pool(), StudyFacts()
    study = facts.study_instance_uid
    assert store(pool, server.dicomweb_url, token, [make_ct(facts)]).status == 200
    wait_until(
        rsyslog.process, lambda: len(find_messages(rsyslog, study)) == 1, "the store in the repository"
    )
    rsyslog.stop()
    answer = pool.request("GET", f"{server.dicomweb_url}/studies/{study}/metadata", headers=bearer(token))
    assert answer.status == 200
    rsyslog.start()
    wait_until(rsyslog.process, lambda: len(find_messages(rsyslog, study)) == 2, "the read in the repository")
    stored, read = find_messages(rsyslog, study)
    assert [m.find(".//EventID").get("csd-code") for m in (stored, read)] == ["110104", "110103"]
    for message in (stored, read):
        assert message.find("ActiveParticipant").get("UserID") == "ct-1"
        assert message.find("AuditSourceIdentification").attrib == {
            "AuditSourceID": "https://samsyn.example",
            "AuditEnterpriseSiteID": "Region",
        }
        patient = message.findall("ParticipantObjectIdentification")[-1]
        assert patient.get("ParticipantObjectID").startswith(f"{facts.patient_id}^^^&")
    door = read.find(".//ParticipantObjectDetail[@type='door']").get("value")
    assert base64.b64decode(door) == b"wado"
