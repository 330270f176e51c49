"""SOAP 1.2 and MTOM/XOP on the way in and out, against zeep, requests-toolbelt and the schema of the envelope."""

import base64
import hashlib
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from requests_toolbelt.multipart.decoder import MultipartDecoder
from zeep.wsdl.attachments import MessagePack

from registry.ihe.faults import SoapFault
from registry.ihe.mtom import Attachment, Outgoing
from registry.ihe.soap import RequestReader, answer_fault, answer_package, answer_simple
from tests.support.soap import (
    SOAP,
    WSA,
    include,
    make_envelope,
    make_package,
    package_type,
    read_reply,
)

SIMPLE = "application/soap+xml; charset=UTF-8"
ACTION = "urn:ihe:iti:2007:RetrieveDocumentSet"


class Pieces:
    """A body that arrives in pieces of given sizes."""

    def __init__(self, data: bytes, sizes=()):
        self._stream = io.BytesIO(data)
        self._sizes = iter(sizes)

    def read(self, size_bytes: int) -> bytes:
        return self._stream.read(min(size_bytes, next(self._sizes, size_bytes)))

    def verify_length(self) -> None:
        """All of it is there."""


class Keeper:
    """Keeps attachments in memory and says how many were begun."""

    def __init__(self):
        self.kept: list[bytes] = []

    def __call__(self, pieces) -> Attachment:
        data = b"".join(bytes(piece) for piece in pieces)
        self.kept.append(data)
        return Attachment(
            str(len(self.kept)), len(data), hashlib.sha1(data).digest(), hashlib.sha256(data).digest()
        )


def read(body: bytes, content_type: str = SIMPLE, sizes=(), keeper=None):
    return RequestReader(content_type, Pieces(body, sizes), keeper or Keeper()).read()


def refused(body: bytes, content_type: str = SIMPLE) -> SoapFault:
    with pytest.raises(SoapFault) as caught:
        read(body, content_type)
    answer = answer_fault(caught.value, "urn:uuid:1")
    document = b"".join(answer.pieces)
    reply = read_reply(answer.status, answer.content_type, document)
    assert reply.fault == caught.value.code
    assert reply.relates_to == "urn:uuid:1"
    return caught.value


def test_a_simple_message_is_read():
    request = read(make_envelope(ACTION, "<x/>"))
    assert (request.envelope.action, request.envelope.message_id) == (ACTION, "urn:uuid:1")
    assert request.envelope.body.tag == "x"
    assert not request.is_package


def test_a_package_is_read_and_its_bytes_are_hashed():
    data = b"\r\n--MIME_boundar\0" * 1000
    body, kind = make_package(make_envelope(ACTION, f"<d>{include('a%40b')}</d>"), {"a@b": data})
    keeper = Keeper()
    request = read(body, kind, keeper=keeper)
    content = request.content_of(request.envelope.body, keeper)
    assert keeper.kept == [data]
    assert content.sha1 == hashlib.sha1(data).digest()
    assert request.is_package


def test_a_content_id_that_is_itself_percent_encoded_is_found():
    body, kind = make_package(
        make_envelope(ACTION, f"<d>{include('1@http%3A%2F%2Fcxf')}</d>"), {"1@http%3A%2F%2Fcxf": b"x"}
    )
    assert len(read(body, kind).contents) == 1


def test_inline_base64_is_taken_in_both_kinds():
    text = base64.encodebytes(b"\0\1\2" * 100).decode()
    for body, kind in (
        (make_envelope(ACTION, f"<d>{text}</d>"), SIMPLE),
        make_package(make_envelope(ACTION, f"<d>{text}</d>")),
    ):
        keeper = Keeper()
        request = read(body, kind, keeper=keeper)
        assert request.content_of(request.envelope.body, keeper).size_bytes == 300
        assert keeper.kept == [b"\0\1\2" * 100]


def test_a_root_that_is_not_the_first_part_is_found():
    body, _kind = make_package(
        b"attached", {"root": make_envelope(ACTION, f"<d>{include('first')}</d>")}, root_id="first"
    )
    request = read(body, package_type("MIME_boundary", "root"))
    assert len(request.contents) == 1


def test_a_part_in_base64_is_decoded():
    body, kind = make_package(
        make_envelope(ACTION, f"<d>{include('a')}</d>"), {"a": base64.encodebytes(bytes(range(256)) * 9)}
    )
    head, _, tail = body.rpartition(b"Content-Transfer-Encoding: binary")
    keeper = Keeper()
    read(head + b"Content-Transfer-Encoding: base64" + tail, kind, keeper=keeper)
    assert keeper.kept == [bytes(range(256)) * 9]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(max_size=600), max_size=4), st.lists(st.integers(1, 50), max_size=300))
