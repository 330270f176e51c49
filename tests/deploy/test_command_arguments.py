"""Commands with arguments that cannot be used: exit code 2 and a sentence that names what was wrong."""

import pytest
from django.core.management import CommandError, call_command

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("import_dicom", "/nowhere", "--token", "x"), "/nowhere does not exist"),
        (("import_dicom", "/etc/hostname"), "give either a token or --department"),
        (("import_dicom", "/etc/hostname", "--token", "x", "--department", "SE-1"), "give either a token or"),
        (
            ("import_dicom", "/etc/hostname", "--department", "SE-none"),
            "no department has the HSA-id SE-none",
        ),
        (("import_dicom", "/", "--token", "x", "--outcome", "/etc/hostname"), "is not an outcome list"),
        (("export_dicom", "--out", "/nowhere"), "give --study UID or --patient NUMBER"),
        (("export_dicom", "--out", "/nowhere", "--study", "1.2.3"), "no study has the UID 1.2.3"),
        (("export_dicom", "--out", "/nowhere", "--patient", "19121212-1212"), "19121212-1212"),
        (("demo", "--patients", "0"), "patients is 0"),
        (("demo", "--patients", "100000"), "fictional people"),
    ],
)
def test_unusable_arguments_end_with_two_and_say_why(command, said, monkeypatch):
    monkeypatch.delenv("SAMSYN_TOKEN", raising=False)
    with pytest.raises(CommandError, match=said) as caught:
        call_command(*command)
    assert caught.value.returncode == 2


def test_a_demo_without_a_server_to_reach_says_so(monkeypatch):
    with pytest.raises(CommandError, match="no server answers at http://nowhere"):
        call_command("demo", "--patients", "1", "--studies", "1", "--url", "http://nowhere.invalid/dicom-web")
