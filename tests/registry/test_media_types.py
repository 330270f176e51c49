"""The one negotiator, held against what clients really send."""

import pydicom.uid
import pytest
from dicomweb_client.web import DICOMwebClient
from hypothesis import given
from hypothesis import strategies as st

from registry.wire.media_types import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    SYNTAXES_OF_MEDIA_TYPE,
    MalformedAccept,
    MalformedMediaType,
    MediaRange,
    NotAcceptable,
    Offer,
    media_type_of_frames,
    negotiate,
    parse_accept,
    parse_media_type,
)

JPEG_LS = "1.2.840.10008.1.2.4.80"
J2K = "1.2.840.10008.1.2.4.90"
JPEG = "1.2.840.10008.1.2.4.70"
IMPLICIT = "1.2.840.10008.1.2"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
LE = EXPLICIT_VR_LITTLE_ENDIAN

DICOM = Offer("application/dicom", True, (LE, JPEG_LS, J2K), LE)
DICOM_SINGLE = Offer("application/dicom", False, (LE, JPEG_LS, J2K), LE)
OCTETS = Offer("application/octet-stream", True, (LE,), LE)
JLS = Offer("image/jls", True, (JPEG_LS,), JPEG_LS)
JPEG_FRAMES = Offer("image/jpeg", True, (JPEG,), JPEG)
JSON = Offer("application/dicom+json")
XML = Offer("application/dicom+xml", True)
RENDERED_JPEG = Offer("image/jpeg")
RENDERED_PNG = Offer("image/png")

INSTANCE = (DICOM, DICOM_SINGLE)
STUDY = (DICOM,)
FRAMES = (OCTETS, JLS, JPEG_FRAMES)
METADATA = (JSON, XML)
RENDERED = (RENDERED_JPEG, RENDERED_PNG)


@pytest.mark.parametrize(
    ("accept", "offers", "offer", "syntax"),
    [
        # whatever is at hand
        (None, STUDY, DICOM, LE),
        ("", STUDY, DICOM, LE),
        ("*/*", STUDY, DICOM, LE),
        ("text/html,application/xhtml+xml,*/*;q=0.8", METADATA, JSON, ""),
        # multipart, quoted or token, any case
        ('multipart/related; type="application/dicom"', STUDY, DICOM, LE),
        ("multipart/related; type=application/dicom", STUDY, DICOM, LE),
        ('Multipart/Related; TYPE="Application/DICOM"', STUDY, DICOM, LE),
        ("multipart/related", STUDY, DICOM, LE),
        ("multipart/*", STUDY, DICOM, LE),
        ('multipart/related; type="image/*"', FRAMES, JLS, JPEG_LS),
        # single part only where one item is one answer
        ("application/dicom", INSTANCE, DICOM_SINGLE, LE),
        ("application/*", INSTANCE, DICOM_SINGLE, LE),
        # transfer syntaxes
        (f"multipart/related; type=application/dicom; transfer-syntax={JPEG_LS}", STUDY, DICOM, JPEG_LS),
        (f'multipart/related; type="application/dicom"; transfer-syntax="{J2K}"', STUDY, DICOM, J2K),
        ("multipart/related; type=application/dicom; transfer-syntax=*", STUDY, DICOM, "*"),
        ("application/dicom; transfer-syntax=*", INSTANCE, DICOM_SINGLE, "*"),
        ("*/*; transfer-syntax=*", STUDY, DICOM, "*"),
        # OHIF: the parameter twice, the wanted one first
        (f'multipart/related; type="image/jls"; transfer-syntax="{JPEG_LS}"; transfer-syntax="*"', FRAMES, JLS, JPEG_LS),
        ("multipart/related; type=application/octet-stream; transfer-syntax=*", FRAMES, OCTETS, "*"),
        (f"multipart/related; type=application/dicom; transfer-syntax=1.2.3; transfer-syntax={J2K}", STUDY, DICOM, J2K),
        # two ranges that differ in nothing but the transfer syntax: the first
        (
            (f"multipart/related; type=application/dicom; transfer-syntax={J2K},"
            f"multipart/related; type=application/dicom; transfer-syntax={JPEG_LS}"),
            STUDY,
            DICOM,
            J2K,
        ),
        (
            (f"multipart/related; type=application/dicom; transfer-syntax={J2K};q=0.3,"
            f"multipart/related; type=application/dicom; transfer-syntax={JPEG_LS};q=0.4"),
            STUDY,
            DICOM,
            JPEG_LS,
        ),
        # quality before exactness, exactness before our order
        ("image/png, image/jpeg;q=0.5", RENDERED, RENDERED_PNG, ""),
        ("image/png;q=0.5, image/jpeg;q=0.4", RENDERED, RENDERED_PNG, ""),
        ("image/png, image/*", RENDERED, RENDERED_PNG, ""),
        ("image/jpeg, image/png", RENDERED, RENDERED_JPEG, ""),
        ("image/png, image/jpeg", RENDERED, RENDERED_JPEG, ""),
        ("image/*;q=0.2, image/png;q=0.1", RENDERED, RENDERED_JPEG, ""),
        # the more exact range decides about its offer
        ("*/*, image/jpeg;q=0", RENDERED, RENDERED_PNG, ""),
        ("image/*, image/jpeg;q=0.5", RENDERED, RENDERED_PNG, ""),
        (f"multipart/related; type=application/dicom;transfer-syntax={LE};q=0, */*;transfer-syntax=*", STUDY, DICOM, "*"),
        # metadata
        ("application/dicom+json", METADATA, JSON, ""),
        ("application/dicom+json; charset=utf-8", METADATA, JSON, ""),
        (f"application/dicom+json; transfer-syntax={LE}", METADATA, JSON, ""),
        ('multipart/related; type="application/dicom+xml"', METADATA, XML, ""),
        # older names
        (f"multipart/related; type=image/x-jls; transfer-syntax={JPEG_LS}", FRAMES, JLS, JPEG_LS),
    ],
)  # fmt: skip
def test_the_header_chooses(accept: str | None, offers: tuple[Offer, ...], offer: Offer, syntax: str) -> None:
    choice = negotiate(None, accept, offers)
    assert (choice.offer, choice.transfer_syntax) == (offer, syntax)