def test_however_a_package_is_cut_into_pieces_it_reads_the_same(contents, sizes):
    boundary = "b0undary"
    contents = [content.replace(boundary.encode(), b"") for content in contents]
    documents = "".join(f"<d>{include(f'c{n}')}</d>" for n in range(len(contents)))
    body, kind = make_package(
        make_envelope(ACTION, f"<ds>{documents}</ds>"), {f"c{n}": c for n, c in enumerate(contents)}, boundary
    )
    keeper = Keeper()
    request = read(body, kind, sizes=sizes, keeper=keeper)
    assert keeper.kept == contents
    assert [request.content_of(d, keeper).size_bytes for d in request.envelope.body] == [
        len(c) for c in contents
    ]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_package_that_ends_early_is_never_taken(data):
    body, kind = make_package(make_envelope(ACTION, f"<d>{include('a')}</d>"), {"a": b"document" * 20})
    end = data.draw(st.integers(0, len(body) - 5))  # what follows the closing delimiter is optional
    assert refused(body[:end], kind).code == "Sender"


@pytest.mark.parametrize(
    ("document", "code", "status"),
    [
        (b"", "Sender", 400),
        (b"not xml", "Sender", 400),
        (make_envelope(ACTION, "<x>")[:-1], "Sender", 400),
        (
            make_envelope(ACTION, "<x/>", soap="http://schemas.xmlsoap.org/soap/envelope/"),
            "VersionMismatch",
            500,
        ),
        (make_envelope(ACTION, "<x/>", soap="urn:other"), "VersionMismatch", 500),
        (b"<x/>", "Sender", 400),
        (make_envelope(ACTION, ""), "Sender", 400),
        (make_envelope(ACTION, "<x/><y/>"), "Sender", 400),
        (
            make_envelope(ACTION, "<x/>", header='<q:h xmlns:q="urn:q" s:mustUnderstand="true"/>'),
            "MustUnderstand",
            500,
        ),
        (make_envelope(ACTION, f"<x>{include('nowhere')}</x>"), "Sender", 400),
        (
            b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>"
            + make_envelope(ACTION, "<x>&e;</x>")[38:],
            "Sender",
            400,
        ),
        (make_envelope(ACTION, "<x/>" + " " * (4 << 20)), "Sender", 413),
        (make_envelope(ACTION, "<x>" * 300 + "</x>" * 300), "Sender", 400),
        (make_envelope(ACTION, "<x>&undeclared;</x>"), "Sender", 400),
    ],
)
def test_what_is_wrong_with_a_message_is_a_fault(document, code, status):
    fault = refused(document)
    assert (fault.code, fault.status) == (code, status)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_document_type_does_not_hide_in_another_encoding(encoding):
    text = '<?xml version="1.0" encoding="UTF-16"?><!-- c --><!DOCTYPE x><x/>'
    assert "document type" in refused(text.encode(encoding)).reason
    plain = make_envelope(ACTION, "<x/>").decode().replace("UTF-8", "UTF-16")
    assert read(plain.encode(encoding)).envelope.action == ACTION


def test_the_headers_that_were_not_understood_are_named():
    header = '<q:h xmlns:q="urn:q" s:mustUnderstand="1"/>'
    fault = refused(make_envelope(ACTION, "<x/>", header=header))
    root = etree.fromstring(b"".join(answer_fault(fault).pieces))
    [block] = root.iter(f"{{{SOAP}}}NotUnderstood")
    prefix, name = block.get("qname").split(":")
    assert (block.nsmap[prefix], name) == ("urn:q", "h")


def test_a_header_for_somebody_else_need_not_be_understood():
    header = '<q:h xmlns:q="urn:q" s:mustUnderstand="1" s:role="urn:gateway"/><q:i xmlns:q="urn:q"/>'
    assert read(make_envelope(ACTION, "<x/>", header=header)).envelope.action == ACTION


def test_another_version_is_told_which_one_is_taken():
    fault = refused(
        make_envelope(ACTION, "<x/>", soap="http://schemas.xmlsoap.org/soap/envelope/"), "text/xml"
    )
    root = etree.fromstring(b"".join(answer_fault(fault).pieces))
    assert root.find(f".//{{{SOAP}}}Upgrade/{{{SOAP}}}SupportedEnvelope").get("qname") == "soap:Envelope"


