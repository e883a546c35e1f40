"""What can be tried on a pipeline without rewriting it: the limits, thresholds, weights … of its stages.

A setting is ``stage.name``. Stages have the names that WITH, DEFINE and EXPLAIN give them (``root`` is the
query, ``inline 1`` the first stage without a name). The settings of a stage:

=========================== ==================================================================================
``limit``, ``threshold``    its LIMIT and SCORE THRESHOLD; where PREFETCH gives a threshold, that one
``fusion``                  ``rrf`` or ``dbsf``; with ``dbsf``, the options of RRF are left out
``rrf_k``, ``rrf_weights``  also ``k`` and ``weights``; ``weights.dense`` is the weight of one stage
``top``                     the TOP of RERANK
``diversity``, ``candidates`` those of MMR
any search parameter        ``hnsw_ef``, ``exact``, ``quantization.oversampling`` …
=========================== ==================================================================================

The value null leaves a clause or an option out. A setting is applied to the tree, and the tree is printed:
what is tried is text that can be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn

from qql import nodes
from qql.compiler.options.query import (
    ACORN_OPTIONS,
    FUSION_OPTIONS,
    LINEAR_OPTIONS,
    MMR_OPTIONS,
    SEARCH_PARAMS,
)
from qql.compiler.plan import QueryPlan, stage_key
from qql.errors import Source, Span, did_you_mean, fail, shown
from qql.evaluation.faults import InputError
from qql.records import dataclass, replace
from qql.rest.types import Body, Json
from qql.syntax.formatter import format_script
from qql.syntax.parser import Parsed, parse_script, raise_all
from qql.syntax.printer import show

__all__ = ["FUSIONS", "TRIED_FUSIONS", "Settable"]

Edit = tuple[list[str], Json]
"""The path of names of a setting within its stage, and its new value."""

FUSIONS: Mapping[str, tuple[str, ...]] = {
    "rrf": tuple(FUSION_OPTIONS),
    "dbsf": (),
    "linear": tuple(LINEAR_OPTIONS),
}
"""The fusions that can be tried, each with the options that have a meaning beside it."""
TRIED_FUSIONS = ("rrf", "dbsf")
"""Those that are tried where nobody names some: a linear one is recomputed one by one, which is slow."""
_ALIASES = {"k": "rrf_k", "weights": "rrf_weights", "score_threshold": "threshold"}
_OPTIONS = frozenset({*SEARCH_PARAMS, *ACORN_OPTIONS, *FUSION_OPTIONS, *LINEAR_OPTIONS, *MMR_OPTIONS})


class Settable:
    """A script with one query, whose settings can be changed.

    ``plan`` is that query's; it gives the stages their names. Raises `QQLSyntaxError`.
    """

    def __init__(self, text: str, plan: QueryPlan, name: str = "<string>") -> None:
        self.text = text
        parsed, errors = parse_script(Source(text, name))
        raise_all(errors)
        self.parsed: list[Parsed] = parsed
        made = {stage.label: stage.span for stage in plan.stages if stage.origin is None}
        written = {query.span: query for one in self.parsed for query in _queries_in(one.statement)}
        # Stages of the session stand in no text of ours, though their spans may look so.
        own = {stage_key(cte.name) for query in written.values() for cte in query.ctes}
        own |= {
            stage_key(one.statement.name) for one in self.parsed if isinstance(one.statement, nodes.Define)
        }
        self.stages: dict[str, nodes.Query] = {
            label: written[span]
            for label, span in made.items()
            if span in written and (label.lower() in own or label == "root" or label.startswith("inline "))
        }

    def find(self, name: str) -> str:
        """The setting's canonical name: ``Dense.K`` is ``dense.rrf_k``.

        Raises `InputError` ``unknown-setting``.
        """
        label, path = self._stage_and_path(name)
        return ".".join([label, *path])

    def value(self, name: str) -> Json:
        """What the script says of a setting; None where it says nothing."""
        label, (first, *path) = self._stage_and_path(name)
        found = self._setting(label, first)
        for step in path:
            items = {o.name: o.value for o in found} if isinstance(found, tuple) else found
            found = items.get(step) if isinstance(items, dict) else None
        return found

    def changed(self, values: Body) -> str:
        """The script with these values, in the canonical layout, without comments.

        Raises `InputError`: ``unknown-setting``, ``bad-setting``. That a value is of the right kind is
        left to the compiler.
        """
        return format_script(";\n".join([*(show(one.statement) for one in self.edited(values)), ""]))

    def edited(self, values: Body) -> list[Parsed]:
        """The statements of `changed`, for who only compiles them. Raises as that does."""
        edits: dict[Span, list[Edit]] = {}
        thresholds: dict[str, nodes.Scalar | None] = {}
        for name, value in values.items():
            label, path = self._stage_and_path(name)
            if path == ["threshold"] and self._threshold_references(label):
                thresholds[label] = _number_node(name, value)
            else:
                edits.setdefault(self.stages[label].span, []).append((path, value))
        editor = _Editor(
            edits, thresholds, {id(r): k for k in self.stages for r in self._threshold_references(k)}
        )
        return [self._edited(one, editor) for one in self.parsed]

    def _edited(self, one: Parsed, editor: _Editor) -> Parsed:
        match one.statement:
            case nodes.Query() as query:
                return replace(one, statement=editor.query(query))
            case nodes.Define() as define:
                return replace(one, statement=replace(define, stage=editor.query(define.stage)))
        return one

    def _threshold_references(self, label: str) -> list[nodes.Ref]:
        """The references to a stage that give it a threshold of their own, in its place."""
        own = self.stages[label]
        return [
            ref
            for query in self.stages.values()
            for ref in query.prefetch
            if ref.threshold is not None
            and (
                ref.stage is own
                or (isinstance(ref.stage, nodes.Name) and stage_key(ref.stage) == label.lower())
            )
        ]

    def _setting(self, label: str, name: str) -> Json:
        """The value of a setting, its path not yet followed."""
        query = self.stages[label]
        if name == "threshold":
            referred = self._threshold_references(label)
            return _scalar_value(referred[0].threshold if referred else query.threshold)
        if name in _CLAUSES:
            return _CLAUSES[name].get(query)
        return next((option.value for option in query.params if option.name == name), None)

    def _stage_and_path(self, name: str) -> tuple[str, list[str]]:
        """The stage, and the setting's path of names."""
        labels = [label for label in self.stages if name.lower().startswith(f"{label.lower()}.")]
        if not labels:
            self._fail_unknown(name)
        label = max(labels, key=len)
        first, *rest = name[len(label) + 1 :].split(".")
        fusion = self.stages[label].fusion
        own = LINEAR_OPTIONS if fusion is not None and fusion.method == "linear" else {}
        first = first.lower() if first.lower() in own else _ALIASES.get(first.lower(), first.lower())
        if first not in _CLAUSES and first not in _OPTIONS:
            known = [*_CLAUSES, *_OPTIONS, *_ALIASES]
            hint = did_you_mean(first, known) or f"there are {', '.join(sorted(known))}"
            fail("unknown-setting", f"a stage has no setting `{first}`", hint=hint, error=InputError)
        if rest and (first in _CLAUSES or not all(rest)):
            fail("unknown-setting", f"`{first}` of `{label}` is no object", error=InputError)
        return label, [first, *rest]

    def _fail_unknown(self, name: str) -> NoReturn:
        stage, dot, _ = name.partition(".")
        if not dot:
            hint = f"a setting is `stage.name`, as in `{next(reversed(self.stages), 'root')}.limit`"
            fail(
                "unknown-setting",
                f"there is no parameter `{name}` and no such setting",
                hint=hint,
                error=InputError,
            )
        hint = did_you_mean(stage, self.stages) or f"the stages are {', '.join(self.stages)}"
        fail("unknown-setting", f"there is no stage `{stage}`", hint=hint, error=InputError)


