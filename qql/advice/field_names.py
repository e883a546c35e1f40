"""The payload fields that a statement names: in conditions, formulas, and to order, group, show, delete."""

from __future__ import annotations

from collections.abc import Iterator

from qql import nodes
from qql.advice.view import View
from qql.compiler.effective_filters import tested_fields
from qql.errors import Span
from qql.records import NamedTuple

__all__ = ["NamedField", "field_tests", "named_fields"]


class NamedField(NamedTuple):
    """A field as a statement names it. ``may_lack``: the statement means something without the field, too."""

    path: str
    span: Span
    may_lack: bool = False


def field_tests(view: View) -> list[tuple[str, nodes.Condition, Span]]:
    """Every test of a field in a statement: its path, the condition, the place of the name."""
    if view.tests is None:
        view.tests = list(_field_tests(view))
    return view.tests


def _field_tests(view: View) -> Iterator[tuple[str, nodes.Condition, Span]]:
    for condition in _conditions(view):
        for path, one in tested_fields(condition):
            name = getattr(one, "name", None)
            yield path, one, name.span if isinstance(name, nodes.Name) else one.span


def _conditions(view: View) -> Iterator[nodes.Condition]:
    yield from view.conditions()
    update_filter = getattr(view.statement, "update_filter", None)
    if update_filter is not None:
        yield update_filter
    for formula in _formulas(view):
        yield from _conditions_in(formula)


def _formulas(view: View) -> Iterator[nodes.Formula]:
    for stage in view.stages:
        if isinstance(stage.target, nodes.Formula):
            yield stage.target


def _conditions_in(formula: nodes.Formula) -> Iterator[nodes.Condition]:
    for part in nodes.walk(formula):
        if isinstance(part, (nodes.When, nodes.Truth)):
            yield part.condition


def named_fields(view: View) -> Iterator[NamedField]:
    """Every field that a statement names, in no particular order."""
    for path, one, span in field_tests(view):
        yield NamedField(path, span, isinstance(one, (nodes.IsEmpty, nodes.IsNull)))
    for formula in _formulas(view):
        tested = {id(part) for one in _conditions_in(formula) for part in nodes.walk(one)}
        for part in nodes.walk(formula):
            if isinstance(part, nodes.Name) and id(part) not in tested and str(part.text)[:1] != "$":
                yield NamedField(str(part.text), part.span)
    for name, may_lack in _other_names(view):
        yield NamedField(str(name.text), name.span, may_lack)


def _other_names(view: View) -> Iterator[tuple[nodes.Name, bool]]:
    """The fields that stand in no condition and no formula."""
    for stage in view.stages:
        if isinstance(stage.target, (nodes.OrderBy, nodes.FullText)):
            yield stage.target.name, False
    match view.statement:
        case nodes.Query() as query:
            yield from ((name, False) for name in _selected(query.payload))
            if query.group is not None:
                yield query.group.name, False
            if query.rerank is not None and query.rerank.name is not None:
                yield query.rerank.name, False
        case nodes.Scroll() as scroll:
            yield from ((name, False) for name in _selected(scroll.payload))
            if scroll.order_by is not None:
                yield scroll.order_by.name, False
        case nodes.Facet(key=nodes.Name() as key):
            yield key, False
        case nodes.DeletePayload(names=names):
            yield from ((name, False) for name in names)
        case nodes.UpdatePayload(key=nodes.Name() as key):
            yield key, True
        case nodes.CreateIndex(name=name):  # best made before the points come
            yield name, True


def _selected(selection: nodes.Selection | None) -> tuple[nodes.Name, ...]:
    return selection.names if selection is not None else ()
