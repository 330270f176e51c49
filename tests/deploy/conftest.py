"""What tests of the commands share."""

import pytest

from access.guards import install_guards


@pytest.fixture
def guarded_log(db: None) -> None:
    """The triggers of a real installation, which the tests' own database does without: emptying it would be refused."""
    install_guards()
