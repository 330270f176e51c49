"""Where a destination may point."""

import pytest

from repository.delivery.receivers.address import ForbiddenAddress, UnknownHost, resolve_address


def test_takes_an_address_apart():
    address = resolve_address("http://127.0.0.1:8042/dicom-web/studies/")
    assert (address.ip, address.port, address.path) == ("127.0.0.1", 8042, "/dicom-web/studies")
    assert address.host_header == "127.0.0.1:8042"
    assert resolve_address("https://[::1]/studies").host_header == "[::1]"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://127.0.0.1/studies", "begin with"),
        ("file:///etc/passwd", "begin with"),
        ("127.0.0.1/studies", "begin with"),
        ("http://user:secret@127.0.0.1/studies", "token"),
        ("http:///studies", "no host"),
        ("http://127.0.0.1:99999/studies", "port"),
        ("http://127.0.0.1/studies?x=1", "plain path"),
        ("http://169.254.169.254/studies", "no receiver's address"),
        ("http://[::ffff:169.254.169.254]/studies", "no receiver's address"),
        ("http://0.0.0.0/studies", "no receiver's address"),
        ("http://[::]/studies", "no receiver's address"),
        ("http://224.0.0.1/studies", "no receiver's address"),
    ],
)
def test_refuses_what_can_never_be_a_receiver(url, message):
    with pytest.raises(ForbiddenAddress, match=message):
        resolve_address(url)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.1.1",
        "[::1]",
        "[fd00::1]",
        "[::ffff:10.0.0.1]",
        "localhost",
        "0x7f.1",
    ],
)
def test_private_addresses_need_the_setting(settings, host):
    assert resolve_address(f"http://{host}/studies").port == 80
    settings.ALLOW_PRIVATE_DESTINATIONS = False
    with pytest.raises(ForbiddenAddress, match="private address"):
        resolve_address(f"http://{host}/studies")


def test_a_public_address_needs_no_setting(settings):
    settings.ALLOW_PRIVATE_DESTINATIONS = False
    assert resolve_address("https://193.0.6.139/studies").ip == "193.0.6.139"


def test_an_unknown_host_may_become_known():
    with pytest.raises(UnknownHost, match=r"nowhere\.invalid"):
        resolve_address("http://nowhere.invalid/studies")
