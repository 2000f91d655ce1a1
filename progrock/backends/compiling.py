"""Turn one table of a description into a `Backend`: what the keys mean together. Pure.

Problems are collected, so that whoever writes a description sees all of them at once.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from progrock.backends import expressions, guard, templates
from progrock.backends.backend import Backend, Batch, Origin, RequestTemplate
from progrock.backends.description import BackendTable, BatchTable, RequestTable, StatusTable
from progrock.backends.errors import Problem, Refused
from progrock.backends.expressions import Fields, Stream
from progrock.backends.masking import Environment, Mask
from progrock.backends.templates import Template
from progrock.backends.wording import near
from progrock.jobs.policy import PollPolicy
from progrock.jobs.states import State

T = TypeVar("T")


def compile_backend(
    name: str, table: BackendTable, env: Mapping[str, str], problems: list[Problem]
) -> Backend | None:
    """Return the backend of a table; with new problems added, None."""
    return _Compiler(name, table, env, problems).backend()


class _Compiler:
    def __init__(
        self, name: str, table: BackendTable, env: Mapping[str, str], problems: list[Problem]
    ) -> None:
        self.name = name
        self.table = table
        self.plain = env
        self.secret = Environment(env)  # what is read by it is masked in replies
        self.problems = problems

    def backend(self) -> Backend | None:
        before = len(self.problems)
        table = self.table
        addresses = self._addresses()
        self.origins = self._origins(addresses)
        headers = {
            key: self._header(f"headers.{key}", value) for key, value in table.headers.items()
        } | self._authorization()
        lookup, also, outcome, cancel, log = (
            self._request(key, request) if request else None
            for key, request in (
                ("lookup", table.lookup),
                ("also", table.also),
                ("outcome", table.outcome),
                ("cancel", table.cancel),
                ("log", table.log),
            )
        )
        for name in (*table.headers, *([table.challenge.header] if table.challenge else [])):
            self._header_name("headers" if name in table.headers else "challenge.header", name)
        start = self._request("start", table.start, "POST")
        status = self._status()
        batch = self._batch(table.batch) if table.batch else None
        fields = self._map()
        states = self._states()
        hook_secrets = tuple(
            self._hook_secret(key, text)
            for key, text in _numbered("hook_secrets", table.hook_secrets)
        )
        self._check_schema()
        if len(self.problems) > before:
            return None
        poll_fields = expressions.POLL_FIELDS - ({"log"} if table.log else set())
        return Backend(
            name=self.name,
            title=self._text("title", table.title or self.name, self.plain),
            description=self._text("description", table.description, self.plain),
            base_url=addresses["base_url"].rstrip("/"),
            origins=self.origins,
            headers=headers,
            params_schema=table.params,
            cookies=table.cookies,
            challenge_status=table.challenge.status if table.challenge else None,
            challenge_header=table.challenge.header if table.challenge else "",
            hook_secrets=hook_secrets,
            mask=Mask.of([*self.secret.read, *_credentials(headers)]),
            start=start,
            is_idempotent=table.start.idempotent
            or any(key.lower() == "idempotency-key" for key in table.start.headers),
            status=status,
            is_by_code=table.status == "code",
            batch=batch,
            lookup=lookup,
            also=also,
            outcome=outcome,
            cancel=cancel,
            log=log,
            lookup_fields=_fields(fields, expressions.LOOKUP_FIELDS),
            start_fields=_fields(fields, poll_fields | expressions.START_FIELDS - {"log"}),
            poll_fields=_fields(fields, poll_fields),
            log_fields=_fields(fields, expressions.LOG_FIELDS),
            cancel_fields=_fields(fields, expressions.CANCEL_FIELDS),
            states=states,
            policy=PollPolicy(**table.poll.model_dump()),
            not_found_grace=table.not_found_grace,
        )

    # --- the parts ---

    def _addresses(self) -> dict[str, str]:
        """Return base_url and the origins by their keys, but for those that miss a variable."""
        texts = (("base_url", self.table.base_url), *_numbered("origins", self.table.origins))
        expanded = {
            key: self._try(key, lambda text=text: templates.expand(text, self.plain))  # type: ignore[misc]
            for key, text in texts
        }
        return {key: text for key, text in expanded.items() if text is not None}

    def _origins(self, addresses: Mapping[str, str]) -> frozenset[Origin]:
        for key, url in addresses.items():
            if "?" in url or "#" in url:
                self._tell(key, "ends before any ? or #: a path is put behind it")
        found = (self._try(key, lambda url=url: _origin(url)) for key, url in addresses.items())  # type: ignore[misc]
        return frozenset(origin for origin in found if origin)

    def _authorization(self) -> dict[str, str]:
        auth = self.table.auth
        if auth is None:
            return {}
        if auth.bearer is not None:
            return {"Authorization": "Bearer " + self._header("auth.bearer", auth.bearer)}
        pair = self._text("auth.basic", auth.basic or "")
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}

    def _status(self) -> RequestTemplate | None:
        if isinstance(self.table.status, StatusTable):
            return self._request("status", self.table.status)
        return RequestTemplate(method="GET") if self.table.status == "code" else None

    def _batch(self, table: BatchTable) -> Batch | None:
        request = self._request("batch", table)
        each = self._try("batch.each", lambda: Stream(table.each))
        return Batch(request=request, size=table.size, each=each) if each else None

    def _request(
        self, key: str, table: RequestTable, default_method: str = "GET"
    ) -> RequestTemplate:
        roots = _roots(key, self.table.map)

        def parsed(part: str, value: Any) -> Any:
            return self._try(
                f"{key}.{part}", lambda: templates.parse_tree(value, self.secret, roots)
            )

        for name in table.headers:
            self._header_name(f"{key}.headers", name)
        if table.path is not None and not table.path.startswith("/"):
            self._tell(f"{key}.path", 'begins with "/"; for a whole address use url')
        request = RequestTemplate(
            method=table.method or default_method,
            path=parsed("path", table.path),
            url=parsed("url", table.url),
            query=parsed("query", table.query) or {},
            headers=parsed("headers", table.headers) or {},
            json=parsed("json", table.json_),
            form=parsed("form", table.form),
            body=parsed("body", table.body),
        )
        self._check_url(f"{key}.url", request.url)
        return request

    def _check_url(self, key: str, url: Template | None) -> None:
        """Refuse a fixed foreign address now; one with templates is checked when it is built."""
        head = url.parts[0] if url and url.parts else None
        if not isinstance(head, str) or "://" not in head:
            return
        origin = self._try(key, lambda: _origin(head))
        if origin and origin not in self.origins:
            self._tell(key, f"{origin} is neither base_url's origin nor in origins; name it there")

    def _map(self) -> dict[str, str]:
        valid = {}
        for field, text in self.table.map.items():
            key = f"map.{field}"
            if field not in expressions.FIELDS:
                hint = near(field, sorted(expressions.FIELDS))
                if field in BackendTable.model_fields:
                    hint = f"; it is a key of backends.{self.name}: write it above its map"
                self._tell(key, "there is no such field" + hint)
                continue
            try:
                expression = templates.expand(text, self.secret)
                expressions.check(expression)
            except ValueError as exc:
                self._tell(key, f"is not a jq expression: {exc}")
            else:
                valid[field] = expression
        return valid

    def _states(self) -> dict[str, State]:
        states = {}
        for word, ours in self.table.states.items():
            try:
                states[word] = State(ours)
            except ValueError:
                hint = near(ours, State)
                if word in set(State):
                    hint = f'; the word of the service stands first: {ours} = "{word}"'
                self._tell(f"states.{word}", f'"{ours}" is no state of ours' + hint)
        return states

    def _check_schema(self) -> None:
        try:
            Draft202012Validator.check_schema(self.table.params)
        except SchemaError as exc:
            self._tell("params", f"is not a JSON Schema: {exc.message}")
            return
        resource = Resource.from_contents(self.table.params, default_specification=DRAFT202012)
        resolver = Registry().with_resource("", resource).resolver()
        for ref in _refs(self.table.params):
            try:
                resolver.lookup(ref)
            except Unresolvable:
                self._tell("params", f'"$ref": "{ref}" leads nowhere; only "#/…" is followed')

    # --- problems ---

    def _hook_secret(self, key: str, text: str) -> str:
        secret = self._text(key, text)
        try:
            Webhook(secret)
        except (ValueError, RuntimeError, EmptyWebhookSecretError):
            self._tell(key, "is not a Standard Webhooks secret: whsec_ and base64")
        return secret

    def _header_name(self, key: str, name: str) -> None:
        if not _TOKEN.fullmatch(name):
            self._tell(key, f'"{name}" cannot be the name of a header')

    def _header(self, key: str, text: str) -> str:
        value = self._text(key, text)
        if any(ord(char) < 32 or ord(char) > 255 for char in value):
            self._tell(
                key, "holds a line break, a control character or one beyond Latin-1; take it out"
            )
        return value

    def _tell(self, key: str, message: str) -> None:
        masked = Mask.of(self.secret.read).text(message)
        self.problems.append(Problem(f"backends.{self.name}.{key}", masked))

    def _try(self, key: str, make: Callable[[], T]) -> T | None:
        try:
            return make()
        except ValueError as exc:
            self._tell(key, str(exc))
            return None

    def _text(self, key: str, text: str, env: Mapping[str, str] | None = None) -> str:
        chosen = self.secret if env is None else env
        return self._try(key, lambda: templates.expand(text, chosen)) or ""


def _origin(url: str) -> Origin:
    origin = Origin.of(url)
    try:
        guard.check_literal(origin.host)
    except Refused as exc:
        raise ValueError(str(exc)) from exc
    return origin


def _roots(key: str, fields: Mapping[str, str]) -> frozenset[str]:
    """Return what the templates of one request may name."""
    if key == "batch":  # it is for many jobs: what one of them has is not there
        return frozenset({"operations"})
    always = frozenset({"params", "job"})
    begun = frozenset({"lookup", "operation", "start", "status_url"})
    own = {
        "lookup": frozenset[str](),
        "start": frozenset({"lookup"}),
        "log": begun | {"offset"},
        "cancel": begun | ({"cancel_url"} & fields.keys()),
    }
    return always | own.get(key, begun)


_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2


def _numbered(key: str, texts: list[str]) -> list[tuple[str, str]]:
    return [(f"{key}.{index}", text) for index, text in enumerate(texts)]


def _refs(schema: Any) -> Iterator[str]:
    """Give each `$ref` in a JSON Schema."""
    if isinstance(schema, Mapping):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for value in schema.values():
            yield from _refs(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _refs(value)


def _credentials(headers: Mapping[str, str]) -> list[str]:
    """Return what stands behind the scheme in Authorization, whatever its letters' case."""
    return [
        value.partition(" ")[2] or value
        for name, value in headers.items()
        if name.lower() == "authorization"
    ]


def _fields(fields: Mapping[str, str], wanted: frozenset[str]) -> Fields:
    return Fields({key: text for key, text in fields.items() if key in wanted})
