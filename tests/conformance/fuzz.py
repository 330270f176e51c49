"""Requests that nobody would send: every part of a DICOMweb request put together from what breaks parsers.

The same seed makes the same requests.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from tests.conformance.archive import Archive

TEXTS = (
    "", " ", "*", "?", "**", "*?*?*?*?*?*?*?*?*", "a*b?c", "å", "Å*", "é", "\u0130", "ß", "\u200b", "日本*", "\U0001f9e0", "a\u0301",
    "=", "^", "^^^^^^", "a=b=c", "a^b=c^d", "\\", "a\\b", "'", '"', '""', "';--", "' OR 1=1", "%", "%%", "%s", "{0}", "${x}", "\0", "a\0b", "\n", "\r\nX: y", "\x7f", "\x1b",
    "0", "1", "-1", "+1", "1.5", "1e9", "-0", "00", "0x10", "９", "nan", "inf", "-inf", "1e400", "2147483647", "2147483648", "9223372036854775808", "9" * 400,
    "1.2.3", "1.2.", ".1", "1..2", "2.25." + "9" * 60, "1.2.3,1.2.4", "1.2\\1.3", "a" * 70, "A" * 5000,
    "20260302", "20260302-", "-20260302", "-", "--", "20260302-20260301", "20261302", "2026", "202603", "00000000", "99999999", "20260302-20260303-20260304",
    "101500", "10", "1015-1016", "25", "101500.123456", "20260302101500", "20260302101500+0100",
    "true", "false", "TRUE", "yes", "null", "[]", "{}", "all", "../../etc/passwd", "<script>", "image/png",
)  # fmt: skip
KEYS = (
    "StudyDate", "00080020", "StudyTime", "PatientName", "00100010", "PatientID", "AccessionNumber", "ModalitiesInStudy", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID",
    "SOPClassUID", "StudyDescription", "SeriesNumber", "InstanceNumber", "Rows", "PatientBirthDate", "PatientSex", "NumberOfStudyRelatedInstances", "00400275.00400009",
    "RequestAttributesSequence.ScheduledProcedureStepID", "00400275", "00400275.", ".00400009", "ProcedureCodeSequence.CodeValue", "PixelData", "00091001", "00090010", "0009xx01", "TimezoneOffsetFromUTC",
    "limit", "offset", "includefield", "fuzzymatching", "emptyvaluematching", "multiplevaluematching", "accept", "charset", "viewport", "window", "quality", "annotation", "iccprofile", "presentation",
    "frames", "requestType", "studyUID", "seriesUID", "objectUID", "contentType", "frameNumber", "rows", "columns", "region", "windowCenter", "windowWidth", "imageQuality", "transferSyntax", "anonymize",
    "presentationUID", "presentationSeriesUID", "Nonsense", "", "%00", "å", "patientname", "PATIENTNAME",
)  # fmt: skip
GOOD_PAIRS = (
    ("PatientName", "*"), ("PatientName", "Svensson*"), ("fuzzymatching", "true"), ("limit", "1"), ("offset", "1"), ("includefield", "all"), ("includefield", "StudyDescription"), ("StudyDate", "20200101-"), ("ModalitiesInStudy", "CT"),
    ("00400275.00400009", "SPS1"), ("accept", "image/png"), ("accept", "application/dicom"), ("viewport", "64,64"), ("viewport", "8,8,0,0,16,16"), ("window", "40,400,linear"), ("quality", "50"), ("annotation", "patient"), ("iccprofile", "srgb"),
    ("contentType", "application/dicom"), ("contentType", "image/png"), ("frameNumber", "1"), ("rows", "16"), ("columns", "16"), ("region", "0,0,0.5,0.5"), ("windowCenter", "40"), ("windowWidth", "400"), ("imageQuality", "50"),
)  # fmt: skip
NUMBERS = (
    "0",
    "1",
    "5",
    "6",
    "-1",
    "16",
    "32",
    "64",
    "1.5",
    "100000",
    "99999999999",
    "",
    "a",
    "nan",
    "inf",
    "1e5",
    "-32",
)
MEDIA_TYPES = (
    "*/*", "application/dicom", "application/dicom+json", "application/dicom+xml", "application/json", "application/octet-stream", "application/zip", "application/pdf", "application/*", "image/jpeg", "image/png",
    "image/gif", "image/jls", "image/jp2", "image/jphc", "image/jxl", "image/dicom-rle", "image/*", "video/mp4", "video/*", "text/html", "text/plain", "text/csv", "multipart/related", "multipart/*", "text/xml", "*", "*/png",
    "application/vnd.sun.wadl+xml", "a/b", "/", "image", "", "image/jpeg/png", "é/é", "a b/c", "x/" + "y" * 300,
)  # fmt: skip
PARAMETERS = (
    "q=0", "q=1", "q=0.5", "q=0.1234", "q=2", "q=-1", "q=x", "q=", "q", "q=1;q=0", "type=application/dicom", 'type="application/dicom"', 'type="application/octet-stream"', 'type="image/jpeg"', 'type="image/jp2"',
    'type="application/dicom+xml"', "type=*/*", 'type="', "type=", "transfer-syntax=*", "transfer-syntax=1.2.840.10008.1.2.1", 'transfer-syntax="1.2.840.10008.1.2.4.90"', "transfer-syntax=1.2.840.10008.1.2", "transfer-syntax=1.2.3",
    "transfer-syntax=", 'transfer-syntax="*"; transfer-syntax="1.2.840.10008.1.2.5"', "charset=utf-8", "charset=iso-8859-1", "boundary=x", 'a="b\\"c"', "a=b=c", ";", " ; ", "=", "é=é", "level=" + "9" * 200,
)  # fmt: skip
SUFFIXES = (
    "", "/metadata", "/series", "/instances", "/rendered", "/thumbnail", "/bulkdata", "/pixeldata", "/frames", "/frames/", "/frames/1", "/frames/1,2", "/frames/2,1,1", "/frames/0", "/frames/99", "/frames/1/rendered",
    "/frames/1,2/rendered", "/frames/1/thumbnail", "/frames/-1/rendered", "/bulkdata/7FE00010", "/bulkdata/7FE00010/1", "/bulkdata/00420011", "/bulkdata/x/y/z", "/nonsense", "/",
)  # fmt: skip
METHODS = ("GET",) * 40 + ("HEAD", "OPTIONS", "POST", "DELETE", "PUT", "PATCH", "TRACE", "get", "NONSENSE")
HEADERS = (
    ("Range", ("bytes=0-9", "bytes=-1", "bytes=5-1", "bytes=0-0,2-3", "bytes=99999999-", "bytes=-0", "x=1", "bytes=", "bytes=" + "9" * 40 + "-")),
    ("If-None-Match", ("*", '"x"', 'W/"x"', "x", '"', '"a", "b"', ",,,")),
    ("If-Match", ("*", '"x"', "")),
    ("If-Range", ('"x"', "Tue, 24 Nov 2026 08:00:00 GMT", "x")),
    ("If-Modified-Since", ("x", "Tue, 24 Nov 2026 08:00:00 GMT")),
    ("Accept-Encoding", ("gzip", "zstd", "gzip;q=0", "*", "br, gzip;q=x", "", "zstd;q=0.5, gzip;q=0.9")),
    ("Accept-Charset", ("utf-8", "x", "*;q=0")),
    ("Origin", ("http://localhost:3000", "null", "https://evil.example", "é")),
    ("Access-Control-Request-Method", ("GET", "x")),
    ("Forwarded", ("for=1.2.3.4;host=x;proto=y", "=", "host=\"")),
    ("X-Forwarded-Host", ("evil.example", "a,b", "[::1")),
    ("Content-Type", ("application/dicom", "application/dicom+json", "multipart/related", 'multipart/related; type="application/dicom"; boundary=x', 'multipart/related; type="application/dicom+json"; boundary=x', "application/zip", "x", "")),
    ("Expect", ("100-continue",)),
)  # fmt: skip
BODIES = (
    b"",
    b"x",
    b"[]",
    b"{}",
    b"[1]",
    b'{"00081199":{"vr":"SQ","Value":[{"00081155":{"vr":"UI","Value":[5]}}]}}',
    b"--x\r\n\r\n\r\n--x--\r\n",
    b"--x\r\nContent-Type: application/dicom+json\r\n\r\n[{}]\r\n--x--\r\n",
    b"\0" * 300,
    b"PK\3\4" + b"\0" * 100,
    b"[" * 5000,
    b'{"a":' * 3000,
)


@dataclass(frozen=True, slots=True)
class FuzzRequest:
    """One request; `target` follows the address of the server."""

    method: str
    target: str
    accept: str | None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


def make_requests(archive: Archive, seed: int, count: int) -> Iterator[FuzzRequest]:
    """Make requests that refer to what is in the archive more often than not."""
    dice = random.Random(seed)
    for _ in range(count):
        method = dice.choice(METHODS)
        body = dice.choice(BODIES) if method in ("POST", "PUT", "PATCH") or dice.random() < 0.01 else None
        headers = {name: dice.choice(values) for name, values in HEADERS if dice.random() < 0.08}
        accept = dice.choice((None, "*/*", "*/*", _make_accept(dice), _make_accept(dice), _make_accept(dice)))
        yield FuzzRequest(method, _make_target(dice, archive, method), accept, headers, body)


def _make_target(dice: random.Random, archive: Archive, method: str) -> str:
    if method in ("DELETE", "POST") and dice.random() < 0.8:
        # One instance is there to be removed; the others stay, so that later requests find something.
        return f"/dicom-web{archive['pt'].path}{dice.choice(('', '/reject/113001%5EDCM', '/reject/x'))}"
    kind = dice.random()
    if kind < 0.12:
        return "/wado" + _make_query(dice, archive, uri=True)
    if kind < 0.17:
        return f"/dicom-web/commitment-requests/{_encode(dice, dice.choice(TEXTS))}"
    if kind < 0.45:
        return "/dicom-web/" + dice.choice(("studies", "series", "instances")) + _make_query(dice, archive)
    known = dice.choice(list(archive.known.values()))
    path = dice.choice((known.study_path, known.series_path, known.path, known.path, known.path))
    if dice.random() < 0.08 or method == "DELETE":
        path = path.replace(path.rpartition("/")[2], _encode(dice, dice.choice(TEXTS)))
    query = _make_query(dice, archive) if dice.random() < 0.5 else ""
    return f"/dicom-web{path}{dice.choice(SUFFIXES)}{query}"


def _make_query(dice: random.Random, archive: Archive, *, uri: bool = False) -> str:
    pairs = [_make_pair(dice) for _ in range(dice.choice((0, 1, 1, 2, 3, 5)))]
    if uri and dice.random() < 0.9:
        dataset = dice.choice(list(archive.known.values())).dataset
        uids = (
            ("studyUID", dataset.StudyInstanceUID),
            ("seriesUID", dataset.SeriesInstanceUID),
            ("objectUID", dataset.SOPInstanceUID),
        )
        pairs += [("requestType", "WADO"), *((name, str(uid)) for name, uid in uids)]
    query = dice.choice(("&", "&", "&", "&&", ";")).join(
        f"{_encode(dice, key)}={_encode(dice, value)}" for key, value in pairs
    )
    return f"?{query}" if query or dice.random() < 0.1 else ""


def _make_pair(dice: random.Random) -> tuple[str, str]:
    return dice.choice(GOOD_PAIRS) if dice.random() < 0.5 else (dice.choice(KEYS), _make_value(dice))


def _make_value(dice: random.Random) -> str:
    kind = dice.random()
    if kind < 0.2:
        return ",".join(dice.choice(NUMBERS) for _ in range(dice.choice((1, 2, 2, 3, 4, 6, 7))))
    if kind < 0.3:
        return _make_accept(dice)
    if kind < 0.35:
        return ",".join(dice.choice(KEYS) for _ in range(3))
    return dice.choice(TEXTS)


def _make_accept(dice: random.Random) -> str:
    ranges = []
    for _ in range(dice.choice((1, 1, 1, 2, 3, 8))):
        parameters = [dice.choice(PARAMETERS) for _ in range(dice.choice((0, 0, 1, 2, 4)))]
        ranges.append(";".join([dice.choice(MEDIA_TYPES), *parameters]))
    return dice.choice((",", ", ", ",,", " ,")).join(ranges)


def _encode(dice: random.Random, text: str) -> str:
    """Encode as clients do, or not quite: other hex case, bytes that are no UTF-8, half an escape."""
    kind = dice.random()
    if kind < 0.03:
        return "%FF%FE" + quote(text, safe="")
    if kind < 0.05:
        return quote(text, safe="") + dice.choice(("%", "%4", "%zz", "%C3", "%ED%A0%80"))
    if kind < 0.3:
        return quote(text, safe="*?,=^;:/@!$'()\"<>{}[]|\\")
    return quote(text, safe="") if kind < 0.8 else quote(text, safe="").lower()
