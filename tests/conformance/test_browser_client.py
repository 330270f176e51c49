"""Every transaction of the npm package dicomweb-client, in a browser, on a page of another origin.

This is the client inside OHIF. It runs as it was published (vendor/dicomweb_client); the page lives at the origin that
the server is configured to trust.
"""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.conformance.archive import Archive, Known
from tests.conformance.conftest import ORIGIN
from tests.support.dicom import StudyFacts, make_ct

pytestmark = [pytest.mark.server, pytest.mark.browser]

LIBRARY = Path(__file__).parent / "vendor" / "dicomweb_client" / "dicomweb-client.js"
PAGE = "<!doctype html><html lang=en><title>viewer</title><script>%s</script></html>"
CALL = """async ([url, token, method, options]) => {
    const client = new DICOMwebClient.api.DICOMwebClient({ url, headers: { Authorization: `Bearer ${token}` } });
    const describe = value => {
        if (value instanceof ArrayBuffer) return { bytes: Array.from(new Uint8Array(value)) };
        if (ArrayBuffer.isView(value)) return { bytes: Array.from(value) };
        if (Array.isArray(value)) return value.map(describe);
        return value;
    };
    if (options.datasets) options.datasets = options.datasets.map(bytes => new Uint8Array(bytes).buffer);
    try {
        return { value: describe(await client[method](options)) };
    } catch (error) {
        return { error: `${error.status || ''} ${error.message}` };
    }
}"""


