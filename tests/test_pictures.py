"""Pictures of pipelines: what they show was measured, and nothing that comes in changes the page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

import qql
from qql.cli import main
from qql.pictures import fragment, page
from qql.pictures.charts import histogram
from qql.pictures.flow import flow
from qql.pictures.graph import Graph, Stage, measured, planned
from qql.pictures.layout import arranged
from qql.pictures.markup import cut
from qql.result import Result

HOSTILE = "<script>alert('x')</script><img src=//evil onerror=alert(1)>\"' \x00\u202e &amp; end"
QUERY = """
WITH
  near AS (QUERY [1.0, 0.2] USING a LIMIT 20),
  `<i>far` AS (QUERY [0.1, 1.0] USING b LIMIT 40),
  both AS (QUERY FUSION RRF PREFETCH (near, `<i>far`) LIMIT 15)
QUERY [0.5, 0.5] FROM docs USING a PREFETCH (both WHERE n >= 3) LIMIT 6
"""


@pytest.fixture(scope="module")
def db() -> Iterator[qql.Session]:
    with qql.connect(":memory:") as session:
        session.execute("CREATE COLLECTION docs (a VECTOR(2, COSINE), b VECTOR(2, DOT))")
        rows = [
            {"id": n, "vector": {"a": [1.0, n / 10], "b": [n / 5, 1.0]}, "n": n, "title": f"{n} {HOSTILE}"}
            for n in range(1, 31)
        ]
        session.execute("UPSERT INTO docs VALUES :rows", {"rows": rows})
        yield session


@pytest.fixture(scope="module")
def data(db: qql.Session) -> Any:
    return db.execute(f"EXPLAIN ANALYZE FORMAT json {QUERY}").rows[0]


def answer(db: qql.Session, words: str) -> Result:
    return db.execute(f"{words} {QUERY}")


class Elements(HTMLParser):
    """Everything that a page consists of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.found if name == tag]


def check_alone(text: str) -> Elements:
    """A page that is whole, needs nothing from elsewhere, and runs nothing."""
    found = Elements(text)
    assert found.open == []
    allowed = {"http://www.w3.org/2000/svg"}
    for tag, attrs in found.found:
        assert tag not in ("script", "img", "link", "iframe", "object", "image", "i", "a", "use"), tag
        for name, value in attrs.items():
            assert not name.startswith("on") and name not in ("src", "href", "xlink:href"), (tag, attrs)
            assert "//" not in (value or "") or value in allowed or name == "title", (tag, attrs)
    assert "@import" not in text and "url(" not in text
    return found


# ------------------------------------------------------------------------------------ the whole page


def test_a_page_stands_alone_and_runs_nothing_of_what_is_in_the_collection(db: qql.Session) -> None:
    result = answer(db, "EXPLAIN ANALYZE FORMAT html")
    text = result.message or ""
    assert text.isascii() and "\x00" not in text
    found = check_alone(text)
    assert any(HOSTILE[:27] in one for one in found.texts), "the title of a hit is shown as it is written"
    assert len(found.of("svg")) == 2 + len(result.data["stages"]), (
        "two pictures, and the scores of each stage"
    )
    assert all(one.get("role") == "img" for one in found.of("svg"))
    assert [one["lang"] for one in found.of("html")] == ["en"]


def test_the_data_of_json_suffices_for_the_page(data: Any) -> None:
    assert page([json.loads(json.dumps(data))]) == page([data])


def test_a_piece_for_a_notebook_is_the_body_of_the_page(data: Any) -> None:
    piece = fragment([data])
    check_alone(piece)
    assert piece.encode("ascii", "xmlcharrefreplace").decode() in page([data])


def test_a_notebook_shows_the_picture_of_what_is_explained(db: qql.Session) -> None:
    for words in ("EXPLAIN ANALYZE", "EXPLAIN", "EXPLAIN ANALYZE FORMAT json"):
        shown = answer(db, words)._repr_html_()
        assert len(check_alone(shown).of("svg")) >= 2, words
    assert "<svg" not in db.execute("EXPLAIN COUNT FROM docs")._repr_html_()
    assert "<svg" not in db.execute(f"WHY 1 {QUERY}")._repr_html_()


def test_each_hit_stands_with_its_rank_in_every_stage(data: Any) -> None:
    text = fragment([data])
    table = text[text.index("Ranks of the final hits") :].partition("</table>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", table)[1:]
    below = [one for one in data["stages"] if one["depth"]][::-1]
    assert len(rows) == len(data["hits"]) == 6
    for row, hit in zip(rows, data["hits"], strict=True):
        cells = re.findall(r"<td[^>]*>(.*?)</td>", row)[1:]
        for cell, stage in zip(cells, below, strict=True):
            ids = [one["id"] for one in stage["candidates"]]
            assert cell == (str(ids.index(hit["id"]) + 1) if hit["id"] in ids else "–")


