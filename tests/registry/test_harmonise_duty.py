"""Values are written behind the store, unknown words wait in a queue, and a mapping plans past studies anew."""

import pytest

from registry import changes
from registry.affinity import affinity
from registry.harmonise.coverage import read_coverage
from registry.harmonise.decide import Meaning
from registry.harmonise.duty import harmonise_studies
from registry.harmonise.mapping import InvalidMapping, MappingDraft, apply_mapping, end_mapping, preview
from registry.harmonise.read import read_values
from registry.models import Change, CodeMapping, Harmonised, UnmappedWord
from tests.registry.factories import make_actor, make_department, make_study

pytestmark = pytest.mark.django_db(transaction=True)


def make_quiet(department, description, modality="CT", body_part=""):
    study = make_study(
        department,
        modalities=(modality,),
        study_description=description,
        series_values={"body_part_examined": body_part},
    )
    changes.append("study_quiet", study.study_instance_uid, {"generation": 1})
    return study


def test_a_quiet_study_gets_its_values_and_they_are_those_that_reading_gives_before():
    department = make_department()
    study = make_quiet(department, "DT buk")
    [before] = read_values([study.pk]).values()
    harmonise_studies()
    row = Harmonised.objects.get(study=study)
    assert (row.procedure_code, row.body_regions, row.basis) == ("CT-ABDOMEN", ["63337009"], "words")
    assert row.display_sv == before.display_sv == "DT buk"
    study.refresh_from_db()
    assert study.study_description == "DT buk", "what it came with stays"
    assert harmonise_studies() == 0, "nothing is left to do"


def test_studies_from_before_get_values_too():
    study = make_quiet(make_department(), "MR knä", "MR")
    Change.objects.all().delete()
    harmonise_studies()
    assert Harmonised.objects.get(study=study).procedure_code == "MR-KNEE"


def test_an_unknown_word_waits_and_mapping_it_plans_past_studies_anew():
    department, other = make_department(), make_department()
    actor = make_actor(department)
    studies = [make_quiet(department, text) for text in ("Protokoll 7", "PROTOKOLL  7", "DT buk")]
    elsewhere = make_quiet(other, "Protokoll 7")
    harmonise_studies()
    word = UnmappedWord.objects.get(department=department)
    assert (word.kind, word.value, word.studies) == ("description", "protokoll 7", 2)
    assert word.proposal["modality_family"] == "CT"

    draft = MappingDraft(department.pk, "description", word.original, "", Meaning(procedure_code="CT-CHEST"))
    seen = preview(draft)
    assert (seen.with_word, seen.changed) == (2, 2)
    [shift] = seen.shifts
    assert (shift.before.procedure_code, shift.after.procedure_code) == ("", "CT-CHEST")
    assert not CodeMapping.objects.exists(), "a preview writes nothing"

    old_version = Harmonised.objects.get(study=studies[0]).version
    row = apply_mapping(actor, draft, door="test")
    harmonise_studies()
    codes = [Harmonised.objects.get(study=study).procedure_code for study in (*studies, elsewhere)]
    assert codes == ["CT-CHEST", "CT-CHEST", "CT-ABDOMEN", ""]
    assert Harmonised.objects.get(study=studies[0]).version != old_version
    assert Change.objects.filter(kind="harmonised").count() == 2, "those that changed are told, no other"
    word.refresh_from_db()
    assert word.settled_at is not None

    again = apply_mapping(
        actor,
        MappingDraft(department.pk, "description", "protokoll 7", "", Meaning(procedure_code="CT-HEAD")),
        door="test",
    )
    row.refresh_from_db()
    assert row.ended_at is not None, "the earlier version is kept, ended"
    end_mapping(actor, again, door="test")
    harmonise_studies()
    assert Harmonised.objects.get(study=studies[0]).version == old_version


def test_coverage_is_by_source():
    department = make_department()
    for text in ("DT buk", "DT thorax buk", "Protokoll 7"):
        make_quiet(department, text)
    harmonise_studies()
    [row] = read_coverage()
    assert (row.studies, row.with_procedure, row.with_region, row.open_words) == (3, 1, 2, 1)
    assert (row.procedure_percent, row.region_percent) == (33, 66)


@pytest.mark.parametrize(
    ("meaning", "kind", "text"),
    [
        (Meaning(), "description", "says nothing"),
        (Meaning(procedure_code="X"), "description", "unknown procedure"),
        (Meaning(body_regions=("1",)), "description", "unknown body region"),
        (Meaning(laterality="Q"), "description", "unknown laterality"),
        (Meaning(modality_family="Q"), "description", "unknown modality family"),
        (Meaning(laterality="R"), "thing", "unknown kind"),
    ],
)
def test_a_mapping_outside_the_vocabulary_is_refused(meaning, kind, text):
    assert affinity().procedures
    with pytest.raises(InvalidMapping, match=text):
        preview(MappingDraft(None, kind, "ord", "", meaning))
