"""What holds for every test: which fixtures exist, and which tests run on both databases."""

import os
import shutil
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import translation

from access import kept
from repository.journal.files import PREFIX

pytest_plugins = ["tests.support.fixtures"]

DATABASE_FIXTURES = {
    "db",
    "transactional_db",
    "django_db_setup",
    "live_server",
    "django_db_serialized_rollback",
}

# pytest-playwright keeps an event loop in the thread of the tests; Django would refuse every query beside it.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


def pytest_configure(config: pytest.Config) -> None:
    """Announce the marker that `pytest_collection_modifyitems` sets."""
    config.addinivalue_line("markers", "database: touches the database in this process (set by itself)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use Django's database, so that scripts/run_tests.sh can run them on PostgreSQL too."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if item.get_closest_marker("django_db") or fixtures & DATABASE_FIXTURES:
            item.add_marker(pytest.mark.database)


@pytest.fixture(autouse=True)
def forget_what_is_kept() -> None:
    """Every test has a database of its own: what is kept of the last one's must not meet it.

    That is what the process keeps, and the journal beside the packs that tests have in common: a database that does
    not know it sends nothing. The language of the last request must not meet it either.
    """
    kept.forget()
    translation.deactivate()
    shutil.rmtree(Path(settings.OBJECTS_ROOT) / PREFIX, ignore_errors=True)
