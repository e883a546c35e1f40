"""Tree → plan: names resolved, each reference's conditions and thresholds applied, limits checked."""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from qql import nodes
from qql.compiler.emit_filters import emit_filter
from qql.compiler.expansion import measure
from qql.compiler.options.query import (
    ACORN_OPTIONS,
    MMR_OPTIONS,
    QUERY_OPTIONS,
    REQUEST_OPTIONS,
    SEARCH_PARAMS,
)
from qql.compiler.options.table import read_options
from qql.compiler.plan import Context, Input, QueryPlan, Stage, collection_of, inputs_of, stage_key
from qql.compiler.rerank_plan import plan_rerank
from qql.compiler.scalars import count_limit, point_id, scalar_value, text_of, threshold_of
from qql.compiler.stage_checks import check_order, check_points, check_stage
from qql.compiler.stage_options import (
    INLINE,
    check_fusion_option,
    fold_acorn,
    fusion_options,
    linear_fusion,
)
from qql.compiler.vector_models import named_model
from qql.compiler.vectors import check_text_field, check_vector, comparable, other_vector, vector_kind
from qql.errors import did_you_mean, fail
from qql.nodes import Embedded
from qql.nodes.holes import Slot
from qql.records import replace
from qql.rest.limits import DEFAULT_LIMIT, U32
from qql.rest.types import Json, JsonObject
from qql.schema import VectorInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["OVERSAMPLING", "plan_query"]

_MOST_SHOWN = 12  # stages of a circle
_ROLES = {"dense": "dense", "sparse": "sparse", "multi": "multi", "multivector": "multi"}

# ------------------------------------------------------------------------------------ the DAG


def plan_query(query: nodes.Query, context: Context) -> QueryPlan:
    """The plan of a bound query. Raises `QQLPlanError`."""
    second = None
    if query.rerank is not None:
        query, second = plan_rerank(query, query.rerank, context)
    here = None
    if query.group is not None and query.group.fuse_first:
        from qql.compiler.fused_groups import groups_here, with_all_candidates

        query, here = groups_here(query)
    planner = _Planner(query, context)
    root = planner.root()
    if here is not None:
        root = with_all_candidates(root)
    stages, uses, expanded, depth = measure(root, query.span)
    return QueryPlan(
        planner.collection,
        root,
        stages,
        uses,
        expanded,
        depth,
        count_limit(query.offset, "OFFSET", 0),
        query.payload,
        query.vectors,
        planner.request,
        query.group,
        query.shard,
        second,
        any(one.ignore_missing for one in stages),
        here,
    )


