"""WADO-RS: metadata as JSON, XML or a zip archive, whole or certain attributes of it.

Standard: PS3.18 10.4.1.1.2, F, PS3.19 A
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from pydicom.datadict import tag_for_keyword

from access.actor import Actor
from registry.wire.base_url import origin_of, prefix_of
from registry.wire.dicom_json import (
    absolute_bulk_data_uris,
    split_documents,
    stream_absolute_bulk_data_uris,
)
from registry.wire.dicom_xml import xml_of_dicom_json
from registry.wire.media_types import Offer
from registry.wire.multipart_related import new_boundary
from registry.wire.zip_archive import ZippedFile, stream_zip
from repository import metadata, retrieve
from repository.conditions import check_if_match, is_not_modified, make_tag
from repository.dicomweb.answers import (
    ZIP,
    multipart,
    multipart_type,
    negotiate_for,
    not_modified,
    permitted,
    permitted_documents,
    start,
    stream,
)
from repository.dicomweb.base_url import dicomweb_base
from repository.dicomweb.content_coding import choose_coding, compress

XML = "application/dicom+xml"
OFFERS = (
    Offer("application/dicom+json"),
    Offer("application/json"),
    Offer(XML, multipart=True),
    Offer(ZIP),
)
HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Accept, Accept-Encoding, Authorization, Cookie"}
KEPT_BYTES = 128 << 10
_NOT_SHOWN = re.compile(r"[^0-9A-Za-z.]")
ALWAYS_INCLUDED = ("00080005", "00080016", "00080018", "0020000D", "0020000E")


@dataclass(frozen=True, slots=True)
class Fields:
    """The attributes that are wanted, by tag, None for all; and what was asked for and is no attribute."""

    tags: frozenset[str] | None
    unknown: tuple[str, ...]


EVERY = Fields(None, ())


@dataclass(frozen=True, slots=True)
class Source:
    """Where the metadata comes from: one document, or the plan of a series or study.

    `facts` determine the text.
    """

    document: bytes | None
    plans: tuple[metadata.DocumentPlan, ...]
    facts: tuple[bytes, ...]


def retrieve_metadata(
    request: HttpRequest, actor: Actor, study: str, series: str | None = None, instance: str | None = None
) -> HttpResponseBase:
    """Answer with the attributes of a study, series or instance.

    `includefield` is an extension: only the attributes that it names, and the identifying ones.
    """
    source = _find_source(actor, study, series, instance)
    media_type = negotiate_for(request, OFFERS).offer.media_type
    fields = parse_fields(request.GET.getlist("includefield"))
    coding = "" if media_type == ZIP else choose_coding(request)
    tag = _make_tag(request, source, media_type, coding, fields)
    check_if_match(request, tag)
    headers = _make_headers(request, tag, coding, fields)
    if is_not_modified(request, tag):
        return not_modified(headers)
    if media_type == ZIP:
        return _answer_zip(request, source, fields, headers)
    if media_type == XML:
        return _answer_xml(request, source, fields, headers, coding)
    if source.document is not None:
        body = compress(_stream_json(request, source, fields), coding)
        return HttpResponse(b"".join(body), content_type=media_type, headers=headers)
    pieces = start(_stream_coded(request, source, fields, coding))
    return stream(pieces, media_type, actor=None, headers=headers)


def _answer_zip(
    request: HttpRequest, source: Source, fields: Fields, headers: dict[str, str]
) -> HttpResponseBase:
    headers["Content-Disposition"] = 'attachment; filename="metadata.zip"'
    files = (ZippedFile("metadata.json", 0, _stream_json(request, source, fields)),)
    return stream(start(stream_zip(files)), ZIP, actor=None, headers=headers)


def _answer_xml(
    request: HttpRequest, source: Source, fields: Fields, headers: dict[str, str], coding: str
) -> HttpResponseBase:
    boundary = new_boundary()
    parts = _make_xml_parts(_read_documents(request, source, fields), dicomweb_base(request))
    body = start(compress(multipart(boundary, parts), coding))
    return stream(body, multipart_type(XML, boundary), actor=None, headers=headers)


def parse_fields(values: Iterable[str]) -> Fields:
    """Read `includefield` parameters: tags, keywords, lists of them; a path into a sequence means all of it.

    Standard: PS3.18 8.3.4.3
    """
    names = [name for value in values for name in value.split(",") if name]
    if not names or "all" in names:
        return Fields(None, ())
    tags, unknown = set(ALWAYS_INCLUDED), []
    for name in names:
        tag = _find_tag(name.partition(".")[0])
        if tag:
            tags.add(tag)
        else:
            unknown.append(name)
    return Fields(frozenset(tags), tuple(unknown))


def _find_tag(name: str) -> str:
    if len(name) == 8 and all(digit in "0123456789abcdefABCDEF" for digit in name):
        return name.upper()
    number = tag_for_keyword(name)
    return "" if number is None else f"{number:08X}"


def _find_source(actor: Actor, study: str, series: str | None, instance: str | None) -> Source:
    if instance is None:
        plans = tuple(permitted_documents(actor, study, series))
        return Source(None, plans, (study.encode(), (series or "").encode(), repr(plans).encode()))
    _, [item] = permitted(actor, study, series, instance)
    return Source(retrieve.read_document(item), (), (item.sha256, str(item.segment_id).encode()))


def _make_tag(request: HttpRequest, source: Source, media_type: str, coding: str, fields: Fields) -> str:
    kinds = (origin_of(request), media_type, coding, *sorted(fields.tags or ("all",)))
    facts = (
        *source.facts,
        str(settings.RELATIVE_BULK_DATA_URIS).encode(),
        *(kind.encode() for kind in kinds),
    )
    return make_tag(facts, weak=bool(coding) or media_type in (XML, ZIP))


def _make_headers(request: HttpRequest, tag: str, coding: str, fields: Fields) -> dict[str, str]:
    headers = {**HEADERS, "ETag": tag}
    if coding:
        headers["Content-Encoding"] = coding
    if fields.unknown:
        shown = ", ".join(_NOT_SHOWN.sub("?", name[:64]) for name in fields.unknown[:10])
        headers["Warning"] = f'299 {request.get_host()} "includefield names no known attributes: {shown}"'
    return headers


def _stream_coded(request: HttpRequest, source: Source, fields: Fields, coding: str) -> Iterator[bytes]:
    """Yield JSON in a coding; documents that are wanted whole in zstd are hardly touched."""
    if coding != "zstd" or fields.tags is not None or not all(plan.is_whole for plan in source.plans):
        return compress(_stream_json(request, source, fields), coding)
    base = _base_of_uris(request)
    convert = partial(_rebase, base=base) if base else lambda document: (document,)
    return metadata.stream_compressed(source.plans, convert)


def _rebase(document: bytes, base: str) -> Iterator[bytes]:
    """Yield a compressed document as zstd frames with its BulkDataURIs below a base."""
    if len(document) <= KEPT_BYTES:
        yield _rebase_short(document, base)
        return
    pieces = stream_absolute_bulk_data_uris(metadata.decompress_in_pieces(document), base)
    yield from compress(pieces, "zstd")


@lru_cache(maxsize=64)
def _rebase_short(document: bytes, base: str) -> bytes:
    """Do so once for many readers: what is kept is a hundredth of the text."""
    pieces = stream_absolute_bulk_data_uris(metadata.decompress_in_pieces(document), base)
    return b"".join(compress(pieces, "zstd"))


def _base_of_uris(request: HttpRequest) -> str:
    """Return what goes before the path of a BulkDataURI."""
    return prefix_of(request) if settings.RELATIVE_BULK_DATA_URIS else origin_of(request)


def _stream_json(request: HttpRequest, source: Source, fields: Fields) -> Iterator[bytes]:
    """Yield a JSON array in pieces, its BulkDataURIs as the settings say."""
    if fields.tags is not None:
        return _join(orjson.dumps(document) for document in _read_documents(request, source, fields))
    base = _base_of_uris(request)
    if source.document is not None:
        return iter((b"[" + absolute_bulk_data_uris(source.document, base) + b"]",))
    pieces = metadata.stream_plain(source.plans)
    return stream_absolute_bulk_data_uris(pieces, base) if base else pieces


def _read_documents(request: HttpRequest, source: Source, fields: Fields) -> Iterator[dict[str, Any]]:
    tags = fields.tags
    for text in split_documents(_stream_json(request, source, EVERY)):
        document: dict[str, Any] = orjson.loads(text)
        yield document if tags is None else {tag: document[tag] for tag in document if tag in tags}


def _join(documents: Iterable[bytes]) -> Iterator[bytes]:
    mark = b"["
    for document in documents:
        yield mark + document
        mark = metadata.SEPARATOR
    yield b"]"


def _make_xml_parts(
    documents: Iterable[dict[str, Any]], base: str
) -> Iterator[tuple[str, str, Iterator[bytes]]]:
    for document in documents:
        study, series, instance = (document[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018"))
        url = f"{base}/studies/{study}/series/{series}/instances/{instance}/metadata"
        yield XML, url, iter((xml_of_dicom_json(document),))
