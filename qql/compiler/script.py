"""Text → planned statements: scripts of any length.

Statements are planned in order, since USE, DEFINE, CREATE and DROP change what follows them. Every
statement that is at fault is reported, and no request is given where one is.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

from qql import nodes
from qql.compiler.bind import Params, bind
from qql.compiler.emit_queries import emit_query, emit_statement
from qql.compiler.empty_lists import Noting, said_in_reads
from qql.compiler.overlay import ANY_COLLECTION, Overlay, create
from qql.compiler.plan import Context, QueryPlan, collection_of, stage_key
from qql.compiler.planner import plan_query
from qql.compiler.scalars import text_of
from qql.errors import (
    Diagnostic,
    QQLCompileError,
    QQLPlanError,
    QQLRefusedError,
    Source,
    Span,
    did_you_mean,
)
from qql.late import cast
from qql.records import NamedTuple, dataclass, field, replace
from qql.rest.request import Request, copied
from qql.schema import Schema
from qql.syntax.parser import Parsed, parse_script, raise_all
from qql.syntax.pieces import Pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from qql.rest.inference_objects import Path, Purpose

__all__ = [
    "STACK_IS_FULL",
    "Compiled",
    "Origin",
    "Script",
    "apply",
    "compile_script",
    "each_compiled",
    "no_requests",
    "requests_of",
]

Files = Callable[[nodes.Execute], Pieces]
"""Gives the script that EXECUTE names, which raises `QQLPlanError` while it is read."""
STACK_IS_FULL = "this statement nests deeper than the call stack has room for"
MAX_FILES = 16
"""Files that execute one another, at most."""
MAX_EXECUTED = 1024
"""Files that one script executes in all, at most: each can execute others many times."""


class Origin(NamedTuple):
    """A statement with its parameters open, which others share, and the values that were put into it.

    ``complete`` compiles it again, where it was planned ahead; ``texts`` are then the places in its request
    of the objects that a model makes vectors of.
    """

    parsed: Parsed
    params: Params
    complete: Callable[[], Compiled] | None = None
    texts: tuple[tuple[Path, Purpose], ...] | None = None


@dataclass(frozen=True, slots=True)
class Compiled:
    """One statement of a script, ready to be carried out.

    ``statement`` has its parameters bound. ``collection`` is the one it works on, ``schema`` what is known
    of that at this place of the script. ``requests`` is empty for what a session does by itself. ``plan``
    is there for queries, and for EXPLAIN and WHY of one. ``warnings`` is what compiling has to say of it;
    ``advice`` is empty where nobody asked for it. ``branches`` are the queries of QUERY … ELSE …, whose
    requests are ``requests`` in their order. ``source`` is the text that it stands in, at ``span``.
    """

    # `origin` is what it was made of; what `replace` changes is made of nothing. Of what was planned ahead
    # (`filled`), the statement and the plan are made when somebody looks at them.

    statement: nodes.Statement
    span: Span
    source: Source
    requests: tuple[Request, ...] = ()
    plan: QueryPlan | None = None
    collection: str | None = None
    warnings: tuple[Diagnostic, ...] = ()
    schema: Schema | None = None
    advice: tuple[Diagnostic, ...] = ()
    branches: tuple[Compiled, ...] = ()
    origin: Origin | None = field(default=None, init=False, compare=False, repr=False)

    def made_of(self, origin: Origin) -> Self:
        """The same, which says what it was made of."""
        object.__setattr__(self, "origin", origin)
        return self

    def filled(
        self,
        source: Source,
        requests: tuple[Request, ...],
        params: Params,
        complete: Callable[[], Compiled],
        texts: tuple[tuple[Path, Purpose], ...] | None = None,
    ) -> Compiled:
        """The statement that was planned with slots, with values in the places of those."""
        made = object.__new__(Compiled)
        put = object.__setattr__
        put(made, "span", self.span)
        put(made, "source", source)
        put(made, "requests", requests)
        put(made, "collection", self.collection)
        put(made, "warnings", self.warnings)
        put(made, "schema", self.schema)
        put(made, "advice", ())
        put(made, "branches", ())
        assert self.origin is not None
        put(made, "origin", Origin(self.origin.parsed, params, complete, texts))
        return made

    def own_requests(self) -> None:
        """Gives the requests lists and objects that nothing else holds, neither the tree nor a caller."""
        if self.origin is None or self.origin.complete is None:  # what was planned ahead has its own
            object.__setattr__(self, "requests", tuple(map(copied, self.requests)))

    if not TYPE_CHECKING:  # a type checker knows its fields, and says so of any other name

        def __getattr__(self, name: str) -> Any:
            # Asked of what is not set: the statement and the plan of what was planned ahead.
            if name not in ("statement", "plan") or self.origin is None or self.origin.complete is None:
                raise AttributeError(name)
            whole = self.origin.complete()
            object.__setattr__(self, "statement", whole.statement)
            object.__setattr__(self, "plan", whole.plan)
            return getattr(whole, name)

    @property
    def written(self) -> nodes.Statement:
        """The statement as far as no value counts: its class, and which clauses it has."""
        return self.statement if self.origin is None else self.origin.parsed.statement

    @property
    def ignores_missing(self) -> bool:
        """Whether a session has to look for its examples first. What was planned ahead never has to."""
        if self.origin is not None and self.origin.complete is not None:
            return False
        return self.plan is not None and self.plan.ignores_missing

    @property
    def text(self) -> str:
        """The statement as it was written."""
        return self.source.text[self.span.start : self.span.end]


def compile_script(
    source: Source,
    params: Params,
    context: Context,
    warnings: list[Diagnostic] | None = None,
    files: Files | None = None,
    parsed: Sequence[Parsed] | None = None,
) -> list[Compiled]:
    """Every statement of a script, planned in order. The context given is left as it is.

    ``parsed`` are its statements where they are at hand, and all of them parse. Warnings are added to
    ``warnings`` even where statements are at fault. With ``files``, the statements of a file that EXECUTE
    names stand before EXECUTE itself, with a source of their own, and take their parameters from ``params``
    by name. Raises `QQLSyntaxError`, `QQLPlanError`, or `QQLScriptError` with the faults of several
    statements.
    """
    done: list[Compiled] = []
    script = Script(params, context, files)
    statements = script.statements([source]) if parsed is None else script.compile_parsed(source, parsed)
    for one in statements:
        done.append(one)
        if warnings is not None:
            warnings += one.warnings
    raise_all(script.faults)
    return done


def each_compiled(
    pieces: Iterable[Source], params: Params, context: Context, files: Files | None = None, *, once: bool
) -> Iterator[Compiled]:
    """The statements of `compile_script` one by one, of a script that is read meanwhile; none is kept.

    Raises as `compile_script` does: at the end, with the faults of all, and after a hundred of them no more
    is read; ``once``, where the first statement stands that is at fault.
    """
    script = Script(params, context, files, once=once)
    yield from script.statements(pieces)
    raise_all(script.faults)


_Statements = Generator[Compiled, None, list[QQLCompileError]]
"""Statements as they are planned, and at last the faults of those that cannot be."""
_MOST_ERRORS = 100  # of all pieces of a script


class Script:
    """A script on its way through the compiler, with the files that it executes."""

    def __init__(self, params: Params, context: Context, files: Files | None, *, once: bool = False) -> None:
        if params is not None:
            from qql.compiler.given import settled

            params = settled(params)
        self.params: Params = params
        self.files = files
        self.once = once
        self.overlay: Overlay = Overlay(context)
        self.trial: Context = context.copy()
        self.trial.schema = self.overlay.get
        self.trial.stages = dict(context.stages)
        self.empty_lists: Noting = said_in_reads(self.trial)
        self.faults: list[QQLCompileError] = []
        self.used: set[str | int] = set()
        self.open: list[str] = []
        self.executed: int = 0

    def statements(self, pieces: Iterable[Source]) -> Iterator[Compiled]:
        """The statements of a script; the faults of the others are added to ``faults``, in its order."""
        self.faults += yield from self._all(pieces)

    def _all(self, pieces: Iterable[Source]) -> _Statements:
        """The statements of a script or of one that it executes; gives the faults of the others."""
        errors: list[QQLCompileError] = []
        source, only = None, True
        rest = _with_only(pieces)
        while len(errors) < _MOST_ERRORS:
            try:
                found = next(rest, None)
            except QQLCompileError as exc:
                if self.open:  # it is EXECUTE that cannot read its file
                    raise
                return [*errors, exc]
            if found is None:
                break
            source, only = found
            errors += yield from self._piece(source, only)
        if source is not None and not only and not self.open:
            errors += _unused_params(self.used, self.params, source)
        return errors

    def _piece(self, source: Source, only: bool) -> _Statements:
        """The statements of a piece of a script, which may be the ``only`` one."""
        parsed, errors = parse_script(source)
        return (yield from self._parsed(source, parsed, errors, only))

    def compile_parsed(self, source: Source, parsed: Sequence[Parsed]) -> Iterator[Compiled]:
        """`statements` of a script that is parsed already, as a whole."""
        self.faults += yield from self._parsed(source, parsed, [], only=True)

    def _parsed(
        self, source: Source, parsed: Sequence[Parsed], errors: list[QQLCompileError], only: bool
    ) -> _Statements:
        """The statements of a piece that is parsed; ``errors`` are the faults that were found by that."""
        # Where a statement does not parse, the others are planned all the same, to report their faults too;
        # but what the broken one would have created cannot be missed then.
        self.overlay.checked = self.overlay.checked and not errors
        if self.once:
            raise_all(errors)
        files = any(isinstance(one.statement, nodes.Execute) for one in parsed) and self.files is not None
        single = only and len(parsed) + len(errors) == 1 and not self.open and not files
        places: dict[int, int] = {}  # an error in a file that is executed stands where EXECUTE does
        for one in parsed:
            found = yield from self._one(one, source, single)
            if self.once:
                raise_all(found)
            if found:
                places |= {id(exc): one.span.start for exc in found if exc.diagnostic.source is not source}
                errors += found
        self.used.update([param.key for one in parsed for param in one.params])
        if only and not single and not self.open:
            errors += _unused_params(self.used, self.params, source)
        errors.sort(
            key=lambda exc: places.get(id(exc), exc.diagnostic.span.start if exc.diagnostic.span else 0)
        )
        return errors

    def given(self, parsed: Parsed, single: bool) -> Params:
        """The values of a statement."""
        params = self.params
        if params is not None and not single and isinstance(params, Mapping):
            return {key: params[key] for key in (str(one.key) for one in parsed.params) if key in params}
        return params

    def bound(self, parsed: Parsed, params: Params, single: bool) -> nodes.Statement:
        """The statement with values in the places of its parameters. Raises `QQLPlanError`."""
        return bind(parsed.statement, parsed.params, params, whole=single)

    def _one(self, one: Parsed, source: Source, single: bool) -> _Statements:
        self.trial.warnings = []
        try:
            params = self.given(one, single)
            statement = self.bound(one, params, single)
            with self.empty_lists:
                compiled = _compile_one(one, statement, source, self.trial, self.overlay)
            compiled.made_of(Origin(one, params))
            if isinstance(compiled.statement, nodes.Execute) and self.files is not None:
                errors = yield from self._execute(self.files, compiled.statement)
                if errors:
                    self.overlay.checked = False
                    return errors
        except QQLCompileError as exc:
            self.overlay.checked = False
            return [cast(QQLCompileError, exc.at(source, one.span))]
        except QQLRefusedError as exc:
            raise exc.at(source, one.span) from None
        except RecursionError:  # within the limits, but the caller's own stack is nearly full
            return [QQLPlanError(Diagnostic("too-deep", STACK_IS_FULL, one.span, source=source))]
        yield compiled
        return []

    def _execute(self, files: Files, statement: nodes.Execute) -> _Statements:
        if len(self.open) == MAX_FILES:
            message = f"files execute one another more than {MAX_FILES} deep"
            hint = f"the last of them: {', '.join(self.open[-3:])}"
            raise QQLPlanError(Diagnostic("too-deep", message, statement.span, hint))
        if self.executed == MAX_EXECUTED:
            message = f"more than {MAX_EXECUTED:,} files are executed"
            raise QQLPlanError(Diagnostic("too-many-files", message, statement.span))
        self.executed += 1
        source = files(statement)
        if source.name in self.open:
            path = " → ".join([*self.open[self.open.index(source.name) :], source.name])
            message = f"the files execute one another in a circle: {path}"
            raise QQLPlanError(Diagnostic("file-cycle", message, statement.path.span))
        self.open.append(source.name)
        try:
            return (yield from self._all(source))
        finally:
            self.open.pop()


def _with_only(pieces: Iterable[Source]) -> Iterator[tuple[Source, bool]]:
    """The pieces of a script, the first with whether it is the only one."""
    rest = iter(pieces)
    first, second = next(rest, None), next(rest, None)
    if first is not None:
        yield first, second is None
        first = None
    if second is not None:
        yield second, False
        second = None
    yield from ((piece, False) for piece in rest)


def _unused_params(used: set[str | int], params: Params, source: Source) -> list[QQLCompileError]:
    if isinstance(params, Mapping):
        extra = [key for key in params if key not in used]
        if extra:
            hint = did_you_mean(extra[0], [str(key) for key in used])
            message = f"a value is given for :{extra[0]}, which no statement uses"
            return [QQLPlanError(Diagnostic("unknown-parameter", message, hint=hint, source=source))]
    elif params:
        hint = "give the values by name, or run the statements one by one"
        message = "a list of values goes with a single statement"
        return [QQLPlanError(Diagnostic("wrong-parameters", message, hint=hint, source=source))]
    return []


_FOR_WHAT_FOLLOWS = (nodes.Use, nodes.Define, nodes.Undefine)
_SCHEMA_IS_OF_NO_USE = (nodes.DropCollection, *ANY_COLLECTION)


def _compile_one(
    parsed: Parsed, statement: nodes.Statement, source: Source, context: Context, overlay: Overlay
) -> Compiled:
    inner = statement
    while isinstance(inner, (nodes.Explain, nodes.Why, nodes.CopyTo)):
        if isinstance(inner, nodes.CopyTo):
            from qql.compiler.copy_target import check_copy_to

            check_copy_to(inner)
        else:
            from qql.compiler.told import check_told

            check_told(inner)
        inner = inner.statement
    if isinstance(inner, nodes.Fallback):
        return _compile_fallback(parsed, statement, inner, source, context, overlay)
    plan = plan_query(inner, context) if isinstance(inner, nodes.Query) else None
    collection = plan.collection if plan else _collection(inner, context)
    if collection is not None:
        overlay.require(inner, collection, context)
    schema = None
    if collection is not None and not isinstance(inner, _SCHEMA_IS_OF_NO_USE):
        schema = overlay.get(collection)
    requests = [emit_query(plan)] if plan else emit_statement(inner, context)
    if inner is statement and not plan:
        if type(inner) in _FOR_WHAT_FOLLOWS:
            apply(inner, context, in_place=True)
        create(inner, requests, overlay)
    said = (*parsed.warnings, *context.warnings)
    warnings = tuple([one.at(source, parsed.span) for one in said]) if said else ()
    return Compiled(statement, parsed.span, source, tuple(requests), plan, collection, warnings, schema)


def _compile_fallback(
    parsed: Parsed,
    statement: nodes.Statement,
    fallback: nodes.Fallback,
    source: Source,
    context: Context,
    overlay: Overlay,
) -> Compiled:
    """QUERY … ELSE …: each query is compiled as if it stood alone."""
    from qql.compiler.fallbacks import check_branches, queries_of, warnings_of

    branches = []
    for query in queries_of(fallback):
        context.warnings, kept = [], context.warnings
        alone = Parsed(query, query.span, parsed.params)
        branches.append(_compile_one(alone, query, source, context, overlay))
        context.warnings = kept
    check_branches(fallback, [one.plan for one in branches if one.plan is not None], context)
    said = (*parsed.warnings, *context.warnings)
    own = [one.at(source, parsed.span) for one in said]
    warnings = (*own, *warnings_of(fallback, [one.warnings for one in branches]))
    requests = tuple(request for one in branches for request in one.requests)
    first = branches[0]
    made = Compiled(statement, parsed.span, source, requests, None, first.collection, warnings, first.schema)
    return replace(made, branches=tuple(replace(one, warnings=()) for one in branches))


_NAMED_BY: Mapping[type[nodes.Node], str] = {
    **dict.fromkeys((nodes.Count, nodes.Facet, nodes.Scroll, nodes.Matrix, nodes.Delete), "source"),
    nodes.AnalyzeText: "source",
    **dict.fromkeys((nodes.DeletePayload, nodes.DeleteVector, nodes.ClearPayload), "source"),
    **dict.fromkeys((nodes.CreateCollection, nodes.AlterCollection), "name"),
    **dict.fromkeys((nodes.DropCollection, nodes.ShowCollection, nodes.ExistsCollection), "name"),
    **dict.fromkeys((nodes.Upsert, nodes.UpdatePayload, nodes.UpdateVector), "collection"),
    **dict.fromkeys((nodes.UpdateVectors, nodes.AddVector, nodes.DropVector), "collection"),
    **dict.fromkeys((nodes.CreateIndex, nodes.DropIndex, nodes.ShowIndexes), "collection"),
    **dict.fromkeys((nodes.CreateSnapshot, nodes.DropSnapshot, nodes.RestoreSnapshot), "collection"),
    **dict.fromkeys((nodes.ShowSnapshots, nodes.CreateAlias, nodes.Copy, nodes.Dump), "collection"),
    **dict.fromkeys((nodes.CreateShardKey, nodes.DropShardKey, nodes.ShowShardKeys), "collection"),
    **dict.fromkeys((nodes.Optimize, nodes.ShowOptimizations, nodes.ShowMemory, nodes.Use), "collection"),
}
"""The field in which a statement names the collection that it works on."""


def _collection(statement: nodes.Statement, context: Context) -> str | None:
    match statement:
        case nodes.Copy():
            from qql.compiler.copy_mapping import check_copy

            check_copy(statement)
        case nodes.Dump() | nodes.Execute():
            text_of(statement.path, f"the path of {type(statement).__name__.upper()}")
        case nodes.Batch():
            return _of_member(statement.statements[0], context)
        case nodes.ShowAliases() if statement.collection is not None:
            return collection_of(statement.collection, context, statement.span)
    named = _NAMED_BY.get(type(statement))
    return collection_of(getattr(statement, named), context, statement.span) if named else None


def _of_member(statement: nodes.Statement, context: Context) -> str | None:
    if isinstance(statement, nodes.Query):
        return collection_of(statement.source, context, statement.span)
    return _collection(statement, context)


def apply(statement: nodes.Statement, context: Context, *, in_place: bool = False) -> None:
    """What USE, DEFINE and UNDEFINE mean for the statements after them. Raises `QQLPlanError`.

    The context gets other ``stages``, unless they are changed ``in_place``, as there may be many.
    """
    stages = context.stages if in_place else dict(context.stages)
    match statement:
        case nodes.Use():
            context.collection = collection_of(statement.collection, context, statement.span)
        case nodes.Define():
            cte = nodes.Cte(statement.name, statement.stage, span=statement.span)
            stages[stage_key(cte.name)] = cte
        case nodes.Undefine():
            key = stage_key(statement.name)
            if stages.pop(key, None) is None:
                known = [str(cte.name.text) for cte in stages.values()]
                hint = did_you_mean(str(statement.name.text), known)
                message = f"no stage `{statement.name.text}` is defined"
                raise QQLPlanError(Diagnostic("unknown-stage", message, statement.name.span, hint))
        case _:
            return
    context.stages = stages


_WITHOUT_REQUEST = (nodes.Copy, nodes.Optimize, nodes.Execute, nodes.Dump, nodes.Why)


def requests_of(found: Iterable[Compiled]) -> list[Request]:
    """What statements send: EXPLAIN and WHY send nothing of what they tell of."""
    return [
        request
        for one in found
        if not isinstance(one.statement, (nodes.Explain, nodes.Why))
        for request in one.requests
    ]


def no_requests(found: Iterable[Compiled]) -> list[Diagnostic]:
    """A warning for each statement of which a session does more than its requests."""
    return [warning for one in found if (warning := _no_request(one))]


def _no_request(compiled: Compiled) -> Diagnostic | None:
    """A warning for a statement of which a session does more than its requests."""
    statement = compiled.statement
    if isinstance(statement, _WITHOUT_REQUEST):
        word = type(statement).__name__.upper()
        message = f"{word} is carried out by a session; it is not one request"
    elif compiled.branches and isinstance(statement, nodes.Fallback):
        from qql.compiler.fallbacks import told_of

        message = told_of(statement)
        if any(one.ignores_missing for one in compiled.branches):
            message += "; and it leaves out what IGNORE MISSING says"
    elif compiled.ignores_missing and not isinstance(statement, nodes.Explain):
        message = (
            "IGNORE MISSING is carried out by a session; this request names all examples, missing or not"
        )
    elif compiled.plan is not None and compiled.plan.groups_here is not None:
        message = "FUSE FIRST is carried out by a session; this request brings the hits to be grouped"
    elif isinstance(statement, nodes.Query) and statement.provenance is not None:
        message = "WITH PROVENANCE is carried out by a session; this request brings the hits"
    elif compiled.plan is not None and compiled.plan.second is not None:
        message = "RERANK is carried out by a session; this request brings its candidates"
    else:
        return None
    return Diagnostic("no-request", message, compiled.span, severity="warning", source=compiled.source)
