"""The plan of a query: what a statement becomes before it is a request.

A query's plan is a DAG of stages. A stage that is used twice is one object, held by two inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from qql import nodes
from qql.compiler.model_names import DEFAULT_DENSE
from qql.errors import Diagnostic, Span, fail, shown
from qql.nodes.roles import INPUT, INPUTS, PAIRS, SCORED
from qql.records import dataclass, field
from qql.rest.linear_fusion import LinearFusion
from qql.rest.types import Json
from qql.schema import Schema, VectorInfo

__all__ = [
    "Context",
    "GroupsHere",
    "Input",
    "QueryPlan",
    "SecondStage",
    "Stage",
    "collection_of",
    "inputs_of",
    "stage_key",
]


@dataclass(slots=True)
class Context:
    """What surrounds a statement. USE, DEFINE, CREATE and DROP change it for the statements that follow.

    ``models`` gives the model of a vector by its name; ``"*"`` is the default. ``schema`` gives what is
    known of a collection: None where nothing is. ``collections`` lists all that there are; without it,
    any collection may exist. ``absence`` says so where there is no database to list them yet. ``reranker``
    is the model of a RERANK that names none. ``default_model`` is that of a new dense vector of which neither
    size nor model is said; ``size_of`` asks a model's files for its dimensions, and raises `QQLError`.
    ``quiet`` says that nobody hears the warnings, so that none are made.
    """

    collection: str | None = None
    stages: dict[str, nodes.Cte] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    schema: Callable[[str], Schema | None] = lambda _: None
    collections: Callable[[], Sequence[str]] | None = None
    absence: Callable[[], str | None] = lambda: None
    warnings: list[Diagnostic] = field(default_factory=list)
    reranker: str | None = None
    default_model: str = DEFAULT_DENSE
    size_of: Callable[[str], int | None] = lambda _: None
    quiet: bool = False

    def copy(self) -> Context:
        """One of its own, without the warnings."""
        return Context(
            self.collection,
            self.stages,
            self.models,
            self.schema,
            self.collections,
            self.absence,
            [],
            self.reranker,
            self.default_model,
            self.size_of,
            self.quiet,
        )

    def warn(self, code: str, message: str, span: Span | None, hint: str | None = None) -> None:
        """Say something that stops nothing; what many rows of one statement have in common is said once."""
        if self.quiet:
            return
        warning = Diagnostic(code, message, span, hint, severity="warning")
        if warning not in self.warnings[-4:]:
            self.warnings.append(warning)


@dataclass(frozen=True, slots=True)
class Input:
    """One use of a stage by PREFETCH, with what the reference adds to it."""

    stage: Stage
    where: nodes.Condition | None = None
    threshold: float | None = None
    lookup: nodes.Lookup | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: the search (or fusion) of what its inputs found.

    ``target`` is None where the stage is a pure fusion, or where points come by their ids. ``model`` is the
    model that embeds the texts of the target that name none. ``origin`` says of a stage that nobody wrote
    what made it: HYBRID or FORMULA. ``using`` is always a vector; the payload field in which full text
    is searched, which requests call ``using`` too, is ``text_field``. ``ignore_missing`` says that a session
    leaves out the examples that do not exist.
    """

    label: str
    span: Span = field(compare=False)
    target: nodes.Target | None
    fusion: str | None = None
    rrf: Mapping[str, Json] | None = None
    using: str | None = None
    vector: VectorInfo | None = None
    model: str | None = None
    where: nodes.Condition | None = None
    threshold: float | None = None
    params: Mapping[str, Json] = field(default_factory=dict)
    limit: int | None = None
    lookup: nodes.Lookup | None = None
    inputs: tuple[Input, ...] = ()
    origin: str | None = None
    text_field: str | None = None
    linear: LinearFusion | None = None
    ignore_missing: bool = False

    @property
    def by_id(self) -> bool:
        """Whether nothing is searched for: points come in the order of their ids, each with score 1."""
        return self.target is None and self.fusion is None


@dataclass(frozen=True, slots=True)
class SecondStage:
    """RERANK: what a session does with the candidates that the request brings.

    ``name`` is the payload field with the text, None for the first of `TEXT_FIELDS` that a point has.
    ``model`` is None where a query is compiled without an engine and none is known. ``top`` hits are kept
    (None: all), the first ``offset`` of them left out.
    """

    text: str
    model: str | None
    span: Span = field(compare=False)
    name: str | None = None
    top: int | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class GroupsHere:
    """GROUP BY … FUSE FIRST: what a session does with the hits that the request brings.

    ``limit`` groups by the values of the field ``name`` behind the first ``offset``, each with its ``size``
    best hits; ``payload`` and ``vectors`` are what is shown of these.
    """

    name: str
    size: int
    limit: int
    offset: int
    payload: nodes.Selection | None
    vectors: nodes.Selection | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """A query: the root stage, and what holds for the request as a whole.

    ``stages`` are the distinct stages in the order in which they can run, the root last; ``uses`` says how
    often each is emitted. ``expanded`` counts the prefetches of the request, ``ignores_missing`` says that
    a session has to look for the examples of some stage before it is sent.
    """

    collection: str
    root: Stage
    stages: tuple[Stage, ...]
    uses: Mapping[int, int]
    expanded: int
    depth: int
    offset: int | None = None
    payload: nodes.Selection | None = None
    vectors: nodes.Selection | None = None
    request: Mapping[str, Json] = field(default_factory=dict)
    group: nodes.Group | None = None
    shard: nodes.Shard | None = None
    second: SecondStage | None = None
    ignores_missing: bool = False
    groups_here: GroupsHere | None = None


_NOT_IN_NAMES = frozenset('<>:"/\\|?*')


def collection_of(name: nodes.Name | None, context: Context, span: Span) -> str:
    """The collection that a statement names, or else the session's. Raises `QQLPlanError`."""
    if name is None:
        if context.collection:
            return context.collection
        hint = "add FROM collection, or set one for what follows by USE collection;"
        fail("from-missing", "no collection is named", span, hint)
    text = str(name.text)
    if not text or len(text) > 255 or not text.isprintable() or not _NOT_IN_NAMES.isdisjoint(text):
        message = f"{shown(text)} cannot be the name of a collection"
        hint = 'a name has 1 to 255 characters, none of them < > : " / \\ | ? *'
        fail("bad-collection-name", message, name.span, hint)
    return text


def inputs_of(target: nodes.Target) -> list[nodes.Input]:
    """The texts, vectors and points that a target is made of, in the order of its parts."""
    if isinstance(target, nodes.Input):
        return [] if isinstance(target, nodes.AnyInput) else [target]
    found: list[nodes.Input] = []
    for part in nodes.TARGETS[type(target)].parts:
        value = getattr(target, part.field)
        if part.role is INPUT:
            found.append(value)
        elif part.role is INPUTS:
            assert isinstance(value, tuple), "parameters are bound before a query is planned"
            found += value
        elif part.role is PAIRS:
            found += [one for pair in value for one in (pair.positive, pair.negative)]
        elif part.role is SCORED:
            found += [item.example for item in value]
    return found


def stage_key(name: nodes.Name) -> str:
    """What a stage is known by: names are matched without regard to ASCII case."""
    text = str(name.text)
    return text.lower() if text.isascii() else "".join(c.lower() if c.isascii() else c for c in text)
