"""A report: tables with what stands above and below them, which people read as text or in a notebook."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from html import escape
from textwrap import fill
from typing import TYPE_CHECKING, Any, TypeVar

from qql.flows import Stopped
from qql.records import dataclass
from qql.rest.types import JsonObject
from qql.result import Result

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from qql.errors import Diagnostic
    from qql.session.stamp import Stamp

__all__ = ["Report", "Section", "collected", "stamp_section"]

_T = TypeVar("_T")
_WIDTH = 80


@dataclass(frozen=True, slots=True)
class Section:
    """A table with what stands above and below it: a title, a text, and notes."""

    title: str
    rows: list[JsonObject]
    notes: tuple[str, ...] = ()
    text: str = ""


class Report:
    """What a measurement gives: `str` and notebooks show its `sections`, `rows` are its figures as a table,
    and `to_dict` has all of them."""

    __slots__ = ()

    @abstractmethod
    def sections(self) -> Iterable[Section]:
        """The tables for people."""

    @abstractmethod
    def rows(self) -> list[JsonObject]:
        """The figures as rows of one table, for programs."""

    def to_pandas(self) -> pandas.DataFrame:
        """The `rows` as a frame of pandas.

        Raises `QQLExecutionError` ``package-missing`` where it is not installed.
        """
        return self._table().to_pandas()

    def to_polars(self) -> polars.DataFrame:
        """The `rows` as a frame of polars. Raises as `to_pandas` does."""
        return self._table().to_polars()

    def to_arrow(self) -> pyarrow.Table:
        """The `rows` as a table of pyarrow. Raises as `to_pandas` does."""
        return self._table().to_arrow()

    def _table(self) -> Result:
        return Result("rows", rows=self.rows())

    def __str__(self) -> str:
        """The sections as text, 80 columns wide."""
        return "\n\n".join(_as_text(one) for one in (*self.sections(), *self._noted()))

    def _repr_html_(self) -> str:
        """The sections for a notebook; all that they hold is escaped."""
        return "".join(part for one in (*self.sections(), *self._noted()) for part in _as_html(one))

    def _noted(self) -> list[Section]:
        """What makes the figures mean less than they seem to."""
        notes: tuple[Diagnostic, ...] = getattr(self, "notes", ())
        said = (f"{one.severity}[{one.code}]: {one.message}" for one in notes)
        return [Section("", [], tuple(said))] if notes else []

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What IPython prints in a terminal."""
        printer.text(str(self))


def _as_text(one: Section) -> str:
    shown = _sanitized()
    parts = [shown(one.title, None)] if one.title else []
    if one.rows:  # what says how many rows there are is for results
        parts.append(str(Result("rows", rows=one.rows)).rpartition("\n(")[0])
    parts += [shown(one.text.rstrip("\n"), "\n")] if one.text else []
    parts += [fill(shown(note, None), _WIDTH, subsequent_indent="  ") for note in one.notes]
    return "\n".join(parts)


def _as_html(one: Section) -> Iterator[str]:
    shown = _sanitized()
    if one.title:
        yield f"<h4>{escape(shown(one.title, None))}</h4>"
    if one.rows:
        yield Result("rows", rows=one.rows)._repr_html_()
    if one.text:
        yield f"<pre>{escape(shown(one.text, chr(10)))}</pre>"
    for note in one.notes:
        yield f"<p>{escape(shown(note, None))}</p>"


def _sanitized() -> Callable[[str, str | None], str]:
    """What makes control characters visible, from the room above, as results have their forms from there."""
    module = "qql.cli.render.terminal"
    __import__(module)
    sanitize = sys.modules[module].sanitize
    return lambda text, newline: str(sanitize(text, newline=newline))


def stamp_section(stamp: Stamp) -> Section:
    """What the figures above it depend on, for people."""
    return Section("Measured with", [], tuple(stamp.lines()))


def collected(found: Iterable[_T], *, partial: bool = True) -> tuple[list[_T], bool]:
    """What was measured one after the other, and whether it is all.

    With ``partial``, Ctrl-C ends it with what there is. Raises `KeyboardInterrupt` where there is nothing,
    and where a task was cancelled.
    """
    out: list[_T] = []
    try:
        for one in found:
            out.append(one)
    except KeyboardInterrupt as stop:
        if isinstance(stop, Stopped) or not (out and partial):
            raise
        return out, False
    return out, True
