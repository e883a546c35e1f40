"""Which words of a query a stage of its request comes from, and the query with some of them changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from qql import nodes
from qql.analysis.formula_numbers import formula_of, with_formula, with_number
from qql.analysis.model import Path
from qql.compiler.options.query import FUSION_OPTIONS
from qql.compiler.plan import stage_key
from qql.records import NamedTuple, dataclass, field, replace
from qql.syntax.printer import show

__all__ = [
    "Address",
    "Edit",
    "Place",
    "Value",
    "edited",
    "places_in",
    "same_edits",
    "stage_at",
    "with_stages",
    "without_parts",
]

Address = tuple[str | int, ...]
"""Where a stage is written: the name of a CTE, or ``""`` for the query, then positions in PREFETCH."""
Value = int | float | str | bool | tuple[float, ...] | None
"""What a clause or an option is to say; the weights of a fusion stand in the order of its PREFETCH."""


class Place(NamedTuple):
    """The words of a stage: where they stand, and the reference that adds to them, by its own address.

    ``made``: nobody wrote the stage; the words are those of the HYBRID or FORMULA that it comes from.
    """

    address: Address
    reference: Address | None = None
    made: bool = False


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of a query's words: a clause, an option, or a part of WHERE that is left out.

    ``address`` is that of the stage, or of a reference in PREFETCH where ``in_reference`` is true. ``value``
    is None where the clause is left out; ``part`` is what is left out of WHERE, as QQL; of FORMULA, it says
    which of its numbers is changed, counted from 0. ``label`` is the name of the stage. ``widened``: the
    value is more than was said to be needed.
    """

    address: Address
    word: str
    value: Value = None
    part: str | int | None = None
    in_reference: bool = False
    label: str = field(default="root", compare=False)
    widened: bool = field(default=False, compare=False)

    @property
    def key(self) -> tuple[object, ...]:
        """What another edit must have in common to take its place."""
        return self.address, self.in_reference, self.word, self.part


# ------------------------------------------------------------------------------------ places


def with_stages(query: nodes.Query, defined: Iterable[nodes.Cte]) -> nodes.Query:
    """The query with the stages that DEFINE has made among its own; its own go before them."""
    own = {stage_key(cte.name) for cte in query.ctes}
    used = _names_below(query, {stage_key(cte.name): cte.stage for cte in (*defined, *query.ctes)})
    more = tuple(cte for cte in defined if stage_key(cte.name) in used - own)
    return replace(query, ctes=(*more, *query.ctes)) if more else query


def _names_below(query: nodes.Query, known: dict[str, nodes.Query]) -> set[str]:
    found: set[str] = set()
    todo = [query]
    while todo:
        for ref in todo.pop().prefetch:
            if isinstance(ref.stage, nodes.Query):
                todo.append(ref.stage)
            elif (key := stage_key(ref.stage)) not in found and key in known:
                found.add(key)
                todo.append(known[key])
    return found


def places_in(query: nodes.Query) -> dict[Path, Place]:
    """The place of each stage, by its path in the request. All stages that it uses are its own CTEs."""
    ctes = {stage_key(cte.name): cte.stage for cte in query.ctes}
    found: dict[Path, Place] = {}
    todo: list[tuple[Path, nodes.Query, Place]] = [((), query, Place(("",)))]
    while todo:
        path, stage, place = todo.pop()
        found[path] = place
        made = Place(place.address, None, made=True)
        if stage.formula is not None and (stage.target is not None or stage.fusion is not None):
            path = (*path, 0)  # what the trailing FORMULA rescores
            found[path] = made
        first = 0
        if isinstance(stage.target, nodes.Hybrid):
            found |= {(*path, 0): made, (*path, 1): made}
            first = 2
        elif isinstance(stage.target, nodes.FieldsText):
            found |= {(*path, at): made for at in range(len(stage.target.fields))}
        for at, ref in enumerate(stage.prefetch):
            inner, address = ref.stage, (*place.address, at)
            if isinstance(inner, nodes.Name):
                key = stage_key(inner)
                todo.append(((*path, first + at), ctes[key], Place((key,), address)))
            else:
                todo.append(((*path, first + at), inner, Place(address, address)))
    return found


# ------------------------------------------------------------------------------------ edits


def edited(query: nodes.Query, edits: Iterable[Edit]) -> nodes.Query:
    """The query with all of the edits."""
    for edit in edits:
        query = _at(query, edit.address, edit)
    return query