@pytest.mark.parametrize(
    ("document", "subcode"),
    [
        (make_envelope(None, "<x/>"), "MessageAddressingHeaderRequired"),
        (make_envelope(ACTION, "<x/>", header="<a:Action>urn:other</a:Action>"), "InvalidAddressingHeader"),
        (
            make_envelope(
                ACTION, "<x/>", header="<a:ReplyTo><a:Address>http://elsewhere/</a:Address></a:ReplyTo>"
            ),
            "InvalidAddressingHeader",
        ),
    ],
)
def test_addressing_that_cannot_be_followed_is_a_fault(document, subcode):
    fault = refused(document)
    assert fault.subcodes[0] == subcode
    assert answer_fault(fault).content_type.endswith(f'action="{WSA}/fault"')


def test_the_action_of_the_content_type_is_a_hint():
    kind = f'{SIMPLE}; action="urn:hint"'
    assert read(make_envelope(None, "<x/>"), kind).envelope.action == "urn:hint"
    assert read(make_envelope(ACTION, "<x/>"), kind).envelope.action == ACTION


@pytest.mark.parametrize("kind", ["application/json", "", "nonsense", "multipart/form-data; boundary=x"])
def test_another_content_type_is_a_fault(kind):
    assert refused(make_envelope(ACTION, "<x/>"), kind).status == 415


def test_packages_that_do_not_hold_together_are_faults():
    envelope = make_envelope(ACTION, f"<d>{include('a')}</d>")
    body, kind = make_package(envelope, {"a": b"x"})
    assert "boundary" in refused(body, kind.replace("MIME_boundary", "another")).reason
    assert "boundaries" in refused(body, "multipart/related").reason
    assert "Content-ID" in refused(body, package_type("MIME_boundary", "missing")).reason
    assert (
        "nowhere"
        in refused(*make_package(make_envelope(ACTION, f"<d>{include('nowhere')}</d>"), {"a": b"x"})).reason
    )
    assert (
        "twice"
        in refused(
            *make_package(
                make_envelope(ACTION, f"<r><d>{include('a')}</d><d>{include('a')}</d></r>"), {"a": b"x"}
            )
        ).reason
    )
    assert (
        "cid"
        in refused(
            make_envelope(
                ACTION, '<d><i:Include xmlns:i="http://www.w3.org/2004/08/xop/include" href="http://x/"/></d>'
            )
        ).reason
    )
    assert refused(*make_package(envelope + b" " * (4 << 20), {"a": b"x"})).status == 413
    many = {f"p{n}": b"" for n in range(1001)}
    assert "1000 parts" in refused(*make_package(envelope, many)).reason


def test_nothing_is_kept_before_the_envelope_is_admitted():
    body, kind = make_package(make_envelope(ACTION, f"<d>{include('a')}</d>"), {"a": b"x"})
    keeper = Keeper()

    def refuse(envelope):
        raise PermissionError(envelope.action)

    with pytest.raises(PermissionError, match=ACTION):
        RequestReader(kind, Pieces(body), keeper, refuse).read()
    assert keeper.kept == []


def test_answers_say_what_they_answer():
    answer = answer_simple(f"{ACTION}Response", "urn:uuid:7", etree.Element("r"))
    reply = read_reply(answer.status, answer.content_type, b"".join(answer.pieces))
    assert (reply.action, reply.relates_to, reply.body.tag) == (f"{ACTION}Response", "urn:uuid:7", "r")


def test_a_package_that_was_written_is_read_by_others_and_by_us():
    body = etree.Element("r")
    etree.SubElement(body, "d").append(etree.fromstring(include("one@samsyn")))
    blocks = [b"x" * 100_000, b"y"]
    answer = answer_package(ACTION, "", body, [Outgoing("one@samsyn", "application/pdf", iter(blocks))])
    document = b"".join(answer.pieces)
    reply = read_reply(200, answer.content_type, document)
    assert reply.content_of(reply.body[0]) == b"".join(blocks)
    assert reply.types == {"one@samsyn": "application/pdf"}
    keeper = Keeper()
    assert read(document, answer.content_type, keeper=keeper).is_package
    assert keeper.kept == [b"".join(blocks)]
    package = MessagePack(MultipartDecoder(document, answer.content_type).parts[1:])
    assert package.get_by_content_id("<one@samsyn>").content == b"".join(blocks)


def test_every_answer_has_a_boundary_of_its_own():
    kinds = {answer_package(ACTION, "", etree.Element("r")).content_type for _ in range(5)}
    assert len(kinds) == 5
