"""What a rule is given: one statement, where each of its stages was written, and all that is known of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from qql import nodes
from qql.advice.collection_facts import CollectionFacts
from qql.compiler.model_names import known_kind
from qql.compiler.plan import Input, QueryPlan, Stage, inputs_of, stage_key
from qql.compiler.scalars import count_limit
from qql.compiler.vectors import vector_kind
from qql.errors import Span
from qql.records import NamedTuple, dataclass, field
from qql.rest.limits import DEFAULT_LIMIT, GROUP_SIZE
from qql.rest.types import Json
from qql.schema import Schema, normal_path
from qql.syntax.printer import show

__all__ = [
    "Site",
    "Use",
    "View",
    "as_name",
    "is_long",
    "joined",
    "limit_of",
    "listed",
    "rescores",
    "searches",
    "vector_name",
    "view_of",
]


class Use(NamedTuple):
    """A place where a stage is prefetched: by which stage, and by which input of it."""

    parent: Stage
    given: Input
    ref: nodes.Ref | None


@dataclass(slots=True)
class Site:
    """Where a stage was written.

    ``query`` is None for a stage that another statement defines: then ``place`` is the name that refers
    to it.
    """

    stage: Stage
    query: nodes.Query | None
    place: Span
    uses: list[Use] = field(default_factory=list)


@dataclass(slots=True)
class View:
    """One statement with all that is known: what a rule reads."""

    statement: nodes.Statement
    collection: str
    schema: Schema | None
    facts: CollectionFacts
    plan: QueryPlan | None = None
    sites: dict[int, Site] = field(default_factory=dict)
    tests: list[tuple[str, nodes.Condition, Span]] | None = None
    """Its tests of fields, once a rule has asked for them."""

    @property
    def stages(self) -> Sequence[Stage]:
        """The distinct stages of a query, inputs before what uses them; none for other statements."""
        return self.plan.stages if self.plan else ()

    def lacks(self, path: str) -> bool:
        """Whether none of the points that were looked at has a field, and no index knows it."""
        fields = self.facts.fields
        if fields is None or fields.cut or not fields.points or fields.find(path) is not None:
            return False
        return normal_path(path) not in map(normal_path, self.facts.indexes or ())

    def is_root(self, stage: Stage) -> bool:
        """Whether the stage gives the query's own result."""
        return self.plan is not None and stage is self.plan.root

    def is_grouped(self, stage: Stage) -> bool:
        """Whether the stage's hits are put into groups: then LIMIT counts these, and not candidates."""
        if stage.origin == "FORMULA":
            return self.is_grouped(self.site(stage).uses[0].parent)
        return self.is_root(stage) and self.plan is not None and self.plan.group is not None

    @property
    def group_factor(self) -> int:
        """What the limits of all stages are multiplied by: under GROUP BY the size of a group, else 1."""
        group = self.plan.group if self.plan else None
        return (count_limit(group.size, "SIZE", 1) or GROUP_SIZE) if group else 1

    def gathers_candidates(self, stage: Stage) -> bool:
        """Whether nobody wrote the stage: it hands the candidates of all stages on to CROSS RERANK."""
        if self.plan is None or self.plan.second is None or not self.is_root(stage):
            return False
        assert isinstance(self.statement, nodes.Query)
        return self.statement.target is None and self.statement.fusion is None

    def site(self, stage: Stage) -> Site:
        """Where a stage was written and where it is used."""
        return self.sites[id(stage)]

    def span(self, stage: Stage, *clauses: str) -> Span:
        """The place of the first of the clauses (fields of `nodes.Query`) that the stage has, or its own."""
        site = self.site(stage)
        for clause in clauses:
            found = getattr(site.query, clause, None)
            if isinstance(found, nodes.Node):
                return found.span
        return site.place

    def option_span(self, stage: Stage, *names: str) -> Span:
        """The place of the first of the options that the stage has, or its own."""
        site = self.site(stage)
        for option in site.query.params if site.query else ():
            if option.name.lower() in names:
                return option.span
        return site.place

    def kept(self, stage: Stage) -> int:
        """How many of its candidates a stage keeps: LIMIT, and OFFSET at the root.

        What a trailing FORMULA rescores is more than anybody asked for, so its own number counts.
        """
        if stage.origin == "FORMULA":
            return self.kept(self.site(stage).uses[0].parent)
        here = self.plan.groups_here if self.plan and self.is_root(stage) else None
        if here is not None:  # its LIMIT is that of all candidates
            return here.limit + here.offset
        offset = self.plan.offset or 0 if self.plan and self.is_root(stage) else 0
        return limit_of(stage) + offset

    def title(self, stage: Stage) -> str:
        """The stage in a message."""
        if stage.origin == "FORMULA":
            return self.title(self.site(stage).uses[0].parent)
        return "the query" if self.is_root(stage) else f"`{stage.label}`"

    def kind(self, stage: Stage) -> str | None:
        """dense, sparse or multi: of the vector that a stage compares with; None where it is not known."""
        if stage.vector is not None:
            return stage.vector.kind
        query = self.site(stage).query
        if query is not None and query.using is not None and query.using.kind:
            return query.using.kind
        for one in inputs_of(stage.target) if stage.target is not None else ():
            if isinstance(one, nodes.Vector):
                return vector_kind(one.value)
        return known_kind(stage.model) if stage.model else None

    def is_filtered(self, stage: Stage, holds: Callable[[nodes.Condition], bool]) -> bool:
        """Whether the filter of a stage, merged with those above it, has such a condition at every use."""
        known: dict[int, bool] = {}
        for one in reversed(self.stages):  # what uses a stage comes before it
            site = self.site(one)
            above = bool(site.uses) and all(
                known[id(use.parent)] or (use.given.where is not None and holds(use.given.where))
                for use in site.uses
            )
            known[id(one)] = above or (one.where is not None and holds(one.where))
        return known[id(stage)]

    def conditions(self) -> Iterator[nodes.Condition]:
        """Every filter of the statement."""
        if self.plan is None:
            where = getattr(self.statement, "where", None)
            if where is not None:
                yield where
        for stage in self.stages:
            # The WHERE of a HYBRID is that of the query in which it stands.
            if stage.where is not None and stage.origin != "HYBRID":
                yield stage.where
            for given in stage.inputs:
                if given.where is not None:
                    yield given.where


