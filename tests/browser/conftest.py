# SPDX-License-Identifier: GPL-3.0-or-later
"""A real browser, headless Chromium, once for all tests; every test has windows of its own.

The browser lives on one event loop, so tests here run on that of the session.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium of the system; it is not there: an error, not a skip."""
    program = shutil.which("chromium")
    assert program is not None, "chromium is missing: run ./run setup"
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--disable-background-networking", "--no-first-run"],
        )
        yield launched
        await launched.close()


class Complaints:
    """What the browser found wrong with our pages: blocked by the policy, not understood, thrown."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def listen(self, page: Page) -> None:
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.heard.append(str(error)))

    def _hear(self, message: ConsoleMessage) -> None:
        # An answer of 401 or 409 is an answer; the browser calls it an error.
        if message.type in ("error", "warning") and "the server responded with a status" not in message.text:
            self.heard.append(message.text)


async def new_page(browser: Browser, base: str, complaints: Complaints) -> Page:
    """A page of an own window, as large as a small laptop's."""
    context = await browser.new_context(base_url=base, viewport={"width": 1366, "height": 768})
    context.set_default_timeout(15_000)
    page = await context.new_page()
    complaints.listen(page)
    return page


async def barriers(page: Page) -> list[str]:
    """What keeps somebody from using the page as it is now, by axe's rules for WCAG 2.2 AA."""
    await page.evaluate(AXE.read_text())
    result = await page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
    assert len(result["passes"]) > 5
    return [f"{found['id']}: {[node['target'] for node in found['nodes']]}" for found in result["violations"]]
