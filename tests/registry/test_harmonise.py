"""One vocabulary for what every source calls by its own words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.sr._concepts_dict import concepts
from pydicom.sr._snomed_dict import mapping

from deploy.region.makers import MAKERS
from registry.affinity import SHIPPED
from registry.affinity_domain.read import read_affinity
from registry.harmonise.anatomy import ANATOMY
from registry.harmonise.decide import Meaning, StudyFacts, Tables, Word, harmonise
from registry.harmonise.tables import tables_of
from registry.harmonise.vocabulary import BODY_PARTS, PART_REGIONS, REGION_NAMES
from registry.harmonise.words import find_laterality, find_parts, fold_word

old_codes = mapping["SRT"]
TABLES = tables_of(read_affinity(SHIPPED, SHIPPED), ())
MODALITIES = {"ct": "CT", "mr": "MR", "cr": "CR", "dx": "DX", "us": "US"}
EXPECTED = {
    "ct_head": ("CT-HEAD", "774007"),
    "ct_chest": ("CT-CHEST", "67734004"),
    "ct_abdomen": ("CT-ABDOMEN", "63337009"),
    "mr_brain": ("MR-BRAIN", "774007"),
    "mr_knee": ("MR-KNEE", "61685007"),
    "cr_chest": ("XR-CHEST", "67734004"),
    "dx_chest": ("XR-CHEST", "67734004"),
    "cr_knee": ("XR-KNEE", "61685007"),
    "dx_hand": ("XR-HAND", "53120007"),
    "us_heart": ("US-HEART", "80891009"),
    "us_abdomen": ("US-ABDOMEN", "63337009"),
}


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.coding_scheme)
@pytest.mark.parametrize("kind", EXPECTED)
def test_the_same_examination_of_every_maker_is_one_procedure_and_one_region(maker, kind):
    words = maker.procedures[kind]
    facts = StudyFacts(
        modalities=(MODALITIES[kind[:2]],),
        description=words.description,
        procedures=(Word("procedure_code", words.code, maker.coding_scheme, words.description),),
        body_parts=(words.body_part,),
    )
    values = harmonise(facts, TABLES)
    assert (values.procedure_code, values.body_regions) == (EXPECTED[kind][0], (EXPECTED[kind][1],))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("DT thorax/buk", ("chest", "abdomen")),
        ("Buköversikt", ("abdomen",)),
        ("Handläggning av remiss", ()),
        ("Thoracic spine", ("spine",)),
        ("Bröstrygg", ("spine",)),
        ("Knä hö", ("knee",)),
        ("Höft vä", ("hip",)),
        ("HJÄRTA OCH LUNGOR, DR", ("chest",)),
        ("", ()),
    ],
)
def test_words_are_read_as_words(text, parts):
    assert find_parts(text) == parts


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("Knä hö", "R"),
        ("Knä vä", "L"),
        ("Höfter bilat", "B"),
        ("knä hö+vä", "B"),
        ("Höft", ""),
        ("DX hand", ""),
    ],
)
def test_sides_are_read(text, side):
    assert find_laterality(text) == side


def test_the_table_of_the_source_wins_over_all_others_and_leaves_what_it_does_not_say():
    facts = StudyFacts(7, ("CT",), "DT buk", (), ("HEAD",), ())
    own = {(7, "description", "", "dt buk"): Meaning(procedure_code="CT-CHEST", laterality="L")}
    tables = Tables(TABLES.procedure_scheme, TABLES.procedures, own)
    assert harmonise(facts, tables).procedure_code == "CT-CHEST"
    assert harmonise(facts, tables).basis == "table"
    elsewhere = StudyFacts(8, ("CT",), "DT buk", (), ("HEAD",), ())
    assert harmonise(elsewhere, tables).procedure_code == "CT-HEAD", "body part before words"


def test_several_regions_are_kept_and_no_procedure_is_guessed_between_them():
    values = harmonise(StudyFacts(modalities=("CT",), description="DT thorax buk"), TABLES)
    assert values.body_regions == ("67734004", "63337009")
    assert values.procedure_code == ""
    assert values.display_sv == "CT Bröstkorg, Buk och bäcken"


def test_words_that_nothing_understands_are_named():
    facts = StudyFacts(1, ("CT",), "Protokoll 7", (Word("procedure_code", "Q1", "99X"),), ("GEN",))
    assert [word.kind for word in harmonise(facts, TABLES).unmapped] == [
        "procedure_code",
        "description",
        "body_part",
    ]


def test_every_part_has_one_of_the_ten_regions():
    assert set(PART_REGIONS.values()) <= set(REGION_NAMES)
    assert {part for parts in BODY_PARTS.values() for part in parts} <= set(PART_REGIONS)
    assert len(REGION_NAMES) == 10


texts = st.text(max_size=60)
all_facts = st.builds(
    StudyFacts,
    department_id=st.none() | st.integers(1, 3),
    modalities=st.lists(st.sampled_from(["CT", "MR", "CR", "DX", "SR", "??"]) | texts, max_size=3).map(tuple),
    description=texts | st.sampled_from(["DT buk", "Knä hö", "Thorax"]),
    procedures=st.lists(st.builds(Word, st.just("procedure_code"), texts, texts, texts), max_size=2).map(
        tuple
    ),
    body_parts=st.lists(texts | st.sampled_from(sorted(BODY_PARTS)), max_size=3).map(tuple),
    lateralities=st.lists(st.sampled_from(["R", "L", "B", "U", "", "x"]), max_size=3).map(tuple),
)


@given(all_facts)
def test_any_facts_give_values_of_the_vocabulary(facts):
    values = harmonise(facts, TABLES)
    assert values == harmonise(facts, TABLES)
    assert set(values.body_regions) <= set(REGION_NAMES)
    assert len(set(values.body_regions)) == len(values.body_regions)
    assert values.laterality in ("", "R", "L", "B")
    assert values.procedure_code in {"", *(procedure.code for procedure in TABLES.procedures)}
    assert set(values.unmapped) <= set(facts.words)
    assert values.basis in ("table", "codes", "body_part", "words", "none")


@given(all_facts, st.data())
def test_mapping_a_word_of_a_study_decides_it_and_takes_the_word_out(facts, data):
    if not facts.words:
        return
    word = data.draw(st.sampled_from(facts.words))
    key = (facts.department_id, word.kind, word.scheme, word.folded)
    tables = Tables("", TABLES.procedures, {key: Meaning(procedure_code="XR-HAND")})
    values = harmonise(facts, tables)
    assert values.procedure_code == "XR-HAND"
    assert word not in values.unmapped


@given(texts)
def test_folding_is_stable(text):
    assert fold_word(fold_word(text)) == fold_word(text)
    assert len(fold_word(text)) <= 400


@pytest.mark.parametrize(
    ("value", "scheme", "meaning", "region"),
    [
        ("818981001", "SCT", "", "63337009"),
        ("T-D1100", "SRT", "", "774007"),
        ("T-D1100", "99X", "", ""),  # somebody's own code that reads the same
        ("818982008", "SCT", "Abdomen and Pelvis", "63337009"),
        ("22356005", "SCT", "", ""),
    ],
)
def test_a_coded_anatomic_region_is_read(value, scheme, meaning, region):
    anatomy = (Word("anatomic_region", value, scheme, meaning),)
    values = harmonise(StudyFacts(modalities=("CT",), anatomic_regions=anatomy), TABLES)
    assert values.body_regions == ((region,) if region else ())
    assert values.basis == ("codes" if region else "none")


def test_a_coded_region_wins_over_body_part_and_words_and_decides_the_procedure():
    anatomy = (Word("anatomic_region", "51185008", "SCT"),)
    facts = StudyFacts(None, ("CT",), "DT buk", (), ("ABDOMEN",), (), anatomy)
    values = harmonise(facts, TABLES)
    assert (values.procedure_code, values.body_regions) == ("CT-CHEST", ("67734004",))


def test_the_codes_of_regions_are_those_of_the_standard():
    names = {code: meaning for words in concepts["SCT"].values() for code, (meaning, _) in words.items()}
    for code, part in ANATOMY.items():
        name = names.get(old_codes.get(code, code))
        if name is not None:
            assert not find_parts(name) or part in find_parts(name), (code, name)
