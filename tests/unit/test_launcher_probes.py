"""A server that answers, one that does not, and one that speaks something else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from progrock.launcher import probes
from tests.launcher_process import free_port


@asynccontextmanager
async def server(answer: bytes, *, hangs: bool = False) -> AsyncIterator[tuple[int, list[bytes]]]:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        if hangs:
            await reader.read()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1], heard
    finally:
        listening.close()


async def test_an_answer_has_its_status_and_body() -> None:
    async with server(b"HTTP/1.1 503 Unavailable\r\nX: y\r\n\r\nnot yet") as (port, heard):
        answer = await probes.get("127.0.0.1", port, "/readyz", named="progrock.test")
    assert answer == probes.Answer(status=503, body="not yet")
    assert heard[0].startswith(b"GET /readyz HTTP/1.1\r\nHost: progrock.test\r\n")


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1\r\n\r\n", b"hello\r\n\r\n", b"x" * 100_000])
async def test_something_else_is_no_answer(answer: bytes) -> None:
    async with server(answer) as (port, _):
        assert await probes.get("127.0.0.1", port, "/") is None


async def test_silence_ends() -> None:
    async with server(b"", hangs=True) as (port, _):
        assert await probes.get("127.0.0.1", port, "/", timeout_seconds=0.05) is None


async def test_nobody_there_is_no_answer() -> None:
    assert await probes.get("127.0.0.1", free_port(), "/") is None
