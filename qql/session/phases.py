"""What a session tells `logging`, phase by phase, and nothing where nobody listens.

| logger | level | what |
|---|---|---|
| ``qql.compile`` | INFO | the statements of a text, and the time that it took to compile them |
| ``qql.embed`` | INFO | the texts that models made vectors of |
| ``qql.engine`` | INFO | the engine's time for a statement, and how many candidates its stages may bring |
| ``qql.rerank`` | INFO | how many candidates a reranker read, and how many of them are hits |
| ``qql.stage`` | INFO | each stage of a query: kind, limit, and what is known of its hits and scores |
| ``qql.statement`` | INFO | what came back, and the time of all of it |
| ``qql.request`` | DEBUG | each request: method, path and body |

A program that wants them calls ``logging.basicConfig(level=logging.INFO)``, as for any library; the commands
have ``--log-level info``. Of a query that is asked as a whole, the answer shows the hits of the last stage
alone; EXPLAIN ANALYZE, WITH PROVENANCE, `qql eval --stages` and `qql record` ask and tell of each.
No line holds a key: requests have none, and addresses are not told. Texts and payloads stand in the requests
of DEBUG alone, where vectors are cut.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextvars import ContextVar

from qql import nodes
from qql.compiler.script import Compiled
from qql.errors import many
from qql.rest.inference_objects import inferred_of
from qql.rest.request import Request
from qql.result import Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging

    from qql.analysis.model import Analysis, Candidate, StageRun

__all__ = [
    "analysed",
    "answered",
    "begin",
    "compiled",
    "embedded",
    "engine",
    "named",
    "recorded",
    "reranked",
    "spent",
    "stage_asked",
    "start",
    "statement",
]

_DEBUG, _INFO = 10, 20
_LONGEST_BODY = 4000  # characters


def _listening(phase: str, level: int) -> logging.Logger | None:
    """The logger of a phase where somebody listens: nobody does who has not loaded `logging`."""
    module = sys.modules.get("logging")
    if module is None:
        return None
    logger: logging.Logger = module.getLogger(f"qql.{phase}")
    return logger if logger.isEnabledFor(level) else None


_spent: ContextVar[dict[str, float] | None] = ContextVar("spent", default=None)
"""Seconds of the phases of the statement that is carried out here: each task and each thread has its own."""


def begin() -> float:
    """The time at which a statement begins, with phases of its own."""
    _spent.set({})
    return time.perf_counter()


def spent() -> dict[str, float]:
    """The seconds of the phases since `begin`."""
    return _spent.get() or {}


def _note(phase: str, started: float) -> None:
    found = _spent.get()
    if found is not None:
        found[phase] = found.get(phase, 0.0) + time.perf_counter() - started


def start() -> float:
    """The time at which a phase begins."""
    return time.perf_counter()


def _tell(phase: str, started: float, message: str, *values: object) -> None:
    if (logger := _listening(phase, _INFO)) is not None:
        logger.info(message + " in %.1f ms", *values, (time.perf_counter() - started) * 1000)


def compiled(started: float, statements: Sequence[Compiled]) -> None:
    """A text was compiled."""
    if _listening("compile", _INFO) is None:
        return
    kinds = ", ".join(type(one.written).__name__ for one in statements[:5])
    more = f" and {len(statements) - 5} more" if len(statements) > 5 else ""
    _tell("compile", started, "compiled %s%s", kinds or "nothing", more)


def embedded(started: float, requests: Sequence[Request], made: Sequence[Request]) -> None:
    """Texts became vectors; nothing is told where none did."""
    changed = [before for before, after in zip(requests, made, strict=True) if after is not before]
    if not changed:
        return
    _note("embed", started)
    if _listening("embed", _INFO) is None:
        return
    for one in (one for request in changed for one in inferred_of(request)):
        _tell("embed", started, "%s by %s", many(one.distinct, one.form), one.model)


def engine(started: float, statement: Compiled, requests: Sequence[Request]) -> None:
    """The engine has answered the requests of a statement."""
    _note("engine", started)
    if (logger := _listening("request", _DEBUG)) is not None:
        for request in requests:
            logger.debug("%s %s %s", request.method, request.path, _body_of(request))
    if _listening("engine", _INFO) is None:
        return
    plan = statement.plan
    if plan is None:
        _tell("engine", started, "%s", named(statement))
        return
    stages = ", ".join(f"{one.label} {one.limit or 10}" for one in plan.stages)
    _tell("engine", started, "%s, candidates at most: %s;", named(statement), stages)


def _body_of(request: Request) -> str:
    from qql.analysis.explain_requests import compact_json

    text = "" if request.body is None else " ".join(compact_json(request.body).split())
    return text if len(text) <= _LONGEST_BODY else f"{text[:_LONGEST_BODY]}… ({len(text):,} characters)"


def reranked(started: float, model: str | None, before: Result, after: Result) -> None:
    """A reranker has put candidates in its order."""
    _note("rerank", started)
    _tell("rerank", started, "%s by %s, %s,", many(len(before), "candidate"), model, many(len(after), "hit"))
    _tell_stages("lines_of_rerank", model, before, after, (time.perf_counter() - started) * 1000)


def answered(done: Compiled, result: Result) -> Result:
    """A query that was asked as a whole has its hits, or the candidates for its RERANK; gives them back."""
    if _listening("stage", _INFO) is not None and isinstance(done.written, nodes.Query):
        engine = spent().get("engine")
        if done.plan is not None and done.written.provenance is None:
            _tell_stages("lines_of_plan", done.plan, result, None if engine is None else engine * 1000)
    return result


def analysed(found: Analysis) -> None:
    """All stages of a query were asked."""
    _tell_stages("lines_of_analysis", found)


def stage_asked(run: StageRun, limit: int, found: Sequence[Candidate], ms: float) -> None:
    """A stage was asked by itself."""
    _tell_stages("stage_line", run.label, run.stage, limit, found, ms)


def recorded(started: float, query: str, stages: int) -> None:
    """All stages for a query were asked, and are kept."""
    _tell("statement", started, "recorded the query %s: %s", query, many(stages, "stage"))


def _tell_stages(lines: str, *given: object) -> None:
    """Lines that a function of `stage_lines` makes, where somebody listens."""
    if (logger := _listening("stage", _INFO)) is None:
        return
    from qql.session import stage_lines

    made = getattr(stage_lines, lines)(*given)
    for line in [made] if isinstance(made, str) else made:
        logger.info("%s", line)


def statement(started: float, done: Compiled, result: Result) -> None:
    """A statement is done."""
    if _listening("statement", _INFO) is None:
        return
    text = result.kind in ("message", "text")
    what = result.message.partition("\n")[0] if text else many(len(result), result.kind[:-1])
    _tell("statement", started, "%s: %s", named(done), what)


def named(done: Compiled, between: str | None = " on ") -> str:
    """The kind of a statement, and with ``between`` before it the collection that it is about."""
    name = "".join(f" {one}" if one.isupper() else one for one in type(done.written).__name__).strip().upper()
    if between is None or not done.collection or isinstance(done.written, nodes.Use):
        return name
    return f"{name}{between}{done.collection}"
