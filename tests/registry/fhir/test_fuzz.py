"""Whatever is sent, the edge answers with a resource and never breaks."""

from urllib.parse import urlencode

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.fhir.elements import elements_of
from registry.fhir.errors import MalformedResource
from registry.fhir.structure import check_structure
from registry.fhir.xml_format import resource_of_xml, xml_of_resource
from tests.registry.fhir.consent_rows import (
    ask_for_block,
    ask_for_consent,
    ask_for_lift,
    make_block,
    make_patient,
)

NAMES = sorted(
    {name for kind in ("Consent", "ConsentProvision", "Reference", "Period") for name in elements_of(kind)}
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False), st.text(max_size=20)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=4),
    ),
    max_leaves=12,
)
RELAXED = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@RELAXED
@given(VALUES)
def test_a_checked_resource_can_be_written_as_xml_and_read_back(value):
    resource = {"resourceType": "Consent", **value} if isinstance(value, dict) else value
    try:
        check_structure(resource)
    except MalformedResource:
        return
    assert resource_of_xml(xml_of_resource(resource))["resourceType"] == resource["resourceType"]


@RELAXED
@given(st.binary(max_size=200) | st.text(alphabet='<>/="& abPatient\n\0', max_size=120).map(str.encode))
def test_any_bytes_as_xml_are_a_resource_or_malformed(body):
    try:
        resource_of_xml(body)
    except MalformedResource:
        return


@pytest.fixture
def keeper(token_of):
    return token_of(None, "read", "consent")


@pytest.fixture
def patient(db):
    return make_patient()


@RELAXED
@given(data=st.data())
def test_a_changed_consent_is_registered_or_refused_with_a_reason(ask, keeper, patient, department, data):
    hsa_id = department.unit.hsa_id
    block = make_block(patient, unit=department.unit)
    makers = (
        lambda: ask_for_consent(hsa_id),
        lambda: ask_for_block(hsa_id),
        lambda: ask_for_lift(block.pk, hsa_id),
    )
    resource = data.draw(st.sampled_from(makers))()
    place = data.draw(st.sampled_from([resource, resource["provision"], resource["patient"]]))
    place[data.draw(st.sampled_from(NAMES))] = data.draw(VALUES)
    answer = ask("Consent", "POST", token=keeper, body=orjson.dumps(resource))
    assert answer.status_code in (201, 400, 409, 422), answer.content
    if answer.status_code != 201:
        assert answer.json()["issue"][0]["diagnostics"]


@RELAXED
@given(
    path=st.sampled_from(["Consent", "ImagingStudy"]),
    pairs=st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "_id",
                    "identifier",
                    "patient",
                    "patient.identifier",
                    "started",
                    "period",
                    "date",
                    "modality",
                    "status",
                    "actor",
                    "actor.identifier",
                    "series",
                    "source-reference",
                    "category",
                    "_count",
                    "_sort",
                    "_page",
                    "_format",
                    "_pretty",
                    "period:missing",
                    "patient:Patient",
                ]
            ),
            st.text(max_size=20) | st.text(alphabet="0123456789-:TZ+.gelt|,\\*", max_size=20),
        ),
        max_size=4,
    ),
)
def test_any_search_is_answered_or_refused_with_a_reason(ask, keeper, path, pairs):
    answer = ask(f"{path}?{urlencode(pairs, errors='surrogatepass')}", token=keeper)
    assert answer.status_code in (200, 400, 404, 406, 422), answer.content
