"""What axe-core finds wrong with a page, for people who do not see, hear or point as others do."""

from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

RULES = {
    "resultTypes": ["violations"],
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}
# A colour that is still on its way to the other theme would be measured as it is.
SETTLED = "() => Promise.allSettled(document.getAnimations().map(({ finished }) => finished))"


def assert_accessible(page: Page) -> None:
    """Assert that axe-core finds nothing, in the light colours and in the dark ones."""
    themes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    found = []
    for theme in themes:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.evaluate(SETTLED)
        for told in Axe().run(page, options=RULES).response["violations"]:
            places = [node["target"] for node in told["nodes"]]
            found.append((theme, told["id"], told["help"], places))
    page.emulate_media(color_scheme="null", reduced_motion="null")
    assert found == []
