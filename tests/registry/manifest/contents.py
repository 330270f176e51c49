"""Contents of manifests: one that is told by hand, and any that Hypothesis thinks of."""

from datetime import date
from io import BytesIO
from typing import Any

from hypothesis import strategies as st
from pydicom import dcmread

from registry.manifest.model import (
    Code,
    Identifier,
    InstanceContent,
    Institution,
    ManifestIdentity,
    OrderContent,
    PatientContent,
    SeriesContent,
    Source,
    StudyContent,
)

IDENTITY = ManifestIdentity("2.25.4711", "2.25.4712", "20260301120000")
CT, SR, KO = (
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.88.33",
    "1.2.840.10008.5.1.4.1.1.88.59",
)
SOURCE = Source("SAMSYN", "1.2.752.129.99.1", "https://samsyn.example/dicom-web")
ABDOMEN = Code("818981001", "SCT", "Abdomen")


def make_content(**changes) -> StudyContent:
    """Make a study of two series and three instances, with all there is to tell."""
    fields: dict[str, Any] = {
        "study_instance_uid": "1.2.3",
        "date": "20260228",
        "time": "143000.123456",
        "timezone": "+0100",
        "patient": PatientContent(
            (
                Identifier("191212121212", "1.2.752.129.2.1.3.1"),
                Identifier("4711", "1.2.752.97.1", "NORRLAND"),
                Identifier("X1", "OLD_RIS"),
            ),
            "Tolvansson^Tolvan^Anna",
            "19121212",
            "M",
        ),
        "series": (
            SeriesContent(
                "1.2.3.1",
                "CT",
                SOURCE,
                (InstanceContent(CT, "1.2.3.1.1", 1), InstanceContent(CT, "1.2.3.1.2", 2, 64)),
                1,
                "Buk ven fas",
                "20260228",
                "143200",
                ABDOMEN,
            ),
            SeriesContent(
                "1.2.3.2",
                "KO",
                SOURCE,
                (
                    InstanceContent(
                        KO, "1.2.3.2.1", 1, None, Code("113000", "DCM", "Of Interest"), "Se bild 2"
                    ),
                ),
            ),
        ),
        "orders": (
            OrderContent(
                Identifier("A100", "1.2.752.97.2"),
                Identifier("P100", "1.2.752.97.3", "RIS"),
                Identifier("F100"),
                "RP1",
                "DT buk",
                (Code("841", "1.2.752.97.4", "DT buk"),),
            ),
        ),
        "regions": (Code("63337009", "SCT", "Lower trunk"),),
        "procedure_codes": (Code("RPID145", "RADLEX", "CT Abd"),),
        "description": "DT buk, åäö",
        "study_id": "S1",
        "referring_physician_name": "Remiss^Rut",
        "institution": Institution("Norra sjukhuset", Identifier("SE2321-1", "1.2.752.129.2.1.4.1")),
        "viewer_url": "https://samsyn.example/studies/1.2.3",
    }
    return StudyContent(**(fields | changes))


def parse(data_set: bytes) -> dict[str, Any]:
    """Read a data set with pydicom; returns its DICOM JSON."""
    attributes: dict[str, Any] = dcmread(BytesIO(data_set), force=True).to_json_dict()
    return attributes


_LETTERS = st.characters(codec="utf-8", categories=("Lu", "Ll", "Nd"))
words = st.text(_LETTERS, min_size=1, max_size=12)
maybe_words = st.one_of(st.just(""), words)
uids = st.lists(st.integers(0, 10**6), min_size=1, max_size=6).map(
    lambda parts: "2.25." + ".".join(map(str, parts))
)
dates = st.dates(date(1900, 1, 1), date(2100, 1, 1)).map(lambda day: day.strftime("%Y%m%d"))
times = st.one_of(
    st.times().map(lambda t: t.strftime("%H%M%S")),
    st.times().map(lambda t: t.strftime("%H%M%S.%f")),
)
zones = st.tuples(st.sampled_from("+-"), st.integers(0, 13), st.sampled_from((0, 30, 45))).map(
    lambda z: f"{z[0]}{z[1]:02d}{z[2]:02d}"
)
codes = st.builds(
    Code,
    st.one_of(words, st.just("a-code-of-more-than-sixteen")),
    st.sampled_from(("DCM", "SCT", "LN", "99LOCAL", "1.2.752.97.4")),
    words,
)
issuers = st.one_of(st.just(""), uids, words, st.just("https://region.example/ids"))


@st.composite
def identifiers(draw):
    """Any number; a namespace stands beside an issuer that is known everywhere."""
    issuer = draw(issuers)
    is_universal = issuer.startswith(("2.25.", "https:"))
    return Identifier(draw(words), issuer, draw(maybe_words) if is_universal else "")


numbers = st.one_of(st.none(), st.integers(0, 2**31 - 1))
names = st.tuples(words, words, maybe_words).map(lambda n: "^".join(n).rstrip("^"))
ae_titles = st.text(st.characters(codec="ascii", categories=("Lu", "Nd")), max_size=16)
sources = st.builds(
    Source,
    ae_titles,
    st.one_of(st.just(""), uids),
    st.sampled_from(("", "https://a.example/rs", "https://b.example/rs")),
)
no_number = st.just(Identifier(""))


@st.composite
def series(draw, index):
    """A series with instances of its own UIDs."""
    uid = f"2.25.77.{index}"
    instances = [
        InstanceContent(
            draw(st.sampled_from((CT, SR, KO))),
            f"{uid}.{number}",
            draw(numbers),
            draw(numbers),
            draw(st.one_of(st.none(), codes)),
            draw(maybe_words),
        )
        for number in range(draw(st.integers(1, 4)))
    ]
    day = draw(st.one_of(st.just(""), dates))
    return SeriesContent(
        uid,
        draw(st.sampled_from(("CT", "MR", "KO"))),
        draw(sources),
        tuple(instances),
        draw(numbers),
        draw(maybe_words),
        day,
        draw(times) if day else "",
        draw(st.one_of(st.none(), codes)),
    )


orders = st.builds(
    OrderContent,
    identifiers(),
    st.one_of(no_number, identifiers()),
    st.one_of(no_number, identifiers()),
    maybe_words,
    maybe_words,
    st.lists(codes, max_size=2).map(tuple),
)


@st.composite
def contents(draw):
    """Any study a manifest may tell of."""
    return StudyContent(
        study_instance_uid=draw(uids),
        date=draw(dates),
        time=draw(times),
        timezone=draw(zones),
        patient=PatientContent(
            tuple(draw(st.lists(identifiers(), min_size=1, max_size=3, unique=True))),
            draw(st.one_of(st.just(""), names, st.just("Yamada^Tarou=山田^太郎=やまだ^たろう"))),
            draw(st.one_of(st.just(""), dates)),
            draw(st.sampled_from(("", "M", "F", "O"))),
        ),
        series=tuple(draw(series(index)) for index in range(draw(st.integers(1, 3)))),
        orders=tuple(draw(st.lists(orders, max_size=3))),
        regions=tuple(draw(st.lists(codes, max_size=2))),
        procedure_codes=tuple(draw(st.lists(codes, max_size=2))),
        description=draw(maybe_words),
        study_id=draw(maybe_words),
        referring_physician_name=draw(st.one_of(st.just(""), names)),
        institution=Institution(
            draw(words), draw(st.one_of(no_number, st.just(Identifier("SE1", "1.2.752.1"))))
        ),
        manufacturer=draw(words),
        viewer_url=draw(st.sampled_from(("", "https://view.example/?study=1"))),
    )