def stage_at(query: nodes.Query, edit: Edit) -> nodes.Query | nodes.Ref:
    """The words that an edit changes: those of a stage, or of a reference in PREFETCH."""
    owner, *rest = edit.address
    found: nodes.Query | nodes.Ref = query
    if owner != "":
        found = next(cte.stage for cte in query.ctes if stage_key(cte.name) == owner)
    for at in rest:
        if isinstance(found, nodes.Ref):
            assert isinstance(found.stage, nodes.Query)
            found = found.stage
        found = found.prefetch[int(at)]
    if isinstance(found, nodes.Ref) and not edit.in_reference:
        assert isinstance(found.stage, nodes.Query)
        return found.stage
    return found


def _at(query: nodes.Query, address: Address, edit: Edit) -> nodes.Query:
    owner, *rest = address
    if owner == "":
        return _below(query, rest, edit)
    ctes = [
        replace(cte, stage=_below(cte.stage, rest, edit)) if stage_key(cte.name) == owner else cte
        for cte in query.ctes
    ]
    return replace(query, ctes=tuple(ctes))


def _below(stage: nodes.Query, rest: list[str | int], edit: Edit) -> nodes.Query:
    if not rest:
        return _CLAUSES.get(edit.word, _with_option)(stage, edit)
    at, *more = rest
    refs = list(stage.prefetch)
    ref = refs[int(at)]
    if not more and edit.in_reference:
        refs[int(at)] = _edited_reference(ref, edit)
    else:
        assert isinstance(ref.stage, nodes.Query)
        refs[int(at)] = replace(ref, stage=_below(ref.stage, more, edit))
    return replace(stage, prefetch=tuple(refs))


def _edited_reference(ref: nodes.Ref, edit: Edit) -> nodes.Ref:
    if edit.word == "WHERE":
        return replace(ref, where=without_parts(ref.where, _condition(edit)))
    assert edit.word == "SCORE THRESHOLD"
    return replace(ref, threshold=_scalar(edit))


def _scalar(edit: Edit) -> nodes.Scalar | None:
    assert not isinstance(edit.value, tuple)
    return None if edit.value is None else nodes.Scalar(edit.value)


def _with_limit(stage: nodes.Query, edit: Edit) -> nodes.Query:
    return replace(stage, limit=_scalar(edit))


def _with_offset(stage: nodes.Query, edit: Edit) -> nodes.Query:
    return replace(stage, offset=_scalar(edit))


def _with_threshold(stage: nodes.Query, edit: Edit) -> nodes.Query:
    return replace(stage, threshold=_scalar(edit))


def _with_condition(stage: nodes.Query, edit: Edit) -> nodes.Query:
    return replace(stage, where=without_parts(stage.where, _condition(edit)))


def _condition(edit: Edit) -> str | None:
    return None if edit.part is None else str(edit.part)


def _with_size(stage: nodes.Query, edit: Edit) -> nodes.Query:
    assert stage.group is not None
    return replace(stage, group=replace(stage.group, size=_scalar(edit)))


def _with_top(stage: nodes.Query, edit: Edit) -> nodes.Query:
    assert stage.rerank is not None
    return replace(stage, rerank=replace(stage.rerank, top=_scalar(edit)))


def _with_candidates(stage: nodes.Query, edit: Edit) -> nodes.Query:
    if isinstance(stage.target, nodes.Mmr):
        return replace(stage, target=replace(stage.target, candidates=_scalar(edit)))
    return _with_option(stage, replace(edit, word="mmr_candidates"))


def _with_diversity(stage: nodes.Query, edit: Edit) -> nodes.Query:
    if isinstance(stage.target, nodes.Mmr):
        return replace(stage, target=replace(stage.target, diversity=_scalar(edit)))
    return _with_option(stage, replace(edit, word="mmr_diversity"))


def _with_fusion(stage: nodes.Query, edit: Edit) -> nodes.Query:
    method = str(edit.value).lower()
    kept = tuple(one for one in stage.params if method == "rrf" or one.name.lower() not in FUSION_OPTIONS)
    return replace(stage, fusion=nodes.Fusion(method), params=kept)


