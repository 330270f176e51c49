"""Two roles on a real PostgreSQL: one owns and migrates, the server runs under the other, which cannot change the log."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from tests.support.dicom import StudyFacts, make_ct
from tests.support.http import bearer, make_pool, store
from tests.support.samsyn import CommandFailed, SamsynServer, production_environment

pytestmark = pytest.mark.server

SEAL = "from access.seals.seal import seal; print(seal())"


@dataclass(frozen=True, slots=True)
class Installation:
    """A server that runs under the application role, and who else works on its database."""

    web: SamsynServer
    duties: SamsynServer
    owner: SamsynServer
    url_of: Callable[[str], str]
    roles: tuple[str, str]

    def run(self, role: str, *statements: str) -> None:
        """Run SQL under a role."""
        with psycopg.connect(self.url_of(role), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)


@pytest.fixture(scope="module")
def installation(postgres_cluster, redis_server, tmp_path_factory) -> Iterator[Installation]:
    """Migrated by one role, run under another; the duties alone know the key."""
    home = tmp_path_factory.mktemp("samsyn")
    key = tmp_path_factory.mktemp("keys") / "seal.key"
    make_key(key)
    name = f"samsyn_{uuid4().hex}"
    roles = (f"owner_{name}", f"web_{name}")
    postgres_cluster.create_database(name)

    def url_of(role: str) -> str:
        return str(postgres_cluster.url_of(name)).replace("postgres@", f"{role}@")

    with psycopg.connect(postgres_cluster.url_of(name), autocommit=True) as connection:
        for role in roles:
            connection.execute(f"CREATE ROLE {role} LOGIN")
        connection.execute(f"ALTER SCHEMA public OWNER TO {roles[0]}")
    redis = redis_server.url_of(9)
    owner = SamsynServer(home, production_environment(home, url_of(roles[0]), redis))
    owner.run_command("migrate", "--verbosity", "0")
    assert "the access log is guarded" in owner.run_command("grant_application_role", roles[1])
    web = SamsynServer(home, production_environment(home, url_of(roles[1]), redis))
    duties = replace(web, environment=web.environment | {"SAMSYN_AUDIT_KEY_FILE": str(key)})
    web.start()
    yield Installation(web, duties, owner, url_of, roles)
    web.stop()
    postgres_cluster.drop_database(name)
    with psycopg.connect(postgres_cluster.url, autocommit=True) as connection:
        for role in roles:
            connection.execute(f"DROP ROLE {role}")


def make_key(path: Path) -> None:
    """Make a key with the tool that the documentation names."""
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(path)], check=True)
    path.chmod(0o600)


@pytest.fixture(scope="module")
def sealed(installation: Installation) -> Installation:
    """Something stored and read, and sealed."""
    token = installation.web.issue_token()
    pool, study = make_pool(), StudyFacts()
    base = installation.web.dicomweb_url
    assert store(pool, base, token, [make_ct(study)]).status == 200
    answer = pool.request("GET", f"{base}/studies/{study.study_instance_uid}/metadata", headers=bearer(token))
    assert answer.status == 200
    assert int(installation.duties.run_code(SEAL)) >= 2
    assert "! " not in installation.web.run_command("verify_audit")
    return installation


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE access_auditevent SET actor = 'x'",
        "DELETE FROM access_auditevent",
        "TRUNCATE access_auditevent CASCADE",
        "UPDATE access_auditseal SET root = ''",
        "DELETE FROM access_auditseal",
        "DELETE FROM access_accessspan",
        "ALTER TABLE access_auditevent DISABLE TRIGGER ALL",
        "DROP TRIGGER access_auditevent_no_update ON access_auditevent",
        "DROP TABLE access_auditevent CASCADE",
        "CREATE TABLE mine (id int)",
        "DELETE FROM django_migrations",
        "SET session_replication_role = replica",
    ],
)
def test_the_application_role_cannot(sealed: Installation, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sealed.run(sealed.roles[1], statement)


@pytest.mark.parametrize(
    "statements",
    [
        ("UPDATE access_auditevent SET actor = 'x'",),
        ("DELETE FROM access_auditevent",),
        ("TRUNCATE access_auditevent CASCADE",),
        ("DELETE FROM access_auditseal",),
        ("SET session_replication_role = replica", "DELETE FROM access_auditevent"),
    ],
)
def test_not_even_a_superuser_can_by_mistake(sealed: Installation, statements: tuple[str, ...]) -> None:
    with pytest.raises(psycopg.errors.RaiseException, match="the access log is only added to"):
        sealed.run("postgres", *statements)


def test_the_web_role_cannot_seal(sealed: Installation) -> None:
    """Nothing in its environment tells of the key."""
    assert sealed.web.run_code(SEAL).strip() == "0"


def test_the_application_role_cannot_erase_or_grant(sealed: Installation) -> None:
    with pytest.raises(CommandFailed, match="does not own the access log"):
        sealed.web.run_command("erase_audit", "--before", "2010-01-01")
    with pytest.raises(CommandFailed, match="owns the tables"):
        sealed.owner.run_command("grant_application_role", sealed.roles[0])


def test_the_owner_who_takes_the_triggers_away_is_found(sealed: Installation) -> None:
    off, on = (
        "ALTER TABLE access_auditevent DISABLE TRIGGER ALL",
        "ALTER TABLE access_auditevent ENABLE TRIGGER ALL",
    )
    change = (
        "UPDATE access_auditevent SET actor = actor || {} WHERE id = (SELECT min(id) FROM access_auditevent)"
    )
    sealed.run(sealed.roles[0], off, change.format("'x'"), on)
    with pytest.raises(CommandFailed, match=r"! batch 1 \(events 1-\d+\): an event was changed"):
        sealed.web.run_command("verify_audit")
    sealed.run(
        "postgres",
        "ALTER TABLE access_auditevent DISABLE TRIGGER ALL",
        "UPDATE access_auditevent SET actor = rtrim(actor, 'x')",
    )
    sealed.run("postgres", "DELETE FROM access_auditevent WHERE id = (SELECT max(id) FROM access_auditevent)")
    with pytest.raises(CommandFailed, match=r"events were sealed, \d+ are there"):
        sealed.web.run_command("verify_audit")
