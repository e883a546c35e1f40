"""Generated pipelines: what EXPLAIN ANALYZE says of them, beside a recomputation in plain Python."""

from __future__ import annotations

import math
import os
import random
import statistics
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pytest
from pipelines import Drawn, Piece, create, draw

from qql.analysis import Analysis, Verdict, analyse, provenance
from qql.analysis.stage_requests import stage_requests
from qql.compiler.script import Compiled, compile_script
from qql.errors import Source
from qql.rest.named_points import all_named_points
from qql.rest.request import Request
from qql.session.connect import connect
from qql.session.session import Session

ROUNDS = int(os.environ.get("QQL_SOAK_ROUNDS", "2"))  # of the slow tests; a real soak gives more
CHANCE = {"ties", "sample"}


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with connect(":memory:") as made:
        create(made)
        yield made


@pytest.fixture(scope="module")
def local() -> Iterator[Session]:
    from qdrant_client import QdrantClient

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with connect(QdrantClient(":memory:")) as made:
            create(made, optimize=False)
            yield made


# ------------------------------------------------------------------------------------ recomputed


class Entry(NamedTuple):
    """A point of a list of EXPLAIN ANALYZE."""

    id: Any
    score: float
    order: Any = None

    @classmethod
    def all(cls, candidates: Sequence[dict[str, Any]]) -> list[Entry]:
        return [cls(one["id"], one["score"], one.get("order_value")) for one in candidates]


def parts(piece: Piece, at: int, found: Sequence[Entry]) -> list[float]:
    """What a list gives to its points, by the formulas of Qdrant's documentation."""
    if piece.kind == "rrf":
        weight = piece.weights[at] if piece.weights else 1
        return [1 / (rank / weight + piece.k - 1) if weight > 0 else 0.0 for rank in range(1, len(found) + 1)]
    scores = [one.score for one in found]
    if len(set(scores)) < 2:
        return [0.5] * len(found)
    mean, deviation = statistics.fmean(scores), statistics.stdev(scores)
    return [(score - (mean - 3 * deviation)) / (6 * deviation) for score in scores]


def recomputed(piece: Piece, lists: Sequence[Sequence[Entry]]) -> dict[Any, Entry]:
    """All points of the lists with their fused scores."""
    out: dict[Any, Entry] = {}
    for at, found in enumerate(lists):
        for one, part in zip(found, parts(piece, at, found), strict=True):
            order = one.order if piece.kind == "dbsf" else None
            known = out.get(one.id, Entry(one.id, 0.0, order))
            out[one.id] = known._replace(score=known.score + part)
    return out


def near(one: float, other: float, slack: float = 1e-5) -> bool:
    return one == other or abs(one - other) <= slack * max(1.0, abs(one), abs(other))


def key(one: Entry) -> tuple[bool, Any]:
    return (one.order is not None, one.score if one.order is None else one.order)


def disagreement(
    piece: Piece, engine: Sequence[Entry], lists: Sequence[Sequence[Entry]], limit: int, grouped: bool
) -> str | None:
    """Where the engine's list is not what the lists fuse to; the order of equals is free."""
    wanted = recomputed(piece, lists)
    slack = 1e-5 + max((_shaky(found) for found in lists), default=0.0) * (piece.kind == "dbsf")
    for one in engine:
        if one.id not in wanted or not near(wanted[one.id].score, one.score, slack):
            return f"{one.id}: {one.score}, and not {wanted.get(one.id)}"
    if grouped:
        return None
    by_order = piece.kind == "dbsf"
    least = -math.inf if piece.threshold is None else piece.threshold
    ranked = sorted(wanted.values(), key=key if by_order else lambda one: one.score, reverse=True)
    below = next((at for at, one in enumerate(ranked) if one.score < least - slack), len(ranked))
    fewest = next((at for at, one in enumerate(ranked) if one.score < least + slack), len(ranked))
    if not min(fewest, limit) <= len(engine) <= min(below, limit):
        return f"{len(engine)} points, and not {min(below, limit)}"
    for one, other in zip(engine, ranked, strict=False):
        if by_order and other.order is not None:
            if one.order != other.order:
                return f"{one} stands where {other} should"
        elif not near(one.score, other.score, slack):
            return f"{one} stands where {other} should"
    return None


