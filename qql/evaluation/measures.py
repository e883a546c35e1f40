"""The measures of a ranking, by the names of ir-measures and as trec_eval defines them, in plain Python.

======================= ============================================================================
``nDCG``, ``nDCG@k``    DCG of the ranking over that of the best one possible. A document at rank r
                        adds gain / log₂(r + 1). The gain is the relevance, or 2^relevance - 1 with
                        ``dcg='exp-log2'``; at or below 0 it is 0. (Järvelin, Kekäläinen: Cumulated gain-based
                        evaluation of IR techniques, ACM TOIS 20(4), 2002; Burges et al., ICML 2005)
``R@k``                 the share of the relevant documents that are among the first k
``P@k``                 the share of the first k places that hold a relevant document
``Success@k``           1 where a relevant document is among the first k, else 0
``RR``, ``RR@k``        1 / rank of the first relevant document, 0 where there is none
``AP``, ``AP@k``        the precision at the rank of each relevant document, summed, over the number of all
                        relevant ones (Buckley, Voorhees: Retrieval system evaluation, TREC, 2005)
``Rprec``               the precision at k = the number of relevant documents
``Judged``, ``Judged@k`` the share of the returned documents, up to k, that are judged at all
``ERR``, ``ERR@k``      expected reciprocal rank: a reader goes down the ranking and stops at rank r with the
                        probability (2^relevance - 1) / 2^max_rel; the mean of 1 / r where they stop.
                        ``max_rel`` (4) is the largest relevance. (Chapelle, Metzler, Zhang, Grinspan:
                        Expected reciprocal rank for graded relevance, CIKM 2009; as gdeval computes it)
``RBP``, ``RBP@k``      rank-biased precision: (1 - p) times the sum of p^(r-1) over the ranks of relevant
                        documents; a reader goes on to the next one with the probability ``p`` (0.8). Its
                        `residual` is what documents that nobody judged could add. (Moffat, Zobel: Rank-biased
                        precision for measurement of retrieval effectiveness, ACM TOIS 27(1), 2008)
``Bpref``               of each relevant document that was found: 1 less the share of documents judged to be
                        not relevant that stand above it; over the number of all relevant ones. Documents
                        without judgement do not count. (Buckley, Voorhees: Retrieval evaluation with
                        incomplete information, SIGIR 2004; as trec_eval computes it, which leaves out
                        relevances below 0)
``alpha_nDCG``, ``…@k`` nDCG where a document gains for each subtopic that it is relevant to (1 - alpha)^n, n
                        documents above it having been so already; ``alpha`` (0.5). The best ranking is made
                        greedily. Requires judgements with subtopics. (Clarke et al.: Novelty and diversity in
                        information retrieval evaluation, SIGIR 2008)
======================= ============================================================================

``rel=n`` (default 1) is the least relevance that counts as relevant; ``judged_only=True`` takes documents
without judgement out of the ranking first. ``Recall``, ``Precision``, ``MRR`` and ``MAP`` are other names.
A relevance may be a fraction: gains take it as it is.

A ranking is a sequence of document ids, the best first, each once: the engine's order, ties included.
"""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NoReturn, TypedDict, TypeGuard, cast

from qql.errors import Diagnostic, QQLError, QQLExecutionError, did_you_mean, fail
from qql.evaluation.faults import InputError
from qql.evaluation.files.clicks import ClickQrels
from qql.evaluation.files.qrels import MOST_RELEVANT, Judgements, subtopics_of
from qql.late import late_pattern
from qql.records import dataclass, field, replace

__all__ = [
    "DEFAULT_MEASURES",
    "MEASURES",
    "Evaluation",
    "Measure",
    "about_judgements",
    "check_judgements",
    "evaluate_run",
    "parse_measure",
    "parse_measures",
    "residual",
    "unreached",
]

