"""Keep secrets out of what a backend says: one that echoes our token shows stars instead."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote, quote_plus

from progrock.backends.http import HttpReply

STARS = "•••"
SHORTEST = 4  # a shorter secret would blank out ordinary words


class Environment(Mapping[str, str]):
    """The environment as the description reads it; remembers what was read as a secret."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> str:
        value = self._variables[name]
        self.read.add(value)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)


@dataclass(frozen=True, slots=True)
class Mask:
    """The secrets of a backend, in each form in which they may come back."""

    forms: tuple[str, ...] = ()

    @classmethod
    def of(cls, secrets: Iterable[str]) -> "Mask":
        """Return the mask for some secrets; those shorter than four characters are let be."""
        forms: set[str] = set()
        for secret in secrets:
            if len(secret) < SHORTEST:
                continue
            quoted = json.dumps(secret)[1:-1]
            plain = json.dumps(secret, ensure_ascii=False)[1:-1]
            forms |= {secret, quoted, plain, quote(secret, safe=""), quote_plus(secret)}
            forms.add(base64.b64encode(secret.encode()).decode())
        return cls(tuple(sorted(forms, key=len, reverse=True)))

    def text(self, text: str) -> str:
        """Return a text without the secrets."""
        for form in self.forms:
            if form in text:
                text = text.replace(form, STARS)
        return text

    def reply(self, reply: HttpReply) -> HttpReply:
        """Return a reply without the secrets, in its headers and its body."""
        if not self.forms:
            return reply
        content = reply.content
        for form in self.forms:
            content = content.replace(form.encode(), STARS.encode())
        headers = {name: self.text(value) for name, value in reply.headers.items()}
        return replace(reply, headers=headers, content=content)