def _shaky(found: Sequence[Entry]) -> float:
    """How far 32 bits can put a normalized score wrong, where the scores of a list differ by little."""
    scores = [one.score for one in found]
    if len(set(scores)) < 2:
        return 0.0
    return max(map(abs, scores)) * 2**-23 * len(scores) / statistics.stdev(scores)


# ------------------------------------------------------------------------------------ looking


class Looked:
    """A pipeline that has run, with the stages of EXPLAIN ANALYZE at their places."""

    def __init__(self, session: Session, drawn: Drawn) -> None:
        self.session, self.drawn = session, drawn
        self.data = session.execute(f"EXPLAIN ANALYZE FORMAT json {drawn.text}").data
        self.compiled = compiled(session, drawn.text)
        self.at = {tuple(path): stage for stage in self.data["stages"] for path in stage["paths"]}
        self.grouped = drawn.group is not None

    def fusions(self) -> Iterator[tuple[tuple[int, ...], Piece, dict[str, Any]]]:
        for path, piece in self.drawn.root.walk():
            if piece.kind in ("rrf", "dbsf"):
                yield path, piece, self.at[path]

    def disagreement(self, path: tuple[int, ...], piece: Piece) -> str | None:
        stage = self.at[path]
        lists = [Entry.all(self.at[(*path, at)]["candidates"]) for at in range(len(piece.inputs))]
        found = Entry.all(stage["candidates"])
        return disagreement(piece, found, lists, stage["limit"], self.grouped and not path)

    def really_tied(self, path: tuple[int, ...], piece: Piece) -> bool:
        """Whether points below a fusion are equal, or points at its own limit or that of a stage below."""
        places = [inner for inner, one in piece.walk(path) if one.kind != "ids"]  # whose order is certain
        for inner in places:
            if inner == path:
                continue
            candidates = self.at[inner]["candidates"]
            if len({one.get("order_value", one["score"]) for one in candidates}) < len(candidates):
                return True
        return any(self._cuts_a_tie(inner) for inner in places)

    def _cuts_a_tie(self, path: tuple[int, ...]) -> bool:
        """Whether a stage that has one slot more gives a point with the score of its last one."""
        one, stage = self.compiled, self.at[path]
        if not stage["candidates"] or stage["unused"]:
            return False
        assert one.plan is not None
        run = next(run for run in stage_requests(one.plan, one.requests[0]) if path in run.paths)
        url = f"/collections/{self.drawn.collection}/points/query"
        answer = self.session.backend.call(Request("POST", url, {}, {**run.body, "limit": run.limit + 1}))
        points, last = answer["points"], stage["candidates"][-1]["score"]
        return len(points) > stage["returned"] and near(points[-1]["score"], last, 1e-6)


def compiled(session: Session, text: str) -> Compiled:
    (one,) = compile_script(Source(text), None, session.context)
    return one


def check_verdicts(looked: Looked, census: Counter[str]) -> None:
    """Each verdict beside the recomputation; a reason that is given has to be there."""
    text = looked.drawn.text
    reasons = set()
    for path, piece, stage in looked.fusions():
        verdict = stage["fusion"]
        wrong = looked.disagreement(path, piece)
        given = {one["reason"] for one in verdict["differences"]}
        assert given <= CHANCE | {"rounding"}, (text, stage["label"], verdict["verdict"])
        if wrong is not None:
            assert given & CHANCE, (text, stage["label"], wrong)
        if "sample" in given:
            assert any(inner.sampled for _, inner in piece.walk()), text
        elif given & CHANCE:
            assert looked.really_tied(path, piece), (text, stage["label"], verdict)
        reasons |= given
    for stage in looked.data["stages"]:
        if stage["rescored"] is not None:
            assert stage["rescored"]["reason"] in {None, *CHANCE}, (text, stage["label"])
            reasons |= {stage["rescored"]["reason"]} - {None}
    fused = any(True for _ in looked.fusions())
    census[" and ".join(sorted(reasons)) or ("same" if fused else "no fusion")] += 1


