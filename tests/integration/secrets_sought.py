"""Secrets of a description, and each form in which one can be read."""

import base64
import html
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import quote, quote_plus

HOOK_KEY = base64.b64encode(b"a key of thirty-two bytes, so on").decode()
SECRETS = {
    "bearer": "b3/arer+tok=en~%41<&>",
    "basic": 'p4ss"wo\\rd/é✓ <&>x=1',
    "header": "k3y/of;head+er=<&>\"'\\",
    "path": "p4th-s3gment-0815",
    "json": 'j5on"s3cret\\/é✓\t<&>',
    "query": "qu3ry s/e+c=r&e%t#é✓",
    "hook": f"whsec_{HOOK_KEY}",
    "old hook": "whsec_" + base64.b64encode(b"the key before it, to be rotated").decode(),
}
VARIABLES = {f"OUR_{name.upper().replace(' ', '_')}": text for name, text in SECRETS.items()}
USER = "someone"


def forms_of(secret: str) -> set[str]:
    """Return the forms in which a secret can be read: as it is, and encoded in the usual ways."""
    data = secret.encode()
    forms = {secret, data.decode("latin-1")}
    forms |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    forms |= {php_json(secret)[1:-1], go_json(secret)[1:-1], html.escape(secret)}
    forms |= {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    forms |= {lowered(form) for form in (quote(secret), quote(secret, safe=""), quote_plus(secret))}
    for coded in (base64.b64encode(data), base64.urlsafe_b64encode(data)):
        forms |= {coded.decode(), coded.decode().rstrip("=")}
    return forms


def php_json(value: Any) -> str:
    """Return JSON as PHP writes it: slashes are escaped."""
    return json.dumps(value).replace("/", "\\/")


def go_json(value: Any) -> str:
    """Return JSON as Go writes it: safe within HTML."""
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def lowered(text: str) -> str:
    """Return percent-encoded text with its hexadecimal digits in lower case."""
    return re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), text)


PAIR = base64.b64encode(f"{USER}:{SECRETS['basic']}".encode()).decode()
FORMS = {name: forms_of(secret) for name, secret in SECRETS.items()}
FORMS["basic"] |= {PAIR, PAIR.rstrip("=")}


@cache
def leaks_in(text: str) -> frozenset[str]:
    """Return the names of the secrets that a text holds, in itself or as JSON."""
    texts = [text, html.unescape(text), *strings_in(text)]
    return frozenset(
        name for name, forms in FORMS.items() if any(any_in(forms, each) for each in texts)
    )


def any_in(forms: set[str], text: str) -> bool:
    return any(form in text for form in forms)


def strings_in(text: str) -> Iterator[str]:
    """Yield the strings of a JSON text, keys included; nothing where it is none."""
    try:
        waiting = [json.loads(text)]
    except ValueError:
        return
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            waiting += value