DEFAULT_MEASURES = ("nDCG@10", "R@100", "RR@10")


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure with its parameters; its text is its name in ir-measures."""

    name: str
    cutoff: int | None = None
    rel: float = 1
    dcg: str = "log2"
    judged_only: bool = False
    max_rel: int = 4
    p: float = 0.8
    alpha: float = 0.5

    def __str__(self) -> str:
        given = {name: getattr(self, name) for name in _DEFAULTS}
        parameters = ",".join(
            f"{name}={value!r}" for name, value in given.items() if value != _DEFAULTS[name]
        )
        return (
            self.name + (f"({parameters})" if parameters else "") + (f"@{self.cutoff}" if self.cutoff else "")
        )

    def __call__(self, ranking: Sequence[str], judged: Mapping[str, float]) -> float:
        """The value for one query: 0 to 1. ``judged`` is document id → relevance.

        Raises `InputError` ``bad-qrels`` for a relevance above ERR's ``max_rel``.
        """
        if self.judged_only:
            ranking = [doc for doc in ranking if judged.get(doc, -1) >= 0]
        return MEASURES[self.name].function(self, ranking, judged)


@dataclass(frozen=True, slots=True)
class _Definition:
    function: Callable[[Measure, Sequence[str], Mapping[str, float]], float]
    cutoff: str  # "needed", "allowed" or "refused"
    parameters: tuple[str, ...]
    subtopics: bool = False


def _relevant_hits(measure: Measure, ranking: Sequence[str], judged: Mapping[str, float]) -> list[bool]:
    return [judged.get(doc, 0) >= measure.rel for doc in ranking[: measure.cutoff]]


def _count_relevant(measure: Measure, judged: Mapping[str, float]) -> int:
    return sum(relevance >= measure.rel for relevance in judged.values())


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _ndcg(measure: Measure, ranking: Sequence[str], judged: Mapping[str, float]) -> float:
    k = measure.cutoff
    exponential = measure.dcg == "exp-log2"
    gains = {doc: 2.0**rel - 1 if exponential else float(rel) for doc, rel in judged.items() if rel > 0}
    best = sorted(gains.values(), reverse=True)[:k]
    return _ratio(_dcg(gains.get(doc, 0.0) for doc in ranking[:k]), _dcg(best))


def _dcg(gains: Iterable[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1) if gain)


def _recall(measure: Measure, ranking: Sequence[str], judged: Mapping[str, float]) -> float:
    return _ratio(sum(_relevant_hits(measure, ranking, judged)), _count_relevant(measure, judged))


def _precision(measure: Measure, ranking: Sequence[str], judged: Mapping[str, float]) -> float:
    return _ratio(sum(_relevant_hits(measure, ranking, judged)), measure.cutoff or len(ranking))


def _success(measure: Measure, ranking: Sequence[str], judged: Mapping[str, float]) -> float:
    return float(any(_relevant_hits(measure, ranking, judged)))


def _reciprocal_rank(measure: Measure, ranking: Sequence[str], judged: Mapping[str, float]) -> float:
    hits = _relevant_hits(measure, ranking, judged)
    return 1 / (hits.index(True) + 1) if True in hits else 0.0


def _average_precision(measure: Measure, ranking: Sequence[str], judged: Mapping[str, float]) -> float:
    ranks = [rank for rank, hit in enumerate(_relevant_hits(measure, ranking, judged), 1) if hit]
    return _ratio(sum(found / rank for found, rank in enumerate(ranks, 1)), _count_relevant(measure, judged))


def _r_precision(measure: Measure, ranking: Sequence[str], judged: Mapping[str, float]) -> float:
    relevant = _count_relevant(measure, judged)
    return _ratio(sum(_relevant_hits(measure, ranking[:relevant], judged)), relevant)


def _judged_share(measure: Measure, ranking: Sequence[str], judged: Mapping[str, float]) -> float:
    top = ranking[: measure.cutoff]
    return _ratio(sum(doc in judged for doc in top), len(top))


def _expected_reciprocal_rank(measure: Measure, ranking: Sequence[str], judged: Mapping[str, float]) -> float:
    total, goes_on = 0.0, 1.0
    for rank, doc in enumerate(ranking[: measure.cutoff], 1):
        relevance = judged.get(doc, 0)
        if relevance > measure.max_rel:
            hint = f"ERR(max_rel={math.ceil(relevance)})"
            message = f"ERR takes relevances up to {measure.max_rel}, and {doc!r} has {relevance:g}"
            raise InputError.make("bad-qrels", message, hint=hint)
        stops = (2.0**relevance - 1) / 2.0**measure.max_rel if relevance > 0 else 0.0
        total += goes_on * stops / rank
        goes_on *= 1 - stops
    return total


def _rank_biased_precision(measure: Measure, ranking: Sequence[str], judged: Mapping[str, float]) -> float:
    hits = _relevant_hits(measure, ranking, judged)
    return (1 - measure.p) * math.fsum(measure.p**at for at, hit in enumerate(hits) if hit)


def residual(measure: Measure, ranking: Sequence[str], judged: Mapping[str, float]) -> float:
    """What RBP could rise by, were all documents relevant that nobody judged: those in the ranking, and those
    that would stand behind its end (behind the cutoff, where the measure has one), which weigh p^n."""
    top = ranking[: measure.cutoff]
    unknown = math.fsum(measure.p**at for at, doc in enumerate(top) if doc not in judged)
    return (1 - measure.p) * unknown + measure.p ** len(top)


def _binary_preference(measure: Measure, ranking: Sequence[str], judged: Mapping[str, float]) -> float:
    relevant = _count_relevant(measure, judged)
    others = sum(0 <= relevance < measure.rel for relevance in judged.values())
    above, total = 0, 0.0
    for doc in ranking:
        relevance = judged.get(doc, -1)
        if relevance >= measure.rel:
            total += 1 - _ratio(min(above, relevant), min(others, relevant))
        elif relevance >= 0:
            above += 1
    return _ratio(total, relevant)


def _alpha_ndcg(measure: Measure, ranking: Sequence[str], judged: Mapping[str, float]) -> float:
    about: dict[str, frozenset[str]] = {}
    for doc, subtopics in subtopics_of(judged).items():
        relevant = frozenset(subtopic for subtopic, rel in subtopics.items() if rel > 0)
        if relevant:
            about[doc] = relevant
    found = _dcg(_novel_gains(measure, (about.get(doc, frozenset()) for doc in ranking[: measure.cutoff])))
    return _ratio(found, _dcg(_novel_gains(measure, _greedy(measure, [*about.values()]))))


def _novel_gains(measure: Measure, ranking: Iterable[frozenset[str]]) -> Iterator[float]:
    """The gain of each document, given by its subtopics."""
    seen: Counter[str] = Counter()
    for subtopics in ranking:
        yield math.fsum((1 - measure.alpha) ** seen[one] for one in subtopics)
        seen.update(subtopics)


def _greedy(measure: Measure, left: list[frozenset[str]]) -> Iterator[frozenset[str]]:
    """Documents in the order in which each next one gains the most."""
    seen: Counter[str] = Counter()
    kinds = Counter(left)  # documents about the same subtopics gain the same
    for _ in range(min(len(left), measure.cutoff or len(left))):
        best = max(kinds, key=lambda kind: math.fsum((1 - measure.alpha) ** seen[one] for one in kind))
        yield best
        seen.update(best)
        kinds[best] -= 1
        if not kinds[best]:
            del kinds[best]


def _is_positive(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_BINARY = ("rel", "judged_only")
MEASURES = {
    "nDCG": _Definition(_ndcg, "allowed", ("dcg", "judged_only")),
    "R": _Definition(_recall, "needed", _BINARY),
    "P": _Definition(_precision, "needed", _BINARY),
    "Success": _Definition(_success, "needed", _BINARY),
    "RR": _Definition(_reciprocal_rank, "allowed", _BINARY),
    "AP": _Definition(_average_precision, "allowed", _BINARY),
    "Rprec": _Definition(_r_precision, "refused", _BINARY),
    "Judged": _Definition(_judged_share, "allowed", ()),
    "ERR": _Definition(_expected_reciprocal_rank, "allowed", ("max_rel",)),
    "RBP": _Definition(_rank_biased_precision, "allowed", ("p", "rel")),
    "Bpref": _Definition(_binary_preference, "refused", ("rel",)),
    "alpha_nDCG": _Definition(_alpha_ndcg, "allowed", ("alpha", "judged_only"), subtopics=True),
}
"""Name → how it is computed, and what it takes."""
_ALIASES = {"Recall": "R", "Precision": "P", "MRR": "RR", "MAP": "AP"}
_NAMES = {name.lower(): _ALIASES.get(name, name) for name in [*MEASURES, *_ALIASES]}
_DEFAULTS: dict[str, object] = {
    "rel": 1,
    "dcg": "log2",
    "judged_only": False,
    "max_rel": 4,
    "p": 0.8,
    "alpha": 0.5,
}
_ACCEPTED: dict[str, tuple[Callable[[object], bool], str]] = {
    "rel": (lambda value: _is_number(value) and 0 < value < math.inf, "a number above 0"),
    "dcg": (lambda value: value in ("log2", "exp-log2"), "'log2' or 'exp-log2'"),
    "judged_only": (lambda value: type(value) is bool, "True or False"),
    "max_rel": (lambda value: _is_positive(value) and value <= MOST_RELEVANT, "an integer from 1 to 1000"),
    "p": (lambda value: _is_number(value) and 0 < value < 1, "a number between 0 and 1"),
    "alpha": (lambda value: _is_number(value) and 0 <= value <= 1, "a number from 0 to 1"),
}


# -- names


_ALPHA = late_pattern("^(alpha|α)[-_](?=nDCG)", re.IGNORECASE)


class _Parameters(TypedDict, total=False):
    rel: float
    dcg: str
    judged_only: bool
    max_rel: int
    p: float
    alpha: float


def parse_measures(texts: Iterable[str]) -> tuple[Measure, ...]:
    """`parse_measure` of each, without repetitions."""
    return tuple(dict.fromkeys(map(parse_measure, texts)))


def parse_measure(text: str) -> Measure:
    """The measure that a name of ir-measures means (``nDCG@10``, ``R(rel=2)@100``), in any case of letters;
    ``α-nDCG`` is ``alpha_nDCG``.

    Raises `InputError`: ``unknown-measure``, ``bad-measure``.
    """
    try:
        tree: ast.expr = ast.parse(_ALPHA.sub("alpha_", text.strip()), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
        raise _unusable(text, "it does not read as `name(parameter=value)@k`") from exc
    cutoff: object = None
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.MatMult):
        cutoff = _constant_value(text, tree.right)
        tree = tree.left
    given: dict[str, object] = {}
    if isinstance(tree, ast.Call):
        if tree.args:
            _fail_unusable(text, "its parameters have to be named: `name(parameter=value)@k`")
        given = {word.arg or "**": _constant_value(text, word.value) for word in tree.keywords}
        tree = tree.func
    if not isinstance(tree, ast.Name):
        _fail_unusable(text, "it does not read as `name(parameter=value)@k`")
    name = _NAMES.get(tree.id.lower())
    if name is None:
        fail(
            "unknown-measure",
            f"there is no measure `{tree.id}`",
            hint=did_you_mean(tree.id, [*MEASURES, *_ALIASES])
            or f"the measures are {', '.join(MEASURES)}, as in nDCG@10",
            error=InputError,
        )
    if "cutoff" in given and cutoff is None:
        cutoff = given.pop("cutoff")
    checked_cutoff = _check_cutoff(text, name, cutoff)
    _check_parameters(text, name, given)
    return Measure(name, checked_cutoff, **cast(_Parameters, given))


def _constant_value(text: str, tree: ast.expr) -> object:
    if not isinstance(tree, ast.Constant):
        _fail_unusable(text, "its values have to be numbers, strings, True or False")
    return tree.value


def _check_cutoff(text: str, name: str, cutoff: object) -> int | None:
    takes = MEASURES[name].cutoff
    if cutoff is None:
        if takes == "needed":
            _fail_unusable(text, f"{name} requires a cutoff: `{name}@10`")
        return None
    if takes == "refused":
        _fail_unusable(text, f"{name} takes no cutoff")
    if not _is_positive(cutoff):
        _fail_unusable(text, "its cutoff has to be an integer above 0")
    return cutoff


def _check_parameters(text: str, name: str, given: Mapping[str, object]) -> None:
    known = MEASURES[name].parameters
    for parameter, value in given.items():
        if parameter not in known:
            takes = f"takes {', '.join(known)}" if known else "takes no parameters"
            _fail_unusable(text, f"{name} has no parameter `{parameter}`; it {takes}")
        accepts, what = _ACCEPTED[parameter]
        if not accepts(value):
            _fail_unusable(text, f"`{parameter}` has to be {what}")


def _unusable(text: str, why: str) -> QQLError:
    return InputError.make("bad-measure", f"the measure `{text}` cannot be used: {why}")


def _fail_unusable(text: str, why: str) -> NoReturn:
    raise _unusable(text, why)


# -- runs


def check_judgements(measures: Iterable[Measure], qrels: Mapping[str, Mapping[str, float]]) -> None:
    """Raises `InputError` ``bad-qrels`` where a measure requires subtopics and no judgement has one."""
    for measure in measures:
        if MEASURES[measure.name].subtopics and not any(
            isinstance(judged, Judgements) for judged in qrels.values()
        ):
            hint = "in TREC's `query subtopic document relevance`, or a field `subtopic` of each judgement"
            message = f"{measure} requires judgements with subtopics, and these have none"
            raise InputError.make("bad-qrels", message, hint=hint)


def about_judgements(
    measures: Sequence[Measure], qrels: Mapping[str, Mapping[str, float]]
) -> list[Diagnostic]:
    """What there is to know of judgements: clicks made them, or nothing is relevant to a measure."""
    made = [qrels.note()] if isinstance(qrels, ClickQrels) else []
    return [*made, *unreached(measures, qrels)]


def unreached(measures: Iterable[Measure], qrels: Mapping[str, Mapping[str, float]]) -> list[Diagnostic]:
    """A warning where a measure calls nothing relevant, though judgements differ."""
    most = max((relevance for judged in qrels.values() for relevance in judged.values()), default=0)
    high = [one for one in measures if "rel" in MEASURES[one.name].parameters and one.rel > most > 0]
    if not high:
        return []
    names = ", ".join(map(str, high))
    message = f"no relevance is above {most:g}, so that nothing is relevant to {names}"
    example = replace(high[0], rel=most)
    hint = f"{example} counts from the largest relevance on"
    return [Diagnostic("unreached-relevance", message, hint=hint, severity="warning")]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What `evaluate` found for one pipeline.

    ``values`` is measure → query id → value, for the queries that count: ``queries``, in the order in which
    they were asked. ``unjudged`` are left out, since nothing is judged for them; ``missing`` count as 0,
    since the run has no document for them; ``unasked`` are judged and were not asked. ``judged_hits`` is the
    number of returned documents that have a judgement.
    """

    values: Mapping[Measure, Mapping[str, float]] = field(hash=False)
    queries: tuple[str, ...]
    unjudged: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()
    judged_hits: int = 0

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The measures, in the order given."""
        return tuple(self.values)

    @property
    def means(self) -> dict[Measure, float]:
        """The arithmetic mean of each measure over `queries`."""
        return {m: math.fsum(of.values()) / len(of) for m, of in self.values.items()}

    def warnings(self) -> list[Diagnostic]:
        """What makes the figures mean less than they seem to."""
        warnings = []
        if not self.judged_hits:
            warnings.append(
                Diagnostic(
                    "no-judged-hits",
                    "none of the documents found is among the judged ones",
                    hint="the ids of documents might not be those of the judgements",
                    severity="warning",
                )
            )
        if self.unjudged:
            count, most = len(self.unjudged), ", ".join(self.unjudged[:5])
            warnings.append(
                Diagnostic(
                    "unjudged-queries",
                    f"{count} {'query has' if count == 1 else 'queries have'} no judgements and"
                    f" {'does' if count == 1 else 'do'} not count: {most}{', …' if count > 5 else ''}",
                    severity="warning",
                )
            )
        return warnings


def evaluate_run(
    run: Mapping[str, Sequence[str]],
    qrels: Mapping[str, Mapping[str, float]],
    measures: Iterable[Measure],
    asked: Iterable[str] | None = None,
) -> Evaluation:
    """The measures of a run: query id → document ids, the best first, each once.

    ``asked`` are the ids of the queries that were run; without it, those of ``qrels`` and ``run``. A query
    without judgements does not count; a judged one without results counts as 0, as with ``trec_eval -c``, and
    so does one whose judgements are all "not relevant". Raises `QQLExecutionError` ``no-judged-queries``
    where none is left, and as `check_judgements`.
    """
    measures = tuple(measures)
    check_judgements(measures, qrels)
    every = tuple(dict.fromkeys(asked if asked is not None else [*qrels, *run]))
    queries = tuple(query for query in every if qrels.get(query))
    if not queries:
        fail(
            "no-judged-queries",
            "none of the queries has a judgement",
            hint="the ids of queries and judgements might differ",
            error=QQLExecutionError,
        )
    known = set(every)
    return Evaluation(
        values={m: {query: m(run.get(query, ()), qrels[query]) for query in queries} for m in measures},
        queries=queries,
        unjudged=tuple(query for query in every if not qrels.get(query)),
        missing=tuple(query for query in queries if not run.get(query)),
        unasked=tuple(query for query in qrels if query not in known),
        judged_hits=sum(doc in qrels[query] for query in queries for doc in run.get(query, ())),
    )