@pytest.mark.parametrize(
    ("accept", "offers"),
    [
        ("application/dicom", STUDY),
        ("text/html", STUDY),
        ("*/*;q=0", STUDY),
        ("image/jpeg;q=0, image/png;q=0, image/*", RENDERED),
        ("image/jpeg;q=0, text/plain", RENDERED),
        (f"multipart/related; type=application/dicom; transfer-syntax={IMPLICIT}", STUDY),
        (f"multipart/related; type=application/dicom; transfer-syntax={BIG_ENDIAN}", STUDY),
        ("multipart/related; type=application/dicom; transfer-syntax=1.2.3", STUDY),
        ("multipart/related; type=application/dicom+json", METADATA),
        ("multipart/mixed; type=application/dicom", STUDY),
        ('multipart/related; type="image/png"', FRAMES),
        ("application/dicom+xml", METADATA),
    ],
)
def test_what_does_not_fit_is_not_acceptable_and_the_offers_are_listed(
    accept: str, offers: tuple[Offer, ...]
) -> None:
    with pytest.raises(NotAcceptable) as raised:
        negotiate(None, accept, offers)
    for offer in offers:
        assert offer.media_type in str(raised.value)


def test_implicit_and_big_endian_are_refused_even_where_a_resource_offers_them() -> None:
    careless = Offer("application/dicom", True, (IMPLICIT, BIG_ENDIAN, LE), LE)
    for syntax in (IMPLICIT, BIG_ENDIAN):
        with pytest.raises(NotAcceptable):
            negotiate(
                None, f"multipart/related; type=application/dicom; transfer-syntax={syntax}", [careless]
            )


@pytest.mark.parametrize(
    ("query", "header", "offer"),
    [
        ("image/png", "image/jpeg", RENDERED_PNG),
        ("image/png", None, RENDERED_PNG),
        ("image/png;q=0.5,image/jpeg", "*/*", RENDERED_JPEG),
        ("image/gif", "image/png", RENDERED_PNG),
        ("image/gif", "*/*", RENDERED_JPEG),
        ("", "image/png", RENDERED_PNG),
    ],
)
def test_the_query_parameter_comes_first(query: str, header: str | None, offer: Offer) -> None:
    assert negotiate(query, header, RENDERED).offer == offer


def test_a_query_parameter_that_fits_nothing_is_no_wildcard() -> None:
    with pytest.raises(NotAcceptable):
        negotiate("image/gif", None, RENDERED)


def test_a_plus_that_a_query_turned_into_a_blank_is_mended() -> None:
    assert negotiate("application/dicom json", None, METADATA).offer == JSON
    assert negotiate('multipart/related; type="application/dicom xml"', None, METADATA).offer == XML
    with pytest.raises(MalformedAccept):
        negotiate(None, "application/dicom json", METADATA)


def test_the_headers_of_the_common_client_are_understood() -> None:
    client = DICOMwebClient("http://localhost")
    syntaxes = {LE: "application/octet-stream", JPEG_LS: ("image/jls", "image/x-jls")}
    for wanted, offer, syntax in (
        (("application/octet-stream",), OCTETS, LE),
        ((("image/jls", JPEG_LS),), JLS, JPEG_LS),
        (("*/*",), OCTETS, LE),
        ((("image/jls", "*"),), JLS, "*"),
    ):
        accept = client._build_multipart_accept_header_field_value(wanted, syntaxes | {"*": ("image/jls",)})
        choice = negotiate(None, accept, FRAMES)
        assert (choice.offer, choice.transfer_syntax) == (offer, syntax)


