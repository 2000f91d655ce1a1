"""What a backend may say that is odd, and how a job that is told it ends."""

from dataclasses import dataclass

from tests.hostile.villain import MIB, Answer, field_of, reply

DONE: Answer = {"state": "succeeded"}
HTML = "<img src=x onerror=alert(1)><script>alert(2)</script></script><!--"


def deep(levels: int) -> str:
    """Return JSON objects one in another."""
    return '{"a":' * levels + "1" + "}" * levels


def between(*odd: Answer) -> list[Answer]:
    """Return odd answers with an honest one after each, and the end."""
    return [answer for each in odd for answer in (each, {"state": "running"})] + [DONE]


def each_as(name: str, *texts: str) -> list[Answer]:
    """Return a job's polls in which one field is each of some texts of JSON, as they stand."""
    return between(*(field_of(name, text) for text in texts))


@dataclass(frozen=True, kw_only=True)
class Odd:
    """What a job's polls are answered, on a backend of which flavour, and how the job ends."""

    polls: list[Answer]
    start: Answer | None = None
    flavour: str = "plain"
    end: str = "succeeded"


HUGE = ("NaN", "-Infinity", "1e308", "-1e308", "1e400", "9" * 400, "5e-324", "-0.0", "true", "[1]")
BROKEN = (
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}",
    b"HTTP/1.1 99999 OK\r\n\r\n{}",
    b"HTTP/1.1 -1 OK\r\n\r\n",
    b"HTTP/9.9 200 OK\r\n\r\n{}",
    b"{}",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5_000 + b"\r\n{}",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * MIB + b"\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nX\xff\x00: y\r\n\r\n{}",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000 + reply({"state": "running"}),
    reply(b"\x1f\x8b garbage", headers={"Content-Encoding": "gzip"}),
    reply("{}", headers={"Content-Encoding": "br, zstd, gzip, gzip, gzip, gzip, gzip"}),
)
ODD = {
    "deep_body": Odd(polls=between(reply("[" * 500_000), reply(deep(900)))),
    "deep_result": Odd(polls=[reply(f'{{"state": "succeeded", "result": {deep(900)}}}')]),
    "deep_message": Odd(polls=each_as("message", deep(70), deep(300), deep(900))),
    "deep_unit": Odd(polls=each_as("unit", deep(300))),
    "deep_log": Odd(polls=each_as("log", f"[{deep(300)}]", deep(300))),
    "deep_steps": Odd(polls=each_as("steps", f'[{{"name": {deep(300)}}}]', deep(300))),
    "deep_state": Odd(polls=each_as("state", deep(300))),
    "deep_error": Odd(polls=[reply(f'{{"state": "failed", "error": {deep(300)}}}')], end="failed"),
    "deep_refusal": Odd(polls=[DONE], start=reply(f'{{"error": {deep(300)}}}', 422), end="failed"),
    "deep_reckoned": Odd(polls=each_as("x", deep(300), deep(900)), flavour="reckoned"),
    "huge_progress": Odd(polls=each_as("progress", *HUGE)),
    "huge_current": Odd(polls=each_as("current", *(f'{text}, "total": 5e-324' for text in HUGE))),
    "huge_total": Odd(polls=each_as("current", *(f'1e308, "total": {text}' for text in HUGE))),
    "huge_reckoned": Odd(polls=each_as("progress", *HUGE), flavour="reckoned"),
    "huge_texts": Odd(
        polls=each_as("total", '"nan"', '"-inf"', '"1e999"', '"0x10"'), flavour="reckoned"
    ),
    "huge_result": Odd(polls=[reply('{"state": "succeeded", "result": [1e300, -9e99]}')]),
    "huge_reckoned_result": Odd(
        polls=[reply('{"state": "succeeded", "result": [1e300, -9e99]}')], flavour="reckoned"
    ),
    "huge_reckoned_message": Odd(polls=each_as("message", '{"a": 1e300}'), flavour="reckoned"),
    "huge_reckoned_error": Odd(
        polls=[reply('{"state": "failed", "error": {"a": 1e300}}')],
        flavour="reckoned",
        end="failed",
    ),
    "huge_weights": Odd(
        polls=each_as("steps", '[{"name": "a", "weight": 1e308}, {"name": "b", "weight": 1e308}]')
    ),
    "odd_weights": Odd(
        polls=each_as(
            "steps",
            '[{"weight": 5e-324, "progress": 1e308}]',
            '[{"weight": -1}, {"weight": 0}, {"weight": "1e308"}, {"weight": "1e308"}]',
            "[[], null, 7, {}]",
        )
    ),
    "huge_offset": Odd(
        polls=each_as("next", "1e300", "9223372036854775808", "-1", '"x"'), flavour="told"
    ),
    "nul": Odd(
        polls=[
            *each_as("message", r'"a\u0000b"'),
            {"state": "ru\0nning", "unit": "\0", "log": "a\0b", "steps": [{"name": "\0"}]},
            {"state": "succeeded", "result": {"a\0b": ["\0"]}, "message": "\0"},
        ][1:]
    ),
    "surrogates": Odd(
        polls=between(
            *(field_of(name, r'"\ud800\udfff\ud800"') for name in ("message", "state", "log")),
            field_of("result", r'{"\udc00": 1}'),
            reply(b'{"message": "\xed\xa0\x80\xff"}'),
            reply('{"message": "é"}'.encode("utf-16")),
            reply(b"\xef\xbb\xbf{}"),
            reply("é", headers={"X-Odd": "\xff\xed\xa0\x80"}),
        )
    ),
    "prototype": Odd(
        polls=[reply('{"state": "succeeded", "result": {"__proto__": {"a": 1}, "toString": 1}}')]
    ),
    "ten_thousand_steps": Odd(
        polls=between({"steps": [{"name": "x" * 20, "state": "running"}] * 10_000})
    ),
    "hundred_thousand_lines": Odd(polls=between({"log": ["x"] * 100_000}, {"log": "\n" * 900_000})),
    "long_line": Odd(polls=between({"log": "x" * 1_000_000}, {"message": "x" * 1_000_000})),
    "long_words": Odd(polls=between({"state": "x" * 1_000_000}, {"unit": "y" * 1_000_000})),
    "broken_http": Odd(polls=between(*BROKEN)),
    "cookie_bomb": Odd(
        polls=between(
            *(
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n"
                + b"".join(b"Set-Cookie: c%d=%s\r\n" % (n, b"x" * 4_000) for n in numbers)
                + b"\r\n{}"
                for numbers in (range(15), range(15, 30), range(30, 90), range(5_000))
            ),
            *(
                reply({}, headers={"Set-Cookie": text})
                for text in ("=", ";;;", "a=\xff\xfe", 'a="\\012\\015Evil: 1"', "a=b; Max-Age=x")
            ),
        ),
        flavour="told",
    ),
    "terminal": Odd(
        polls=[
            {"state": "\x1b[2J\x1b[31mred"},
            {"state": "failed", "error": "\x1b]0;owned\x07\x9b2J\x08\x7f"},
        ],
        end="failed",
    ),
    "forged_lines": Odd(
        polls=[
            {"state": "a\n12:00:00 [error] forged"},
            {"state": "failed", "error": "b\r\x0b\x0c\x85\u2028launcher | forged"},
        ],
        end="failed",
    ),
}
