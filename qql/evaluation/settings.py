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
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from qql import nodes
from qql.compiler.options.query import ACORN_OPTIONS, FUSION_OPTIONS, MMR_OPTIONS, SEARCH_PARAMS
from qql.compiler.plan import QueryPlan, stage_key
from qql.errors import QQLExecutionError, Source, Span, did_you_mean, shown
from qql.syntax.formatter import format_script
from qql.syntax.parser import Parsed, parse_script, raise_all
from qql.syntax.printer import show

__all__ = ["Settable"]

_ALIASES = {"k": "rrf_k", "weights": "rrf_weights", "score_threshold": "threshold"}
_OPTIONS = frozenset({*SEARCH_PARAMS, *ACORN_OPTIONS, *FUSION_OPTIONS, *MMR_OPTIONS})


class Settable:
    """A script with one query, whose settings can be changed.

    ``plan`` is that query's; it gives the stages their names. Raises `QQLSyntaxError`.
    """

    def __init__(self, text: str, plan: QueryPlan, name: str = "<string>") -> None:
        self.text = text
        self.parsed, errors = parse_script(Source(text, name))
        raise_all(errors)
        made = {stage.label: stage.span for stage in plan.stages if stage.origin is None}
        written = {query.span: query for one in self.parsed for query in _queries(one.statement)}
        # Stages of the session stand in no text of ours, though their spans may look so.
        own = {stage_key(cte.name) for query in written.values() for cte in query.ctes}
        own |= {
            stage_key(one.statement.name) for one in self.parsed if isinstance(one.statement, nodes.Define)
        }
        self.stages = {
            label: written[span]
            for label, span in made.items()
            if span in written and (label.lower() in own or label == "root" or label.startswith("inline "))
        }

    def find(self, name: str) -> str:
        """The setting's canonical name: ``Dense.K`` is ``dense.rrf_k``.

        Raises `QQLExecutionError` ``unknown-setting``.
        """
        label, path = self._split(name)
        return ".".join([label, *path])

    def value(self, name: str) -> Any:
        """What the script says of a setting; None where it says nothing."""
        label, (first, *path) = self._split(name)
        found = _read(self, label, first)
        for step in path:
            items = {o.name: o.value for o in found} if isinstance(found, tuple) else found
            found = items.get(step) if isinstance(items, dict) else None
        return found

    def changed(self, values: Mapping[str, Any]) -> str:
        """The script with these values, in the canonical layout, without comments.

        Raises `QQLExecutionError`: ``unknown-setting``, ``bad-setting``. That a value is of the right kind is
        left to the compiler.
        """
        edits: dict[Span, list[tuple[list[str], Any]]] = {}
        thresholds: dict[str, Any] = {}
        for name, value in values.items():
            label, path = self._split(name)
            if path == ["threshold"] and self._references(label):
                thresholds[label] = _scalar(name, value)
            else:
                edits.setdefault(self.stages[label].span, []).append((path, value))
        editor = _Editor(edits, thresholds, {id(r): k for k in self.stages for r in self._references(k)})
        texts = [self._text(one, editor) for one in self.parsed]
        return format_script(";\n".join([*texts, ""]))

    def _text(self, one: Parsed, editor: _Editor) -> str:
        match one.statement:
            case nodes.Query() as query:
                return show(editor.query(query))
            case nodes.Define() as define:
                return show(replace(define, stage=editor.query(define.stage)))
        return show(one.statement)

    def _references(self, label: str) -> list[nodes.Ref]:
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

    def _split(self, name: str) -> tuple[str, list[str]]:
        """The stage, and the setting's path of names."""
        labels = [label for label in self.stages if name.lower().startswith(f"{label.lower()}.")]
        if not labels:
            self._unknown(name)
        label = max(labels, key=len)
        first, *rest = name[len(label) + 1 :].split(".")
        first = _ALIASES.get(first.lower(), first.lower())
        if first not in _CLAUSES and first not in _OPTIONS:
            known = [*_CLAUSES, *_OPTIONS, *_ALIASES]
            hint = did_you_mean(first, known) or f"there are {', '.join(sorted(known))}"
            _refuse("unknown-setting", f"a stage has no setting `{first}`", hint)
        if rest and (first in _CLAUSES or not all(rest)):
            _refuse("unknown-setting", f"`{first}` of `{label}` is no object")
        return label, [first, *rest]

    def _unknown(self, name: str) -> NoReturn:
        stage, dot, _ = name.partition(".")
        if not dot:
            hint = f"a setting is `stage.name`, as in `{next(reversed(self.stages), 'root')}.limit`"
            _refuse("unknown-setting", f"there is no parameter `{name}` and no such setting", hint)
        hint = did_you_mean(stage, self.stages) or f"the stages are {', '.join(self.stages)}"
        _refuse("unknown-setting", f"there is no stage `{stage}`", hint)


