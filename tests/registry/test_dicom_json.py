"""BulkDataURIs of metadata documents."""

from itertools import pairwise

import orjson
from hypothesis import given
from hypothesis import strategies as st

from registry.wire.dicom_json import (
    absolute_bulk_data_uris,
    build_bulk_data_prefix,
    stream_absolute_bulk_data_uris,
)


def test_prefix_names_the_instance_below_the_base_path():
    assert (
        build_bulk_data_prefix("/dicom-web/", "1.2", "1.3", "1.4")
        == "/dicom-web/studies/1.2/series/1.3/instances/1.4/bulkdata/"
    )
    assert build_bulk_data_prefix("", "1", "2", "3").startswith("/studies/1/")


def test_origin_is_put_before_every_uri():
    document = orjson.dumps(
        {"7FE00010": {"vr": "OW", "BulkDataURI": "/dicom-web/x"}, "a": {"BulkDataURI": "/y"}}
    )
    absolute = orjson.loads(absolute_bulk_data_uris(document, "https://pacs.example.org/"))
    assert absolute["7FE00010"]["BulkDataURI"] == "https://pacs.example.org/dicom-web/x"
    assert absolute["a"]["BulkDataURI"] == "https://pacs.example.org/y"


def test_text_that_looks_like_a_uri_is_left_alone():
    model = {"00104000": {"vr": "LT", "Value": ['"BulkDataURI":"/x', '\\"BulkDataURI":"/x']}}
    document = orjson.dumps(model)
    assert orjson.loads(absolute_bulk_data_uris(document, "https://a")) == model


def test_absolute_uris_stay_as_they_are():
    document = b'{"7FE00010":{"vr":"OW","BulkDataURI":"https://other/x"}}'
    assert absolute_bulk_data_uris(document, "https://a") == document


def test_origin_with_a_quotation_mark_cannot_break_the_document():
    document = orjson.dumps({"7FE00010": {"vr": "OW", "BulkDataURI": "/x"}})
    assert orjson.loads(absolute_bulk_data_uris(document, 'https://a"b'))


@given(st.lists(st.integers(0, 400), max_size=8))
def test_cutting_a_document_anywhere_changes_nothing(cuts):
    element = b'{"7FE00010":{"vr":"OW","BulkDataURI":"/dicom-web/studies/1/bulkdata/7FE00010"}}'
    document = b",\n".join([element] * 3) + b'"BulkDataURI":"'
    bounds = [0, *sorted(cuts), len(document)]
    pieces = [document[start:end] for start, end in pairwise(bounds)]
    streamed = b"".join(stream_absolute_bulk_data_uris(pieces, "https://a"))
    assert streamed == absolute_bulk_data_uris(document, "https://a")
    assert streamed.count(b"https://a/") == 3
