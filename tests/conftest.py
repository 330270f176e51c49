"""What holds for every test: which fixtures exist, and which tests run on both databases."""

import os

import pytest

from access import kept

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
    """Every test has a database of its own: what the process keeps of the last one's must not meet it."""
    kept.forget()
