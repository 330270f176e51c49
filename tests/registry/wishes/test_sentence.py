"""A subscription as a sentence, in both languages."""

import ast
from pathlib import Path
from typing import Any

import pytest
from django.utils import translation

from access.models import CareProvider
from registry.models import Destination, Subscription
from registry.wishes import sentence
from registry.wishes.filter import CARE_PLACES, FLAGS, STATES, TESTS
from registry.wishes.priorities import PRIORITIES
from registry.wishes.sentence import write_sentence
from scripts.compile_messages import compile_catalogue, read_catalogue
from tests.registry.factories import make_department

pytestmark = pytest.mark.django_db
SWEDISH = Path(sentence.__file__).parents[1] / "locale" / "sv" / "LC_MESSAGES" / "django.po"


@pytest.fixture
def say():
    def act(language: str, wanted: dict[str, Any], **values: Any) -> str:
        department = make_department(CareProvider.objects.create(hsa_id="SE-P", name="Region"))
        destination = Destination(department=department, name="Stroke PACS", url="worklist:")
        row = Subscription(department=department, destination=destination, filter=wanted, **values)
        with translation.override(language):
            return write_sentence(row)

    return act


STROKE = {
    "all": [{"body_region": ["774007"]}, {"modality_family": ["CT", "MR"]}, {"emergency": True}],
}


@pytest.mark.parametrize(
    ("language", "wanted", "values", "said"),
    [
        (
            "en", STROKE, {"priority": "urgent"},
            ("CT or MR of head and neck, emergencies, not from our own department, as they arrive: images, "
            "structured reports and key images to Stroke PACS, urgently."),
        ),
        (
            "sv", STROKE, {"priority": "urgent"},
            ("CT eller MR av huvud och hals, akuta, inte från den egna avdelningen, allteftersom de kommer in: bilder, "
            "strukturerade svar och nyckelbilder till Stroke PACS, brådskande."),
        ),
        (
            "en", {"not_from_self": False}, {"wants": ["report"], "from_state": "verified"},
            "All studies, when verified by a final report: every version of the report to Stroke PACS.",
        ),
        (
            "sv", {}, {"wants": ["images", "priors"], "window": [{"days": [0, 4], "from": "18:00", "to": "06:00"}]},
            ("Alla undersökningar, inte från den egna avdelningen, när de är fullständiga: bilder och relevanta tidigare "
            "undersökningar till Stroke PACS, mån fre 18:00–06:00."),
        ),
        (
            "en",
            {"any": [{"modality_family": ["XR"]}, {"all": [{"residence": ["58"]}, {"not": {"report_final": True}}]}]},
            {"priority": "bulk"},
            ("Plain X-ray or (of patients with postal code 58, but not with a final report), not from our own department, "
            "when complete: images, structured reports and key images to Stroke PACS, when there is room."),
        ),
        (
            "en", {"source": ["SE-P", "SE-UNKNOWN"]}, {},
            ("Studies from Region or SE-UNKNOWN, not from our own department, when complete: images, structured reports and "
            "key images to Stroke PACS."),
        ),
        (
            "en", {"source_system": ["CT_AE", "ct-2"]}, {"wants": ["images"]},
            "Studies sent by the system CT_AE or ct-2, not from our own department, when complete: images to Stroke PACS.",
        ),
        (
            "sv", {"residence_area": ["Lund", "12"]}, {"wants": ["images"]},
            ("Undersökningar av patienter som bor i Lund eller 12, inte från den egna avdelningen, när de är fullständiga: "
            "bilder till Stroke PACS."),
        ),
        (
            "sv", {"source_system": ["CT_AE"]}, {"wants": ["images"]},
            ("Undersökningar skickade av systemet CT_AE, inte från den egna avdelningen, när de är fullständiga: bilder till "
            "Stroke PACS."),
        ),
    ],
)  # fmt: skip
def test_a_subscription_in_words(say, language, wanted, values, said) -> None:
    assert say(language, wanted, **values) == said


def test_a_filter_that_cannot_be_read_is_said(say) -> None:
    assert say("en", {"colour": ["red"]}).startswith(
        "Brings nothing, its filter cannot be read: filter.colour"
    )


def test_every_test_and_value_has_its_words() -> None:
    assert {*sentence.PHRASES, *(kind for kind, _ in sentence.FLAGS)} == set(TESTS)
    assert {kind for kind, _ in sentence.FLAGS} == set(FLAGS)
    assert set(sentence.STATES) == set(sentence.WHEN) == set(STATES)
    assert set(sentence.PLACES) == set(CARE_PLACES)
    assert set(sentence.PRIORITIES) == set(PRIORITIES)


def test_every_text_is_there_in_swedish() -> None:
    catalogue = read_catalogue(SWEDISH)
    tree = ast.parse(Path(sentence.__file__).read_text(encoding="utf-8"))
    texts = {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("gettext", "gettext_noop")
        and isinstance(node.args[0], ast.Constant)
    }
    assert texts - {"%s"} <= set(catalogue)
    assert SWEDISH.with_suffix(".mo").read_bytes() == compile_catalogue(catalogue)
