"""BulkDataURIs of metadata documents."""

import orjson

from registry.wire.dicom_json import absolute_bulk_data_uris, build_bulk_data_prefix


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
