"""A version of a report as PDF, for systems that take documents and no texts: the same version is the same bytes."""

import io
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from django.utils import translation
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext, gettext_noop
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer

from registry.models import ReportVersion, Study
from repository.delivery.contents.report_files import ReportFile

FONT = "delivered-report"
_FONTS = (
    Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"),
    Path("/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf"),
)
_FALLBACK = "Vera.ttf"
"""Carried by the library; it knows the letters of Western Europe only."""
STATES = {
    "preliminary": gettext_noop("Preliminary report"),
    "final": gettext_noop("Final report"),
    "addendum": gettext_noop("Addendum to the report"),
    "corrected": gettext_noop("Corrected report: it replaces the one before"),
    "cancelled": gettext_noop("Withdrawn report"),
}


def render_report(version: ReportVersion, study: Study, file: ReportFile | None = None) -> bytes:
    """Return a version as pages of A4, in the language of the report: whom and what it is about, state, text.

    Of a file of another kind it says that there is one, and where.
    """
    with translation.override("sv" if version.language.startswith("sv") else "en"):
        story = _write_story(version, study, file)
        title = gettext(STATES[version.status])
    out = io.BytesIO()
    document = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=20 * mm,
        rightMargin=20 * mm,
        topMargin=18 * mm,
        bottomMargin=18 * mm,
        title=title,
        author="Samsyn",
        lang=version.language,
        invariant=1,
    )
    document.build(story)
    return out.getvalue()


def _write_story(version: ReportVersion, study: Study, file: ReportFile | None) -> list[Any]:
    font = _register_font()
    body = ParagraphStyle("body", fontName=font, fontSize=10, leading=14)
    title = ParagraphStyle("title", fontName=font, fontSize=15, leading=20)
    story: list[Any] = [_paragraph(gettext(STATES[version.status]), title), Spacer(0, 3 * mm)]
    story += [_paragraph(f"{name}: {value}", body) for name, value in _describe(version, study) if value]
    story.append(Spacer(0, 6 * mm))
    for line in version.text.splitlines():
        story.append(_paragraph(line, body) if line.strip() else Spacer(0, 4 * mm))
    if file is not None:
        text = gettext("The report came as a file of the type %(type)s; it is read in the portal.")
        story.append(_paragraph(text % {"type": file.media_type}, body))
    return story


def _describe(version: ReportVersion, study: Study) -> list[tuple[str, str]]:
    name = " ".join(part for part in reversed(study.patient_name.split("=")[0].split("^")[:2]) if part)
    author = " ".join(part for part in reversed(version.author.split("^")[:2]) if part)
    at = date_format(localtime(version.authored_at), "Y-m-d H:i")
    return [
        (gettext("Patient"), f"{name}, {study.patient_id}"),
        (gettext("Examination"), f"{version.report.title or study.study_description}, {study.study_date}"),
        (gettext("Accession number"), study.accession_number),
        (gettext("Written"), f"{at}, {author}" if author else at),
    ]


def _paragraph(text: str, style: ParagraphStyle) -> Paragraph:
    """Make a paragraph of plain text: the library would follow what looks like its mark-up."""
    return Paragraph(escape(text), style)


@cache
def _register_font() -> str:
    path = next((str(path) for path in _FONTS if path.exists()), _FALLBACK)
    pdfmetrics.registerFont(TTFont(FONT, path))
    return FONT