class _Planner:
    """Builds the stages of one query, each name once, in the order of their dependencies."""

    def __init__(self, query: nodes.Query, context: Context) -> None:
        self.query = query
        self.context = context
        # A session may have defined many stages, and each query of a script looks at a few of them.
        own = self.own()
        self.scope: Mapping[str, nodes.Cte] = ChainMap(own, context.stages) if context.stages else own
        self.collection = self.collection_name()
        self.schema = context.schema(self.collection)
        self.built: dict[str, Stage] = {}
        self.inline = 0
        self.request: JsonObject = {}

    def collection_name(self) -> str:
        named = self.query.source is not None or bool(self.context.collection)
        references = [] if named else _references(self.query)
        unknown = [str(n.text) for n in references if stage_key(n) not in self.scope]
        if unknown:
            # Both can be missing at once (`FUSION RRF PREFETCH (a, b)` alone), so both are named.
            message = (
                f"no collection is named, and no stage {', '.join(f'`{n}`' for n in unknown)} is defined"
            )
            hint = "a session supplies them: USE collection; and DEFINE name AS (QUERY …); for each stage"
            fail("from-missing", message, self.query.span, hint)
        return collection_of(self.query.source, self.context, self.query.span)

    def own(self) -> dict[str, nodes.Cte]:
        """The statement's CTEs by lower-case name."""
        found: dict[str, nodes.Cte] = {}
        for cte in self.query.ctes:
            key = stage_key(cte.name)
            if key in found:
                related = ((found[key].name.span, "given here first"),)
                message = f"the stage `{cte.name.text}` is defined twice"
                fail("duplicate-stage", message, cte.name.span, related=related)
            found[key] = cte
        return found

    def root(self) -> Stage:
        needed = self.reachable()
        for key in needed:
            cte = self.scope[key]
            check_stage(cte.stage, self.collection)
            self.built[key] = self.stage(cte.stage, str(cte.name.text))
        for cte in self.query.ctes:
            if stage_key(cte.name) not in self.built:
                message = f"the stage `{cte.name.text}` is never used"
                self.context.warn("unused-stage", message, cte.name.span, "name it in PREFETCH (…)")
        return self.stage(self.query, "root", is_root=True)

    def reachable(self) -> list[str]:
        """The names that the query needs, each after the names that it needs itself."""
        needs: dict[str, list[str]] = {}
        todo = self.names(self.query, None)
        while todo:
            key = todo.pop()
            if key not in needs:
                needs[key] = self.names(self.scope[key].stage, key)
                todo += needs[key]
        if not any(needs.values()):  # as in most queries
            return list(needs)
        try:
            return list(TopologicalSorter(needs).static_order())
        except CycleError as exc:
            self.cycle(exc.args[1])

    def cycle(self, keys: Sequence[str]) -> NoReturn:
        # graphlib lists each stage before the one that needs it; people read it the other way round.
        path = list(reversed(keys))
        names = [str(self.scope[key].name.text) for key in path]
        if len(names) > _MOST_SHOWN:
            names[_MOST_SHOWN - 2 : -2] = ["…"]
        refs = [r for r in _references(self.scope[path[0]].stage) if stage_key(r) == path[1]]
        message = f"the stages need one another in a circle: {' → '.join(names)}"
        fail("stage-cycle", message, refs[0].span, "a stage can only use stages that do not use it")

    def names(self, query: nodes.Query, owner: str | None) -> list[str]:
        """The keys that a stage's PREFETCH names, checked to exist."""
        if not query.prefetch:
            return []
        keys = []
        for name in _references(query):
            key = stage_key(name)
            if key not in self.scope:
                self.unknown(name)
            if key == owner:
                fail("self-reference", f"the stage `{name.text}` uses itself", name.span)
            keys.append(key)
        return keys

    def unknown(self, name: nodes.Name) -> NoReturn:
        known = [str(cte.name.text) for cte in self.scope.values()]
        hint = did_you_mean(str(name.text), known)
        if hint is None and known:
            hint = f"the stages are {', '.join(known)}"
        if not known:
            stage = f"{name.text} AS (QUERY …)"
            hint = f"define it: WITH {stage} before the query, or DEFINE {stage};"
        if str(name.text).upper() == "QUERY":
            hint = "a stage in place stands in parentheses: (QUERY), (QUERY LIMIT 20)"
        fail("unknown-stage", f"there is no stage `{name.text}`", name.span, hint)

    def stage(self, query: nodes.Query, label: str, *, is_root: bool = False) -> Stage:
        """The plan of one stage: its parameters, what it uses, what it searches and how it scores."""
        if query.rerank is not None:
            hint = "it belongs to the query that FROM belongs to; RERANK TEXT … USING colbert is Qdrant's own"
            message = "RERANK by a cross-encoder has no meaning in a stage"
            fail("misplaced-clause", message, query.rerank.span, hint)
        if isinstance(query.target, nodes.FieldsText) and query.formula is None:
            from qql.compiler.text_fields import by_fields

            query = by_fields(query, query.target)
        if query.formula is not None and (query.target is not None or query.fusion is not None):
            return self.boosted(query, label, is_root)
        target = query.formula or query.target
        hybrid = isinstance(target, nodes.Hybrid)
        params = self.params(query, is_root) if query.params else {}
        inputs = self.inputs(query, params)
        _check_scoring(query, target, inputs)
        rrf = fusion_options(query, params, inputs) if params else None
        if isinstance(target, nodes.Points):
            check_points(query)
        if target is None and query.fusion is None:
            self.check_without_target(query.threshold, query.lookup, query.params)
        if query.threshold is not None:
            check_order(target, query.threshold)
        using, vector, model = self.searched(query, target)
        if isinstance(target, nodes.Formula):
            self.check_formula(target, inputs)
        return Stage(
            label,
            query.span,
            target,
            query.fusion.method if query.fusion else "rrf" if hybrid else None,
            rrf,
            using,
            vector,
            model,
            query.where,
            threshold_of(query.threshold),
            self.search_params(params) if params else {},
            count_limit(query.limit, "LIMIT", 1),
            query.lookup,
            inputs,
            text_field=self.field(query, target) if isinstance(target, nodes.FullText) else None,
            linear=linear_fusion(query, params, inputs),
            ignore_missing=query.ignore_missing and self.names_examples(query, target),
        )

    def names_examples(self, query: nodes.Query, target: nodes.Target | None) -> bool:
        from qql.compiler.absent_examples import names_examples

        return names_examples(query, target, self.context)

    def inputs(self, query: nodes.Query, params: Mapping[str, Json]) -> tuple[Input, ...]:
        """What a stage works on: its PREFETCH, and in front of it the two searches of a HYBRID."""
        inputs = tuple([self.input(ref) for ref in query.prefetch]) if query.prefetch else ()
        if isinstance(query.target, nodes.Hybrid) and query.formula is None:
            return (*self.hybrid(query, params), *inputs)
        return inputs

    def searched(
        self, query: nodes.Query, target: nodes.Target | None
    ) -> tuple[str | None, VectorInfo | None, str | None]:
        """What ``using`` names, what is known of that vector, and the model of its texts."""
        searches = query.fusion is None and target is not None and not isinstance(target, nodes.Hybrid)
        if searches and target is not None and _compares_vectors(target):
            using, vector = self.using(query, target)
            return using, vector, self.check_target(target, using, vector)
        if query.using is not None and not isinstance(target, (nodes.Points, nodes.FullText)):
            return self.idle_using(query.using, query.fusion is not None), None, None
        return None, None, None

    def idle_using(self, using: nodes.Using, fused: bool) -> str:
        what = "a fusion searches" if fused else "this query searches"
        hint = (
            "USING belongs to the stages that are fused" if fused else "USING belongs to a search by vector"
        )
        message = f"USING has no effect here: {what} no vector of its own"
        self.context.warn("idle-using", message, using.span, hint)
        return str(using.name.text)

    def check_without_target(
        self, threshold: nodes.Scalar | None, lookup: nodes.Lookup | None, params: Sequence[nodes.Option] = ()
    ) -> None:
        """What has a meaning for searches only: servers refuse a threshold, and ignore all else."""
        if threshold is not None:
            hint = "leave it out, or write what to search for"
            message = "SCORE THRESHOLD needs something to search for: without, every point has the score 1"
            fail("misplaced-clause", message, threshold.span, hint)
        idle = [(f"`{one.name}`", one.span) for one in params if one.name in _OF_SEARCHES]
        for word, span in [*idle, *([("LOOKUP FROM", lookup.span)] if lookup else [])]:
            message = f"{word} has no effect here: nothing is searched for"
            self.context.warn("idle-clause", message, span, "leave it out, or write what to search for")

    def search_params(self, params: Mapping[str, Json]) -> JsonObject:
        found = {key: value for key, value in params.items() if key in SEARCH_PARAMS}
        if isinstance(found.get("idf"), nodes.Node):
            found["idf"] = {"corpus": emit_filter(found["idf"])}
        return found

    def field(self, query: nodes.Query, target: nodes.FullText) -> str:
        """The payload field whose text index is searched."""
        if query.using is not None:
            fail("misplaced-clause", "MATCH … ON names the field; USING names vectors", query.using.span)
        text_of(target.text, "the text of MATCH")
        check_text_field(target.name, self.schema, self.collection)
        return str(target.name.text)

    def check_formula(self, formula: nodes.Formula, inputs: tuple[Input, ...]) -> None:
        if not inputs:
            message = "a formula rescores the hits of stages, and this one has none: Qdrant refuses it"
            self.context.warn("formula-without-prefetch", message, formula.span, "add PREFETCH (…)")
        for call in nodes.walk(formula.expression):
            if isinstance(call, nodes.Call) and call.default is not None and call.function in _GUARDED:
                self.check_default(call, call.default)
        for option in formula.defaults:
            if option.name == "score":
                message = "the default of `score` is that of a payload field; the score's is named `$score`"
                hint = "write DEFAULTS ($score = …)"
                self.context.warn("idle-default", message, option.span, hint)

    def check_default(self, call: nodes.Call, default: nodes.Scalar) -> None:
        """``LOG(x) [DEFAULT = n]`` keeps x where LOG is defined, as v1 has it: that gives one value only."""
        least = _GUARDED[call.function]
        if scalar_value(default) != least:
            message = f"where x is too small, the function gives {least:g} here, whatever DEFAULT says"
            hint = f"write [DEFAULT = {least:g}], or CASE WHEN x > 0 THEN … ELSE … END"
            self.context.warn("idle-default", message, default.span, hint)

    def boosted(self, query: nodes.Query, label: str, is_root: bool) -> Stage:
        """A trailing FORMULA or BOOST: it rescores what the rest finds, more of it than asked for."""
        assert query.formula is not None
        limit = count_limit(query.limit, "LIMIT", 1)
        offset = count_limit(query.offset, "OFFSET", 0) or 0
        most = _oversampled(limit, offset)
        lower = replace(
            query, formula=None, threshold=None, limit=nodes.Scalar(most), offset=None, group=None, shard=None
        )
        inner = replace(self.stage(lower, f"{label} before FORMULA", is_root=is_root), origin="FORMULA")
        formula = query.formula
        threshold = threshold_of(query.threshold)
        return Stage(label, query.span, formula, threshold=threshold, limit=limit, inputs=(Input(inner),))

    def hybrid(self, query: nodes.Query, params: Mapping[str, Json]) -> tuple[Input, ...]:
        """The two searches that HYBRID stands for. As in v1, the conditions of the query hold for each."""
        target = query.target
        assert isinstance(target, nodes.Hybrid)
        if query.using is not None:
            hint = "HYBRID 'text' DENSE name SPARSE name names the vectors"
            fail("misplaced-clause", "USING has no meaning beside HYBRID", query.using.span, hint)
        limit = count_limit(query.limit, "LIMIT", 1)
        offset = count_limit(query.offset, "OFFSET", 0) or 0
        most = nodes.Scalar(_oversampled(limit, offset))
        found = []
        for role, name, model in (
            ("dense", target.dense, target.dense_model),
            ("sparse", target.sparse, target.sparse_model),
        ):
            using = nodes.Using(name or nodes.Name(role, span=target.span), span=target.span)
            text = nodes.Text(target.text, model, span=target.span)
            if model is None and target.model is not None and not self.records_model(using, role):
                text = replace(text, model=target.model)
            searched: nodes.Target = text
            if role == "dense" and any(name in params for name in MMR_OPTIONS):
                given = (params.get("mmr_diversity"), params.get("mmr_candidates"))
                numbers = (None if value is None else nodes.Scalar(value) for value in given)
                searched = nodes.Mmr(text, *numbers, span=target.span)
            search = nodes.Query(
                target=searched,
                using=using,
                where=query.where,
                threshold=query.threshold,
                limit=most,
                span=query.span,
            )
            stage = replace(self.stage(search, role), params=self.search_params(params), origin="HYBRID")
            found.append(Input(stage))
        return tuple(found)

    def records_model(self, using: nodes.Using, role: str) -> bool:
        """Whether the sparse vector has a model of its own, which the text's MODEL is not meant for."""
        if role != "sparse" or self.schema is None:
            return False
        known = self.schema.vectors.get(str(using.name.text))
        fitting = [known] if known else [v for v in self.schema.vectors.values() if v.kind == role]
        return len(fitting) == 1 and fitting[0].model is not None

    def params(self, query: nodes.Query, is_root: bool) -> JsonObject:
        values = read_options(query.params, QUERY_OPTIONS, "a query")
        method = query.fusion.method if query.fusion else None
        if isinstance(query.target, nodes.Hybrid):
            method = method or "rrf"
        for option in query.params:
            check_fusion_option(option, method)
            if option.name in REQUEST_OPTIONS and not is_root:
                hint = "it belongs to the query that FROM belongs to"
                fail("misplaced-option", f"`{option.name}` has no meaning in a stage", option.span, hint)
        fold_acorn(values, query)
        if is_root:
            self.request = {key: value for key, value in values.items() if key in REQUEST_OPTIONS}
        return values

    def input(self, ref: nodes.Ref) -> Input:
        if isinstance(ref.stage, nodes.Name):
            stage = self.built[stage_key(ref.stage)]
        else:
            check_stage(ref.stage, self.collection)
            self.inline += 1
            stage = self.stage(ref.stage, f"{INLINE}{self.inline}")
        if stage.by_id:
            self.check_without_target(ref.threshold, ref.lookup)
        if ref.threshold is not None:
            check_order(stage.target, ref.threshold)
        return Input(stage, ref.where, threshold_of(ref.threshold), ref.lookup)

    # -- vectors

    def using(self, query: nodes.Query, target: nodes.Target) -> tuple[str | None, VectorInfo | None]:
        """The name of the vector, and what is known of it."""
        if query.using is None:
            return self.only_vector(target)
        written, kind = str(query.using.name.text), query.using.kind
        if kind and isinstance(target, nodes.Vector):
            given = vector_kind(target.value)
            if not comparable(given, kind):
                message = f"AS {kind.upper()} says {kind}, but the vector to search for is {given}"
                fail("wrong-kind", message, query.using.span)
        if self.schema is None:
            return written, None
        vectors = self.schema.vectors
        found = vectors.get(written)
        role = _ROLES.get(written.lower())
        if found is None and role:
            fitting = [v for v in vectors.values() if v.kind == role]
            if len(fitting) == 1:
                found = fitting[0]
        if found is None:
            hint = other_vector(written, self.schema)
            message = f"`{self.collection}` has no vector `{written}`"
            fail("unknown-vector", message, query.using.name.span, hint)
        if kind and found.kind != kind:
            message = f"the vector `{found.name}` of `{self.collection}` is {found.kind}, not {kind}"
            fail("wrong-kind", message, query.using.span)
        return (found.name or None), found

    def only_vector(self, target: nodes.Target) -> tuple[str | None, VectorInfo | None]:
        """Without USING: the unnamed vector, or the only one that the target fits."""
        if self.schema is None or isinstance(target, nodes.Points):
            return None, None
        vectors = self.schema.vectors
        if "" in vectors:
            return None, vectors[""]
        inputs = inputs_of(target)
        texts = [one for one in inputs if isinstance(one, _EMBEDDED)]
        kinds = set.intersection(_ALL_KINDS, *(_kinds(one) for one in inputs))
        fitting = [v for v in vectors.values() if v.kind in kinds]
        if texts:
            fitting = [v for v in fitting if self.model_of(texts[0], v.name, v)] or fitting
        if len(fitting) == 1:
            return fitting[0].name, fitting[0]
        why = "more than one vector fits" if fitting else "no vector fits"
        hint = f"add USING with one of them: {self.schema.describe_vectors()}"
        fail("using-missing", f"{why} this target in `{self.collection}`", target.span, hint)

    def model_of(self, target: Embedded, using: str | None, vector: VectorInfo | None) -> str | None:
        """The statement's model, else the collection's, else the configured one."""
        if target.model is not None:
            return named_model(target.model)
        if vector is not None:
            return vector.model  # `Schema.with_models` has put the configured ones in
        known = self.context.models.get(using or "") or self.context.models.get("*")
        if known is None and using is not None and using.lower() == "bm25":
            return _BM25  # as v1 has it: the name of the vector says what makes it
        return known

    def check_target(self, target: nodes.Target, using: str | None, vector: VectorInfo | None) -> str | None:
        """Checks the target's inputs against the vector; gives the model of texts that name none."""
        model = None
        for one in inputs_of(target):
            if isinstance(one, _EMBEDDED):
                if isinstance(one, nodes.Text):
                    text_of(one.text, "the text of a query")
                found = self.model_of(one, using, vector)
                if found is None:
                    self.no_model(one, using)
                if one.model is None or one is target:
                    model = found
            elif isinstance(one, nodes.Vector):
                check_vector(one.value, vector, one.span, f"of `{self.collection}`")
            elif isinstance(one, nodes.Point):
                point_id(one.id)
        return model

    def no_model(self, target: Embedded, using: str | None) -> None:
        if self.schema is None and self.context.quiet:
            return
        hint = "write MODEL 'name' behind the text, give --model vector=name, or CREATE COLLECTION with MODEL"
        which = f"the vector `{using}`" if using else "its vector"
        what = {"Text": "text", "Image": "image"}.get(type(target).__name__, "object")
        if self.schema is not None:
            message = f"no model is known that turns this {what} into {which} of `{self.collection}`"
            fail("no-model", message, target.span, hint)
        message = f"no model is known for {which}, so the request names none"
        self.context.warn("no-model", message, target.span, hint)


