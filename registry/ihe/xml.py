"""XML from outside: read by a parser that follows nothing, and refused with a document type.

Standard: W3C XML 1.0, IHE ITI TF-2x appendix V.3
"""

import re
from typing import TypeAlias

from lxml import etree

Element: TypeAlias = etree._Element
MAX_XML_BYTES = 4 << 20

_PROLOG = re.compile(rb"(?:\s+|<\?.*?\?>|<!--.*?-->)*", re.DOTALL)
_UTF16 = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"<\x00": "utf-16-le", b"\x00<": "utf-16-be"}
_DECLARATION = re.compile(r"^\ufeff?<\?xml[^>]*\?>")


class MalformedXml(ValueError):
    """The bytes are no XML that is taken: not well-formed, too large, or with a document type declaration."""


def parse_xml(document: bytes) -> Element:
    """Read a document and return its root; comments and processing instructions are left out.

    Raises
    ------
    MalformedXml
        It is not well-formed, longer than `MAX_XML_BYTES`, nested beyond 256 levels, or declares a DTD.
    """
    if len(document) > MAX_XML_BYTES:
        raise MalformedXml(f"the XML is longer than {MAX_XML_BYTES} bytes")
    text = _as_ascii_compatible(document)
    at = _PROLOG.match(text)
    if text[at.end() if at else 0 :][:9].upper() == b"<!DOCTYPE":
        raise MalformedXml("a document type declaration is not taken")
    try:
        root = etree.fromstring(text, _make_parser())
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        raise MalformedXml(f"the XML is not well-formed: {str(error)[:200]}") from error
    if root.getroottree().docinfo.doctype:  # one that hid behind another encoding
        raise MalformedXml("a document type declaration is not taken")
    return root


def write_xml(root: Element) -> bytes:
    """Write a document in UTF-8 with its declaration."""
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def _make_parser() -> etree.XMLParser:
    """Make a parser for one document: parsers are not shared between threads."""
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
        strip_cdata=True,
    )


def _as_ascii_compatible(document: bytes) -> bytes:
    """Turn UTF-16 into UTF-8, so that a declaration is found by its bytes; drop the byte order mark."""
    encoding = _UTF16.get(document[:2])
    if encoding is None:
        return document.removeprefix(b"\xef\xbb\xbf")
    try:
        return _DECLARATION.sub("", document.decode(encoding)).encode("utf-8")
    except UnicodeError as error:
        raise MalformedXml("the text cannot be decoded as UTF-16") from error
