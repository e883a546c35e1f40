"""Rules about filters and payload indexes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from qql import nodes
from qql.advice.field_kinds import misfit_of
from qql.advice.index_needs import FULL_TEXT, NEEDS, Need, need_of
from qql.advice.limits import FEW_POINTS
from qql.advice.rules import Found, rule
from qql.advice.view import View, as_name, listed, searches
from qql.compiler.effective_filters import tested_fields
from qql.compiler.plan import Stage
from qql.compiler.scalars import scalar_value
from qql.errors import Span
from qql.records import NamedTuple
from qql.syntax.printer import show

__all__ = ["constant_value", "span_here"]

_ID = "id"


class _Test(NamedTuple):
    key: str
    need: Need
    span: Span
    condition: nodes.Condition


def _tests(condition: nodes.Condition) -> Iterator[_Test]:
    """Every test of a payload field that an index may answer; inside NESTED, with the path of the field."""
    for key, one in tested_fields(condition):
        if not isinstance(one, nodes.ValuesCount):
            yield _Test(key, need_of(one), one.span, one)


def type_of_index(view: View, key: str) -> str | None:
    """The type of a field's index, ``""`` where it has none; None where indexes are not known.

    An index is found by its exact path: one on `a.b` does not serve `a[].b`, nor NESTED('a', b …).
    """
    if view.facts.indexes is None:
        return None
    index = view.facts.indexes.get(key)
    return str(index.get("type", "")) if index is not None else ""


def _is_misfit(view: View, test: _Test, kind: str) -> bool:
    """Whether a rule of fields says what is wrong with it: an index would not mend that.

    Of numbers with a fraction, an integer index would leave out most.
    """
    seen = view.facts.fields.find(test.key) if view.facts.fields is not None else None
    if kind == "float" and seen is not None and "float" in seen.kinds:
        return True
    return misfit_of(test.condition, seen, kind) is not None


def _unbracketed(key: str) -> str:
    return key.replace("[]", "")


def _disabled_option(view: View, test: _Test) -> str | None:
    """The option of an integer index that is false and that the condition would need."""
    index = (view.facts.indexes or {}).get(test.key) or {}
    option = test.need.integer_option
    return option if option is not None and index.get(option) is False else None


def index_statement(view: View, key: str, kind: str) -> str:
    """The statement that makes an index."""
    return show(nodes.CreateIndex(nodes.Name(view.collection), nodes.Name(key), nodes.Name(kind))) + ";"


def _tested_indexes(view: View) -> Iterator[tuple[_Test, str]]:
    """The first test of each field, and the type of its index; nothing where the collection is small.

    A field that no point has needs another name, and no index.
    """
    if view.facts.points is not None and view.facts.points < FEW_POINTS:
        return
    seen: set[tuple[str, Need]] = set()
    for condition in view.conditions():
        for test in _tests(condition):
            kind = type_of_index(view, test.key)
            if kind is not None and (test.key, test.need) not in seen and not view.lacks(test.key):
                seen.add((test.key, test.need))
                yield test, kind


def span_here(view: View, span: Span) -> Span:
    """A place in the statement; a stage that another statement defines has places that mean nothing here."""
    inside = view.statement.span
    return span if inside.start <= span.start and span.end <= inside.end else inside


@rule(
    "filter-without-index",
    "A filter on a field without a payload index",
    "The engine reads the field of every point that the filter might hold for.",
    needs=("indexes",),
    any_statement=True,
)
def filter_without_index(view: View) -> Iterator[Found]:
    """Without a payload index, a filter reads payloads: 93 ms instead of 0.12 ms on 100,000 points.

    With one, the engine also knows how many points the filter leaves, and plans the search by that. The
    index is best made before the points are loaded: the HNSW graph is built along with it, and recall
    of filtered searches is better for it. Fewer than 1000 points are passed over. GROUP BY filters by
    its field, too. An index counts for its own path: for the objects of a list that is `list[].field`.
    """
    seen: set[str] = set()
    for test, kind in _tested_indexes(view):
        if kind == "" and test.need != FULL_TEXT and test.key not in seen:
            seen.add(test.key)
            message = f"the field `{test.key}` has no payload index in `{view.collection}`"
            hint = index_statement(view, test.key, test.need.types[0])
            other = _other_path(view, test.key)
            if other is not None:
                message += f": the one on `{other}` is for another path"
            if other is not None and len(other) > len(test.key):
                hint = f"a field of the objects in a list is {other}; else {hint}"
            yield Found(span_here(view, test.span), message, hint)
    group = view.plan.group if view.plan else None
    few = view.facts.points is not None and view.facts.points < FEW_POINTS
    if group is None or few or view.lacks(str(group.name.text)):
        return
    if type_of_index(view, str(group.name.text)) == "":
        message = f"the field `{group.name.text}` that groups are made by has no payload index"
        yield Found(group.name.span, message, index_statement(view, str(group.name.text), "keyword"))


def _other_path(view: View, key: str) -> str | None:
    """An indexed field whose path differs from this one by the brackets of lists only."""
    known = view.facts.indexes or {}
    return next((name for name in known if _unbracketed(name) == _unbracketed(key)), None)


@rule(
    "index-type",
    "A field's payload index does not answer the condition",
    "An index of another type is passed over, and the filter reads payloads.",
    needs=("indexes",),
    any_statement=True,
)
def index_type(view: View) -> Iterator[Found]:
    """Each type of index answers its own conditions.

    keyword and uuid: `=` and IN of texts; keyword also MATCH PREFIX and SUBSTRING; integer: `=` and IN of
    whole numbers unless it has `lookup = false`, ranges of numbers unless it has `range = false`; float:
    ranges of numbers; bool: true and false; datetime: ranges of dates; geo: GEO conditions; text: MATCH;
    all of them: IS NULL and IS EMPTY. A condition of another type finds what the payload holds, but reads
    it point by point. Fewer than 1000 points are passed over.
    """
    for test, kind in _tested_indexes(view):
        if not kind or test.need == FULL_TEXT or _is_misfit(view, test, kind):
            continue
        option = _disabled_option(view, test) if kind == "integer" else None
        if kind in test.need.types and option is None:
            continue
        if option is not None:
            message = f"the integer index on `{test.key}` has {option} = false: it does not answer"
            message += f" {test.need.use}"
            hint = index_statement(view, test.key, "integer")
        else:
            wanted = " or ".join(test.need.types)
            message = f"the {kind} index on `{test.key}` does not answer {test.need.use}: that takes {wanted}"
            create = index_statement(view, test.key, test.need.types[0])
            hint = f"compare with what the field holds, or {create}"
            if kind == "datetime" and test.need in (NEEDS["equal str"], NEEDS["equal uuid"]):
                hint = f"a range of dates: {as_name(test.key)} BETWEEN '…' AND '…'"
        yield Found(span_here(view, test.span), message, hint)


@rule(
    "text-without-index",
    "MATCH on a field without a text index",
    "Without a text index, MATCH looks for the words as parts of the text, point by point.",
    needs=("indexes",),
    any_statement=True,
)
def text_without_index(view: View) -> Iterator[Found]:
    """A text index cuts the field into words, so `MATCH 'care'` finds the word and not `careless`.

    Without one, the same condition looks for the characters in every payload: it is slow, case matters,
    and it finds other points, however few there are.
    """
    seen: set[str] = set()
    for condition in view.conditions():
        for test in _tests(condition):
            kind = type_of_index(view, test.key)
            if test.need != FULL_TEXT or kind in (None, "text") or test.key in seen:
                continue
            if view.lacks(test.key) or _is_misfit(view, test, kind):
                continue
            seen.add(test.key)
            has = f"has a {kind} index and no text index" if kind else "has no text index"
            message = f"the field `{test.key}` {has}: MATCH looks for characters, not for words"
            yield Found(span_here(view, test.span), message, index_statement(view, test.key, "text"))


@rule(
    "index-required",
    "ORDER BY, FACET or MATCH … ON needs a payload index",
    "The engine refuses these without an index of a fitting type.",
    needs=("indexes",),
    severity="warning",
    any_statement=True,
)
def index_required(view: View) -> Iterator[Found]:
    """ORDER BY takes an index of numbers or dates, FACET one of keywords, whole numbers, UUIDs or truth
    values, and a search by `MATCH 'words' ON field` a text index. Without it the statement fails,
    however few the points are.
    """
    for name, need, span in _required_indexes(view):
        kind = type_of_index(view, str(name.text))
        if kind is None or kind in need.types or view.lacks(str(name.text)):
            continue
        has = f"has a {kind} index" if kind else "has no index"
        message = f"{need.use} takes an index of type {' or '.join(need.types)}, and `{name.text}` {has}"
        create = index_statement(view, str(name.text), need.types[0])
        hint = f"take a field that has one, or {create}" if kind else create
        if name.text == _ID and not kind and need is NEEDS["order by"]:
            message = (
                f"{need.use} takes a field of the payload, and `id` is no indexed one of `{view.collection}`"
            )
            from qql.rest.point_order import ORDER_OF_IDS

            hint = ORDER_OF_IDS
        yield Found(span_here(view, span), message, hint)


def _required_indexes(view: View) -> Iterator[tuple[nodes.Name, Need, Span]]:
    match view.statement:
        case nodes.Scroll(order_by=nodes.OrderBy() as order):
            yield order.name, NEEDS["order by"], order.span
        case nodes.Facet(key=nodes.Name() as key):
            yield key, NEEDS["facet"], key.span
    for stage in view.stages:
        here = view.site(stage).query is not None
        match stage.target:
            case nodes.OrderBy() as order:
                yield order.name, NEEDS["order by"], order.span if here else view.span(stage)
            case nodes.FullText() as text:
                yield text.name, NEEDS["full text"], text.span if here else view.span(stage)


# ------------------------------------------------------------------------------------ what a filter leaves


@rule(
    "tenant-missing",
    "A search without its tenant",
    "An index with is_tenant says that every search is one tenant's.",
    needs=("indexes",),
    any_statement=True,
)
def tenant_missing(view: View) -> Iterator[Found]:
    """A payload index with `is_tenant = true` keeps each tenant's points together, since they are read
    together.

    A statement that names no tenant reads those of all: it is slow, and it may show one tenant what
    belongs to another. The tenant counts where it has to hold: as `=` or IN, alone, behind AND, or in
    every branch of OR; in a query's own WHERE, or in that of every stage. A SHARD clause or named ids
    are as good. GROUP BY and FACET by the tenant itself are meant for all of them.
    """
    if view.plan is None and not isinstance(view.statement, _OF_A_TENANT):
        return
    indexes = view.facts.indexes or {}
    tenants = [name for name, index in indexes.items() if index.get("is_tenant") is True]
    if not tenants or getattr(view.statement, "shard", None) is not None or _grouping_field(view) in tenants:
        return
    known = {*tenants, _ID}
    hint = f"WHERE {as_name(tenants[0])} = …"

    def restricts(condition: nodes.Condition) -> bool:
        return _restricts(condition, known)

    if view.plan is not None:
        open_stages = [s for s in view.stages if _reads_collection(s) and not view.is_filtered(s, restricts)]
        if open_stages:
            names = [s.label for s in open_stages if not view.is_root(s)]
            where = f"{listed(names)} of this query" if names else "this query"
            message = f"{where} searches the points of every tenant: no condition on {listed(tenants)}"
            yield Found(view.span(open_stages[0]), message, hint)
        return
    if isinstance(view.statement, _OF_A_TENANT):
        where_clause = view.statement.where
        if where_clause is None or not restricts(where_clause):
            message = f"this statement works on the points of every tenant: no condition on {listed(tenants)}"
            yield Found(view.statement.span, message, hint)


_OF_A_TENANT = (
    nodes.Scroll,
    nodes.Count,
    nodes.Facet,
    nodes.Delete,
    nodes.DeletePayload,
    nodes.DeleteVector,
    nodes.ClearPayload,
    nodes.UpdatePayload,
    nodes.UpdateVector,
)


def _grouping_field(view: View) -> str | None:
    """The field of GROUP BY or FACET."""
    if view.plan is not None and view.plan.group is not None:
        return str(view.plan.group.name.text)
    key = view.statement.key if isinstance(view.statement, nodes.Facet) else None
    return str(key.text) if key is not None else None


def _reads_collection(stage: Stage) -> bool:
    """Whether a stage reads the collection itself."""
    alone = (nodes.OrderBy, nodes.Sample, nodes.FullText)
    return searches(stage) or stage.by_id or (not stage.inputs and isinstance(stage.target, alone))


def _restricts(condition: nodes.Condition, known: Iterable[str]) -> bool:
    """Whether a condition only holds for points with a certain value of one of the fields."""
    match condition:
        case nodes.And():
            return any(_restricts(child, known) for child in condition.children)
        case nodes.Or():
            return all(_restricts(child, known) for child in condition.children)
        case nodes.MinShould():
            free = sum(not _restricts(child, known) for child in condition.conditions)
            return free < int(scalar_value(condition.count))
        case nodes.Compare(op="=") | nodes.In() | nodes.Match(kind="any"):
            return str(condition.name.text) in known
    return False


@rule(
    "constant-where",
    "A WHERE that holds for every point, or for none",
    "A write whose WHERE always holds changes the whole collection.",
    severity="warning",
    any_statement=True,
)
def constant_where(view: View) -> Iterator[Found]:
    """DELETE and UPDATE need a WHERE; one that holds for every point is as good as none.

    This rule knows SLICE(1, 0), a condition OR its own NOT, and what AND, OR and NOT make of them. It
    speaks of statements that write. A condition AND its own NOT holds for no point.
    """
    holds = constant_value(view.statement)
    if holds is None or not isinstance(view.statement, _WRITES) or view.statement.where is None:
        return
    which = "every point" if holds else "no point"
    message = f"this WHERE holds for {which} of `{view.collection}`"
    hint = "COUNT FROM … WHERE … says how many points a condition holds for"
    yield Found(view.statement.where.span, message, hint)


_WRITES = (
    nodes.Delete,
    nodes.DeletePayload,
    nodes.DeleteVector,
    nodes.ClearPayload,
    nodes.UpdatePayload,
)


def _always(condition: nodes.Condition) -> bool | None:
    """Whether a condition holds for all points or for none; None where that is not certain."""
    match condition:
        case nodes.Slice():
            return True if scalar_value(condition.total) == 1 else None
        case nodes.Not():
            inner = _always(condition.child)
            return None if inner is None else not inner
        case nodes.And() | nodes.Or():
            absorbing = isinstance(condition, nodes.Or)  # one true decides OR, one false decides AND
            values = [_always(child) for child in condition.children]
            if absorbing in values or _opposed(condition.children):
                return absorbing
            return (not absorbing) if all(value is (not absorbing) for value in values) else None
    return None


def constant_value(statement: nodes.Statement) -> bool | None:
    """Whether the WHERE of a statement that writes holds for every point or for none; None: it depends."""
    if not isinstance(statement, _WRITES) or statement.where is None:
        return None
    return _always(statement.where)


def _opposed(conditions: tuple[nodes.Condition, ...]) -> bool:
    """Whether a condition and its own negation are among them."""
    plain = [_without_not(one) for one in conditions]
    return any(a == b and x != y for n, (a, x) in enumerate(plain) for b, y in plain[n + 1 :])


def _without_not(condition: nodes.Condition) -> tuple[nodes.Condition, bool]:
    negated = False
    while isinstance(condition, nodes.Not):
        condition, negated = condition.child, not negated
    if isinstance(condition, nodes.Compare) and condition.op == "!=":
        return nodes.Compare(condition.name, "=", condition.value), not negated
    return condition, negated
