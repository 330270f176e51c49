"""The patient's extract: in words, without protected names, in three forms that others read."""

import csv
import io
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import Group
from pypdf import PdfReader

from access import audit
from access.actor import Actor, Scope
from access.audit_export.extract import Extract, ExtractLine, Subject, make_extract
from access.audit_export.extract_files import write_csv, write_html
from access.audit_export.extract_pdf import write_pdf
from access.models import AuditEvent, CareProvider, CareUnit, Department, User
from access.sentences import SENTENCES

NOON = datetime(2026, 11, 24, 11, 0, 5, tzinfo=UTC)
SUBJECT = Subject("Tolvan Tolvansson", "19121212-1212")


@pytest.fixture
def department(db) -> Department:
    provider = CareProvider.objects.create(hsa_id="SE-P", name="Region Mitt")
    unit = CareUnit.objects.create(hsa_id="SE-U", name="Storsjukhuset", provider=provider)
    return Department.objects.create(hsa_id="SE-D", name="Röntgen", unit=unit)


def write(department: Department, **values) -> AuditEvent:
    facts = {
        "recorded_at": NOON,
        "action": "read",
        "outcome": "success",
        "actor": "anna",
        "actor_kind": "person",
        "role": "Läkare",
        "department_hsa_id": department.hsa_id,
        "patient_id": 5,
        "study_instance_uid": "1.2.3",
        "rule": "9",
        "detail": {"reason": "consent"},
    }
    return AuditEvent.objects.create(**facts | values)


def read(language: str = "sv", **options) -> tuple[ExtractLine, ...]:
    return make_extract([5], SUBJECT, language=language, **options).lines


def test_a_line_says_when_where_who_what_and_why(department):
    User.objects.create_user("anna", first_name="Anna", last_name="Ask")
    write(department)
    (line,) = read(describe_studies=lambda uids: dict.fromkeys(uids, "DT hjärna 2026-11-20"))
    assert line == ExtractLine(
        NOON,
        "Region Mitt, Storsjukhuset, Röntgen",
        "Läkare, Anna Ask",
        "Läste uppgifterna: DT hjärna 2026-11-20",
        "Patienten har samtyckt till att andra vårdgivares uppgifter läses. (regel 9)",
    )
    (line,) = read("en")
    assert (line.what, line.why.endswith("(rule 9)")) == ("Read the data", True)


def test_the_name_of_protected_staff_is_not_told(department):
    User.objects.create_user("hemlig", first_name="Hemliga", last_name="Hjälparen", is_protected=True)
    write(department, actor="hemlig")
    write(department, actor="viewer", actor_kind="system", on_behalf_of="hemlig")
    extract = make_extract([5], SUBJECT, language="sv")
    assert [line.who for line in extract.lines] == [
        "viewer för Läkare, (namnet är skyddat)",
        "Läkare, (namnet är skyddat)",
    ]
    for form in (write_html(extract), write_csv(extract), text_of(write_pdf(extract)).encode()):
        assert b"Hemliga" not in form
        assert b"hemlig" not in form


def test_a_system_a_refusal_and_a_word_that_is_new(department):
    write(department, actor="pacs", actor_kind="system", role="", action="store", rule="", detail={})
    write(department, outcome="refused", rule="2", detail={"reason": "no_agreement"})
    write(department, action="something_new", detail={}, rule="")
    write(department, department_hsa_id="SE-GONE", care_unit_hsa_id="SE-U")
    gone, new, refused, system = read()
    assert (system.who, system.what, system.why) == ("System: pacs", "Lagrade bilder eller dokument", "")
    assert refused.what == "Nekades: läste uppgifterna"
    assert refused.why.startswith("Vårdgivaren som äger undersökningen har inget avtal")
    assert new.what == "something_new"
    assert gone.organisation == "Region Mitt, Storsjukhuset, SE-GONE"


def test_only_what_names_the_patient_in_the_period_newest_first(department):
    events = [write(department, recorded_at=NOON + timedelta(days=n), rule=str(n)) for n in range(5)]
    write(department, patient_id=6)
    write(department, patient_id=None, action="search", detail={"patients": [5]})
    period = Subject("T", "1", NOON + timedelta(days=1), NOON + timedelta(days=4))
    lines = make_extract([5], period, language="en").lines
    assert [line.recorded_at for line in lines] == [event.recorded_at for event in reversed(events[1:4])]
    assert len(make_extract([5, 6], SUBJECT, language="en").lines) == 6
    assert make_extract([], SUBJECT, language="en").lines == ()


