"""Mail to heads of unit, taken by the SMTP server of Python's library in a process of its own."""

import smtplib
import socket
import subprocess
import sys
import time

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from access.models import Assignment, DepartmentGroupPermission, User
from registry.models import Notice
from registry.notices import EMERGENCY_OPENING, mail_notices, tell_head
from tests.registry.care import make_doctor, make_patient
from tests.registry.factories import make_department

pytestmark = pytest.mark.django_db


@pytest.fixture
def mail_server(settings):
    """A server that prints what it takes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-u", "-m", "smtpd", "-n", "-c", "DebuggingServer"]
    process = subprocess.Popen([*command, f"127.0.0.1:{port}"], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    while True:
        try:
            smtplib.SMTP("127.0.0.1", port, timeout=5).quit()
            break
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    settings.NOTICE_MAIL_FROM = "samsyn@example.org"
    settings.PUBLIC_BASE_URL = "https://samsyn.example.org"
    yield process
    if process.poll() is None:
        process.terminate()
    process.wait(10)


def make_head(department, email):
    actor = make_doctor(department, email=email)
    DepartmentGroupPermission.objects.create(
        content_object=department,
        group=Assignment.objects.get(pk=actor.assignment_id).group,
        permission=Permission.objects.get(codename="review_access"),
    )
    return actor


@pytest.fixture
def notice():
    department = make_department()
    make_head(department, "head@example.org")
    make_doctor(department, email="doctor@example.org")
    make_head(make_department(), "other@example.org")
    gone = make_head(department, "gone@example.org")
    Assignment.objects.filter(pk=gone.assignment_id).update(valid_to=timezone.now())
    off = make_head(department, "off@example.org")
    User.objects.filter(pk=off.subject_id).update(is_active=False)
    patient = make_patient("191212121212")
    return tell_head(EMERGENCY_OPENING, department.unit_id, patient.pk, "opening:1", timezone.now())


def test_the_head_of_the_unit_gets_one_mail_that_names_nobody(mail_server, notice):
    assert mail_notices() == 1
    assert mail_notices() == 0
    mail_server.terminate()
    printed = mail_server.communicate(timeout=10)[0]
    assert "To: head@example.org" in printed
    assert "https://samsyn.example.org/" in printed
    for absent in ("doctor@", "other@", "gone@", "off@", "191212121212", "kerstr"):
        assert absent not in printed
    assert Notice.objects.get().mailed_at is not None


def test_a_notice_is_mailed_later_when_the_server_is_away(mail_server, notice):
    mail_server.terminate()
    mail_server.wait(10)
    with pytest.raises(OSError):
        mail_notices()
    assert Notice.objects.get().mailed_at is None


def test_nothing_is_mailed_without_a_sender(settings, notice):
    settings.NOTICE_MAIL_FROM = ""
    assert mail_notices() == 0
    assert Notice.objects.get().mailed_at is None
