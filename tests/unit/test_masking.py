"""What is wrong in a description is told without its secrets, and each form of one is masked."""

import html
from collections.abc import Callable
from pathlib import Path

import pytest

from progrock.backends.errors import DescriptionError
from progrock.backends.http import HttpReply
from progrock.backends.loading import load
from progrock.backends.masking import STARS, Mask
from tests.integration.secrets_sought import (
    HOOK_KEY,
    SECRETS,
    VARIABLES,
    forms_of,
    go_json,
    leaks_in,
    php_json,
)


def test_what_a_secret_of_hooks_holds_is_masked_without_its_prefix_too() -> None:
    mask = Mask.of([SECRETS["hook"]])

    assert mask.text(f"signed by {SECRETS['hook']}, {HOOK_KEY}") == f"signed by {STARS}, {STARS}"


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_masked_in_text_however_it_is_encoded(secret: str) -> None:
    """But as HTML, and as JSON with needless escapes: a text is read as neither."""
    text = SECRETS[secret]
    unread = {html.escape(text), php_json(text)[1:-1], go_json(text)[1:-1]} - {text}

    mask = Mask.of([text])

    forms = forms_of(text) - unread
    assert {form for form in forms if leaks_in(mask.text(f"said {form}, and more"))} == set()


@pytest.mark.parametrize("write", [php_json, go_json])
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_masked_in_json_however_it_is_escaped(
    secret: str, write: Callable[[object], str]
) -> None:
    mask = Mask.of([SECRETS[secret]])
    content = write({"said": [SECRETS[secret]], SECRETS[secret]: 1}).encode()

    masked = mask.reply(HttpReply(status=200, headers={}, content=content))

    assert masked.body == {"said": [STARS], STARS: 1}


@pytest.mark.parametrize(
    "line",
    [
        """map.state = '.body.state == "${OUR_PATH}' """,
        """map.state = '.body | wrong("${OUR_PATH}")' """,
        'base_url = "http://someone:${OUR_PATH}@127.0.0.1/"',
        'start.url = "http://${OUR_PATH}.test/"',
        'start.path = "${OUR_PATH}"',
        'headers.X = "${OUR_PATH}\\n"',
        'auth.basic = "${OUR_PATH}"\nauth.bearer = "${OUR_PATH}"',
        'start.query.x = "{wrong.${OUR_PATH}}"',
        'states.x = "${OUR_PATH}"',
    ],
    ids=lambda line: line.partition("=")[0].strip() + line[-9:-2].replace("\n", ""),
)
def test_what_is_wrong_in_a_description_is_told_without_its_secrets(
    tmp_path: Path, line: str
) -> None:
    file, base = tmp_path / "wrong.toml", 'base_url = "http://127.0.0.1"\n'
    told = f'[backends.x]\npreset = "progrock"\n{"" if "base_url" in line else base}{line}\n'
    file.write_text(told)

    assert leaks_in(problems_of(file)) == set()


def problems_of(file: Path) -> str:
    """Return what is wrong with a description, or nothing."""
    try:
        load(file, VARIABLES)
    except DescriptionError as error:
        return str(error)
    return ""
