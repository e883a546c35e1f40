"""What is missing of a construct: each part of the house that has to know it, asked by an example of it.

``gaps()`` lists what is missing of targets, operators, functions, options, index types and statements,
each with the construct's name and the place where the part belongs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

import qql
from qql import nodes
from qql.backends.capabilities import FEATURES
from qql.backends.edge import config, filters, formulas, indexes
from qql.backends.edge import queries as edge_queries
from qql.compiler.options import collection
from qql.compiler.options.index import INDEX_TYPES
from qql.compiler.options.query import REQUEST_OPTIONS, SEARCH_PARAMS
from qql.compiler.options.table import Setting, Settings
from qql.manual.entries import ENTRIES
from qql.nodes import Name, Node, Scalar
from qql.nodes.declare import Part, TargetInfo
from qql.nodes.roles import INPUT, INPUTS, PAIRS, SCORED, Choice, Count
from qql.rest.inference_objects import inputs_of_query, places_of
from qql.rest.request import Request
from qql.session import answers
from qql.syntax.lalr import grammar_text
from qql.syntax.parser import parse
from qql.syntax.printer import show

__all__ = ["gaps"]

FEATURES_FILE = "qql/backends/features/"
MANUAL_FILE = "qql/manual/entries/"


def gaps() -> list[str]:
    """Everything that is missing, as ``CONSTRUCT: what is missing (where)``."""
    found: list[str] = []
    for kind, info in nodes.TARGETS.items():
        found += [f"{info.words}: {gap}" for gap in target_gaps(kind, info)]
    for known in nodes.MATCH_OPERATORS.values():
        found += [f"{known.words}: {gap}" for gap in operator_gaps(known)]
    for function in nodes.FUNCTIONS.values():
        found += [f"{function.word}: {gap}" for gap in function_gaps(function)]
    for setting in (*SEARCH_PARAMS.values(), *REQUEST_OPTIONS.values()):
        found += [f"{setting.name}: {gap}" for gap in option_gaps(setting)]
    for place, table, readers in block_tables():
        for setting in table.values():
            found += [f"{place} {setting.name}: {gap}" for gap in block_option_gaps(setting, readers)]
    for name in INDEX_TYPES:
        found += [f"TYPE {name}: {gap}" for gap in index_gaps(name)]
    for statement, declared in nodes.STATEMENTS.items():
        found += [f"{declared.words}: {gap}" for gap in statement_gaps(statement)]
    return found


# ------------------------------------------------------------------------------------ what all have in common


def rule_of(kind: type[Node]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def has_rule(kind: type[Node]) -> bool:
    rule = rule_of(kind)
    made_elsewhere = {"order_by": "order_target", "update_payload": "set_payload"}
    made_elsewhere |= {"update_vector": "set_vector", "update_vectors": "set_vectors"}
    name = made_elsewhere.get(rule, rule)
    return re.search(rf"^\??{name}:|-> {name}\b", grammar_text(), re.M) is not None


def in_manual(kind: type[Node]) -> bool:
    rule = rule_of(kind)
    elsewhere = {"order_by": "order_target", "update_payload": "update", "update_vector": "update"}
    elsewhere |= {
        "update_vectors": "update",
        "add_vector": "alter_collection",
        "drop_vector": "alter_collection",
    }
    wanted = {rule, elsewhere.get(rule, rule)}
    return any(wanted & {*entry.rules.split(), *entry.covers.split()} for entry in ENTRIES)


def probed(pattern: str) -> bool:
    """Whether a feature is tried by a request that holds this."""
    return any(re.search(pattern, _written(request)) for feature in FEATURES for request in feature.probe)


def _written(request: Request) -> str:
    return f"{request.method} {request.path} {json.dumps(dict(request.query))} {json.dumps(request.body)}"


def attempt(what: Callable[[], bool], gap: str) -> Iterator[str]:
    try:
        if not what():
            yield gap
    except (qql.QQLError, AssertionError, LookupError, TypeError) as exc:
        first = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        yield f"{gap}: {first}"


def comes_back(statement: Any) -> bool:
    return parse(show(statement)) == [statement]


def converts(request: Request) -> bool:
    return qql.compile(qql.from_request(request)) == [request]


# ------------------------------------------------------------------------------------ targets

TEXT, VECTOR, POINT = nodes.Text(Scalar("a"), Scalar("m")), nodes.Vector([0.5]), nodes.Point(Scalar(7))


def example(kind: type[Node], info: TargetInfo, one: nodes.Input, *, whole: bool = True) -> Any:
    """A target whose inputs are all ``one``; with ``whole``, no part is missing."""
    values = {
        part.field: _part(part, one) for part in info.parts if whole or part.required or part.has_inputs
    }
    if kind is nodes.RelevanceFeedback:
        options = tuple(nodes.Option(name, 1) for name in "abc")
        values |= {"strategy": Name("naive"), "options": options}
    return kind(**values)


def _part(part: Part, one: nodes.Input) -> object:
    match part.role:
        case Choice(words=words):
            return Name(words[-1])
        case Count(low=low):
            return Scalar(low)
    made: dict[Any, object] = {
        INPUT: one,
        INPUTS: (one,),
        PAIRS: (nodes.ContextPair(one, one),),
        SCORED: (nodes.FeedbackItem(one, Scalar(1)),),
    }
    return made.get(part.role, Scalar(getattr(part.role, "low", 0)))


def target_gaps(kind: type[Node], info: TargetInfo) -> Iterator[str]:
    if not has_rule(kind):
        yield f"no rule `{rule_of(kind)}` (grammar/qql.lark)"
        return
    if kind not in nodes.Target.__args__:
        yield "it is no member of the union `Target` (qql/nodes/targets.py)"
    if not in_manual(kind):
        yield f"no entry has the rule `{rule_of(kind)}` (qql/manual/entries/targets.py)"
    if info.rest is None:
        return
    if not info.stage and not any(part.rest == "nearest" for part in info.parts):
        yield "a converted stage of this kind has no name: `stage` (qql/nodes/targets.py)"
    if not probed(rf'"{info.rest}": '):
        yield f"no feature tries a `{info.rest}` query (qql/backends/features/queries.py)"
    if info.rest not in edge_queries._QUERIES and info.rest != "mmr":
        said = f"the embedded engine is said to carry it out, and reads no `{info.rest}`"
        yield f"{said} (qql/backends/edge/queries.py)"
    if info.parts:
        yield from _declared_target_gaps(kind, info)


def _declared_target_gaps(kind: type[Node], info: TargetInfo) -> Iterator[str]:
    def query(one: nodes.Input, **more: Any) -> nodes.Query:
        using = nodes.Using(Name("v"))
        return nodes.Query(target=example(kind, info, one, **more), source=Name("c"), using=using)

    def request(one: nodes.Input, **more: Any) -> Request:
        [found] = qql.compile(show(query(one, **more)))
        return found

    inputs = 0
    for part in info.parts:
        inputs += {INPUT: 1, INPUTS: 1, PAIRS: 2, SCORED: 1}.get(part.role, 0)
    for one in (TEXT, VECTOR, POINT):
        yield from attempt(lambda one=one: comes_back(query(one)), "its text does not come back")
    yield from attempt(lambda: comes_back(query(TEXT, whole=False)), "its short text does not come back")
    yield from attempt(lambda: info.rest in request(TEXT).body["query"], f"no `{info.rest}` is emitted")
    yield from attempt(
        lambda: len(list(places_of(request(TEXT)))) == inputs, "a text would reach the engine unembedded"
    )
    yield from attempt(
        lambda: list(inputs_of_query(request(POINT).body["query"])) == [7] * inputs,
        "a point that it names is not found",
    )
    for one in (TEXT, VECTOR, POINT):
        yield from attempt(lambda one=one: converts(request(one)), "its request does not convert")
    yield from attempt(
        lambda: info.words.split()[0] in qql.explain(show(query(VECTOR))), "EXPLAIN does not show it"
    )


# ------------------------------------------------------------------------------------ match operators


def operator_gaps(known: nodes.MatchOperator) -> Iterator[str]:
    value: Any = Scalar(known.example)
    if known.values:
        value = (Scalar("a"), Scalar("b"))
    condition = nodes.Match(Name("f"), known.kind, value)
    count = nodes.Count(source=Name("c"), where=condition)
    if known.word and not re.search(rf"^match: (?:.*\n +\|)*.*\b{known.word}\b", grammar_text(), re.M):
        yield f"the rule `match` has no {known.word} (grammar/qql.lark)"
        return
    if known.kind == "any":  # IN is its canonical text
        return
    yield from attempt(lambda: comes_back(count), "its text does not come back")

    def request() -> Request:
        return qql.compile(show(count))[0]

    yield from attempt(
        lambda: known.kind in request().body["filter"]["must"][0]["match"], f"no `{known.kind}` is emitted"
    )
    yield from attempt(lambda: converts(request()), "its request does not convert")
    yield from attempt(lambda: known.words in qql.explain(show(count)), "EXPLAIN does not show it")
    if not any(known.word in f"{entry.text} {' '.join(entry.words)}" for entry in ENTRIES):
        yield f"no entry speaks of it ({MANUAL_FILE}filters.py)"
    if not probed(rf'"match": {{"{known.kind}": '):
        yield f"no feature tries it ({FEATURES_FILE}queries.py)"
    if known.kind not in filters._MATCHES:
        yield "the embedded engine does not read it (qql/backends/edge/filters.py)"
    if not known.says:
        yield "it does not say what it finds: `says` (qql/nodes/filters.py)"


# ------------------------------------------------------------------------------------ functions of formulas


def function_gaps(function: nodes.Function) -> Iterator[str]:
    args = tuple(Name(letter) for letter in "xyz"[: function.most or 3])
    call = nodes.Call(function.name, args)
    stage = nodes.Ref(nodes.Query(target=VECTOR))
    query = nodes.Query(target=nodes.Formula(call), source=Name("c"), prefetch=(stage,))
    yield from attempt(lambda: comes_back(query), "its text does not come back")

    def request() -> Request:
        return qql.compile(show(query))[0]

    yield from attempt(lambda: function.name in request().body["query"]["formula"], "it is not emitted")
    yield from attempt(lambda: converts(request()), "its request does not convert")
    if not any(entry.name == function.word for entry in ENTRIES):
        yield f"it has no entry ({MANUAL_FILE}formulas.py)"
    if not probed(rf'"{function.name}": '):
        yield f"no feature tries it ({FEATURES_FILE}queries.py)"
    if function.name not in formulas._FUNCTIONS:
        yield "the embedded engine does not read it (qql/backends/edge/formulas.py)"


# ------------------------------------------------------------------------------------ options

_TRIED = (64, True, 0.5, "global", "majority", {"rescore": True}, "a")


def option_gaps(setting: Setting) -> Iterator[str]:
    for value in _TRIED:
        try:
            setting(value)
            break
        except ValueError:
            continue
    else:
        yield "no value is known to try it with (tests/declarations.py)"
        return
    params = (nodes.Option(setting.name, value),)
    query = nodes.Query(target=VECTOR, source=Name("c"), params=params)
    yield from attempt(lambda: comes_back(query), "its text does not come back")

    def request() -> Request:
        return qql.compile(show(query))[0]

    def is_sent() -> bool:
        one = request()
        return setting.name in (one.body or {}).get("params", {}) or setting.name in one.query

    yield from attempt(is_sent, "it is not sent")
    yield from attempt(lambda: converts(request()), "its request does not convert")
    yield from attempt(lambda: setting.name in qql.explain(show(query)), "EXPLAIN does not show it")
    if not any(setting.name in table for entry in ENTRIES for _, table in entry.tables):
        yield f"no entry shows its table ({MANUAL_FILE}options.py)"
    if not probed(rf'"{setting.name}": '):
        yield f"no feature tries it ({FEATURES_FILE}queries.py)"
    if setting.name not in edge_queries._PARAMS:
        yield "the embedded engine does not read it (qql/backends/edge/queries.py)"


def block_tables() -> Iterator[tuple[str, Settings, Collection[str] | None]]:
    """Tables of options of collections, and what the embedded engine reads of each where it lists that."""
    yield "WITH HNSW", collection.HNSW, config._HNSW
    yield "WITH OPTIMIZERS", collection.OPTIMIZERS, config._OPTIMIZERS
    yield "WITH VECTOR", collection.VECTOR, None
    yield "WITH SPARSE", collection.SPARSE, {"modifier", *config._SPARSE_INDEX}
    yield "WITH PARAMS", collection.PARAMS, None
    yield "WITH WAL", collection.WAL, None
    yield "WITH STRICT_MODE", collection.STRICT_MODE, None
    for kind, table in collection.QUANTIZATION.items():
        yield f"WITH QUANTIZATION (type = {kind})", table, None
    for kind, table in INDEX_TYPES.items():
        yield f"TYPE {kind}", table, {*indexes._TYPES[kind][1], *indexes._COMMON}


def block_option_gaps(setting: Setting, readers: Collection[str] | None) -> Iterator[str]:
    if readers is not None and setting.name not in readers:
        yield "the embedded engine does not read it (qql/backends/edge/config.py, edge/indexes.py)"
    if not any(setting in table.values() for entry in ENTRIES for _, table in entry.tables):
        yield f"no entry shows its table ({MANUAL_FILE}options.py)"
    written = setting.name.removesuffix("_memory")
    if setting.support.since != "1.10" and not probed(rf'"{written}": '):
        yield f"no feature tries it ({FEATURES_FILE}collections.py)"


def index_gaps(name: str) -> Iterator[str]:
    text = f"CREATE INDEX ON c FOR f TYPE {name};"
    yield from attempt(lambda: converts(qql.compile(text)[0]), "its request does not convert")
    if not any(f"TYPE {name}" == title for entry in ENTRIES for title, _ in entry.tables):
        yield f"no entry shows its table ({MANUAL_FILE}options.py)"
    if not probed(rf'"field_schema": (?:{{"type": )?"{name}"'):
        yield f"no feature tries it ({FEATURES_FILE}collections.py)"
    if name not in indexes._TYPES:
        yield "the embedded engine does not read it (qql/backends/edge/indexes.py)"
    elif set(INDEX_TYPES[name]) - set(indexes._TYPES[name][1]) - set(indexes._COMMON):
        yield "the embedded engine does not read all of its options (qql/backends/edge/indexes.py)"


# ------------------------------------------------------------------------------------ statements


def statement_gaps(kind: type[Node]) -> Iterator[str]:
    info = nodes.STATEMENTS[kind]
    if not has_rule(kind):
        yield f"no rule `{rule_of(kind)}` (grammar/qql.lark)"
        return
    if kind not in nodes.Statement.__args__:
        yield "it is no member of the union of statements of its file (qql/nodes/)"
    if not in_manual(kind):
        yield f"no entry has the rule `{rule_of(kind)}` (qql/manual/entries/statements.py)"
    if info.effect is None:
        yield "nothing says whether it writes: `effect` (qql/nodes/)"
    if info.sends is None:
        return
    if info.shows is None and kind not in answers._SHOWS:
        yield "nothing says how its answer is shown: `shows` (qql/nodes/)"
    sent = re.sub(r"\{\w+\}", r"[^/ ]+", info.sends)
    if not probed(rf"^{sent} "):
        yield f"no feature tries {info.sends} ({FEATURES_FILE}administration.py)"
