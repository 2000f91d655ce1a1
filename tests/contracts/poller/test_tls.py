"""Over TLS the backend is asked under its own name."""

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from progrock.backends.errors import Unreachable
from progrock.backends.http import HttpRequest
from progrock.backends.poller import Poller
from tests.conftest import lacking
from tests.contracts.poller.peer import (
    TIMEOUT,
    Peer,
    closing,
    failure_of,
    open_files,
    reply,
    until,
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for the name localhost, and its key beside it as `.key`."""
    openssl = shutil.which("openssl")
    if openssl is None:
        lacking("no openssl to make a certificate with")
    file = tmp_path_factory.mktemp("tls") / "it.crt"
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext".split()
    more = ["subjectAltName=DNS:localhost", "-keyout", file.with_suffix(".key"), "-out", file]
    subprocess.run([openssl, *words, *more], check=True, capture_output=True)
    return file


@pytest.fixture
def served(certificate: Path) -> ssl.SSLContext:
    """The side of the server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return context


@pytest.fixture
async def trusting(certificate: Path) -> AsyncIterator[Poller]:
    """A poller that trusts the certificate."""
    made = Poller(tls=ssl.create_default_context(cafile=str(certificate)))
    yield made
    await made.close()


async def test_over_tls_the_name_is_asked_for_and_checked(
    trusting: Poller, served: ssl.SSLContext
) -> None:
    async with Peer().on(tls=served) as peer:
        peer.answers = [reply(b"first"), closing(b"HTTP/1.1 200 OK\r\n\r\nsecond")]
        request = HttpRequest(method="GET", url=f"https://localhost:{peer.port}/")
        replies = [await trusting.send(request, TIMEOUT) for _ in range(2)]
        assert [each.content for each in replies] == [b"first", b"second"]
        assert peer.names == ["localhost"]
        assert peer.visits == 1


async def test_over_tls_another_name_is_not_trusted(
    trusting: Poller, served: ssl.SSLContext
) -> None:
    async with Peer().on(tls=served) as peer:
        request = HttpRequest(method="GET", url=f"https://127.0.0.1:{peer.port}/")
        failure = await failure_of(trusting, request)
        assert isinstance(failure, Unreachable)
        assert not failure.was_sent
        assert "CERTIFICATE_VERIFY_FAILED" in str(failure)
        assert peer.asked == []


async def test_over_tls_an_unknown_certificate_is_not_trusted(
    poller: Poller, served: ssl.SSLContext
) -> None:
    async with Peer().on(tls=served) as peer:
        request = HttpRequest(method="GET", url=f"https://localhost:{peer.port}/")
        failure = await failure_of(poller, request)
        assert isinstance(failure, Unreachable)
        assert "CERTIFICATE_VERIFY_FAILED" in str(failure)
        assert peer.asked == []


async def test_the_time_covers_the_handshake_of_tls(trusting: Poller) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        with contextlib.suppress(ConnectionError):
            while await reader.read(65536):
                pass
        left += 1
        writer.close()

    left = 0
    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    files = open_files()
    request = HttpRequest(method="GET", url=f"https://127.0.0.1:{port}/")
    failure = await failure_of(trusting, request, 0.1)
    assert isinstance(failure, Unreachable)
    assert not failure.was_sent
    assert str(failure) == "The backend did not answer within 0.1 s."
    await until(lambda: left == 1 and open_files() <= files)
    server.close()
