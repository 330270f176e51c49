"""An import whose files differ from what the server keeps under their UIDs, against our own server."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from access.models import ApiClient
from tests.registry.factories import make_department
from tests.repository.conftest import make_vendor
from tests.support.dicom import StudyFacts, make_ct, make_uid

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def storage(settings, tmp_path):
    settings.OBJECTS_ROOT, settings.SPOOL_ROOT = tmp_path / "objects", tmp_path / "spool"


@pytest.mark.parametrize(
    ("policy", "word"), [(ApiClient.KEEP_FIRST, "differs"), (ApiClient.REFUSE, "refused")]
)
def test_what_differs_is_never_called_stored(live_server, tmp_path, policy, word):
    vendor = make_vendor(make_department(), "migration")
    ApiClient.objects.update(on_conflict=policy)
    study = StudyFacts()
    uids: dict[str, Any] = {"sop_instance_uid": make_uid(), "series_instance_uid": make_uid()}
    vendor.store(make_ct(study, seed=1, **uids))
    folder = tmp_path / "files"
    folder.mkdir()
    for name, file in {"a": make_ct(study, seed=2, **uids), "b": make_ct(study)}.items():
        (folder / name).write_bytes(file)
    written, told = StringIO(), StringIO()
    with pytest.raises(CommandError) as raised:
        call_command(
            "import_dicom",
            str(folder),
            f"--url={live_server.url}/dicom-web",
            f"--token={vendor.token}",
            stdout=written,
            stderr=told,
        )
    assert raised.value.returncode == 1
    lines = written.getvalue().splitlines()
    assert [line.split(",")[1] for line in lines[1:]] == [word, "stored"]
    assert "first version stays" in lines[1]
    assert f"1 {word}" in told.getvalue()
