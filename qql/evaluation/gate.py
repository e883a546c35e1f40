"""Whether pipelines are worse than they were: what a check before a change goes live asks (`worse_than`).

A rule is a measure with a margin, or a measure alone:

* ``nDCG@10:0.01`` is broken where the mean is lower by **more than 0.01**, whether or not that could be
  chance: on one and the same queries a gate has to say the same each time, and a large loss on few queries
  has to be seen. Whether it could be chance is said beside it (p).
* ``nDCG@10`` is broken where the mean is lower by **more than chance**: the p-value of the paired
  randomization test is below 0.05, corrected for all of these tests (Holm).

Means are over the queries that both have. What is compared with is an earlier report (`Outcome.to_dict`,
which `qql eval --format json` writes) or a ranking (a TREC run), which is judged anew. A query that now fails
or finds nothing counts as 0.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from qql.errors import Diagnostic, QQLError, did_you_mean, many, shown
from qql.evaluation.faults import InputError, argument
from qql.evaluation.files import read_run
from qql.evaluation.inputs import is_run_file
from qql.evaluation.measures import Evaluation, Measure, evaluate_run, parse_measure
from qql.evaluation.outcome import Outcome
from qql.evaluation.sections import Report, Section
from qql.evaluation.significance import MeasureDifference, compare_evaluations, holm
from qql.records import dataclass, field, replace
from qql.rest.types import JsonObject
from qql.session.files import reason

__all__ = ["Earlier", "Gate", "GateFinding", "MarginsLike", "check_earlier", "margins_of", "worse_than"]

Earlier: TypeAlias = str | os.PathLike[str] | Outcome
"""What is compared with: the file of a report as JSON or of a TREC run, or an `Outcome`."""
MarginsLike: TypeAlias = str | Mapping[Any, float | None] | Iterable[str]
"""``"nDCG@10:0.01"``, several of them, or measure → margin (None: whatever is more than chance)."""
_RECORDING = ".qqlrun"
_NOW = "now"
_THEN = "then"


@dataclass(frozen=True, slots=True)
class GateFinding:
    """A rule held against one pipeline: its mean then and now, over the ``queries`` that both have.

    ``margin`` is the loss that is allowed, None where a loss may be as large as chance explains. ``p`` is
    corrected for all tests of the gate together.
    """

    pipeline: str
    measure: Measure
    margin: float | None
    then: float
    now: float
    p: float
    queries: int

    @property
    def change(self) -> float:
        """The mean now minus that then."""
        return self.now - self.then

    @property
    def worse(self) -> bool:
        """Whether the rule is broken."""
        if self.margin is None:
            return self.change < 0 and self.p < 0.05
        # Means of the same figures differ in their last bits.
        return -self.change > self.margin + 1e-12

    def __str__(self) -> str:
        """The finding in a sentence."""
        allowed = "more than chance" if self.margin is None else f"more than {self.margin:g}"
        chance = "" if self.margin is None or self.p < 0.05 else ", which may be chance"
        said = f"fell by {-self.change:.4f}, {allowed}" if self.worse else "is not worse"
        means = f"{self.then:.4f} → {self.now:.4f} (p = {self.p:.4f}{chance})"
        return f"{self.pipeline}: {self.measure} {said}: {means}"

    def to_dict(self) -> JsonObject:
        """``{"pipeline", "measure", "margin", "then", "now", "change", "p", "queries", "worse"}``."""
        return {
            "pipeline": self.pipeline,
            "measure": str(self.measure),
            "margin": self.margin,
            "then": self.then,
            "now": self.now,
            "change": self.change,
            "p": self.p,
            "queries": self.queries,
            "worse": self.worse,
        }


@dataclass(frozen=True, slots=True)
class Gate(Report):
    """Every rule held against every pipeline; ``against`` is what they are compared with."""

    against: str
    findings: tuple[GateFinding, ...]
    notes: tuple[Diagnostic, ...] = field(default=(), compare=False)

    @property
    def failed(self) -> bool:
        """Whether a rule is broken."""
        return any(one.worse for one in self.findings)

    def sections(self) -> list[Section]:
        """A table of the rules."""
        rule = (
            "worse: the mean fell by more than is allowed; where that is chance, by more than it (p < 0.05);",
            "p: of a paired randomization test, corrected for all of these tests (Holm)",
        )
        rows = [_row(one) for one in self.findings]
        return [Section(f"Not worse than {self.against}?", rows, rule)]

    def rows(self) -> list[JsonObject]:
        """A row a rule and pipeline, as `GateFinding.to_dict` has it."""
        return [one.to_dict() for one in self.findings]

    def to_dict(self) -> JsonObject:
        """As JSON data: ``{"against", "failed", "findings"}``."""
        return {"against": self.against, "failed": self.failed, "findings": self.rows()}


def _row(one: GateFinding) -> JsonObject:
    return {
        "pipeline": one.pipeline,
        "measure": str(one.measure),
        _THEN: f"{one.then:.4f}",
        _NOW: f"{one.now:.4f}",
        "change": f"{one.change:+.4f}",
        "allowed": "chance" if one.margin is None else f"{-one.margin:g}",
        "p": f"{one.p:.4f}",
        "verdict": "worse" if one.worse else "fine",
    }


def margins_of(given: MarginsLike) -> dict[Measure, float | None]:
    """The rules: measure → the loss that is allowed, None for what chance explains.

    Raises `InputError`: ``unknown-measure``, ``bad-measure``, ``usage`` for a margin that is no number from 0
    to 1, for a measure that is there twice, and for no rule at all.
    """
    pairs: Iterable[tuple[Any, Any]]
    if isinstance(given, Mapping):
        pairs = given.items()
    else:
        pairs = [_read_rule(text) for text in ([given] if isinstance(given, str) else given)]
    out: dict[Measure, float | None] = {}
    for name, margin in pairs:
        measure = name if isinstance(name, Measure) else parse_measure(str(name))
        if measure in out:
            raise InputError.make("usage", f"{argument('fail_if_worse')} has {measure} twice")
        out[measure] = None if margin is None else _checked_margin(margin)
    if not out:
        raise InputError.make("usage", f"{argument('fail_if_worse')} has no rule", hint="nDCG@10:0.01")
    return out


def _read_rule(text: object) -> tuple[str, Any]:
    if not isinstance(text, str):
        raise InputError.make("usage", f"{argument('fail_if_worse')} takes nDCG@10:0.01, not {shown(text)}")
    name, colon, margin = text.rpartition(":")
    if not colon:
        return text, None
    try:
        return name, float(margin)
    except ValueError:
        return name, margin


def _checked_margin(margin: object) -> float:
    if isinstance(margin, (int, float)) and not isinstance(margin, bool) and 0 <= margin <= 1:
        return float(margin)
    message = f"{argument('fail_if_worse')} takes a margin from 0 to 1, not {shown(margin)}"
    raise InputError.make("usage", message, hint="nDCG@10:0.01, or nDCG@10 for whatever is more than chance")


def worse_than(outcome: Outcome, against: Earlier, margins: MarginsLike) -> Gate:
    """Whether pipelines of an outcome are worse than ``against`` by more than ``margins`` allow.

    A pipeline is held against that of its name in ``against``, or against the only one that is there.

    Raises `InputError`: ``file-unreadable``, ``file-encoding``, ``bad-run``; ``bad-report`` for a file that
    is no report, or lacks a measure or a pipeline; ``usage`` for a measure that the outcome lacks, and as
    `margins_of`; ``unpaired-runs`` where no query is the same.
    """
    rules = margins_of(margins)
    first = next(iter(outcome.evaluations.values()))
    for measure in rules:
        if measure not in first.measures:
            known = ", ".join(map(str, first.measures))
            raise InputError.make("usage", f"{measure} was not measured", hint=f"there are {known}")
    name = "an earlier outcome" if isinstance(against, Outcome) else os.fspath(against)
    earlier = _earlier(against, [*rules], outcome)
    notes: list[Diagnostic] = []
    pairs: dict[str, tuple[Evaluation, Evaluation]] = {}
    for pipeline, now in outcome.evaluations.items():
        pairs[pipeline] = _paired(_counterpart(pipeline, earlier, name), now, [*rules], name)
        notes += _left_out(pipeline, now, pairs[pipeline][1], name)
    differences = _corrected(
        [(pipeline, one) for pipeline, pair in pairs.items() for one in _compared(*pair)]
    )
    found = (
        GateFinding(
            pipeline,
            one.measure,
            rules[one.measure],
            one.base_mean,
            one.mean,
            one.p_holm,
            len(pairs[pipeline][0].queries),
        )
        for pipeline, one in differences
    )
    return Gate(name, tuple(found), tuple(notes))


def _compared(then: Evaluation, now: Evaluation) -> list[MeasureDifference]:
    return compare_evaluations({_THEN: then, _NOW: now}, _THEN)


def _corrected(found: Sequence[tuple[str, MeasureDifference]]) -> list[tuple[str, MeasureDifference]]:
    """The differences with p-values that are corrected for all of them, not for each pipeline's alone."""
    adjusted = holm([one.p for _, one in found])
    return [(name, replace(one, p_holm=p)) for (name, one), p in zip(found, adjusted, strict=True)]


