"""Queries and their stages. A stage that is used twice, or has a name, becomes a CTE."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from qql import nodes
from qql.build import values
from qql.build.built import Statement
from qql.build.clauses import changed, made
from qql.build.conditions import where as all_given
from qql.build.targets import target
from qql.errors import Diagnostic, QQLPlanError
from qql.late import cast
from qql.records import NamedTuple, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self, TypeAlias, Unpack

    from qql.build.clauses import QueryClauses
    from qql.build.conditions import Condition
    from qql.build.fallbacks import Fallback
    from qql.build.fields import Operand, Value
    from qql.build.targets import Given

    Stage: TypeAlias = "Query | nodes.Query | nodes.Ref | Reference | str"
    Target = nodes.Target | Operand | Given | None

__all__ = ["Query", "Reference", "dbsf", "linear", "query", "ref", "rrf"]


class Reference(NamedTuple):
    """A stage in PREFETCH, with what its reference says (`ref`)."""

    stage: Query | nodes.Query | nodes.Name
    node: nodes.Ref


class Query(Statement):
    """A query, or a stage of one. ``name`` is what it is called as a stage, or None.

    The same object in two places is one stage: a CTE, which has a name.
    """

    __slots__ = ("_name", "_refs", "_whole")

    _tree: nodes.Query
    _name: str | None
    _refs: tuple[Reference, ...]
    _whole: nodes.Query | None

    def __init__(self, tree: nodes.Query, refs: Sequence[Reference] = (), name: str | None = None) -> None:
        super().__init__(tree)
        object.__setattr__(self, "_refs", tuple(refs))
        object.__setattr__(self, "_whole", None)
        object.__setattr__(self, "_name", None if name is None else str(values.name(name, "name=").text))

    def __reduce__(self) -> tuple[type, Any]:
        return type(self), (self._tree, self._refs, self._name)

    @property
    def name(self) -> str | None:
        """What it is called where it is a stage."""
        return self._name

    @property
    def tree(self) -> nodes.Query:
        """The tree, with a CTE for each stage that has a name or is used twice, before what uses it.

        Raises `QQLPlanError` (``duplicate-stage``) where two stages have one name.
        """
        if self._whole is None:
            object.__setattr__(self, "_whole", _Assembly(self).tree() if self._refs else self._tree)
        return cast(nodes.Query, self._whole)

    def where(self, *conditions: Condition | None) -> Self:
        """The same, of points that satisfy these conditions too. None among them is left out."""
        more = all_given(self._tree.where, *conditions)
        node = replace(self._tree, where=None if more is None else more.tree)
        return type(self)(node, self._refs, self._name)

    def change(self, *, name: str | None = None, **clauses: Unpack[QueryClauses]) -> Self:
        """The same with other clauses; None takes one away."""
        node = _settled(changed(self._tree, clauses, "change"))
        return type(self)(node, self._refs, name if name is not None else self._name)

    def else_(
        self,
        other: Query | nodes.Query,
        *,
        hits: Value = None,
        score_below: Value = None,
        score_above: Value = None,
    ) -> Fallback:
        """``QUERY … ELSE [WHEN …] QUERY …``: another query, which is asked where this one is weak.

        The arguments are those of `Fallback.else_`.
        """
        from qql.build.fallbacks import fallback

        return fallback(self.tree, other, hits, score_below, score_above)


def query(
    target: Target = None,
    *,
    prefetch: Stage | Iterable[Stage] = (),
    fusion: str | nodes.Fusion | None = None,
    name: str | None = None,
    **clauses: Unpack[QueryClauses],
) -> Query:
    """A query, or a stage: ``query("emergency care", using="dense", limit=200)``.

    A text is searched for as a text, an integer or a UUID as a point, a list or an array as a vector; None is
    no target: the points in the order of their ids. The other targets are `recommend`, `discover`, `context`,
    `order_by`, `sample`, `mmr`, `feedback`, `hybrid`, `full_text`, `formula` and `points`. With ``prefetch``,
    the hits of these stages are scored anew. ``name`` is what a stage is called. The clauses are those of
    `QueryClauses`. Raises `QQLPlanError`, which names the argument.
    """
    return _query(_target_of(target), prefetch, fusion, name, clauses, "query")


def _target_of(given: object) -> nodes.Target | None:
    return target(given, "query(target)")


def rrf(
    *stages: Stage,
    weights: Sequence[float] | Mapping[str, float] | nodes.Param | None = None,
    k: Value = None,
    name: str | None = None,
    **clauses: Unpack[QueryClauses],
) -> Query:
    """Stages, fused by their ranks: ``rrf(dense, sparse, weights=[3, 1], k=20, limit=10)``.

    ``weights`` are given in the order of the stages, or by their names.
    """
    given = {"k": k, "weights": weights}
    own = {f"rrf_{key}": values.data(one, f"rrf({key}=…)") for key, one in given.items() if one is not None}
    return _fused("rrf", stages, own, name, clauses)


def dbsf(*stages: Stage, name: str | None = None, **clauses: Unpack[QueryClauses]) -> Query:
    """Stages, fused by their scores, which are brought to one scale."""
    return _fused("dbsf", stages, {}, name, clauses)


def linear(
    *stages: Stage,
    normalizer: str | None = None,
    weights: Sequence[float] | Mapping[str, float] | nodes.Param | None = None,
    name: str | None = None,
    **clauses: Unpack[QueryClauses],
) -> Query:
    """Stages, fused by a weighed sum of scores: ``linear(dense, sparse, normalizer="sigmoid", limit=10)``.

    ``normalizer`` is ``"minmax"`` (where none is given), ``"zscore"``, ``"sigmoid"`` or ``"none"``;
    ``weights`` are given in the order of the stages, or by their names. All else as of `rrf`.
    """
    given = {"normalizer": normalizer, "weights": weights}
    own = {key: values.data(one, f"linear({key}=…)") for key, one in given.items() if one is not None}
    return _fused("linear", stages, own, name, clauses)


def _fused(
    method: str, stages: tuple[Stage, ...], own: dict[str, Any], name: str | None, clauses: QueryClauses
) -> Query:
    if not stages:
        values.wrong(f"{method}(…)", "takes at least one stage")
    params = {**own, **(clauses.get("params") or {})}
    given: QueryClauses = {**clauses, "params": params}
    return _query(None, stages, method, name, given, method)


def _query(
    target: nodes.Target | None,
    prefetch: Stage | Iterable[Stage],
    fusion: str | nodes.Fusion | None,
    name: str | None,
    clauses: QueryClauses,
    called: str,
) -> Query:
    if isinstance(fusion, str):
        if fusion.lower() not in nodes.FUSIONS:
            methods = ", ".join(map(repr, nodes.FUSIONS))
            values.wrong(f"{called}(fusion=…)", f"takes one of {methods}, not {fusion!r}")
        fusion = nodes.Fusion(fusion.lower())
    alone = isinstance(prefetch, (str, Statement, nodes.Node, Reference))
    given: list[Any] = [prefetch] if alone else values.several(prefetch, f"{called}(prefetch=…)")
    refs = [ref(one) for one in given]
    node = replace(made(nodes.Query, clauses, called), target=target, fusion=fusion)
    return Query(_settled(node), refs, name)


def _settled(node: nodes.Query) -> nodes.Query:
    """As the parser has it: a formula without a target is the target."""
    if node.target is None and node.fusion is None and node.formula is not None:
        return replace(node, target=node.formula, formula=None)
    return node


def ref(
    stage: Stage,
    *,
    where: Condition | None = None,
    threshold: Value = None,
    lookup: str | nodes.Lookup | None = None,
) -> Reference:
    """A stage in PREFETCH: ``name [WHERE f] [SCORE THRESHOLD x] [LOOKUP FROM c]``.

    A text is the name of a stage that ``stages=`` or DEFINE has.
    """
    held_stage, node = (stage.stage, stage.node) if isinstance(stage, Reference) else _stage_of(stage)
    both = all_given(node.where, where)
    given = {"threshold": threshold, "lookup": lookup}
    node = changed(node, {key: one for key, one in given.items() if one is not None}, "ref")
    return Reference(held_stage, replace(node, where=None if both is None else both.tree))


def _stage_of(given: object) -> tuple[Query | nodes.Query | nodes.Name, nodes.Ref]:
    stage = given if isinstance(given, Query) else nodes.tree_of(given)
    if isinstance(stage, nodes.Ref):
        return stage.stage, stage
    if isinstance(stage, str):
        stage = values.name(stage, "the name of a stage")
    if isinstance(stage, nodes.Name):
        return stage, nodes.Ref(stage)
    if not isinstance(stage, (Query, nodes.Query)):
        values.wrong("prefetch", f"takes stages, which query(…) makes, not {values.kind_of(given)}")
    return stage, nodes.Ref(nodes.Name(""))


# ------------------------------------------------------------------------------------ from objects to a tree


class _Assembly:
    """Makes one tree of a query and its stages, whose objects form a DAG."""

    def __init__(self, root: Query) -> None:
        self.root = root
        self.order = list(_each_once(root))
        self.uses: dict[int, int] = {}
        for one in self.order:
            for used in one._refs:
                self.uses[id(used.stage)] = self.uses.get(id(used.stage), 0) + 1
        self.ctes: list[nodes.Cte] = []
        self.made: dict[int, nodes.Query | nodes.Name] = {}
        self.taken = {name.lower() for name in self._names_given()}

    def _names_given(self) -> Iterator[str]:
        for one in self.order:
            if one.name is not None:
                yield one.name
            for node in (one._tree, *(used.node for used in one._refs), *(used.stage for used in one._refs)):
                if not isinstance(node, Query):
                    yield from _stage_names(node)

    def tree(self) -> nodes.Query:
        for one in self.order:
            node = self._with_stages(one)
            if one is self.root:
                return replace(node, ctes=(*self.ctes, *node.ctes)) if self.ctes else node
            for cte in node.ctes:
                self._define(cte)
            self.made[id(one)] = self._placed(one, replace(node, ctes=()))
        raise AssertionError("a query is among its own stages")

    def _with_stages(self, one: Query) -> nodes.Query:
        """A query whose references hold the stages, or their names."""
        if not one._refs:
            return one._tree
        refs = []
        for used in one._refs:
            stage = self.made[id(used.stage)] if isinstance(used.stage, Query) else used.stage
            if isinstance(stage, nodes.Query) and stage.ctes:
                for cte in stage.ctes:
                    self._define(cte)
                stage = replace(stage, ctes=())
            refs.append(replace(used.node, stage=stage))
        return replace(one._tree, prefetch=(*one._tree.prefetch, *refs))

    def _placed(self, one: Query, node: nodes.Query) -> nodes.Query | nodes.Name:
        """A stage as it stands in a reference: itself, or its name where it is a CTE."""
        if one.name is None and self.uses[id(one)] < 2:
            return node
        name = nodes.Name(one.name if one.name is not None else self._free_name(node))
        self._define(nodes.Cte(name, node))
        return name

    def _define(self, cte: nodes.Cte) -> None:
        for other in self.ctes:
            if str(other.name.text).lower() == str(cte.name.text).lower():
                if other != cte:
                    message = f"two stages are called `{cte.name.text}`"
                    hint = "name= gives one of them another name"
                    raise QQLPlanError(Diagnostic("duplicate-stage", message, hint=hint))
                return
        self.ctes.append(cte)

    def _free_name(self, node: nodes.Query) -> str:
        wanted = found = _called_by(node)
        count = 1
        while found.lower() in self.taken:
            count += 1
            found = f"{wanted}{count}"
        self.taken.add(found.lower())
        return found


def _each_once(root: Query) -> Iterator[Query]:
    """The objects below a query, each once and before what uses it; the depth is not limited."""
    seen: set[int] = set()
    todo: list[tuple[Query, bool]] = [(root, False)]
    while todo:
        one, ready = todo.pop()
        if ready:
            yield one
        elif id(one) not in seen:
            seen.add(id(one))
            todo.append((one, True))
            todo += [(used.stage, False) for used in reversed(one._refs) if isinstance(used.stage, Query)]


def _stage_names(node: nodes.Node) -> Iterator[str]:
    """The names by which stages are called in a tree."""
    if isinstance(node, nodes.Name):
        yield str(node.text)
    for one in nodes.walk(node):
        called = one.stage if isinstance(one, nodes.Ref) else one.name if isinstance(one, nodes.Cte) else None
        if isinstance(called, nodes.Name):
            yield str(called.text)


def _called_by(node: nodes.Query) -> str:
    """What a stage is called that nobody named: by its vector, or by what it does."""
    if node.fusion is not None:
        return "fused"
    if node.using is not None and isinstance(node.using.name.text, str):
        word = re.sub(r"\W+", "_", node.using.name.text, flags=re.ASCII).strip("_")
        if re.match("[A-Za-z_]", word):
            return word
    for kind, info in nodes.TARGETS.items():
        if isinstance(node.target, kind) and info.stage:
            return info.stage
    return "points" if node.target is None else "stage"
