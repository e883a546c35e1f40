"""The page: a query, its picture, and what each stage did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from qql.analysis.report import milliseconds
from qql.pictures import graph
from qql.pictures.charts import histogram
from qql.pictures.flow import flow
from qql.pictures.markup import tag, text_of
from qql.pictures.style import FLOW_STYLE, STYLE
from qql.pictures.tables import ablations, lives, overlaps, ranges
from qql.rest.types import Body, Json

__all__ = ["fragment", "is_explained", "page", "svg"]

_WIDE, _NARROW = 1180.0, 350.0


def page(parts: Sequence[Body]) -> str:
    """One HTML page about one statement or several; it needs no network, and no script.

    Args:
        parts: what `explain_dict` or EXPLAIN ANALYZE gives of each statement.

    Returns:
        The whole document, in ASCII, so that no encoding on its way can spoil it. Whatever comes from queries
        and collections is escaped.
    """
    title = _title(parts[0]) if parts else "No statement"
    head = [
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        tag("title", text_of(title)),
        tag("style", "body{margin:0}@media (prefers-color-scheme:dark){body{background:#12161c}}"),
    ]
    body = fragment(parts) if parts else tag("p", "There is no statement to explain.")
    whole = f"<!DOCTYPE html>\n{tag('html', tag('head', *head), tag('body', body), lang='en')}\n"
    return whole.encode("ascii", "xmlcharrefreplace").decode()


def fragment(parts: Sequence[Body]) -> str:
    """The same as a piece of a page, as notebooks show it."""
    inside = [tag("section", *_section(one)) for one in _each(parts)]
    return tag("style", STYLE) + tag("div", *inside, class_="qql-page")


def _each(parts: Sequence[Body]) -> Iterator[Body]:
    """What has a section: of QUERY … ELSE … each query, the first with what is said of the whole."""
    for one in parts:
        for at, branch in enumerate(one.get("branches") or (one,)):
            said = {} if at or branch is one else {key: one[key] for key in ("warnings", "advice")}
            yield {**branch, **said}


def svg(data: Body) -> str:
    """The stages alone as an SVG file, for a document; light or dark as the page around it is.

    ``data`` is what `explain_dict` or EXPLAIN ANALYZE gives of a query.
    """
    found = graph.measured(data) if "hits" in data else graph.planned(data["plan"])
    return flow(found, across=True, width=_WIDE, style=FLOW_STYLE) + "\n"


def is_explained(data: Json) -> bool:
    """Whether data of a result are those of EXPLAIN for a query, which a picture can show."""
    if not isinstance(data, dict):
        return False
    if data.get("plan") or data.get("branches"):
        return True
    return {"hits", "stages", "second", "ablation"} <= data.keys()


def _title(data: Body) -> str:
    collection = data["collection"]
    where = f" on {collection}" if collection else ""
    if "hits" not in data:
        return f"Plan of a query{where}" if data["plan"] else f"Plan of a statement{where}"
    count = len(data["hits"])
    took = f" in {milliseconds(data['timing']['p50_ms'])}" if data["timing"] else ""
    return f"Query{where}: {count:,} {'hit' if count == 1 else 'hits'}{took}"


def _section(data: Body) -> Iterator[str]:
    """All about one statement."""
    yield tag("h1", text_of(_title(data)))
    if data.get("when"):
        yield tag("p", text_of(data["when"]))
    if data.get("statement"):
        yield tag("details", tag("summary", "the statement"), tag("pre", text_of(data["statement"])))
    yield from _messages(data)
    known = "hits" in data
    if not known and not data["plan"]:
        yield from _requests(data)
        return
    found = graph.measured(data) if known else graph.planned(data["plan"])
    if found.stages:
        yield _figure(found)
        yield tag("h2", "Stages")
        cards = [_card(one, found) for one in found.stages if one.data]
        yield tag("div", *cards, class_="qql-cards")
    if known:
        yield from _measured(data)
    else:
        yield from _requests(data)


def _measured(data: Body) -> Iterator[str]:
    for title, content in (
        ("The hits", lives(data)),
        ("In common", overlaps(data)),
        ("RERANK", ranges(data["second"]) if data["second"] else ""),
        ("Without a stage", ablations(data)),
    ):
        if content:
            yield tag("h2", title) + content
    notes = [*data["notes"], "each stage was run by itself, so its time contains those below it"]
    yield tag("h2", "Notes") + _list(notes)
    if "stamp" in data:
        yield tag("p", text_of("measured with " + "; ".join(data["stamp"]["said"])), class_="qql-small")


def _figure(found: graph.Graph) -> str:
    said = [tag("span", "", class_="qql-key qql-found") + "candidates"]
    if found.measured:
        said.append(tag("span", "", class_="qql-key qql-hits") + "those that reach the final hits")
        said.append(tag("span", "", class_="qql-key slots") + "slots that stay empty")
        said.append(
            ". A band begins as wide as what a stage gave, and ends as wide as what the next one kept."
        )
    else:
        said.append(". As wide as the limits of the stages: nothing was run.")
    pictures = flow(found, across=True, width=_WIDE) + flow(found, across=False, width=_NARROW)
    scroll = tag("div", pictures, class_="qql-scroll", tabindex=0, role="region", aria_label="the stages")
    return tag("figure", scroll, tag("figcaption", *said))


def _card(stage: graph.Stage, found: graph.Graph) -> str:
    """A stage: what it does, its options, what it did, and its scores."""
    parts = [tag("h3", text_of(stage.name)), tag("p", text_of(stage.does))]
    if found.measured and "scores" in stage.data:
        parts.append(histogram(stage.data))
    lines = [*stage.data.get("details", ()), *stage.data.get("said", ()), *stage.data.get("notes", ())]
    return tag("article", *parts, _list(lines), class_="qql-card")


def _messages(data: Body) -> Iterator[str]:
    for one in (*data["warnings"], *data["advice"]):
        hint = f" ({one['hint']})" if one.get("hint") else ""
        words = f"{one['severity']}: {one['message']}{hint}"
        yield tag("p", text_of(words), class_="qql-warning")


def _requests(data: Body) -> Iterator[str]:
    from qql.analysis.explain_requests import compact_json

    for one in data["requests"]:
        heading = f"{one['method']} {one['path']}"
        shown = [tag("summary", text_of(heading))]
        if one["body"] is not None:
            shown.append(tag("pre", text_of(compact_json(one["body"]))))
        yield tag("details", *shown)


def _list(lines: Iterable[str]) -> str:
    items = [tag("li", text_of(line)) for line in lines]
    return tag("ul", *items) if items else ""