def test_a_plan_has_a_picture_without_an_engine(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    script = tmp_path / "two.qql"
    script.write_text("QUERY [0.1] FROM d PREFETCH (QUERY [1.0] USING v LIMIT 70) LIMIT 5; COUNT FROM d;")
    assert main(["explain", str(script), "--format", "html"]) == 0
    found = check_alone(capsys.readouterr().out)
    assert "70 slots" in found.texts and any("POST /collections/d/points/count" in one for one in found.texts)


def test_why_has_no_picture(db: qql.Session) -> None:
    with pytest.raises(qql.QQLError) as caught:
        db.execute(f"WHY 1 FORMAT html {QUERY}")
    assert caught.value.diagnostics[0].hint == "the formats are text and json"


def test_no_statement_is_a_page_too() -> None:
    check_alone(page([]))


def test_rerank_and_ablate_are_on_the_page(db: qql.Session) -> None:
    query = "QUERY FUSION RRF FROM docs PREFETCH (QUERY [1.0, 0.2] USING a LIMIT 9, QUERY [0.1, 1.0] "
    query += "USING b LIMIT 9) LIMIT 8 RERANK 'end 7' MODEL 'local/overlap' ON title TOP 3"
    data = db.execute(f"EXPLAIN ANALYZE ABLATE FORMAT json {query}").rows[0]
    found = check_alone(page([data]))
    assert "RERANK" in found.texts
    assert "Without a stage" in found.texts
    graph = measured(data)
    assert [one.name for one in graph.stages[:2]] == ["RERANK", "root"]
    assert (graph.bands[0].kept, graph.stages[1].size) == (3, 8)


# ------------------------------------------------------------------------------------ the flow


def test_bands_are_as_wide_as_what_flows(data: Any) -> None:
    graph = measured(data)
    for across in (True, False):
        paths = re.findall(r'd="([^"]+)" class="qql-band"', flow(graph, across=across, width=1000))
        assert len(paths) == len(graph.bands) == 3
        beside = 1 if across else 0
        scales = []
        for path, band in zip(paths, graph.bands, strict=True):
            at = [
                [float(number) for number in pair.split(",")] for pair in re.findall(r"[-\d.]+,[-\d.]+", path)
            ]
            begin, end = at[7][beside] - at[0][beside], at[4][beside] - at[3][beside]
            scales += [begin / graph.stages[band.source].size, end / band.kept]
        assert max(scales) - min(scales) < 0.02 * max(scales), "pixels of a candidate"


def test_bands_keep_what_both_ends_have(data: Any) -> None:
    ids = {stage["label"]: {one["id"] for one in stage["candidates"]} for stage in data["stages"]}
    hits = {one["id"] for one in data["hits"]}
    graph = measured(data)
    assert [(one.source, one.target) for one in graph.bands] == [(1, 0), (2, 1), (3, 1)]
    for band in graph.bands:
        source, target = (graph.stages[at].name for at in (band.source, band.target))
        assert band.kept == len(ids[source] & ids[target])
        assert band.hits == len(ids[source] & ids[target] & hits)


def test_slots_that_stay_empty_are_drawn_apart(db: qql.Session) -> None:
    data = db.execute(f"EXPLAIN ANALYZE FORMAT json {QUERY.replace('LIMIT 40', 'LIMIT 36')}").rows[0]
    picture = flow(measured(data), across=True, width=1000)
    bars = re.findall(r'height="([\d.]+)" rx="2" class="(qql-slots|qql-found)"', picture)
    heights = {
        name: (float(slots[0]), float(found[0]))
        for name, (slots, found) in zip(
            [one.name for one in measured(data).stages], zip(bars[::2], bars[1::2], strict=True), strict=True
        )
    }
    assert heights["<i>far"][0] == pytest.approx(36 / 28 * heights["<i>far"][1], rel=0.01)
    assert heights["near"][0] == heights["near"][1]


def graphs() -> st.SearchStrategy[Graph]:
    """Stages of which each is fed by some of those behind it."""

    @st.composite
    def made(draw: st.DrawFn) -> Graph:
        count = draw(st.integers(1, 12))
        inputs: list[list[int]] = [[] for _ in range(count)]
        for at in range(1, count):
            for above in draw(st.sets(st.integers(0, at - 1), min_size=1, max_size=3)):
                inputs[above].append(at)
        sizes = draw(st.lists(st.integers(0, 900), min_size=count, max_size=count))
        stages = [Stage(f"s{at}", "", size, (*inputs[at],), {}) for at, size in enumerate(sizes)]
        return Graph((*stages,), (), False)

    return made()


@settings(deadline=None, max_examples=60)
@given(graphs(), st.floats(1, 40))
def test_no_two_stages_of_a_column_overlap(graph: Graph, gap: float) -> None:
    extents = [20.0 + one.slots for one in graph.stages]
    layout = arranged(graph, extents, gap)
    for column in range(layout.columns):
        inside = [at for at in range(len(extents)) if layout.places[at].column == column]
        spans = sorted(
            (layout.places[at].middle - extents[at] / 2, layout.places[at].middle + extents[at] / 2)
            for at in inside
        )
        assert all(before[1] <= after[0] + 1e-6 for before, after in pairwise(spans))
        assert all(low >= -1e-6 and high <= layout.room + 1e-6 for low, high in spans)
    for at, one in enumerate(graph.stages):
        assert all(layout.places[below].column < layout.places[at].column for below in one.inputs)


def test_a_plan_with_many_paths_is_drawn_at_once() -> None:
    """Forty stages, each fed twice by the next: 2**40 ways from the root, of which none is walked."""
    stages = [
        {
            "number": at,
            "label": f"s{at}",
            "does": "",
            "limit": 5,
            "inputs": [{"number": at - 1}] * 2 if at else [],
        }
        for at in range(40)
    ]
    graph = planned({"stages": stages, "second": None})
    assert graph.levels() == [*range(40)]
    assert "s39" in flow(graph, across=True, width=1000)


# ------------------------------------------------------------------------------------ charts and texts


def stage_of(scores: list[float], hits: list[int]) -> dict[str, Any]:
    from qql.analysis.model import Scores

    found = Scores.of(scores)
    return {
        "scores": found and found.to_dict(),
        "candidates": [{"id": at, "score": score} for at, score in enumerate(scores)],
        "in_hits": [{"id": at} for at in hits],
    }


def test_a_histogram_has_axes_with_numbers_and_shows_the_hits_apart() -> None:
    picture = histogram(stage_of([1.0] * 8 + [1.5] * 4 + [2.0] * 2, hits=[0, 12, 13]))
    ticks = re.findall(r'class="qql-tick">([^<]+)<', picture)
    assert ticks == ["8", "0", "1", "2", "median 1"] or ticks == ["8", "0", "1", "2"]
    heights = {
        kind: [float(one) for one in re.findall(rf'height="([\d.]+)" class="{kind}"', picture)]
        for kind in ("qql-found", "qql-hits")
    }
    tallest = max(heights["qql-found"])
    assert [one / tallest for one in heights["qql-found"]] == pytest.approx([1, 0.5, 0.25], abs=0.01)
    assert [one / tallest for one in heights["qql-hits"]] == pytest.approx([1 / 8, 0.25], abs=0.01)


@pytest.mark.parametrize(
    ("scores", "shown"),
    [
        ([], ""),
        ([0.5, 0.5], '<p class="qql-small">all scores are 0.5</p>'),
        ([0.5, float("inf")], '<p class="qql-small">scores from 0.5 to inf</p>'),
    ],
)
def test_scores_without_a_histogram(scores: list[float], shown: str) -> None:
    assert histogram(stage_of(scores, [])) == shown


def test_long_names_are_cut_by_their_width() -> None:
    assert cut("short  name", 12) == "short name"
    assert cut("a much longer name", 8) == "a much…"
    assert cut("検索する言語", 8) == "検索す…"


def test_every_statement_of_the_golden_texts_has_a_page() -> None:
    from qql.analysis.explain_json import explain_dict
    from qql.compiler.context import make_context
    from qql.compiler.script import compile_script
    from qql.errors import Source

    shown = 0
    for path in sorted((ROOT / "tests" / "golden").rglob("*.qql"))[::2]:
        try:
            compiled = compile_script(Source(path.read_text("utf-8")), None, make_context("docs"))
        except qql.QQLError:
            continue
        each = [part for one in compiled for part in one.branches or (one,)]
        found = check_alone(page([explain_dict(one) for one in compiled]))
        pictures = sum(attrs.get("class", "").startswith("qql-flow") for attrs in found.of("svg"))  # type: ignore[union-attr]
        assert pictures == 2 * sum(one.plan is not None for one in each), path
        shown += pictures
    assert shown > 100
