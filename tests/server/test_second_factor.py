"""Several web workers are one server: a code that one of them took is taken by none again."""

import pytest
import requests

from tests.access.totp import make_code
from tests.support.samsyn import SamsynServer

pytestmark = pytest.mark.server
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
MAKE_PERSON = f"""
from access.models import User
from allauth.mfa.models import Authenticator
from access.secrets import seal
user = User.objects.create(username="maria")
user.set_password("ett långt lösenord")
user.save()
Authenticator.objects.create(user=user, type="totp", data={{"secret": seal("{SECRET}")}})
"""


def log_in(server: SamsynServer, code: str) -> bool:
    browser = requests.Session()
    page = browser.get(f"{server.url}/accounts/login/")
    form = {
        "login": "maria",
        "password": "ett långt lösenord",
        "csrfmiddlewaretoken": browser.cookies["csrftoken"],
    }
    page = browser.post(f"{server.url}/accounts/login/", form)
    assert page.url.endswith("/accounts/2fa/authenticate/")
    answer = browser.post(
        page.url, {"code": code, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}, allow_redirects=False
    )
    return answer.status_code == 302


def test_a_code_is_good_once_whichever_worker_takes_it(samsyn_server: SamsynServer):
    samsyn_server.run_code(MAKE_PERSON)
    code = make_code(SECRET)
    assert [log_in(samsyn_server, code) for _ in range(8)] == [True] + [False] * 7
