"""What stages have in common, what became of each hit, and what RERANK and ABLATE changed, as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qql.pictures.charts import share_bar
from qql.pictures.graph import point_key
from qql.pictures.markup import cut, number, tag, text_of
from qql.rest.types import Body

__all__ = ["ablations", "lives", "overlaps", "ranges"]

_MOST_STAGES = 12
_MOST_HITS = 100
_COLUMN = 26  # letters of a stage's name at the head of a column


def _table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are markup; the first of each row names it."""
    top = tag("tr", *(tag("th", cell, scope="col") for cell in head))
    body = [
        tag(
            "tr",
            tag("th", row[0], scope="row"),
            *(cell if cell.startswith("<td") else tag("td", cell) for cell in row[1:]),
        )
        for row in rows
    ]
    table = tag("table", tag("caption", caption), tag("thead", top), tag("tbody", *body))
    return tag("div", table, class_="qql-scroll", tabindex=0, role="region", aria_label=caption)


def _named(stage: Body) -> str:
    return tag("span", text_of(cut(stage["label"], _COLUMN)), title=stage["label"])


def lives(data: Body) -> str:
    """Each final hit with its rank in every stage; `–` where a stage does not have it."""
    stages = [one for one in data["stages"] if one["depth"] or data["second"] is not None][::-1]
    hits = data["hits"]
    if not hits or not stages:
        return ""
    ranks = [{point_key(one["id"]): one["stage_rank"] for one in stage["in_hits"]} for stage in stages]
    head = ["hit", "score", *map(_named, stages)]
    rows = []
    for hit in hits[:_MOST_HITS]:
        title = hit.get("title")
        place, key = f"{hit['rank']}. ", tag("span", text_of(hit["id"]), class_="qql-small")
        row = [place + (key if title is None else f"{text_of(title)}<br>{key}"), number(hit["score"])]
        for stage, known in zip(stages, ranks, strict=True):
            row.append(_rank_cell(known.get(point_key(hit["id"])), stage["returned"]))
        rows.append(row)
    left = len(hits) - _MOST_HITS
    more = tag("p", f"… and {left:,} more hits", class_="qql-small") if left > 0 else ""
    return _table("Ranks of the final hits in every stage, the first stages first", head, rows) + more


def _rank_cell(rank: int | None, of: int) -> str:
    """A rank, on a ground that is the stronger the better it is."""
    if rank is None:
        return tag("td", "–", class_="qql-none")
    strength = 1 - (rank - 1) / max(of - 1, 1)
    return tag("td", f"{rank:,}", style=f"--qql-strength:{strength:.2f}", class_="qql-rank")


def overlaps(data: Body) -> str:
    """How many candidates each two stages share, and their share of all that either has (Jaccard)."""
    every = [one for one in data["stages"] if one["depth"]]  # the root has what those below it gave
    stages = every[:_MOST_STAGES]
    if len(stages) < 2:
        return ""
    rows = []
    for one in stages:
        common = {other["stage"]: other for other in one["overlaps"]}
        row = [_named(one)]
        for other in stages:
            found = common.get(other["label"])
            if other is one:
                row.append(tag("td", f"{one['returned']:,}", class_="qql-self"))
            elif found is None:
                row.append(tag("td", "0", class_="qql-none"))
            else:
                words, tip = f"{found['count']:,}", f"Jaccard {found['jaccard']:.2f}"
                style = f"--qql-strength:{found['jaccard']:.2f}"
                row.append(tag("td", words, title=tip, style=style, class_="qql-rank"))
        rows.append(row)
    left = len(every) - len(stages)
    more = tag("p", f"… and {left:,} more stages", class_="qql-small") if left > 0 else ""
    return _table("Candidates that two stages have in common", ["stage", *map(_named, stages)], rows) + more


def ranges(second: Body) -> str:
    """The final hits by their score in the first stage."""
    rows = [
        [
            f"{number(one['low'])} … {number(one['high'])}",
            f"{one['hits']:,} of {one['candidates']:,}",
            share_bar(one["share"], "qql-hits") + f" {one['share']:.0%}",
        ]
        for one in second["ranges"]
    ]
    return _table(
        "Share of the final hits by their score in the first stage",
        ["score", "hits of candidates", "share"],
        rows,
    )


def ablations(data: Body) -> str:
    """The hits without one stage, beside those with all of them."""
    rows = [
        [
            text_of(one["without"]),
            share_bar(one["overlap"]) + f" {one['overlap']:.0%}",
            f"{len(one['left']):,}",
            f"{len(one['entered']):,}",
            f"{len(one['moved']):,}",
        ]
        for one in data["ablation"]
    ]
    head = ["without", "hits that remain", "gone", "new", "moved"]
    return _table("What the query answers without a stage", head, rows) if rows else ""
