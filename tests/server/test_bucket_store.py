"""An installation of the production profile whose objects lie in a bucket of SeaweedFS."""

import json
from collections.abc import Callable, Iterator

import pytest

from repository.objects.bucket import list_keys
from tests.support.buckets import ACCESS_KEY, SECRET_KEY, S3Server, run_s3
from tests.support.dicom import StudyFacts, make_ct
from tests.support.http import list_stored, make_pool, read_sop_instance_uid, retrieve_study, store
from tests.support.processes import kill_group
from tests.support.samsyn import SamsynServer

pytestmark = pytest.mark.server

REGION = """
from access.models import CareProvider, CareUnit, Department
unit = CareUnit.objects.create(provider=CareProvider.objects.create(hsa_id="SE1", name="Region"), hsa_id="SE1-U1", name="H")
Department.objects.create(unit=unit, hsa_id="SE1-D1", name="Radiology")
"""
UPKEEP = """
import json
from datetime import timedelta
from registry.models import Study
from repository.compaction.compact import compact_study
from repository.journal.duty import write_journal
from repository.models import Damage, StudyLease
from repository.scrub import scrub
from repository.sweep import sweep
StudyLease.objects.all().delete()
write_journal()
compacted = compact_study(Study.objects.get().pk) is not None
scrub(budget_bytes=1 << 40, round_time=timedelta(0))
sweep(grace=timedelta(seconds=-5))  # the service tells its time to the second
print(json.dumps([compacted, Damage.objects.count()]))
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with run_s3(tmp_path_factory.mktemp("s3")) as running:
        running.open("archive").close()
        yield running


@pytest.fixture(scope="module")
def server(start_production: Callable[..., SamsynServer], service: S3Server) -> SamsynServer:
    running = start_production(
        SAMSYN_OBJECTS="s3://archive/region",
        SAMSYN_S3_ENDPOINT=service.url,
        SAMSYN_S3_KEY=f"{ACCESS_KEY}:{SECRET_KEY}",
    )
    running.run_code(REGION)
    return running


def test_what_was_stored_is_in_the_bucket_and_comes_back_whole(
    server: SamsynServer, service: S3Server
) -> None:
    token = server.issue_token(department="SE1-D1")
    facts, pool = StudyFacts(), make_pool()
    files = [make_ct(facts, instance_number=number) for number in range(1, 6)]
    for file in files:
        assert len(list_stored(store(pool, server.dicomweb_url, token, [file]))) == 1
    bucket = service.open("archive", "region/")
    assert len(list(list_keys(bucket, "packs/"))) == 5
    assert not list((server.home / "objects").rglob("*.pack")), "nothing lies beside the bucket"
    assert not [path for path in (server.home / "spool" / "objects").rglob("*") if path.is_file()]
    sent = {read_sop_instance_uid(file): file for file in files}
    got = retrieve_study(pool, server.dicomweb_url, token, facts.study_instance_uid)
    assert {uid: file[128:] for uid, file in got.items()} == {uid: f[128:] for uid, f in sent.items()}

    compacted, damages = json.loads(server.run_code(UPKEEP))
    assert (compacted, damages) == (True, 0)
    assert len(list(list_keys(bucket, "packs/"))) == 1
    assert list(list_keys(bucket, "journal/"))
    got = retrieve_study(pool, server.dicomweb_url, token, facts.study_instance_uid)
    assert {uid: file[128:] for uid, file in got.items()} == {uid: f[128:] for uid, f in sent.items()}


def test_a_store_while_the_service_is_away_is_refused_and_nothing_is_registered(
    server: SamsynServer, service: S3Server
) -> None:
    token = server.issue_token(department="SE1-D1")
    pool = make_pool()
    kill_group(service.process)
    answer = store(pool, server.dicomweb_url, token, [make_ct(StudyFacts())])
    assert answer.status >= 500 or not list_stored(answer), answer.data
    assert pool.request("GET", f"{server.url}/readyz").status == 503