_OF_SEARCHES = {**SEARCH_PARAMS, **ACORN_OPTIONS}
_EMBEDDED = tuple(nodes.EMBEDDED.values())
_ALL_KINDS = {"dense", "sparse", "multi"}
_BM25 = "Qdrant/bm25"
_GUARDED: dict[str, float] = {
    known.name: getattr(math, "log" if known.name == "ln" else known.name)(known.guard)
    for known in nodes.FUNCTIONS.values()
    if known.guard is not None
}
"""The value of a function with DEFAULT at the least argument that it is given."""
OVERSAMPLING = 10
"""How many candidates HYBRID and a trailing FORMULA take for each hit that is asked for (v1)."""


def _check_scoring(query: nodes.Query, target: nodes.Target | None, inputs: tuple[Input, ...]) -> None:
    """What works on stages searches among them, or fuses them; without any, points come by their ids."""
    if query.fusion and not inputs:
        hint = "name the stages to fuse: PREFETCH (dense, sparse)"
        fail("fusion-without-prefetch", "FUSION needs a PREFETCH", query.fusion.span, hint)
    if target is None and query.fusion is None and inputs:
        hint = "write QUERY 'text' to rescore the stages, or FUSION RRF to fuse them"
        fail("target-missing", "QUERY needs something to search for, or a FUSION", query.span, hint)


def _compares_vectors(target: nodes.Target) -> bool:
    return type(target) in _BY_VECTOR or isinstance(target, nodes.Input)


_BY_VECTOR = {kind for kind, info in nodes.TARGETS.items() if info.by_vector}


def _oversampled(limit: int | None, offset: int) -> int:
    if isinstance(limit, Slot) and offset == 0:
        return Slot(limit, limit.fits, lambda given: _oversampled(given, 0))
    return min(((DEFAULT_LIMIT if limit is None else limit) + offset) * OVERSAMPLING, U32)


def _references(query: nodes.Query) -> list[nodes.Name]:
    """The names in a stage's PREFETCH and in the inline stages in it."""
    found: list[nodes.Name] = []
    todo = list(reversed(query.prefetch))
    while todo:
        ref = todo.pop()
        if isinstance(ref.stage, nodes.Name):
            found.append(ref.stage)
        else:
            todo += reversed(ref.stage.prefetch)
    return found


def _kinds(target: nodes.Input) -> set[str]:
    """The kinds of vector that an input can be compared with."""
    if isinstance(target, nodes.Vector):
        return {vector_kind(target.value)}
    return _ALL_KINDS