def _counterpart(pipeline: str, earlier: Mapping[str, Evaluation], file: str) -> Evaluation:
    if pipeline in earlier:
        return earlier[pipeline]
    if len(earlier) == 1:
        return next(iter(earlier.values()))
    hint = did_you_mean(pipeline, earlier) or f"it has {', '.join(earlier)}"
    raise InputError.make("bad-report", f"{file} has no pipeline called {pipeline}", hint=hint)


def _paired(
    then: Evaluation, now: Evaluation, measures: Sequence[Measure], file: str
) -> tuple[Evaluation, Evaluation]:
    """Both over the queries that both have."""
    common = tuple(query for query in now.queries if query in then.queries)
    if not common:
        raise InputError.make("unpaired-runs", f"{file} has none of the queries that were asked")
    one, other = (
        Evaluation({m: {query: side.values[m][query] for query in common} for m in measures}, common)
        for side in (then, now)
    )
    return one, other


def _left_out(pipeline: str, now: Evaluation, both: Evaluation, file: str) -> list[Diagnostic]:
    missing = len(now.queries) - len(both.queries)
    if not missing:
        return []
    queries = many(missing, "query", "queries")
    message = f"{pipeline}: {file} lacks {queries}, which therefore say nothing of what is worse"
    return [Diagnostic("unpaired-queries", message, severity="warning")]


