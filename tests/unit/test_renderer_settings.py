"""Settings come from the environment, and wrong ones are all named before anything starts."""

from pathlib import Path

import pytest

from examples.renderer.errors import SettingsError
from examples.renderer.settings import read_settings


def test_an_empty_environment_is_enough() -> None:
    settings = read_settings({})
    assert (settings.host, settings.port) == ("127.0.0.1", 8001)
    assert settings.data == Path("var/renderer")
    assert settings.public_url is None
    assert settings.workers >= 1
    assert all(root.is_dir() for root in settings.roots)


def test_what_is_set_is_used(tmp_path: Path) -> None:
    settings = read_settings(
        {
            "RENDERER_PORT": "0",
            "RENDERER_WORKERS": " 3 ",
            "RENDERER_PUBLIC_URL": "https://pictures.example/r/",
            "RENDERER_ROOTS": f"{tmp_path}:{tmp_path.parent}",
            "RENDERER_HOST": "",
        }
    )
    assert (settings.port, settings.workers, settings.host) == (0, 3, "127.0.0.1")
    assert settings.public_url == "https://pictures.example/r"
    assert settings.roots == (tmp_path.resolve(), tmp_path.parent.resolve())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RENDERER_PORT", "70000"),
        ("RENDERER_PORT", "²"),
        ("RENDERER_WORKERS", "0"),
        ("RENDERER_WORKERS", "-1"),
        ("RENDERER_PUBLIC_URL", "pictures.example"),
        ("RENDERER_PUBLIC_URL", "http://[::1"),
        ("RENDERER_ROOTS", "/no/such/folder"),
        ("RENDERER_ROOTS", ":"),
    ],
)
def test_a_wrong_setting_gets_a_sentence_with_its_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} .*, not '.*'.$"):
        read_settings({name: value})


def test_all_wrong_settings_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"RENDERER_PORT": "x", "RENDERER_WORKERS": "y"})
    assert len(str(caught.value).splitlines()) == 2
