"""The patient's extract as HTML and as CSV."""

import csv
import io
from datetime import datetime

from django.utils import timezone
from django.utils.html import format_html, format_html_join

from access.audit_export.extract import Extract, ExtractLine
from access.audit_export.words import say

COLUMNS = ("when", "organisation", "who", "what", "why")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def write_csv(extract: Extract) -> bytes:
    """Return a table for a spreadsheet: UTF-8 with a mark, semicolons in Swedish, as a Swedish spreadsheet expects.

    What a spreadsheet would take for a formula begins with an apostrophe.
    """
    out = io.StringIO()
    delimiter = ";" if extract.language.startswith("sv") else ","
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow([say(name, extract.language) for name in COLUMNS])
    for line in extract.lines:
        writer.writerow([_harmless(cell) for cell in cells_of(line)])
    return out.getvalue().encode("utf-8-sig")


def write_html(extract: Extract) -> bytes:
    """Return a whole page, to be saved or printed."""
    language = extract.language
    heads = format_html_join("", '<th scope="col">{}</th>', ((say(name, language),) for name in COLUMNS))
    rows = format_html_join(
        "\n",
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        (cells_of(line) for line in extract.lines),
    )
    facts = format_html_join("", "<dt>{}</dt><dd>{}</dd>", describe_subject(extract))
    notes = format_html_join("", "<p>{}</p>", ((note,) for note in notes_of(extract)))
    page = format_html(
        '<!DOCTYPE html>\n<html lang="{}">\n<head><meta charset="utf-8"><title>{}</title>\n'
        "<style>body{{font-family:sans-serif}}table{{border-collapse:collapse}}"
        "th,td{{border:1px solid #999;padding:.3em;text-align:left;vertical-align:top}}"
        "td:first-child{{white-space:nowrap}}</style></head>\n"
        "<body><h1>{}</h1><dl>{}</dl>{}\n<table><thead><tr>{}</tr></thead><tbody>\n{}\n</tbody></table></body></html>\n",
        "sv" if language.startswith("sv") else "en",
        say("title", language),
        say("title", language),
        facts,
        notes,
        heads,
        rows,
    )
    return page.encode()


def cells_of(line: ExtractLine) -> tuple[str, str, str, str, str]:
    """Return the cells of a row, in the order of `COLUMNS`."""
    return (format_local(line.recorded_at), line.organisation, line.who, line.what, line.why)


def describe_subject(extract: Extract) -> list[tuple[str, str]]:
    """Return what stands above the table: whom it is about, which period, when it was made."""
    subject, language = extract.subject, extract.language
    begin = format_local(subject.recorded_from) if subject.recorded_from else say("from_beginning", language)
    end = format_local(subject.recorded_before) if subject.recorded_before else say("until_today", language)
    return [
        (say("about", language), f"{subject.name}, {subject.number}"),
        (say("period", language), f"{begin} – {end}"),
        (say("made", language), format_local(extract.made_at)),
    ]


def notes_of(extract: Extract) -> list[str]:
    """Return the sentences above the table."""
    notes = [say("law", extract.language)]
    if not extract.lines:
        notes.append(say("nothing", extract.language))
    if extract.is_cut:
        notes.append(say("cut", extract.language))
    return notes


def format_local(moment: datetime) -> str:
    """Write a time as people here read it, to the second."""
    return timezone.localtime(moment).strftime("%Y-%m-%d %H:%M:%S")


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