def check_attribution(found: Analysis, text: str) -> None:
    """What the sources of each hit have contributed adds up to its score, and their shares to 1."""
    hits = provenance(found)
    assert [(hit.id, hit.score) for hit in hits] == [(hit.id, hit.score) for hit in found.hits]
    for hit in hits:
        sources = hit.sources()
        if not sources:
            direct = {one.id for report in found.inputs_of(found.stages[0]) for one in report.candidates}
            assert hit.id not in direct and hit.recomposed == 0, (text, hit)
            continue
        assert near(sum(one.contribution or 0.0 for one in sources), hit.score, 2e-6), (text, hit)
        shares = [one.share for one in sources]
        if hit.score == 0 and hit.recomposed is not None:
            assert shares == [None] * len(shares), (text, hit)
        else:
            assert near(sum(share or 0.0 for share in shares), 1.0), (text, hit)
        for outer in hit.shares:
            inner = [one.contribution for one in hit.shares if one.path[:-1] == outer.path and one.path]
            given = [one for one in inner if one is not None]
            if given:
                assert len(given) == len(inner)
                assert near(sum(given), outer.contribution or 0.0, 2e-6), (text, hit)


def alike(engine: Sequence[Entry], ours: Sequence[Entry]) -> bool:
    """Whether two pages have the same scores, and with each but the first and the last the same points."""
    if [one.score for one in engine] != [one.score for one in ours]:
        return False
    ends = {ours[0].score, ours[-1].score} if ours else set()
    one, other = ({(at.id, at.score) for at in found if at.score not in ends} for found in (engine, ours))
    return one == other


def check_ablation(looked: Looked, found: Analysis, census: Counter[str]) -> None:
    """Each ablation beside what the engine answers when the prefetch is taken out of the request by hand."""
    root = found.stages[0]
    if root.verdict is None:
        assert found.ablation == () and "fuses nothing" in found.notes[-1]
        return
    request, text = looked.compiled.requests[0], looked.drawn.text
    body = request.body or {}
    tied = looked.drawn.sampled or looked.really_tied((), looked.drawn.root)
    assert [left.label for left in found.ablation] == [report.label for report in found.inputs_of(root)]
    for at, left in enumerate(found.ablation):
        rest: dict[str, Any] = {**body, "prefetch": [*body["prefetch"][:at], *body["prefetch"][at + 1 :]]}
        if "rrf" in body["query"] and "weights" in body["query"]["rrf"]:
            weights = body["query"]["rrf"]["weights"]
            rest["query"] = {"rrf": {**body["query"]["rrf"], "weights": weights[:at] + weights[at + 1 :]}}
        if not rest["prefetch"]:
            assert left.order == ()
            continue
        answer = looked.session.backend.call(Request(request.method, request.path, {}, rest))
        if "groups" in answer:
            engine = [hit for group in answer["groups"][found.plan.offset or 0 :] for hit in group["hits"]]
        else:
            engine = answer["points"]
        same = alike(Entry.all(engine), [Entry(hit.id, hit.score) for hit in left.order])
        assert same or tied or looked.grouped, (text, left.label)
        census[f"ablation {'same' if same else 'same but for ties'}"] += 1
        before, after = {hit.id for hit in found.hits}, {hit.id for hit in left.order}
        if not tied and not looked.drawn.offset:
            assert set(left.left) == before - after and set(left.entered) == after - before, text
            assert left.overlap == (len(before & after) / len(before) if before else 1.0)


