"""What pages complain of: errors, warnings, and violations of the Content-Security-Policy."""

import re

from playwright.sync_api import BrowserContext

REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy violated: ${event.violatedDirective} by ${event.blockedURI}`);
});
"""


class Complaints:
    """What pages said on their consoles, other than what a test expects."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self._expected: list[str] = []

    def expect(self, pattern: str) -> None:
        """Let lines that match the pattern pass."""
        self._expected.append(pattern)

    def listen(self, context: BrowserContext) -> None:
        """Gather from all pages of a context, violations of the policy included."""
        context.add_init_script(REPORT_VIOLATIONS)
        context.on("console", lambda line: self._take(line.type, line.text))
        context.on("weberror", lambda error: self._take("error", str(error.error)))

    def unexpected(self) -> list[str]:
        """Return the lines that no pattern lets pass."""
        return [
            line for line in self.told if not any(re.search(item, line) for item in self._expected)
        ]

    def _take(self, kind: str, text: str) -> None:
        if kind in {"error", "warning", "assert"}:
            self.told.append(text)