def _queries_in(statement: nodes.Node) -> list[nodes.Query]:
    return [node for node in nodes.walk(statement) if isinstance(node, nodes.Query)]


def _scalar_value(scalar: nodes.Scalar | None) -> Json:
    if scalar is None or isinstance(scalar.value, nodes.Param):
        return None if scalar is None else show(scalar)
    return scalar.value


# -- changing


@dataclass(frozen=True, slots=True)
class _Editor:
    """Walks a query and changes the stages whose places have edits."""

    edits: Mapping[Span, list[Edit]]
    thresholds: Mapping[str, nodes.Scalar | None]
    labels: Mapping[int, str]

    def query(self, query: nodes.Query) -> nodes.Query:
        edits = self.edits.get(query.span, ())
        ctes = tuple(replace(cte, stage=self.query(cte.stage)) for cte in query.ctes)
        query = replace(query, ctes=ctes, prefetch=tuple(map(self.reference, query.prefetch)))
        for (name, *path), value in edits:
            if name in _CLAUSES:
                query = _CLAUSES[name].put(query, value)
            else:
                query = _with_option(query, name, path, value)
        return query

    def reference(self, ref: nodes.Ref) -> nodes.Ref:
        threshold = self.thresholds.get(self.labels.get(id(ref), ""), ref.threshold)
        stage = self.query(ref.stage) if isinstance(ref.stage, nodes.Query) else ref.stage
        return replace(ref, stage=stage, threshold=threshold)