# ------------------------------------------------------------------------------------ falsified

Points = list[dict[str, Any]]


def another_score(points: Points, rng: random.Random, limit: int) -> Points:
    """The score that is farthest from the next one, half as far from it."""
    scores = [one["score"] for one in points]
    at = max(range(len(scores) - 1), key=lambda at: scores[at] - scores[at + 1])
    score = (scores[at] + scores[at + 1]) / 2
    return [*points[:at], {**points[at], "score": score}, *points[at + 1 :]]


def one_less(points: Points, rng: random.Random, limit: int) -> Points:
    at = rng.randrange(len(points))
    return points[:at] + points[at + 1 :]


def one_more(points: Points, rng: random.Random, limit: int) -> Points:
    return [*points, {**points[-1], "id": 10**6}]


def twice(points: Points, rng: random.Random, limit: int) -> Points:
    at = rng.randrange(1, len(points))
    return [*points[:at], {**points[at], "id": points[at - 1]["id"]}, *points[at + 1 :]]


def exchanged_ids(points: Points, rng: random.Random, limit: int) -> Points:
    one, other = points[0]["id"], points[-1]["id"]
    other_way = {one: other, other: one}
    return [{**point, "id": other_way.get(point["id"], point["id"])} for point in points]


def turned_round(points: Points, rng: random.Random, limit: int) -> Points:
    return points[::-1]


def a_stranger(points: Points, rng: random.Random, limit: int) -> Points:
    at = rng.randrange(len(points))
    return [*points[:at], {**points[at], "id": 10**6}, *points[at + 1 :]]


FALSE: dict[str, Callable[[Points, random.Random, int], Points]] = {
    one.__name__: one
    for one in (another_score, one_less, one_more, twice, exchanged_ids, turned_round, a_stranger)
}


def falsified(session: Session, one: Compiled, how: str, rng: random.Random) -> Verdict | None:
    """The root's verdict when its answer has been changed; None where there is nothing to change."""
    assert one.plan is not None
    limit = stage_requests(one.plan, one.requests[0])[0].limit
    changed: list[bool] = []

    def call(request: Request) -> Any:
        answer = session.backend.call(request)
        if changed:
            return answer
        changed.append(False)
        points = answer[0]["points"]
        if len(points) > 2 and abs(points[0]["score"] - points[-1]["score"]) > 0.01:
            changed[0] = True
            return [{"points": FALSE[how](points, rng, limit)}, *answer[1:]]
        return answer

    found = analyse(one.plan, one.requests[0], call, runs=0)
    return found.stages[0].verdict if changed[0] else None


# ------------------------------------------------------------------------------------ the tests


def soak(session: Session, rng: random.Random, count: int) -> Counter[str]:
    census: Counter[str] = Counter()
    for _ in range(count):
        drawn = draw(rng)
        looked = Looked(session, drawn)
        check_verdicts(looked, census)
        one = looked.compiled
        assert one.plan is not None
        found = analyse(one.plan, one.requests[0], session.backend.call, runs=0, ablate=True)
        check_attribution(found, drawn.text)
        check_ablation(looked, found, census)
    return census


@pytest.mark.parametrize(
    ("seed", "count"),
    [(7, 75), *(pytest.param(seed, 500, marks=pytest.mark.slow) for seed in range(1, ROUNDS + 1))],
)
def test_the_engine_fuses_what_the_stages_give(session: Session, seed: int, count: int) -> None:
    census = soak(session, random.Random(seed), count)
    verdicts = {reasons: number for reasons, number in census.items() if not reasons.startswith("ablation")}
    assert sum(verdicts.values()) == count
    fused = count - verdicts["no fusion"]
    assert verdicts["same"] > 0.75 * fused and len(verdicts) > 3  # the rest is tied or drawn
    assert census["ablation same"] > 0.8 * (census["ablation same"] + census["ablation same but for ties"])


