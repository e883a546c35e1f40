"""The page of a pipeline in a real browser, wide and narrow, in the light and in the dark.

Skipped, by name, where there is no Chromium, or no Playwright to drive it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import qql
from qql.pictures import page

sync_api = pytest.importorskip("playwright.sync_api", reason="test_pictures_in_browser.py needs playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="test_pictures_in_browser.py needs chromium")

QUERY = """
WITH
  near AS (QUERY [1.0, 0.2] USING a LIMIT 20),
  far  AS (QUERY [0.1, 1.0] USING b LIMIT 40),
  both AS (QUERY FUSION RRF PREFETCH (near, far) LIMIT 15)
QUERY [0.5, 0.5] FROM docs USING a PREFETCH (both WHERE n >= 3) LIMIT 6
"""
WIDTHS = (1280, 390)
FLOWS = """
const flows = () => [...document.querySelectorAll('svg.qql-flow')].filter(one => one.clientWidth);
const box = one => one.getBoundingClientRect();
const texts = svg => [...svg.querySelectorAll('text')];
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with qql.connect(":memory:") as db:
        db.execute("CREATE COLLECTION docs (a VECTOR(2, COSINE), b VECTOR(2, DOT))")
        rows = [
            {"id": n, "vector": {"a": [1.0, n / 10], "b": [n / 5, 1.0]}, "n": n, "title": f"<b>{n}</b>" * 9}
            for n in range(1, 31)
        ]
        db.execute("UPSERT INTO docs VALUES :rows", {"rows": rows})
        analysed = db.execute(f"EXPLAIN ANALYZE FORMAT json {QUERY}").rows[0]
        planned = db.execute(f"EXPLAIN FORMAT json {QUERY}").rows[0]
    file = tmp_path_factory.mktemp("pictures") / "page.html"
    file.write_text(page([analysed, planned]))
    return file


@pytest.fixture(params=[(width, scheme) for width in WIDTHS for scheme in ("light", "dark")], ids=str)
def shown(request: pytest.FixtureRequest, browser: Any, path: Path) -> Iterator[Any]:
    """The page as somebody sees it; whatever it asks for or complains about is in ``asked`` and ``said``."""
    width, scheme = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=True
    )
    found = context.new_page()
    found.asked, found.said = [], []
    found.on("request", lambda one: found.asked.append(one.url))
    found.on("console", lambda one: found.said.append(one.text))
    found.on("pageerror", lambda one: found.said.append(str(one)))
    found.goto(path.as_uri())
    yield found
    context.close()


def test_the_page_asks_for_nothing_and_complains_of_nothing(shown: Any, path: Path) -> None:
    assert shown.asked == [path.as_uri()]
    assert shown.said == []


def test_the_page_is_as_wide_as_the_window(shown: Any) -> None:
    assert shown.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_one_picture_of_the_flow_is_seen_for_each_statement(shown: Any) -> None:
    wide = shown.viewport_size["width"] > 700
    seen = shown.locator("svg.qql-flow:visible")
    assert seen.count() == 2
    assert [seen.nth(at).get_attribute("class") for at in range(2)] == (
        ["qql-flow across"] * 2 if wide else ["qql-flow down"] * 2
    )


def test_no_text_of_the_flow_leaves_its_picture(shown: Any) -> None:
    outside = shown.evaluate(
        f"""() => {{ {FLOWS}
            const leaves = (a, b) => b.left < a.left - 1 || b.right > a.right + 1
                || b.top < a.top - 1 || b.bottom > a.bottom + 1;
            return flows().flatMap(svg => texts(svg).filter(one => leaves(box(svg), box(one)))
                .map(one => one.textContent));
        }}"""
    )
    assert outside == []


def test_no_two_texts_of_the_flow_lie_on_each_other(shown: Any) -> None:
    covered = shown.evaluate(
        f"""() => {{ {FLOWS}
            const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
                && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4;
            return flows().flatMap(svg => texts(svg).flatMap((one, at, all) => all.slice(at + 1)
                .filter(other => meet(box(one), box(other)))
                .map(other => [one, other].map(t => t.textContent))));
        }}"""
    )
    assert covered == []


def test_words_stand_out_from_the_ground(shown: Any) -> None:
    """By the rule of WCAG 2 for plain text: a contrast of 4.5 at least."""
    least = shown.evaluate(
        """() => {
            const part = v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
            const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number);
                return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b); };
            const paper = light(getComputedStyle(document.querySelector('.qql-page')).backgroundColor);
            const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            const style = words => [...document.querySelectorAll(words)].map(e => getComputedStyle(e));
            const inks = style('h1, li, figcaption, td').map(s => s.color)
                .concat(style('svg text').map(s => s.fill));
            return Math.min(...inks.map(ink => ratio(light(ink), paper)));
        }"""
    )
    assert least >= 4.5


def test_the_page_is_read_without_scripts(browser: Any, path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    found = context.new_page()
    found.goto(path.as_uri())
    assert found.locator("svg.qql-flow:visible").count() == 2
    assert found.get_by_role("table").count() == 2
    assert found.get_by_role("heading", level=1).count() == 2
    pictures = found.get_by_role("img")
    titles = [pictures.nth(at).locator("title").first.text_content() for at in range(pictures.count())]
    assert titles and all(titles)
    context.close()
