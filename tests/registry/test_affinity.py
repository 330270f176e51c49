"""The affinity domain: complete as shipped, overridden by a file, refused with the place and what to do."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError

from registry.affinity import SHIPPED, InvalidAffinity, affinity, affinity_path
from registry.affinity_domain.read import read_affinity


@pytest.fixture
def write(tmp_path, monkeypatch):
    def write_file(text):
        path = tmp_path / "domain.yaml"
        path.write_text(text, "utf-8")
        monkeypatch.setenv("SAMSYN_AFFINITY_DOMAIN", str(path))
        return path

    return write_file


def test_the_shipped_domain_is_whole():
    domain = read_affinity(SHIPPED, SHIPPED)
    made = domain.manifest_codes
    assert made.kos.format_code.code == "1.2.840.10008.5.1.4.1.1.88.59"
    assert made.mado_fhir.format_code.code == "urn:ihe:rad:MADO:fhir-manifest:2026"
    assert made.kos.type_code.code == "18748-4"
    assert [item.oid for item in domain.xds_domains][:2] == ["1.2.752.129.2.1.3.1", "1.2.752.129.2.1.3.3"]
    assert domain.takes_source("1.2.3")
    assert domain.code_lists.class_code.takes("anything", "1.2.3"), "the lists are open"
    assert domain.code_lists.class_code.get("IMAGES", "1.3.6.1.4.1.19376.1.2.6.1").display == "Images"


def test_a_file_says_only_what_differs_and_is_read_again_when_it_changes(write):
    path = write("name: Norr\nmanifest_codes: {language_code: sv}\nallowed_source_ids: [1.2.3]\n")
    domain = affinity()
    assert (domain.name, domain.manifest_codes.language_code, domain.path) == ("Norr", "sv", str(path))
    assert domain.manifest_codes.kos == read_affinity(SHIPPED, SHIPPED).manifest_codes.kos
    assert not domain.takes_source("1.2.4")
    path.write_text("name: Norrbotten\n", "utf-8")
    assert affinity().name == "Norrbotten"


def test_a_file_in_the_home_is_found(tmp_path, settings, monkeypatch):
    monkeypatch.delenv("SAMSYN_AFFINITY_DOMAIN", raising=False)
    settings.SAMSYN_HOME = tmp_path
    assert affinity_path() == SHIPPED
    (tmp_path / "affinity.yaml").write_text("name: Hemma\n", "utf-8")
    assert affinity().name == "Hemma"


BROKEN = [
    ("name: [", "line 1, column 8"),
    ("- a\n", "is no mapping"),
    ("nmae: x\n", "nmae: is no key of an affinity domain"),
    ("name: 1.5\n", "name: is 1.5, not a text"),
    ("home_community_id: 1.2.3\n", "write urn:oid:1.2.3"),
    ("merge_policy: none\n", "choose one of empty, XDSUnknownPatientId"),
    ("patient_domains: [{oid: 1.2.3, name: A}]\n", "patient_domains: none has is_xds"),
    ("patient_domains: [{oid: 1.2.3}]\n", r"patient_domains\[1\].name: is missing"),
    ("patient_domains: [{oid: 1.2.3, name: A, is_xds: 'yes'}]\n", "is 'yes'; give true or false"),
    ("code_lists: {class_code: {closed: true, values: []}}\n", "closed and empty"),
    ("code_lists: {class_code: {closed: true, values: [[A, 1.2.3]]}}\n", "IMAGES of .* which is closed"),
    ("code_lists: {klass_code: {closed: true}}\n", "code_lists.klass_code: is not known"),
    ("locations: []\n", "imaging_source_id"),
    ("locations: [{uid: 1.2.3, name: A, wado_rs_url: 'ftp://x'}]\n", "is no http address"),
    ("mappings: [{kind: body_part, value: x, procedure_code: NIX}]\n", "NIX is not among procedures"),
    (
        "procedures: [{code: A, display_sv: A, display_en: A, body_regions: ['1']}]\n",
        "none of the ten regions",
    ),
    ("retrieve_ae_title: TOO_LONG_FOR_A_TITLE\n", "1 to 16 ASCII characters"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN)
def test_what_is_wrong_is_named_with_its_place_and_what_to_do(write, text, message):
    path = write(text)
    with pytest.raises(InvalidAffinity, match=message) as caught:
        affinity()
    assert str(path) in str(caught.value)


def test_all_broken_rules_are_named_at_once(write):
    write("merge_policy: none\nsource_id: x\n")
    with pytest.raises(InvalidAffinity) as caught:
        affinity()
    assert len(caught.value.errors) == 2


def test_a_missing_file_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("SAMSYN_AFFINITY_DOMAIN", str(tmp_path / "none.yaml"))
    with pytest.raises(InvalidAffinity, match="cannot be read"):
        affinity()


def test_nothing_starts_on_a_broken_domain(write):
    write("merge_policy: none\n")
    with pytest.raises(SystemCheckError, match="merge_policy: 'none' is not known"):
        call_command("check")
    with pytest.raises(CommandError, match="merge_policy"):
        call_command("check_affinity")


def test_the_command_says_what_is_in_force(write):
    write("name: Norr\n")
    out = io.StringIO()
    call_command("check_affinity", stdout=out)
    assert "sound" in out.getvalue()
    assert "Norr" in out.getvalue()
