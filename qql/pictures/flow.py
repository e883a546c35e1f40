"""The stages of a query as bars, and the candidates that flow between them as bands."""

from __future__ import annotations

from qql.pictures.graph import Band, Graph, Stage
from qql.pictures.layout import Layout, arranged
from qql.pictures.markup import columns_of, cut, tag, text_of
from qql.records import dataclass

__all__ = ["flow"]

_BAR = 14.0  # how thick the bar of a stage is
_TEXT = 52.0  # the room for the three lines above a bar
_LETTER = 6.4  # the width of a letter, about; no browser is asked
_BOLD = 0.87  # so many letters of a name take the room of one that is not bold
_GAP = 30.0
_LEAST = 1.5  # so thin is what would be thinner, that it is seen
_MARGIN = 10.0
_MOST_EMPTY = 60.0  # the room for slots that stay empty

_End = tuple[float, float, float]
"""An end of a band: its place along the flow, across it, and its width."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """How a picture is drawn: from left to right, or from top to bottom where there is little room.

    ``pitch`` is the way from one column to the next, ``scale`` the pixels of a candidate across the flow,
    ``letters`` how many of them a line above a bar can have.
    """

    across: bool
    pitch: float
    scale: float
    layout: Layout
    letters: int

    def at(self, along: float, beside: float) -> str:
        """A point of a path, from its place along the flow and across it."""
        x, y = (along, beside) if self.across else (beside, along)
        return f"{x:.1f},{y:.1f}"

    def rectangle(self, along: float, beside: float, extent: float, class_: str) -> str:
        """A part of a bar, that begins at a place across the flow."""
        x, y = (along, beside) if self.across else (beside, along)
        width, height = (_BAR, extent) if self.across else (extent, _BAR)
        return tag("rect", x=x, y=y, width=width, height=height, rx=2, class_=class_)

    def slots(self, stage: Stage) -> float:
        """The room of a stage's slots across the flow."""
        return _slots_room(stage, self.scale)

    def extent(self, count: int) -> float:
        """How much room so many candidates take across the flow."""
        return max(_LEAST, count * self.scale) if count else 0.0

    def along(self, stage: int) -> float:
        """Where the bar of a stage begins, along the flow."""
        column = self.layout.places[stage].column
        return _MARGIN + column * self.pitch + (0.0 if self.across else _TEXT)

    def beside(self, at: int, stage: Stage) -> float:
        """Where the bar of a stage begins, across the flow."""
        middle, extent = self.layout.places[at].middle, self.slots(stage)
        return _MARGIN + middle - extent / 2 + (_TEXT / 2 if self.across else 0.0)


def flow(graph: Graph, *, across: bool, width: float, style: str | None = None) -> str:
    """The picture as SVG: stages as bars of slots, candidates as bands, those that reach the hits apart.

    ``across``: from left to right, for a ``width`` of 700 pixels and more; else from top to bottom. A
    pipeline that needs more room makes a larger picture. ``style`` is for a file of its own.
    """
    frame = _frame(graph, across, width)
    bands = [_band(graph, frame, one) for one in graph.bands]
    labels = [_band_label(graph, frame, one) for one in graph.bands if graph.measured]
    bars = [_bar(frame, at, one) for at, one in enumerate(graph.stages)]
    along = (
        frame.layout.columns * frame.pitch + 2 * _MARGIN - (0 if across else frame.pitch - _TEXT - 2 * _BAR)
    )
    beside = frame.layout.room + 2 * _MARGIN
    w, h = (along, beside) if across else (beside, along)
    title = "From stage to stage: candidates of the query, and which of them reach the hits"
    return tag(
        "svg",
        tag("title", title),
        tag("desc", text_of(_in_words(graph))),
        *([] if style is None else [tag("style", style)]),
        *bands,
        *bars,
        *labels,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {w:.0f} {h:.0f}",
        width=round(w),
        height=round(h),
        role="img",
        class_=f"qql-flow {'across' if across else 'down'}",
    )


def _in_words(graph: Graph) -> str:
    """What the picture shows, for those who do not see it."""
    said = []
    for target, one in enumerate(graph.stages):
        feeding = [
            f"{graph.stages[band.source].name} ({band.kept} of {graph.stages[band.source].size} kept)"
            for band in graph.bands
            if band.target == target
        ]
        said.append(f"{one.name}: {one.said}" + (f", from {', '.join(feeding)}" if feeding else ""))
    return ". ".join(said)


def _frame(graph: Graph, across: bool, width: float) -> _Frame:
    levels = graph.levels()
    columns: dict[int, int] = {}
    for level, one in zip(levels, graph.stages, strict=True):
        columns[level] = columns.get(level, 0) + one.size
    widest, largest = max(columns.values()), max(one.size for one in graph.stages)
    if across:
        scale = min(170 / max(largest, 1), 420 / max(widest, 1))
        extents = [_TEXT + _slots_room(one, scale) for one in graph.stages]
        pitch = min(440.0, max(200.0, (width - 2 * _MARGIN) / len(columns)))
        return _Frame(True, pitch, scale, arranged(graph, extents, _GAP), int((pitch - 24) / _LETTER))
    count = max(levels.count(level) for level in columns)
    inner = width - 2 * _MARGIN
    scale = min(150 / max(largest, 1), (inner - 8 * (count - 1)) / max(widest, 1))
    room = min(220.0, max(112.0, (inner - 8 * (count - 1)) / count))
    extents = [max(room, _slots_room(one, scale)) for one in graph.stages]
    return _Frame(False, 150.0, scale, arranged(graph, extents, 8.0), int(room / _LETTER))