@pytest.mark.parametrize("how", FALSE)
@pytest.mark.parametrize("count", [10, pytest.param(100 * ROUNDS, marks=pytest.mark.slow)])
def test_what_is_false_is_not_explained_away(session: Session, how: str, count: int) -> None:
    rng, seen, excused = random.Random(f"{how} {count}"), 0, 0
    while seen < count:
        drawn = draw(rng)
        if drawn.root.kind not in ("rrf", "dbsf") or drawn.group or drawn.sampled:
            continue
        verdict = falsified(session, compiled(session, drawn.text), how, rng)
        if verdict is None:
            continue
        seen += 1
        if not verdict.unexplained:  # which is right only where the false answer may be a true one
            tied = Looked(session, drawn).really_tied((), drawn.root)
            on_the_edge = drawn.root.threshold is not None and verdict.reasons == ("rounding",)
            assert tied or on_the_edge or verdict.by_direction, (drawn.text, verdict)
            excused += 1
    # Of 600 drawn pipelines 8 % were tied where `exchanged_ids` changes them, 12 of 100 in the worst hundred.
    assert excused <= 0.2 * count


def test_a_stage_alone_gives_what_the_query_uses(session: Session) -> None:
    """The order in which one prefetch comes in is seen through a fusion of it alone."""
    rng, compared = random.Random(5), 0
    while compared < 100:
        drawn = draw(rng, "many")
        if drawn.sampled or drawn.group:
            continue
        looked = Looked(session, drawn)
        body = looked.compiled.requests[0].body or {}
        url = f"/collections/{drawn.collection}/points/query"
        for at, prefetch in enumerate(body["prefetch"]):
            stage = looked.at[(at,)]
            if looked.really_tied((at,), drawn.root.inputs[at]):
                continue
            alone = [point["id"] for point in stage["candidates"]]
            scores = [point["score"] for point in stage["candidates"]]
            if len(set(scores)) < len(scores):
                continue
            asked = {"prefetch": [prefetch], "query": {"rrf": {"k": 2}}, "limit": 1000}
            # A point that any stage names is in none of them.
            named = all_named_points(body, drawn.collection)
            given = {"must": [body["filter"]]} if "filter" in body else {}
            asked["filter"] = {**given, "must_not": [{"has_id": named}]}
            answer = session.backend.call(Request("POST", url, {}, asked))
            assert [point["id"] for point in answer["points"]] == alone, (drawn.text, stage["label"])
            compared += 1


@pytest.mark.parametrize("count", [4, pytest.param(150 * ROUNDS, marks=pytest.mark.slow)])
def test_local_mode_is_judged_honestly(local: Session, count: int) -> None:
    """It has its own idea of MMR, GROUP BY, and DBSF of equals or of an order; that is seen, and no more."""
    rng, same = random.Random(count), 0
    for _ in range(count):
        drawn = draw(rng)
        looked = Looked(local, drawn)
        for path, piece, stage in looked.fusions():
            wrong = looked.disagreement(path, piece)
            reasons = {one["reason"] for one in stage["fusion"]["differences"]}
            assert wrong is None or reasons - {"rounding"}, (drawn.text, stage["label"], wrong)
            own_way = looked.grouped or any(word in drawn.text for word in ("MMR", "ORDER BY"))
            scores = [[one["score"] for one in stage["candidates"]] for stage in looked.data["stages"]]
            own_way = own_way or ("DBSF" in drawn.text and any(len({*one}) < 2 < len(one) for one in scores))
            assert own_way or reasons <= CHANCE | {"rounding"}, (drawn.text, stage["label"], reasons)
            same += stage["fusion"]["same"]
        one = looked.compiled
        assert one.plan is not None
        check_attribution(analyse(one.plan, one.requests[0], local.backend.call, runs=0), drawn.text)
    assert same > 0.6 * count
