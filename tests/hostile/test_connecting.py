"""What is connected to is the address that was checked, by either transport."""

import asyncio
import contextlib
import itertools
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from progrock.backends import building
from progrock.backends.errors import BackendError, DescriptionError, Refused, Unreachable
from progrock.backends.http import HttpReply, HttpRequest
from progrock.backends.loading import load
from progrock.backends.poller import Poller
from progrock.backends.single_call import send_once
from tests.hostile.parts import lacking
from tests.hostile.villain import Villain, reply


async def _polled(request: HttpRequest, seconds: float) -> HttpReply:
    poller = Poller()
    try:
        return await poller.send(request, seconds)
    finally:
        await poller.close()


def _send_by_poller(url: str, seconds: float = 5.0) -> HttpReply:
    return asyncio.run(_polled(HttpRequest(method="GET", url=url), seconds))


def _send_by_requests(url: str, seconds: float = 5.0) -> HttpReply:
    return send_once(HttpRequest(method="GET", url=url), seconds)


Send = Callable[..., HttpReply]
both = pytest.mark.parametrize("send", [_send_by_poller, _send_by_requests], ids=["poll", "call"])


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note where sockets connect; nobody gets farther than this machine."""
    noted: list[str] = []
    connect = socket.socket.connect

    def note(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            noted.append(address[0])
            if address[0] not in {"127.0.0.1", "::1"}:
                raise ConnectionRefusedError("nobody gets farther than this machine")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", note)
    return noted


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give a function that has `moving.test` resolve to other addresses each time it is asked."""
    resolve = socket.getaddrinfo

    def play(*answers: list[str]) -> None:
        turns = itertools.chain(answers, itertools.repeat(answers[-1]))

        def lie(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
            if host not in {"moving.test", b"moving.test"}:
                return resolve(host, port, *args, **kwargs)
            return [
                (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))
                for address in next(turns)
            ]

        monkeypatch.setattr(socket, "getaddrinfo", lie)

    return play


@both
def test_a_name_that_moves_after_the_check_leads_to_the_checked_address_or_nowhere(
    villain: Villain, name_server: Callable[..., None], connected: list[str], send: Send
) -> None:
    name_server(["127.0.0.1"], ["169.254.169.254"])
    url = f"http://moving.test:{villain.port}/moving"

    assert send(url).status == 404
    with pytest.raises(Refused, match=r"moving\.test"):
        send(url)

    assert set(connected) == {"127.0.0.1"}
    assert villain.strays[-1].headers["host"] == f"moving.test:{villain.port}"


@both
@pytest.mark.parametrize(
    "address", ["169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "0.0.0.0"]
)
def test_a_name_of_which_one_address_is_forbidden_is_refused(
    villain: Villain,
    name_server: Callable[..., None],
    connected: list[str],
    send: Send,
    address: str,
) -> None:
    name_server(["127.0.0.1", address])

    with pytest.raises(Refused, match=r"moving\.test"):
        send(f"http://moving.test:{villain.port}/")

    assert connected == []


@both
@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.169.254.",
        "2852039166",
        "0xA9FEA9FE",
        "0xa9.0xfe.0xa9.0xfe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "%31%36%39.254.169.254",
        "①⑥⑨.254.169.254",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[0:0:0:0:0:ffff:a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "[64:ff9b::a9fe:a9fe]",
        "[fe80::1]",
        "[fe80::1%25lo]",
        "[fe80::1%lo]",
        "[fd00:ec2::254]",
        "0.0.0.0",
        "[::]",
        "224.0.0.1",
    ],
)
def test_a_forbidden_address_is_refused_however_it_is_written(
    tmp_path: Path, connected: list[str], send: Send, host: str
) -> None:
    """Where the file is taken at all, the request is refused before anything is connected."""
    file = tmp_path / "backends.toml"
    file.write_text(f'[backends.x]\npreset = "progrock"\nbase_url = "http://{host}:1"\n')

    with pytest.raises((DescriptionError, Refused, Unreachable)):
        send(building.checked(load(file, {}).by_name["x"], "/jobs"))

    assert connected == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for the names localhost and moving.test, with its key in the same file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        lacking("no openssl to make a certificate with")
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext".split()
    names = "subjectAltName=DNS:localhost,DNS:moving.test"
    made = [openssl, *words, names, "-keyout", file, "-out", file.with_suffix(".crt")]
    subprocess.run(made, check=True, capture_output=True)
    with file.open("a") as both_parts:
        both_parts.write(file.with_suffix(".crt").read_text())
    return file


@pytest.fixture
def secured(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, list[str]]]:
    """A server over TLS that this process trusts: its port, and the heads of the requests.

    `/drip` is answered by headers that do not end.
    """
    public = str(certificate.with_suffix(".crt"))
    monkeypatch.setenv("SSL_CERT_FILE", public)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    heads: list[str] = []
    is_over = threading.Event()

    def answer(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as tls:
            heads.append(tls.recv(65536).decode())
            if "/drip" not in heads[-1]:
                tls.sendall(reply({}))
                return
            tls.sendall(b"HTTP/1.1 200 OK\r\n")
            while not is_over.wait(0.05):
                tls.sendall(b"X: y\r\n")

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1], heads
        is_over.set()
        listener.shutdown(socket.SHUT_RDWR)


@both
def test_over_tls_the_checked_address_is_asked_under_the_backends_own_name(
    secured: tuple[int, list[str]],
    name_server: Callable[..., None],
    connected: list[str],
    send: Send,
) -> None:
    name_server(["127.0.0.1"])
    port, heads = secured

    assert send(f"https://moving.test:{port}/").status == 200

    assert set(connected) == {"127.0.0.1"}
    assert f"\r\nhost: moving.test:{port}\r\n" in heads[0].lower()


@both
def test_over_tls_a_drip_of_headers_ends_in_time_too(
    secured: tuple[int, list[str]], name_server: Callable[..., None], send: Send
) -> None:
    name_server(["127.0.0.1"])
    raised: list[BackendError] = []

    def ask() -> None:
        try:
            send(f"https://moving.test:{secured[0]}/drip", 0.5)
        except BackendError as exc:
            raised.append(exc)

    thread = threading.Thread(target=ask, daemon=True)  # which may hang, and the test goes on
    thread.start()
    thread.join(5)

    assert not thread.is_alive()
    assert [type(exc) for exc in raised] == [Unreachable]
    assert "within 0.5 s" in str(raised[0])
