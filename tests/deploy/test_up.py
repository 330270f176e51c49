"""Commands of the first day: clients, the refusal to show a printed password to the network, the doctor."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from access.authentication import authenticate
from access.models import ApiClient, User
from deploy import server
from deploy.management.commands import up
from tests.access.test_authentication import request_with
from tests.registry.factories import make_department

pytestmark = pytest.mark.django_db


def run(*arguments) -> list[str]:
    output = StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue().splitlines()


def test_create_client_prints_a_working_token_as_its_last_line():
    department = make_department()
    token = run("create_client", "pacs", "--department", department.hsa_id, "--scope", "store")[-1]
    actor = authenticate(request_with(f"Bearer {token}"))
    assert (actor.subject, actor.permissions) == ("pacs", frozenset({"store"}))
    assert actor.scope.department_id == department.pk


def test_a_region_wide_client_needs_no_department_and_others_do():
    token = run("create_client", "tool", "--region-wide")[-1]
    assert authenticate(request_with(f"Bearer {token}")).scope.region_wide
    with pytest.raises(CommandError, match="--department"):
        run("create_client", "pacs")
    with pytest.raises(CommandError, match="SE-unknown"):
        run("create_client", "pacs", "--department", "SE-unknown")
    assert ApiClient.objects.count() == 1


def test_a_known_client_never_changes_its_department_by_a_second_token():
    first, second = make_department(), make_department()
    run("create_client", "pacs", "--department", first.hsa_id)
    with pytest.raises(CommandError, match="exists"):
        run("create_client", "pacs", "--department", second.hsa_id)


def test_a_client_keeps_its_way_with_conflicts_until_it_is_told_another():
    department = make_department().hsa_id
    policies = []
    for options in ([], ["--keep-first"], [], ["--no-keep-first"]):
        run("create_client", "pacs", "--department", department, *options)
        policies.append(ApiClient.objects.get().on_conflict)
    assert policies == ["refuse", "keep_first", "keep_first", "refuse"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_no_public_address_while_a_printed_password_exists(host):
    user = User.objects.create_user("admin", password_is_initial=True)
    for loopback in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        up._refuse_public_address_with_initial_passwords(server.Address(loopback, 8000))
    with pytest.raises(CommandError, match="loopback"):
        up._refuse_public_address_with_initial_passwords(server.Address(host, 8000))
    user.password_is_initial = False
    user.save()
    up._refuse_public_address_with_initial_passwords(server.Address(host, 8000))


@pytest.mark.usefixtures("guarded_log")
def test_the_doctor_names_what_needs_somebody(settings, tmp_path):
    settings.OBJECTS_ROOT = tmp_path / "objects"
    assert run("doctor")[-1] == "nothing needs attention"
    (tmp_path / "objects" / "lost").mkdir(parents=True)
    (tmp_path / "objects" / "lost" / "x.pack").write_bytes(b"x")
    User.objects.create_user("admin", password_is_initial=True)
    output = StringIO()
    with pytest.raises(SystemExit):
        call_command("doctor", stdout=output)
    assert "adopt_packs" in output.getvalue()
    assert "printed password" in output.getvalue()
