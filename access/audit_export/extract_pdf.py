"""The patient's extract as PDF, to be printed and signed out."""

import io
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import LongTable, Paragraph, SimpleDocTemplate, Spacer, TableStyle

from access.audit_export.extract import Extract
from access.audit_export.extract_files import COLUMNS, cells_of, describe_subject, notes_of
from access.audit_export.words import say

FONT = "extract"
_FONTS = (
    Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"),
    Path("/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf"),
)
_FALLBACK = "Vera.ttf"
"""Carried by the library; it knows the letters of Western Europe only."""
WIDTHS_MM = (36, 60, 52, 60, 65)


def write_pdf(extract: Extract) -> bytes:
    """Return a document of A4 pages with the head of the table and the number of pages on each."""
    font = _register_font()
    small = ParagraphStyle("cell", fontName=font, fontSize=8, leading=10)
    head = ParagraphStyle("head", parent=small, textColor=colors.white)
    title = ParagraphStyle("title", fontName=font, fontSize=15, leading=20)
    story: list[Any] = [_paragraph(say("title", extract.language), title), Spacer(0, 3 * mm)]
    story += [_paragraph(f"{name}: {value}", small) for name, value in describe_subject(extract)]
    story += [Spacer(0, 2 * mm), *(_paragraph(note, small) for note in notes_of(extract)), Spacer(0, 3 * mm)]
    story.append(_make_table(extract, small, head))
    out = io.BytesIO()
    document = SimpleDocTemplate(
        out,
        pagesize=landscape(A4),
        leftMargin=12 * mm,
        rightMargin=12 * mm,
        topMargin=12 * mm,
        bottomMargin=15 * mm,
        title=say("title", extract.language),
        author="Samsyn",
        lang="sv" if extract.language.startswith("sv") else "en",
    )
    page_word = say("page", extract.language)
    document.build(story, canvasmaker=lambda *args, **options: _NumberedCanvas(page_word, *args, **options))
    return out.getvalue()


def _make_table(extract: Extract, small: ParagraphStyle, head: ParagraphStyle) -> LongTable:
    rows = [[_paragraph(say(name, extract.language), head) for name in COLUMNS]]
    rows += [[_paragraph(cell, small) for cell in cells_of(line)] for line in extract.lines]
    table = LongTable(rows, colWidths=[width * mm for width in WIDTHS_MM], repeatRows=1)
    table.setStyle(
        TableStyle(
            [
                ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#1f3a4d")),
                ("GRID", (0, 0), (-1, -1), 0.4, colors.HexColor("#999999")),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ]
        )
    )
    return table


def _paragraph(text: str, style: ParagraphStyle) -> Paragraph:
    """Make a paragraph of plain text: the library would follow what looks like its mark-up, addresses included."""
    return Paragraph(escape(text), style)


@cache
def _register_font() -> str:
    path = next((str(path) for path in _FONTS if path.exists()), _FALLBACK)
    pdfmetrics.registerFont(TTFont(FONT, path))
    return FONT


class _NumberedCanvas(Canvas):  # type: ignore[misc]  # the library has no types
    """Pages that know how many they are: kept until the last is known."""

    def __init__(self, word: str, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._word = word
        self._states: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802 (the library's name)
        """Keep a page."""
        self._states.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        """Number and write the pages."""
        for number, state in enumerate(self._states, 1):
            self.__dict__.update(state)
            self.setFont(FONT, 8)
            text = f"{self._word} {number} ({len(self._states)})"
            self.drawRightString(self._pagesize[0] - 12 * mm, 8 * mm, text)
            super().showPage()
        super().save()
