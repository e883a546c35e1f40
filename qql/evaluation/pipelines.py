"""A pipeline: a script with one query, asked again and again with other parameters."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from qql import nodes
from qql.backends.base import usage_of
from qql.compiler.bind import Params
from qql.compiler.script import Compiled
from qql.errors import QQLPlanError, Source
from qql.evaluation.speed import exact_request
from qql.models.embed_request import embed_request
from qql.models.rerank_hits import rerank
from qql.records import dataclass, replace
from qql.rest.limits import DEFAULT_LIMIT
from qql.rest.types import Body, JsonObject
from qql.rest.usage import Usage
from qql.result import Result
from qql.session import phases
from qql.session.session import Session
from qql.syntax.parser import Parsed, parse_script, raise_all

if TYPE_CHECKING:
    from qql.analysis import Analysis

__all__ = ["Pipeline", "Steps"]

Statement = TypeVar("Statement", Parsed, Compiled)
_QUERIES = (nodes.Query, nodes.Fallback)
_BESIDE = (nodes.Use, nodes.Define, nodes.Undefine)


@dataclass(frozen=True, slots=True)
class Steps:
    """The seconds of one call, by what took them.

    ``compile``: text → request; ``embed``: texts → vectors, here and not in the engine; ``engine``: the
    request and its answer; ``rerank``: the second stage. ``server`` is what of ``engine`` the server says it
    took itself, ``usage`` what it says it has cost; None where it does not.
    """

    compile: float
    embed: float
    engine: float
    rerank: float
    server: float | None = None
    usage: Usage | None = None


class Pipeline:
    """A script that holds one QUERY, and beside it at most USE, DEFINE and UNDEFINE.

    It may be one QUERY … ELSE QUERY …, which is asked as a whole: `compiled`, and what needs the plan of the
    only query there is, refuse it.

    ``name`` is a file name, or what else is shown for it. The session is left as it was: what USE and DEFINE
    say holds for the script alone.
    """

    def __init__(self, session: Session, text: str, name: str = "<string>") -> None:
        self.session = session
        self.text = text
        self.name = name

    @property
    def parameters(self) -> tuple[str | int, ...]:
        """The keys of its parameters in the order of the text, each once: names, or the positions of ``?``.

        Raises `QQLSyntaxError` (of several statements: `QQLScriptError`).
        """
        return tuple(dict.fromkeys(param.key for one in self._parse() for param in one.params))

    def check(self) -> None:
        """See whether it is one query. Raises as `parameters`, and `QQLPlanError` ``no-pipeline``."""
        self._only_query(self._parse())

    def taken(self, values: Body) -> JsonObject:
        """Those of the values that are its parameters: `:place.lat` is found inside `place`, too."""
        names = {str(key) for key in self.parameters}
        names |= {name.partition(".")[0] for name in names}
        return {name: value for name, value in values.items() if name in names}

    def compiled(self, params: Params = None) -> Compiled:
        """The query with its parameters. Raises `QQLCompileError`; ``no-pipeline``: it is not one query."""
        found = self.whole(params)
        if found.branches:
            hint = "eval and diff take it as a whole; for all else, take one of its queries"
            message = "QUERY … ELSE … has several plans, and this takes the plan of one query"
            raise QQLPlanError.make("no-pipeline", message, found.span, hint).at(found.source)
        return found

    def whole(self, params: Params = None) -> Compiled:
        """As `compiled`, but a QUERY … ELSE … too, whose queries are its ``branches``."""
        found = self._only_query(self.session.compile(self.text, params, name=self.name))
        return self.session._ready(found)

    def _parse(self) -> list[Parsed]:
        parsed, errors = parse_script(Source(self.text, self.name))
        raise_all(errors)
        return parsed

    def _only_query(self, found: Sequence[Statement]) -> Statement:
        """The one that is a query. Raises `QQLPlanError`."""
        source = Source(self.text, self.name)
        for one in found:
            if not isinstance(one.statement, (*_QUERIES, *_BESIDE)):
                hint = "a pipeline holds one QUERY, and beside it at most USE, DEFINE and UNDEFINE"
                raise QQLPlanError.make(
                    "no-pipeline", "this statement is no part of a pipeline", one.span, hint
                ).at(source)
        queries = [one for one in found if isinstance(one.statement, _QUERIES)]
        if len(queries) != 1:
            message = f"a pipeline is one QUERY, and {self.name} holds {len(queries) or 'none'}"
            raise QQLPlanError.make("no-pipeline", message, queries[1].span if queries else None).at(source)
        return queries[0]

    def ask(self, params: Params = None) -> Result:
        """The query's result. Raises as `Session.execute` does."""
        return self.session.carry_out(self.whole(params))

    def embedded(self, params: Params = None) -> Compiled:
        """The query with its parameters and the vectors of its texts. Raises as `Session.execute` does."""
        compiled = self.whole(params)
        return compiled if compiled.branches else self._with_vectors(compiled)

    def _with_vectors(self, compiled: Compiled) -> Compiled:
        started = phases.start()
        request = embed_request(compiled.requests[0], self.session.embedders, self.session.backend.infers)
        phases.embedded(started, compiled.requests, (request,))
        return replace(compiled, requests=(request,))

    def answering(self, asked: Compiled, found: Result) -> Compiled:
        """What `embedded` gives; of QUERY … ELSE …, the query that gave the result."""
        return self._with_vectors(asked.branches[found.branch - 1]) if found.branch else asked

    def answer(self, asked: Compiled) -> Result:
        """The result of what `embedded` gives. Raises as `Session.execute` does."""
        return self.session.carry_out(asked)

    def ask_beyond(self, asked: Compiled, more: int) -> Result:
        """What `embedded` gives, with ``more`` hits than its LIMIT says and without RERANK.

        Raises as `Session.execute` does.
        """
        assert asked.plan is not None, "a pipeline's statement is a query"
        body = dict(asked.requests[0].body or {})
        body["limit"] = body.get("limit", DEFAULT_LIMIT) + more
        request = replace(asked.requests[0], body=body)
        return self.session.carry_out(
            replace(asked, requests=(request,), plan=replace(asked.plan, second=None))
        )

    def ask_exactly(self, params: Params = None, more: int = 0) -> Result:
        """What it would give without approximation, as `exact_request` asks; ``more`` hits than LIMIT says.

        A second stage and groups work on as many candidates as ever. Raises as `Session.execute` does.
        """
        compiled = self.compiled(params)
        assert compiled.plan is not None, "a pipeline's statement is a query"
        whole = compiled.plan.second is None and compiled.plan.group is None
        request = exact_request(compiled.requests[0], more if whole else 0)
        return self.session.carry_out(replace(compiled, requests=(request,)))

    def timed(self, params: Params = None) -> tuple[Result, Steps]:
        """The query's result, and what took how long. Raises as `Session.execute` does."""
        session, clock = self.session, time.perf_counter
        start = clock()
        compiled = self.compiled(params)
        plan = compiled.plan
        assert plan is not None, "a pipeline's statement is a query"
        planned = clock()
        request = embed_request(compiled.requests[0], session.embedders, session.backend.infers)
        embedded = clock()
        first = replace(compiled, requests=(request,), plan=replace(plan, second=None))
        result = session.carry_out(first)
        found = clock()
        server, usage = session.backend.took, usage_of(session.backend)
        if plan.second is not None:
            result = rerank(result, plan.second, plan.payload, session.rerankers)
        times = planned - start, embedded - planned, found - embedded, clock() - found
        return result, Steps(*times, server, usage)

    def analyse(self, params: Params = None) -> Analysis:
        """What each of its stages gave. Raises as `Session.execute` does."""
        return self.session.analyse(self.compiled(params))