def _with_weights(stage: nodes.Query, edit: Edit) -> nodes.Query:
    """By the names of the stages, where all have one and nobody has written a list."""
    assert isinstance(edit.value, tuple)
    old = next((one.value for one in stage.params if one.name.lower() == edit.word), None)
    names = [str(ref.stage.text) for ref in stage.prefetch if isinstance(ref.stage, nodes.Name)]
    weights: object = list(edit.value)
    if not isinstance(old, list) and len({name.lower() for name in names}) == len(edit.value):
        weights = dict(zip(names, edit.value, strict=True))
    others = tuple(one for one in stage.params if one.name.lower() != edit.word)
    return replace(stage, params=(*others, nodes.Option(edit.word, weights)))


def _with_factor(stage: nodes.Query, edit: Edit) -> nodes.Query:
    """Another number in FORMULA."""
    formula = formula_of(stage)
    assert formula is not None
    assert isinstance(edit.part, int)
    assert isinstance(edit.value, (int, float))
    expression = with_number(formula.expression, edit.part, edit.value)
    return with_formula(stage, replace(formula, expression=expression))


def _with_start(stage: nodes.Query, edit: Edit) -> nodes.Query:
    assert isinstance(stage.target, nodes.OrderBy)
    return replace(stage, target=replace(stage.target, start=_scalar(edit)))


def _with_option(stage: nodes.Query, edit: Edit) -> nodes.Query:
    others = tuple(one for one in stage.params if one.name.lower() != edit.word)
    option = nodes.Option(edit.word, edit.value)
    return replace(stage, params=(*others, option))


_CLAUSES: dict[str, Callable[[nodes.Query, Edit], nodes.Query]] = {
    "LIMIT": _with_limit,
    "OFFSET": _with_offset,
    "SCORE THRESHOLD": _with_threshold,
    "WHERE": _with_condition,
    "SIZE": _with_size,
    "TOP": _with_top,
    "CANDIDATES": _with_candidates,
    "START FROM": _with_start,
    "DIVERSITY": _with_diversity,
    "FUSION": _with_fusion,
    "FORMULA": _with_factor,
    "rrf_weights": _with_weights,
}
"""How each clause is changed; any other word is an option of PARAMS."""


def without_parts(condition: nodes.Condition | None, part: str | None) -> nodes.Condition | None:
    """A condition without one of the parts that AND joins in it, given as QQL; None where nothing is left.

    ``NOT (a OR b)`` is taken for what it says: NOT a AND NOT b.
    """
    match condition:
        case None:
            return None
        case _ if show(condition) == part:
            return None
        case nodes.And(children=children):
            return _joined(without_parts(one, part) for one in children)
        case nodes.Not(child=nodes.Not(child=inner)):
            return without_parts(inner, part)
        case nodes.Not(child=nodes.Or(children=children)):
            rest = [(one, without_parts(nodes.Not(one), part)) for one in children]
            if all(new == nodes.Not(old) for old, new in rest):
                return condition
            return _joined(new for _, new in rest)
    return condition


def same_edits(edits: Iterable[Edit], query: nodes.Query, other: nodes.Query) -> tuple[Edit, ...] | None:
    """The edits of a query as those of another, which is the same but for values and their parameters.

    Conditions are told by their texts, which have the values. None where a part of WHERE has no counterpart.
    """
    out = []
    for edit in edits:
        if edit.word == "WHERE":
            theirs = dict(zip(_parts_at(query, edit), _parts_at(other, edit), strict=False))
            same = len(_parts_at(query, edit)) == len(_parts_at(other, edit))
            if not same or edit.part not in theirs:
                return None
            edit = replace(edit, part=theirs[str(edit.part)])
        out.append(edit)
    return tuple(out)


def _parts_at(query: nodes.Query, edit: Edit) -> list[str]:
    return [show(one) for one in _parts(stage_at(query, edit).where)]


def _parts(condition: nodes.Condition | None) -> list[nodes.Condition]:
    """What AND joins in a condition, as `without_parts` takes it."""
    match condition:
        case None:
            return []
        case nodes.And(children=children):
            return [part for one in children for part in _parts(one)]
        case nodes.Not(child=nodes.Not(child=inner)):
            return _parts(inner)
        case nodes.Not(child=nodes.Or(children=children)):
            return [part for one in children for part in _parts(nodes.Not(one))]
    return [condition]


def _joined(conditions: Iterable[nodes.Condition | None]) -> nodes.Condition | None:
    kept = tuple(one for one in conditions if one is not None)
    return nodes.And(kept) if len(kept) > 1 else kept[0] if kept else None