def limit_of(stage: Stage) -> int:
    """LIMIT, or Qdrant's own where there is none."""
    return DEFAULT_LIMIT if stage.limit is None else stage.limit


def searches(stage: Stage) -> bool:
    """Whether a stage searches the collection by a vector, and not among what others found."""
    return not stage.inputs and stage.target is not None and bool(inputs_of(stage.target))


def rescores(stage: Stage) -> bool:
    """Whether a stage scores what its inputs found again, by a vector."""
    return bool(stage.inputs) and stage.fusion is None and bool(stage.target and inputs_of(stage.target))


def vector_name(stage: Stage) -> str:
    """The name of the vector that a stage compares with, as far as it is known."""
    return stage.vector.name if stage.vector is not None else stage.using or ""


def view_of(
    statement: nodes.Statement,
    plan: QueryPlan | None,
    collection: str,
    schema: Schema | None,
    facts: CollectionFacts,
) -> View:
    """The view of a statement; ``plan`` is that of a query."""
    view = View(statement, collection, schema, facts, plan)
    if plan is not None:
        assert isinstance(statement, nodes.Query)
        written = {stage_key(cte.name): cte for cte in statement.ctes}
        _add_sites(view.sites, Site(plan.root, statement, statement.span), written)
    return view


def _add_sites(sites: dict[int, Site], site: Site, written: dict[str, nodes.Cte]) -> None:
    """Finds the text of every stage: plan and tree are walked side by side."""
    stage = site.stage
    sites[id(stage)] = site
    made = sum(given.stage.origin is not None for given in stage.inputs)
    refs: list[nodes.Ref | None] = [None] * made
    boosted = any(given.stage.origin == "FORMULA" for given in stage.inputs)
    if site.query is not None and not boosted and stage.origin != "HYBRID":
        refs += site.query.prefetch
    refs += [None] * (len(stage.inputs) - len(refs))
    for given, ref in zip(stage.inputs, refs, strict=True):
        below = sites.get(id(given.stage))
        if below is None:
            below = _site_below(site, given, ref, written)
            _add_sites(sites, below, written)
        below.uses.append(Use(stage, given, ref))


def _site_below(site: Site, given: Input, ref: nodes.Ref | None, written: dict[str, nodes.Cte]) -> Site:
    if ref is None:  # made of the same text, or below a stage that is written elsewhere
        return Site(given.stage, site.query if given.stage.origin else None, site.place)
    if isinstance(ref.stage, nodes.Query):
        return Site(given.stage, ref.stage, ref.stage.span)
    cte = written.get(stage_key(ref.stage))
    if cte is None:
        return Site(given.stage, None, ref.stage.span)
    return Site(given.stage, cte.stage, cte.name.span)


# ------------------------------------------------------------------------------------ words of messages


def joined(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def listed(names: Iterable[str]) -> str:
    """`` `a`, `b` and `c` ``."""
    return joined([f"`{name}`" for name in names])


def as_name(name: str) -> str:
    """A name as QQL writes it."""
    return show(nodes.Name(name))


def is_long(vector: Json) -> bool:
    """Whether the length of a dense vector is not 1, so that a dot product with it is no cosine."""
    if not isinstance(vector, list) or not vector:
        return False
    try:
        return abs(math.hypot(*vector) - 1) > 0.01
    except TypeError:  # of rows, or what is no vector
        return False