def _refuse(code: str, message: str, hint: str | None = None) -> NoReturn:
    raise QQLExecutionError.make(code, message, hint=hint)


def _queries(statement: nodes.Node) -> list[nodes.Query]:
    return [node for node in nodes.walk(statement) if isinstance(node, nodes.Query)]


# -- reading


def _read(given: Settable, label: str, name: str) -> Any:
    query = given.stages[label]
    if name == "threshold":
        referred = given._references(label)
        return _value(referred[0].threshold if referred else query.threshold)
    if name in _CLAUSES:
        return _CLAUSES[name].get(query)
    return next((option.value for option in query.params if option.name == name), None)


def _value(scalar: nodes.Scalar | None) -> Any:
    if scalar is None or isinstance(scalar.value, nodes.Param):
        return None if scalar is None else show(scalar)
    return scalar.value


# -- changing


@dataclass(frozen=True, slots=True)
class _Editor:
    """Walks a query and changes the stages whose places have edits."""

    edits: Mapping[Span, list[tuple[list[str], Any]]]
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


def _scalar(name: str, value: Any) -> nodes.Scalar | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        _refuse("bad-setting", f"`{name}` takes a number, not {shown(value)}")
    return nodes.Scalar(value)


@dataclass(frozen=True, slots=True)
class _Clause:
    get: Callable[[nodes.Query], Any]
    put: Callable[[nodes.Query, Any], nodes.Query]


def _with_fusion(query: nodes.Query, value: Any) -> nodes.Query:
    method = str(value).lower()
    if query.fusion is None or method not in ("rrf", "dbsf"):
        why = "takes rrf or dbsf" if query.fusion else "is that of a stage with FUSION"
        _refuse("bad-setting", f"`fusion` {why}")
    kept = tuple(o for o in query.params if method == "rrf" or o.name not in FUSION_OPTIONS)
    return replace(query, fusion=nodes.Fusion(method), params=kept)


def _with_top(query: nodes.Query, value: Any) -> nodes.Query:
    if query.rerank is None:
        _refuse("bad-setting", "`top` is that of a query with RERANK")
    return replace(query, rerank=replace(query.rerank, top=_scalar("top", value)))


def _of_mmr(name: str) -> _Clause:
    def get(query: nodes.Query) -> Any:
        return _value(getattr(query.target, name)) if isinstance(query.target, nodes.Mmr) else None

    def put(query: nodes.Query, value: Any) -> nodes.Query:
        if not isinstance(query.target, nodes.Mmr):
            _refuse("bad-setting", f"`{name}` is that of a stage with MMR")
        change: dict[str, Any] = {name: _scalar(name, value)}
        return replace(query, target=replace(query.target, **change))

    return _Clause(get, put)


_CLAUSES = {
    "limit": _Clause(
        lambda query: _value(query.limit),
        lambda query, value: replace(query, limit=_scalar("limit", value)),
    ),
    "threshold": _Clause(
        lambda query: _value(query.threshold),
        lambda query, value: replace(query, threshold=_scalar("threshold", value)),
    ),
    "fusion": _Clause(lambda query: query.fusion.method if query.fusion else None, _with_fusion),
    "top": _Clause(lambda query: _value(query.rerank.top) if query.rerank else None, _with_top),
    "diversity": _of_mmr("diversity"),
    "candidates": _of_mmr("candidates"),
}
"""Settings that are clauses: how each is read, and how a query is made that has another."""


def _with_option(query: nodes.Query, name: str, path: list[str], value: Any) -> nodes.Query:
    old = {option.name: option.value for option in query.params}
    given = old.get(name)
    if name == "rrf_weights" and path:
        given = _weights_by_name(query, given)
    new = old | {name: _put(name, given, path, value)}
    return replace(query, params=tuple(nodes.Option(*item) for item in new.items() if item[1] is not None))


def _put(name: str, old: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    if isinstance(old, tuple):
        old = {option.name: option.value for option in old}
    if not isinstance(old, dict | None):
        _refuse("bad-setting", f"`{name}` of this script is no object", "give it whole")
    key = next((key for key in old or () if key.lower() == path[0].lower()), path[0])
    return {**(old or {}), key: _put(key, (old or {}).get(key), path[1:], value)}


def _weights_by_name(query: nodes.Query, old: Any) -> Any:
    """The weights of a fusion as an object, so that one can be changed: 1 where there are none."""
    if isinstance(old, dict | tuple):
        return old
    names = [str(ref.stage.text) for ref in query.prefetch if isinstance(ref.stage, nodes.Name)]
    weights = old if isinstance(old, list) else [1] * len(query.prefetch)
    if len({*names}) < len(query.prefetch) or len(names) != len(weights):
        _refuse("bad-setting", "weights by name need names, and a stage here has none", "give them as a list")
    return dict(zip(names, weights, strict=True))