def test_ranges_are_parsed_in_order_with_everything_they_say() -> None:
    assert parse_accept("a/b;X=\"1,2;3\";x='4' ; q=0.25 , ,\tC/*;;level=1", "", "*/*") == (
        MediaRange("a", "b", (("x", "1,2;3"), ("x", "'4'")), 0.25),
        MediaRange("c", "*", (("level", "1"),)),
        MediaRange("*", "*"),
    )
    assert parse_accept(r'a/b;x="say \"hi\""')[0].values_of("x") == ('say "hi"',)
    assert [found.q for found in parse_accept("a/a;q=0,a/b;q=1.000,a/c;q=0.,a/d;q=.5,a/e;Q=0.125")] == [
        0,
        1,
        0,
        0.5,
        0.125,
    ]


@pytest.mark.parametrize(
    ("accept", "message"),
    [
        ("application", "'application' at character 0"),
        (", c", "'c' at character 2"),
        ("a/b c/d", "' c/d' at character 3"),
        ("*/json", r"\*/json is no media range"),
        ("a/b;q=2", "quality '2'"),
        ("a/b;q=high", "quality 'high'"),
        ("a/b;q=", "quality ''"),
        ('a/b;x="open', "at character"),
        ("a/b;=1", "at character"),
        ("å/b", "at character 0"),
        ("a/b," * 200, "200 media ranges"),
        ("a/b" + " " * 9000, "9003 characters"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(accept: str, message: str) -> None:
    with pytest.raises(MalformedAccept, match=message):
        parse_accept(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "garbage, a/b",
        "a/b, garbage",
        "*/json, a/b",
        'a/b, c/d;x="1,2" e, "f,g"',
        "a/b;q=1, c/d;q=2",
        'a/b, c/d;x="open, e/f',
    ],
)
def test_what_cannot_be_read_among_others_is_passed_over(accept: str) -> None:
    assert parse_accept(accept) == (MediaRange("a", "b"),)


@given(st.text(alphabet='ab/*;,=" \\q0.1\t', max_size=40) | st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        ranges = parse_accept(text)
    except MalformedAccept:
        return
    assert all(0 <= found.q <= 1 and found.type and found.subtype for found in ranges)


def test_one_media_type_may_hold_what_a_list_may_not() -> None:
    parsed = parse_media_type('Multipart/Related; type="application/dicom"; boundary=a,b; q=x')
    assert parsed.name == "multipart/related"
    assert parsed.values_of("boundary") == ("a,b",)
    for text in ("", "a", "a/b c", 'a/b; x="', "a/b, c/d"):
        with pytest.raises(MalformedMediaType):
            parse_media_type(text)


def test_every_transfer_syntax_of_the_dictionary_has_the_media_type_of_its_family() -> None:
    families = {
        "JPEG Baseline": "image/jpeg",
        "JPEG Extended (Process 2": "image/jpeg",
        "JPEG Lossless, Non-Hierarchical": "image/jpeg",
        "JPEG-LS": "image/jls",
        "JPEG 2000 Image": "image/jp2",
        "JPEG 2000 Part 2": "image/jpx",
        "High-Throughput JPEG 2000": "image/jphc",
        "JPEG XL": "image/jxl",
        "RLE Lossless": "image/dicom-rle",
        "MPEG2": "video/mpeg",
        "Fragmentable MPEG2": "video/mpeg",
        "MPEG-4": "video/mp4",
        "Fragmentable MPEG-4": "video/mp4",
        "HEVC": "video/H265",
    }
    checked = set()
    for uid, (name, kind, _, retired, _) in pydicom.uid.UID_dictionary.items():
        if kind == "Transfer Syntax" and not retired:
            family = next((prefix for prefix in families if name.startswith(prefix)), None)
            expected = families[family] if family else "application/octet-stream"
            assert media_type_of_frames(uid) == expected, name
            checked.add(family)
    # JPEG XL is in the dictionary only where another library has put it there.
    assert checked | {"JPEG XL"} == {*families, None}


def test_no_transfer_syntax_stands_twice_and_the_defaults_come_first() -> None:
    syntaxes = [syntax for family in SYNTAXES_OF_MEDIA_TYPE.values() for syntax in family]
    assert len(syntaxes) == len(set(syntaxes))
    defaults = {media_type: family[0] for media_type, family in SYNTAXES_OF_MEDIA_TYPE.items()}
    assert defaults["image/jpeg"] == JPEG
    assert defaults["image/jls"] == JPEG_LS
    assert defaults["image/jp2"] == J2K
    assert defaults["image/dicom-rle"] == "1.2.840.10008.1.2.5"
    assert defaults["application/octet-stream"] == LE
    assert not {IMPLICIT, BIG_ENDIAN} & set(syntaxes)
