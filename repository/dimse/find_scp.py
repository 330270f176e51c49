"""C-FIND on the patient, study, series and image level: the search of QIDO-RS.

Standard: PS3.4 C.4.1
"""

from collections.abc import Iterator, Sequence

import orjson
from django.conf import settings
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from access import audit
from access.actor import Actor
from access.database import release, write_transaction
from registry.fragments import fill_base_url, render_instance, render_series, render_study
from registry.models import Instance, Series, Study
from registry.search import Paging, search
from repository.dimse.identifiers import UNIQUE_KEYS, Question, read_question
from repository.dimse.status import (
    NOT_AUTHORISED,
    OUT_OF_RESOURCES,
    PENDING,
    PENDING_WITHOUT_SOME_KEYS,
    make_status,
)

PAGE = 200


def find(
    identifier: Dataset, actor: Actor, levels: Sequence[str]
) -> Iterator[tuple[Dataset, Dataset | None]]:
    """Yield a pending response a match; a list that would be too long ends with a failure, not silently.

    Raises
    ------
    InvalidIdentifier, InvalidSearch, SearchTooBroad, UnrecordedAccess
    """
    if not actor.may("read"):
        yield make_status(NOT_AUTHORISED, "this application entity may not search"), None
        return
    question = read_question(identifier, levels)
    status = PENDING_WITHOUT_SOME_KEYS if question.has_unsupported else PENDING
    number, limit = 0, settings.DIMSE_FIND_LIMIT
    seen: set[str] = set()
    while True:
        page = search(question.level, question.matches, Paging(min(PAGE, limit - number), number), actor)
        if number == 0:
            _record(actor, question, len(page.rows))
        answers = [_answer(row, question) for row in page.rows]
        release()
        for answer in answers:
            number += 1
            if question.query_level == "PATIENT":
                key = str(answer.get("PatientID", ""))
                if key in seen:
                    continue
                seen.add(key)
            yield make_status(status), answer
        if not page.more:
            return
        if number >= limit:
            yield make_status(OUT_OF_RESOURCES, f"more than {number} match: narrow the search"), None
            return


def _answer(row: Study | Series | Instance, question: Question) -> Dataset:
    rendered = Dataset.from_json(orjson.loads(fill_base_url(_render(row, question), "")))
    answer = Dataset()
    answer.SpecificCharacterSet = "ISO_IR 192"
    answer.QueryRetrieveLevel = question.query_level
    answer.RetrieveAETitle = settings.DIMSE_AE_TITLE
    unique = Tag(UNIQUE_KEYS[question.query_level])
    for tag in sorted({*question.tags, int(unique)}):
        if tag in rendered:
            answer[tag] = rendered[tag]
        elif tag not in answer:
            element = _empty(tag)
            if element is not None:
                answer.add(element)
    return answer


def _empty(tag: int) -> DataElement | None:
    """Return a key that was asked for and has no value; of one that no dictionary knows nothing can be said."""
    if not dictionary_has_tag(tag):
        return None
    vr = dictionary_VR(tag)
    return DataElement(tag, vr, [] if vr == "SQ" else None)


def _render(row: Study | Series | Instance, question: Question) -> bytes:
    if isinstance(row, Study):
        return render_study(row, [f for f in question.fields if f.level == "study"])
    if isinstance(row, Series):
        fields = [f for f in question.fields if f.level in ("study", "series")]
        return render_series(row, row.study.study_instance_uid, fields)
    parent = row.series
    return render_instance(row, parent.series_instance_uid, parent.study.study_instance_uid, question.fields)


def _record(actor: Actor, question: Question, results: int) -> None:
    keys = {match.attribute.keyword: match.value for match in question.matches}
    detail = {"level": question.query_level, "query": str(keys)[:4000], "results": results}
    with write_transaction():
        audit.record(actor, "search", door="dimse", detail=detail)