def _slots_room(stage: Stage, scale: float) -> float:
    """The room of a stage's slots across the flow; many that stay empty take none from the others."""
    return max(_LEAST, min(stage.slots * scale, stage.size * scale + _MOST_EMPTY))


# ------------------------------------------------------------------------------------ stages


def _bar(frame: _Frame, at: int, stage: Stage) -> str:
    """A stage: three lines of text, its slots, the candidates that fill them, those that reach the hits."""
    along, beside = frame.along(at), frame.beside(at, stage)
    parts = [frame.rectangle(along, beside, frame.slots(stage), "qql-slots")]
    parts.append(frame.rectangle(along, beside, frame.extent(stage.size), "qql-found"))
    if stage.hits:
        parts.append(frame.rectangle(along, beside, frame.extent(stage.hits), "qql-hits"))
    tip = f"{stage.name}: {stage.does}\n{stage.said}"
    if stage.hits is not None:
        tip += f"\n{stage.hits} of the final hits"
    x = along if frame.across else _MARGIN + frame.layout.places[at].middle
    y = (beside if frame.across else along) - _TEXT
    lines = [(stage.name, "qql-name"), (stage.does, "qql-does"), (stage.said, "qql-said")]
    texts = [
        tag(
            "text",
            text_of(cut(line, frame.letters if number else int(frame.letters * _BOLD))),
            x=x,
            y=y + 13 + 15 * number,
            class_=kind,
            text_anchor=None if frame.across else "middle",
        )
        for number, (line, kind) in enumerate(lines)
    ]
    return tag("g", tag("title", text_of(tip)), *parts, *texts, class_="qql-stage")


# ------------------------------------------------------------------------------------ bands


def _ends(graph: Graph, frame: _Frame, band: Band) -> tuple[_End, _End]:
    """Both ends of a band: at the source as wide as what it gave, at the target as wide as what is kept."""
    source, target = graph.stages[band.source], graph.stages[band.target]
    begin = frame.beside(band.source, source)
    finish = frame.beside(band.target, target) + _share(graph, frame, band)
    start = frame.along(band.source) + _BAR, begin, frame.extent(source.size)
    return start, (frame.along(band.target), finish, frame.extent(band.kept))


def _band(graph: Graph, frame: _Frame, band: Band) -> str:
    """What flows from a stage to another, and in it what reaches the hits."""
    source, target = graph.stages[band.source], graph.stages[band.target]
    start, end = _ends(graph, frame, band)
    parts = [tag("path", d=_ribbon(frame, start, end), class_="qql-band")]
    if band.hits:
        width = frame.extent(band.hits)
        ribbon = _ribbon(frame, (*start[:2], width), (*end[:2], width))
        parts.append(tag("path", d=ribbon, class_="qql-band-hits"))
    tip = f"{source.name} → {target.name}"
    if graph.measured:
        tip += f": {band.kept:,} of {source.size:,} kept, {band.hits:,} of them among the hits"
    return tag("g", tag("title", text_of(tip)), *parts)


def _band_label(graph: Graph, frame: _Frame, band: Band) -> str:
    """How many a band keeps, of how many; written last, so that nothing covers it."""
    size = graph.stages[band.source].size
    if not size:
        return ""
    (a, b, width), (c, d, narrow) = _ends(graph, frame, band)
    start, end = b + width / 2, d + narrow / 2
    if frame.across:
        hidden = (width + narrow) / 2 < 18  # a thin band is seen below its label
        x, y = (a + c) / 2, (start + end) / 2 - (13 if hidden else 0)
    else:  # the second half of the way is for the text of the target
        x, y = start + (end - start) * 0.15, a + 26
    words = f"{band.kept:,} of {size:,}"
    halo = columns_of(words) * _LETTER + 6
    back = tag("rect", x=x - halo / 2, y=y - 9, width=halo, height=16, rx=8, class_="qql-halo")
    return back + tag("text", words, x=x, y=y + 3.5, text_anchor="middle", class_="qql-kept")


def _share(graph: Graph, frame: _Frame, band: Band) -> float:
    """Where in the bar of its target a band ends.

    The bands of a fusion share candidates, so they overlap: the first begins at one end of the bar, the last
    stops at the other. Of two bands, what they have in common is just as wide as it is.
    """
    inputs = graph.stages[band.target].inputs
    if len(inputs) < 2:
        return 0.0
    free = frame.extent(graph.stages[band.target].size) - frame.extent(band.kept)
    return max(0.0, free) * inputs.index(band.source) / (len(inputs) - 1)


def _ribbon(frame: _Frame, start: _End, end: _End) -> str:
    """The outline of a band."""
    (a, b, width), (c, d, narrow) = start, end
    middle = (a + c) / 2
    there = f"C{frame.at(middle, b)} {frame.at(middle, d)} {frame.at(c, d)}"
    back = f"C{frame.at(middle, d + narrow)} {frame.at(middle, b + width)} {frame.at(a, b + width)}"
    return f"M{frame.at(a, b)}{there}L{frame.at(c, d + narrow)}{back}Z"