def test_a_long_log_is_cut_and_says_so(department):
    for _ in range(5):
        write(department)
    extract = make_extract([5], SUBJECT, language="sv", most=3)
    assert (len(extract.lines), extract.is_cut) == (3, True)
    assert "Utdraget är avkortat" in write_html(extract).decode()
    assert not make_extract([5], SUBJECT, language="sv", most=5).is_cut


def test_few_questions_however_long_it_is(department, django_assert_max_num_queries):
    for number in range(40):
        write(department, actor=f"person{number}")
    with django_assert_max_num_queries(5):
        read()


@pytest.mark.parametrize(("effect", "reason"), SENTENCES)
def test_every_reason_is_told(department, effect, reason):
    write(
        department, outcome="success" if effect == "permit" else "refused", detail={"reason": reason}, rule=""
    )
    (line,) = read()
    assert line.why in {SENTENCES[key][0] for key in SENTENCES if key[1] == reason}


def test_what_a_reader_leaves_is_what_the_patient_gets(department, monkeypatch):
    monkeypatch.setattr(audit, "_touches", {})
    Group.objects.create(name="unused")
    actor = Actor(
        "person",
        "bo",
        Scope(),
        frozenset(),
        role="Sjuksköterska",
        care_unit_hsa_id="SE-U",
        department_hsa_id="SE-D",
    )
    audit.touch(actor, "1.2.3", 5, door="wado", rule="8", reason="relation")
    (line,) = read()
    assert (line.who, line.why) == ("Sjuksköterska, bo", "Enheten deltar i patientens vård. (regel 8)")


HOSTILE = '=HYPERLINK("http://evil")<script>alert(1)</script><img src="http://evil/x.png"/>&amp;'


def make_hostile(count: int = 1, language: str = "sv") -> Extract:
    line = ExtractLine(NOON, HOSTILE, "+46", "@SUM(1)", "-1")
    return Extract(Subject(HOSTILE, "1"), language, NOON, (line,) * count)


class Reader(HTMLParser):
    """Collects tags and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


def test_html_holds_text_as_text():
    reader = Reader()
    reader.feed(write_html(make_hostile()).decode())
    assert reader.tags.count("tr") == 2
    assert not {"script", "img"} & set(reader.tags)
    assert HOSTILE in reader.texts


def test_csv_holds_no_formula():
    rows = list(csv.reader(io.StringIO(write_csv(make_hostile()).decode("utf-8-sig")), delimiter=";"))
    assert rows[0] == ["När", "Vårdgivare, enhet, avdelning", "Vem", "Vad", "Varför"]
    assert rows[1] == ["2026-11-24 12:00:05", f"'{HOSTILE}", "'+46", "'@SUM(1)", "'-1"]
    assert write_csv(make_hostile()).startswith(b"\xef\xbb\xbf")
    assert write_csv(make_hostile(language="en")).decode("utf-8-sig").startswith('When,"Care provider')


def text_of(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


def test_pdf_has_every_line_heads_and_numbers_on_each_page():
    extract = make_hostile(120)
    pdf = write_pdf(extract)
    reader = PdfReader(io.BytesIO(pdf))
    assert reader.metadata.title == "Utdrag ur åtkomstloggen"
    count = len(reader.pages)
    assert count > 3
    for number, page in enumerate(reader.pages, 1):
        assert f"Sida {number} ({count})" in page.extract_text()
        assert "Varför" in page.extract_text()
    assert text_of(pdf).count("2026-11-24 12:00:05") == 120 + 1
    assert "<script>alert(1)</script>" in text_of(pdf).replace("\n", "")


def test_pdf_writes_the_names_of_all_europe():
    line = ExtractLine(NOON, "Łódź, Ångström", "Žofie Přibylová", "Ελένη", "Ольга")
    text = text_of(write_pdf(Extract(Subject("Ősz", "1"), "sv", NOON, (line,))))
    for word in ("Łódź", "Ångström", "Přibylová", "Ελένη", "Ольга", "Ősz"):
        assert word in text


def test_an_empty_extract_says_so():
    empty = Extract(SUBJECT, "sv", NOON, ())
    for form in (write_html(empty).decode(), text_of(write_pdf(empty))):
        assert "Ingen åtkomst är loggad" in form
        assert "från början – till i dag" in form