# ------------------------------------------------------------------------------------ what there was before


def check_earlier(file: str, measures: Iterable[Measure]) -> None:
    """See whether a file can be compared with, before anything is asked. Raises as `worse_than` does."""
    if not is_run_file(file):
        _with_measures(_read_earlier(file), [*measures], file)


def _earlier(against: Earlier, measures: Sequence[Measure], outcome: Outcome) -> dict[str, Evaluation]:
    """The earlier figures by the names of pipelines."""
    if isinstance(against, Outcome):
        return _with_measures(dict(against.evaluations), measures, "the earlier outcome")
    file = os.fspath(against)
    if is_run_file(file):
        asked = [query for one in outcome.evaluations.values() for query in one.queries]
        run = {query: [hit.doc for hit in hits] for query, hits in read_run(file).items()}
        found = evaluate_run(
            run, outcome.qrels, measures, [query for query in dict.fromkeys(asked) if query in run]
        )
        return {Path(file.removesuffix(".gz")).stem: found}
    return _with_measures(_read_earlier(file), measures, file)


def _with_measures(
    found: dict[str, Evaluation], measures: Sequence[Measure], file: str
) -> dict[str, Evaluation]:
    for one in found.values():
        for measure in measures:
            if measure not in one.measures:
                hint = f"it has {', '.join(map(str, one.measures))}"
                raise InputError.make("bad-report", f"{file} has no {measure}", hint=hint)
    return found


def _read_earlier(file: str) -> dict[str, Evaluation]:
    """The figures of a report. A recording (.qqlrun) has its place here, once there is a ranking in it."""
    if file.endswith(_RECORDING):
        hint = "`qql eval … --format json -o before.json` writes a report, --run-dir DIR a run"
        raise InputError.make("bad-report", f"{file} is a recording of stages, and no report", hint=hint)
    return _read_report(file)


def _read_report(file: str) -> dict[str, Evaluation]:
    try:
        data = json.loads(Path(file).read_text(encoding="utf-8-sig"))
    except OSError as exc:
        raise InputError.make("file-unreadable", f"the file {file} cannot be read: {reason(exc)}") from exc
    except UnicodeDecodeError as exc:
        raise InputError.make("file-encoding", f"{file}: not UTF-8 text") from exc
    except (ValueError, RecursionError) as exc:
        raise _no_report(file, f"it is neither JSON nor a TREC run ({exc})") from exc
    pipelines = data.get("pipelines") if isinstance(data, dict) else None
    if not isinstance(pipelines, list) or not pipelines:
        raise _no_report(file, "it has no `pipelines`")
    return dict(_read_pipeline(one, file, at) for at, one in enumerate(pipelines))


def _read_pipeline(one: Any, file: str, at: int) -> tuple[str, Evaluation]:
    place = f"`pipelines[{at}]"
    if not isinstance(one, dict) or not isinstance(one.get("name"), str):
        raise _no_report(file, f"{place}` has no `name`")
    per_query = one.get("per_query")
    if not isinstance(per_query, dict) or not per_query:
        raise _no_report(file, f"{place}.per_query` has no queries")
    values: dict[Measure, dict[str, float]] = {}
    for query, row in per_query.items():
        if not isinstance(row, dict):
            raise _no_report(file, f"{place}.per_query.{query}` is no object")
        for name, value in row.items():
            if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
                raise _no_report(file, f"{place}.per_query.{query}.{name}` is no number")
            values.setdefault(parse_measure(name), {})[query] = float(value)
    for measure, of in values.items():
        if len(of) < len(per_query):
            query = next(query for query in per_query if query not in of)
            raise _no_report(file, f"{place}.per_query.{query}` has no {measure}")
    return one["name"], Evaluation(values, tuple(per_query))


def _no_report(file: str, why: str) -> QQLError:
    hint = "a report of `qql eval --format json`, or a TREC run"
    return InputError.make("bad-report", f"{file} is no report: {why}", hint=hint)
