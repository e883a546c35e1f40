"""Pipelines planned as the session did that recorded: by the recording alone, with no engine at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qql.compiler.bind import Params
from qql.compiler.plan import Context
from qql.compiler.script import Compiled, apply, compile_script
from qql.errors import Source
from qql.evaluation.calls import Call
from qql.evaluation.faults import InputError
from qql.evaluation.files import Query
from qql.evaluation.inputs import Given, Pipelines, named_pipelines
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.recording.recipes import Recipe, recipe_of
from qql.evaluation.recording.recordings import RecordedQuery, Recording
from qql.late import cast
from qql.schema import Schema
from qql.syntax.parser import Parsed, parse_script

if TYPE_CHECKING:
    from qql.session.session import Session

__all__ = ["Planner", "given_text"]


def given_text(recording: Recording, pipeline: Pipelines) -> tuple[str, str]:
    """The name and the text of a pipeline; the name of one of the recording's is one, too.

    Raises `InputError` ``usage``, and what files raise.
    """
    if isinstance(pipeline, str) and pipeline in recording.pipelines:
        return pipeline, recording.pipelines[pipeline]
    found = named_pipelines(pipeline)
    if len(found) != 1:
        raise InputError.make("usage", "this takes one pipeline")
    ((name, one),) = found.items()
    return name, _text_of(one)


def _text_of(one: Given) -> str:
    if one.run is not None:
        raise InputError.make("usage", f"{one.name} is a ranking: it has no stages to recompute")
    return one.text if one.pipeline is None else one.pipeline.text


class _Compiling:
    """What of a session a pipeline is compiled with."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def compile(self, text: str, params: Params = None, *, name: str = "<string>") -> list[Compiled]:
        return compile_script(Source(text, name), params, self.context)

    def _ready(self, compiled: Compiled) -> Compiled:
        """As it is: nothing is asked here, so examples cannot be looked for (`recipes`)."""
        return compiled


class Planner:
    """Plans texts for the queries of a recording."""

    def __init__(self, recording: Recording, params: Mapping[str, Any] | None = None) -> None:
        self.recording: Recording = recording
        self.params: dict[str, Any] = {**recording.params, **(params or {})}
        info = Schema.from_info(recording.info).with_models(recording.models)
        known = {recording.collection: info}
        self.context: Context = Context(
            recording.collection_in_use,
            models=recording.models,
            schema=known.get,
            quiet=True,
        )
        for text in recording.defined:
            ((one, *_), _) = parse_script(Source(text))
            apply(one.statement, self.context)

    def pipeline(self, text: str, name: str = "<string>") -> Pipeline:
        """A pipeline that can be compiled, and asked nothing. Raises `QQLCompileError` where it is none."""
        session = cast("Session", _Compiling(self.context))
        made = Pipeline(session, text, name)
        made.check()
        return made

    def values(self, pipeline: Pipeline, row: RecordedQuery) -> dict[str, Any]:
        """The parameters of a pipeline for a query: those of its row, and the constant ones."""
        return dict(pipeline.taken({**row.params, **self.params}))

    def call(self, pipeline: Pipeline, row: RecordedQuery) -> Call:
        """The call of a pipeline for a query."""
        return Call(Query(row.query, dict(row.params)), self.values(pipeline, row))

    def recipe(self, pipeline: Pipeline, row: RecordedQuery) -> Recipe:
        """The recipe of a pipeline for a query. Raises `QQLCompileError`."""
        compiled = pipeline.compiled(self.values(pipeline, row))
        return self.recipe_of(compiled)

    def compiled(self, pipeline: Pipeline, values: Params, parsed: Sequence[Parsed]) -> Compiled:
        """The query of a pipeline whose statements are ``parsed``, whatever its text. Raises as `recipe`."""
        source = Source(pipeline.text, pipeline.name)
        found = compile_script(source, values, self.context, parsed=parsed)
        return next(one for one in found if one.plan is not None)

    def recipe_of(self, compiled: Compiled, *, named: bool = True) -> Recipe:
        """The recipe of a compiled query; of one on another collection, with nothing but that obstacle.

        ``named`` is that of `recipes.recipe_of`.
        """
        plan = compiled.plan
        assert plan is not None, "a pipeline's statement is a query"
        if plan.collection != self.recording.collection:
            why = f"it searches {plan.collection}, and the recording is of {self.recording.collection}"
            return Recipe(None, 0, {}, {}, (why,))
        return recipe_of(plan, compiled.requests[0], named=named)
