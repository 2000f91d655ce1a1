"""HOST and PORT: read, found free or taken, and spelled for others."""

import socket

import pytest

from progrock.launcher import address as address_module
from progrock.launcher.address import Address, free_port, names_of, read_address, require_free
from progrock.launcher.errors import LaunchRefused


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_module, "PORT_WAIT_SECONDS", 0.0)


def test_the_default_is_loopback_port_8000() -> None:
    assert read_address({}) == Address(host="127.0.0.1", port=8000)
    assert read_address({"HOST": " ", "PORT": ""}) == Address(host="127.0.0.1", port=8000)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "80a", "8000.0", "٨٠٠٠", "9" * 5000])
def test_a_port_that_is_none_is_refused_with_an_example(port: str) -> None:
    with pytest.raises(LaunchRefused, match="from 1 to 65535, for example: make run PORT=8010"):
        read_address({"PORT": port})


@pytest.mark.parametrize(
    ("host", "is_loopback", "is_wildcard", "url"),
    [
        ("127.0.0.1", True, False, "http://127.0.0.1:8000/"),
        ("127.0.0.5", True, False, "http://127.0.0.5:8000/"),
        ("localhost", True, False, "http://localhost:8000/"),
        ("::1", True, False, "http://[::1]:8000/"),
        ("0.0.0.0", False, True, "http://127.0.0.1:8000/"),
        ("::", False, True, "http://[::1]:8000/"),
        ("192.0.2.7", False, False, "http://192.0.2.7:8000/"),
        ("progrock.test", False, False, "http://progrock.test:8000/"),
    ],
)
def test_what_a_host_means(host: str, is_loopback: bool, is_wildcard: bool, url: str) -> None:
    address = read_address({"HOST": host})
    assert address.is_loopback is is_loopback
    assert address.is_wildcard is is_wildcard
    assert address.url == url


def test_brackets_around_an_ipv6_host_are_taken_off() -> None:
    assert read_address({"HOST": "[::1]"}).host == "::1"


@pytest.mark.parametrize("other", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("ours", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_a_taken_port_is_refused_with_a_free_one(other: str, ours: str) -> None:
    with socket.create_server((other, 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(LaunchRefused, match=f"Port {port} is taken") as refused:
            require_free(Address(host=ours, port=port))
    suggested = int(str(refused.value).rpartition("PORT=")[2])
    require_free(Address(host=ours, port=suggested))


def test_a_free_port_is_not_refused_and_stays_free() -> None:
    port = free_port("127.0.0.1", ())
    require_free(Address(host="127.0.0.1", port=port))
    require_free(Address(host="127.0.0.1", port=port))


def test_a_host_of_another_machine_is_refused() -> None:
    with pytest.raises(LaunchRefused, match=r"HOST is '192\.0\.2\.7', and nobody can listen there"):
        require_free(Address(host="192.0.2.7", port=8000))


def test_a_wished_port_is_taken_when_it_is_free() -> None:
    wished = free_port("127.0.0.1", ())
    assert free_port("127.0.0.1", (wished,)) == wished
    with socket.create_server(("127.0.0.1", wished)):
        assert free_port("127.0.0.1", (wished, 70000, 0)) not in {wished, 70000, 0}


def test_browsers_may_ask_by_the_names_of_the_address() -> None:
    local = ["localhost", "127.0.0.1", "[::1]"]
    assert names_of(Address(host="127.0.0.1", port=1)) == local
    assert names_of(Address(host="192.0.2.7", port=1)) == [*local, "192.0.2.7"]
    assert names_of(Address(host="2001:db8::7", port=1)) == [*local, "[2001:db8::7]"]
    assert socket.gethostname() in names_of(Address(host="0.0.0.0", port=1))
