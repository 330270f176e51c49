"""What the server gives of every sample file is what docs/sample-data.md says."""

from collections.abc import Callable

import pytest
import urllib3

from deploy.importing.stow_client import StowServer
from scripts.write_sample_data import PAGE, Reader, build_page, examine_all
from tests.repository.dicom_files import SHARED
from tests.support.samsyn import SamsynServer

pytestmark = pytest.mark.server


@pytest.mark.long
def test_the_page_of_sample_data_says_what_the_server_gives(
    start_embedded: Callable[..., SamsynServer],
) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.startswith("# What the server gives of every sample file")
    if SHARED.is_dir():
        server = start_embedded()
        pool = urllib3.PoolManager(maxsize=1, retries=False, timeout=urllib3.Timeout(120))
        reader = Reader(StowServer(server.dicomweb_url, server.issue_token(), pool))
        assert build_page(examine_all(reader, SHARED), reader.requests) == page