@pytest.fixture
def viewer(page: Page) -> Page:
    """A page of the trusted origin that has loaded the library."""
    # A browser asks its user before a page may reach servers of the own machine; this user says yes.
    page.context.grant_permissions(["local-network-access"], origin=ORIGIN)
    html = PAGE % LIBRARY.read_text(encoding="utf-8")
    page.route(f"{ORIGIN}/**", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto(f"{ORIGIN}/")
    return page


def call(viewer: Page, archive: Archive, method: str, **options: Any) -> Any:
    """Call a method of the client and return what it resolved to; buffers come as bytes."""
    outcome = viewer.evaluate(CALL, [archive.wire.base, archive.token, method, options])
    assert "error" not in outcome, (method, outcome["error"])
    return decode(outcome["value"])


def decode(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"bytes"}:
        return bytes(value["bytes"])
    return [decode(item) for item in value] if isinstance(value, list) else value


def uids(known: Known) -> dict[str, str]:
    dataset = known.dataset
    return {
        "studyInstanceUID": str(dataset.StudyInstanceUID),
        "seriesInstanceUID": str(dataset.SeriesInstanceUID),
        "sopInstanceUID": str(dataset.SOPInstanceUID),
    }


def test_searches(viewer, archive):
    ct = uids(archive["ct1"])
    query = {
        "PatientName": "*kesson*",
        "limit": 101,
        "offset": 0,
        "fuzzymatching": "false",
        "includefield": "00081030,00080060",
    }
    assert len(call(viewer, archive, "searchForStudies", queryParams=query)) == 2
    assert len(call(viewer, archive, "searchForSeries", studyInstanceUID=ct["studyInstanceUID"])) == 2
    found = call(
        viewer,
        archive,
        "searchForInstances",
        **{key: ct[key] for key in ("studyInstanceUID", "seriesInstanceUID")},
    )
    assert len(found) == 3


def test_metadata(viewer, archive):
    ct = uids(archive["ct1"])
    study = {"studyInstanceUID": ct["studyInstanceUID"]}
    series = study | {"seriesInstanceUID": ct["seriesInstanceUID"]}
    assert len(call(viewer, archive, "retrieveStudyMetadata", **study)) == 4
    assert len(call(viewer, archive, "retrieveSeriesMetadata", **series)) == 3
    document = call(viewer, archive, "retrieveInstanceMetadata", **ct)
    document = document[0] if isinstance(document, list) else document
    assert document["00100010"]["Value"] == [{"Alphabetic": "Åkesson^Östen^^Dr"}]


def test_instances(viewer, archive):
    ct = uids(archive["ct1"])
    files = {known.file[128:] for known in archive.instances_of(archive["ct1"].study_path)}
    study = call(viewer, archive, "retrieveStudy", studyInstanceUID=ct["studyInstanceUID"])
    assert {file[128:] for file in study} == files
    series = call(
        viewer,
        archive,
        "retrieveSeries",
        **{key: ct[key] for key in ("studyInstanceUID", "seriesInstanceUID")},
    )
    assert len(series) == 3
    assert call(viewer, archive, "retrieveInstance", **ct)[128:] == archive["ct1"].file[128:]


def test_frames(viewer, archive):
    frames = call(
        viewer, archive, "retrieveInstanceFrames", **uids(archive["multiframe"]), frameNumbers=[1, 5]
    )
    pixels = archive["multiframe"].pixels
    assert frames == [pixels[0].astype("<u2").tobytes(), pixels[4].astype("<u2").tobytes()]


@pytest.mark.parametrize(
    ("name", "media_type", "syntax"),
    [("jpeg_ls", "image/jls", "1.2.840.10008.1.2.4.80"), ("jpeg", "image/jpeg", "1.2.840.10008.1.2.4.50")],
)
def test_compressed_frames(viewer, archive, name, media_type, syntax):
    wanted = [{"mediaType": media_type, "transferSyntaxUID": syntax}]
    [frame] = call(
        viewer, archive, "retrieveInstanceFrames", **uids(archive[name]), frameNumbers=[1], mediaTypes=wanted
    )
    assert frame.rstrip(b"\0") in archive[name].file


@pytest.mark.parametrize(("media_type", "start"), [("image/jpeg", b"\xff\xd8"), ("image/png", b"\x89PNG")])
@pytest.mark.parametrize("method", ["retrieveInstanceRendered", "retrieveInstanceThumbnail"])
@pytest.mark.parametrize("frames", [False, True])
def test_rendered(viewer, archive, frames, method, media_type, start):
    """The client gives a buffer or a list of them, depending on the method."""
    options: dict[str, Any] = uids(archive["pt"]) | {"mediaTypes": [{"mediaType": media_type}]}
    if frames:
        method = method.replace("Instance", "InstanceFrames")
        options["frameNumbers"] = [1]
    picture = call(viewer, archive, method, **options)
    assert (picture[0] if isinstance(picture, list) else picture).startswith(start)


def test_bulk_data(viewer, archive):
    document = call(viewer, archive, "retrieveInstanceMetadata", **uids(archive["ct1"]))
    document = document[0] if isinstance(document, list) else document
    uri = document["7FE00010"]["BulkDataURI"]
    content = call(viewer, archive, "retrieveBulkData", BulkDataURI=uri)
    assert content == [archive["ct1"].dataset.PixelData]
    part = call(
        viewer,
        archive,
        "retrieveBulkData",
        BulkDataURI=uri,
        byteRange=[0, 15],
        mediaTypes=[{"mediaType": "application/octet-stream"}],
    )
    assert b"".join(part)[:16] == archive["ct1"].dataset.PixelData[:16]


def test_a_wado_uri_of_the_client(viewer, archive):
    options = uids(archive["pt"]) | {"contentType": "image/jpeg"}
    url = call(viewer, archive, "buildInstanceWadoURIUrl", **options)
    url = url.replace("/dicom-web?", "/wado?").replace("/dicom-web/?", "/wado?")
    answer = archive.ask(url, "*/*")
    assert answer.status == 200, (url, answer.describe())
    assert answer.media_type == "image/jpeg"


def test_storing(viewer, inbox):
    file = make_ct(StudyFacts(patient_id="browser-client"))
    call(viewer, inbox, "storeInstances", datasets=[list(file)])
    found = inbox.ask("/studies?PatientID=browser-client", "application/dicom+json").json()
    assert len(found) == 1


def test_errors_reach_the_page(viewer, archive):
    outcome = viewer.evaluate(
        CALL, [archive.wire.base, archive.token, "retrieveStudyMetadata", {"studyInstanceUID": "1.2.3"}]
    )
    assert outcome["error"].startswith("404")
    outcome = viewer.evaluate(CALL, [archive.wire.base, "nonsense", "searchForStudies", {}])
    assert outcome["error"].startswith("401")