def _number_node(name: str, value: Json) -> nodes.Scalar | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        fail("bad-setting", f"`{name}` takes a number, not {shown(value)}", error=InputError)
    return nodes.Scalar(value)


@dataclass(frozen=True, slots=True)
class _Clause:
    get: Callable[[nodes.Query], Json]
    put: Callable[[nodes.Query, Json], nodes.Query]


def _with_fusion(query: nodes.Query, value: Json) -> nodes.Query:
    method = str(value).lower()
    if query.fusion is None or method not in FUSIONS:
        why = f"takes {' or '.join(FUSIONS)}" if query.fusion else "is that of a stage with FUSION"
        fail("bad-setting", f"`fusion` {why}", error=InputError)
    idle = {option for options in FUSIONS.values() for option in options} - {*FUSIONS[method]}
    kept = tuple(o for o in query.params if o.name not in idle)
    return replace(query, fusion=nodes.Fusion(method), params=kept)


def _with_top(query: nodes.Query, value: Json) -> nodes.Query:
    if query.rerank is None:
        fail("bad-setting", "`top` is that of a query with RERANK", error=InputError)
    return replace(query, rerank=replace(query.rerank, top=_number_node("top", value)))


def _mmr_clause(name: str, with_scalar: Callable[[nodes.Mmr, nodes.Scalar | None], nodes.Mmr]) -> _Clause:
    def get(query: nodes.Query) -> Json:
        return _scalar_value(getattr(query.target, name)) if isinstance(query.target, nodes.Mmr) else None

    def put(query: nodes.Query, value: Json) -> nodes.Query:
        if not isinstance(query.target, nodes.Mmr):
            fail("bad-setting", f"`{name}` is that of a stage with MMR", error=InputError)
        return replace(query, target=with_scalar(query.target, _number_node(name, value)))

    return _Clause(get, put)


_CLAUSES = {
    "limit": _Clause(
        lambda query: _scalar_value(query.limit),
        lambda query, value: replace(query, limit=_number_node("limit", value)),
    ),
    "threshold": _Clause(
        lambda query: _scalar_value(query.threshold),
        lambda query, value: replace(query, threshold=_number_node("threshold", value)),
    ),
    "fusion": _Clause(lambda query: query.fusion.method if query.fusion else None, _with_fusion),
    "top": _Clause(lambda query: _scalar_value(query.rerank.top) if query.rerank else None, _with_top),
    "diversity": _mmr_clause("diversity", lambda mmr, scalar: replace(mmr, diversity=scalar)),
    "candidates": _mmr_clause("candidates", lambda mmr, scalar: replace(mmr, candidates=scalar)),
}
"""Settings that are clauses: how each is read, and how a query is made that has another."""


def _with_option(query: nodes.Query, name: str, path: list[str], value: Json) -> nodes.Query:
    old = {option.name: option.value for option in query.params}
    given = old.get(name)
    if name in ("rrf_weights", "weights") and path:
        given = _named_weights(query, given)
    new = old | {name: _with_value_at(name, given, path, value)}
    return replace(query, params=tuple(nodes.Option(*item) for item in new.items() if item[1] is not None))


def _with_value_at(name: str, old: Json, path: list[str], value: Json) -> Json:
    if not path:
        return value
    if isinstance(old, tuple):
        old = {option.name: option.value for option in old}
    if not isinstance(old, dict | None):
        fail(
            "bad-setting",
            f"`{name}` of this script is no object",
            hint="give it whole",
            error=InputError,
        )
    key = next((key for key in old or () if key.lower() == path[0].lower()), path[0])
    return {**(old or {}), key: _with_value_at(key, (old or {}).get(key), path[1:], value)}


def _named_weights(query: nodes.Query, old: Json) -> Json:
    """The weights of a fusion as an object, so that one can be changed: 1 where there are none."""
    if isinstance(old, dict | tuple):
        return old
    names = [str(ref.stage.text) for ref in query.prefetch if isinstance(ref.stage, nodes.Name)]
    weights = old if isinstance(old, list) else [1] * len(query.prefetch)
    if len({*names}) < len(query.prefetch) or len(names) != len(weights):
        fail(
            "bad-setting",
            "weights by name need names, and a stage here has none",
            hint="give them as a list",
            error=InputError,
        )
    return dict(zip(names, weights, strict=True))
