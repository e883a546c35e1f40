"""Requests as other people write them: consoles, documents, shells, other clients, older days."""

from __future__ import annotations

import json
from typing import Any

import pytest

import qql
from qql.convert import normal_form
from qql.convert.languages import language_of
from qql.convert.loose_json import JsonFault, read_json
from qql.convert.markdown import only_requests
from qql.convert.shell import ShellFault, read_command
from qql.errors import QQLPlanError, QQLScriptError, QQLSyntaxError
from qql.rest.request import Request

POINTS = "/collections/docs/points"
UUID = "550e8400-e29b-41d4-a716-446655440000"


def line(given: Any, **rest: Any) -> str:
    """The QQL of a request, on one line."""
    return " ".join(qql.from_request(given, format="line", **rest).split())


def post(path: str, body: Any = None, *, method: str = "POST", **query: Any) -> Request:
    return Request(method, f"/collections/docs/{path}".rstrip("/"), query, body)


def refusal(given: Any) -> str:
    with pytest.raises(QQLPlanError) as caught:
        qql.from_request(given)
    assert caught.value.code == "cannot-convert"
    return f"{caught.value.message} ({caught.value.hint})"


def same(one: Request, other: Request) -> None:
    """Checks that two requests are one to the converter, and that its QQL sends that one again."""
    assert normal_form(one) == normal_form(other)
    (made,) = qql.compile(qql.from_request(one))
    assert normal_form(made) == normal_form(other)


# ------------------------------------------------------------------------------------ paths


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ('POST collections/docs/points/scroll\n{"limit": 3}', "SCROLL FROM docs LIMIT 3;"),
        ("GET collections/aliases", "SHOW COLLECTION aliases;"),
        ("GET aliases", "SHOW ALIASES;"),
        ("GET collections", "SHOW COLLECTIONS;"),
        ("GET localhost:6333/collections/docs", "SHOW COLLECTION docs;"),
        ("GET {{host}}/collections/docs // what there is", "SHOW COLLECTION docs;"),
        ("POST /collections/docs/points/count", "COUNT FROM docs;"),
        ("GET /collections/docs/exists", "EXISTS COLLECTION docs;"),
        (f"GET {POINTS}/42", "QUERY POINTS (42) FROM docs WITH VECTOR true;"),
        (f"GET {POINTS}/{UUID}", f"QUERY POINTS ('{UUID}') FROM docs WITH VECTOR true;"),
    ],
)
def test_paths_of_consoles(given: str, expected: str) -> None:
    assert line(given) == expected


def test_a_path_without_a_slash_beside_a_body() -> None:
    assert line({"query": 1}, path="collections/docs/points/query") == line({"query": 1}, collection="docs")
    assert line(Request("GET", "collections/docs")) == "SHOW COLLECTION docs;"


def test_no_point_of_this_name() -> None:
    assert "'nobody' is no point id" in refusal(f"GET {POINTS}/nobody")
    assert "the methods of this path are POST" in refusal(f"GET {POINTS}/scroll")


# ------------------------------------------------------------------------------------ JSON of documents


@pytest.mark.parametrize(
    ("written", "value", "left_out"),
    [
        ("[1, 2, ...]", [1, 2], ("the body",)),
        ('{"a": [0.1, ..., 0.9], "b": {"c": 1, ...}}', {"a": [0.1, 0.9], "b": {"c": 1}}, ("a", "b")),
        ('{"a": [[1, …], [2, …]]}', {"a": [[1], [2]]}, ("a[0]", "a[1]")),
        ('{"a": 1, // one\n "b": 2, # two\n /* three */ }', {"a": 1, "b": 2}, ()),
        ('{"a": "x // y", }', {"a": "x // y"}, ()),
        ('{"a": 1\n "b": [1 2\n {"c": null}]}', {"a": 1, "b": [1, 2, {"c": None}]}, ()),
        ('{"a": -1.5e3, "b": true,}', {"a": -1500.0, "b": True}, ()),
    ],
)
def test_json_as_documents_write_it(written: str, value: Any, left_out: tuple[str, ...]) -> None:
    read = read_json(written, 0)
    assert (read.value, read.end, read.left_out) == (value, len(written), left_out)


@pytest.mark.parametrize(
    ("written", "message", "at"),
    [
        ('{"a": ...}', "stands for a value that is needed here", 6),
        ('{"a": 1,', "`{` is never closed", 0),
        ('{"a": [1, }', "a value is required", 10),
        ('{"a" 1,}', "a colon is required", 5),
        ("{a: 1,}", "a key in double quotes is required", 1),
        ('{"a": 1, "a": 2,}', 'the key "a" stands twice', 9),
        ('{"a": 1,, "b": 2}', "a key in double quotes", 8),
        ('{"a": /* */ 99999999999999999999}', "does not fit 64 bits", 12),
        ('{"a": 1x,}', "a value is required", 6),
        ('{"a": "x\n",}', "this is no JSON", 8),
    ],
)
def test_what_is_no_json_has_a_place(written: str, message: str, at: int) -> None:
    with pytest.raises(JsonFault, match=message) as caught:
        read_json(written, 0)
    assert caught.value.at == at


def test_what_a_document_leaves_out_is_said() -> None:
    found = qql.from_request(
        'POST collections/docs/points/query\n{"query": [0.2, ...], "limit": 3, // three\n "params": {...}}'
    )
    assert found.splitlines() == [
        "-- the request leaves something out (...) in query, params",
        "QUERY [0.2] FROM docs WITH PAYLOAD false LIMIT 3;",
    ]
    assert len(qql.compile(found)) == 1


# ------------------------------------------------------------------------------------ Markdown

PAGE = """# Two queries

A page says much: POST /collections/other/points/count is not asked for here.

```http
POST /collections/docs/points/count
{}
```

```python
client.count("docs")
```

1. In a list:
   ```json withRunButton=true
   GET collections/docs
   ```

```json
{"result": {"count": 3}}
```
"""


def test_the_requests_of_a_page() -> None:
    assert line(PAGE) == "COUNT FROM docs; SHOW COLLECTION docs;"


def test_a_fault_in_a_page_has_the_place_of_the_page() -> None:
    page = PAGE.replace("{}\n", '{"limit": 3}\n', 1).replace("GET collections", "GET colections")
    with pytest.raises(QQLScriptError) as caught:
        qql.from_request(page, name="page.md")
    places = [(one.source and one.source.name, one.line, one.column) for one in caught.value.diagnostics]
    assert places == [("page.md", 6, 1), ("page.md", 16, 4)]


def test_a_page_of_one_body_takes_the_hints_beside_it() -> None:
    assert line('Count them:\n```json\n{"exact": true}\n```\n', path=f"{POINTS}/count") == (
        "COUNT FROM docs PARAMS (exact = true);"
    )


def test_fences_without_prose_and_texts_without_fences_stay_as_they_were() -> None:
    assert line("```\nGET /collections\n```") == "SHOW COLLECTIONS;"
    text = 'POST /a\n{"text": "```"}\n'
    assert only_requests(text, lambda _: True) == text


# ------------------------------------------------------------------------------------ shells


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (r"a 'b c' \'d \"e", ["a", "b c", "'d", '"e']),
        (r"""a "b \"c\" \n $x" """, ["a", r'b "c" \n $x']),
        (r"""$'it\'s\n\x41\u00e9\101\q'""", ["it's\nAéA\\q"]),
        ("a \\\n b", ["a", "b"]),
        ("a ''", ["a", ""]),
        ("a x'y'\"z\"", ["a", "xyz"]),
        ("a > out.json 2>&1 | jq '.result | keys'\nb", ["a"]),
        ("a; b", ["a"]),
        ("a && b", ["a"]),
    ],
)
def test_the_words_of_a_command(written: str, words: list[str]) -> None:
    assert read_command(written, 0).words == words


@pytest.mark.parametrize("written", ["a $'b", 'a "b', "a 'b", "a \\", "a <<EOF\nb", "a < b", "a & b"])
def test_what_is_no_command_is_refused(written: str) -> None:
    with pytest.raises(ShellFault):
        read_command(written, 0)


@pytest.mark.parametrize(
    "command",
    [
        """curl -sX POST "$QDRANT{path}" -H 'api-key: k' -d $'{{"exact": true}}' | jq .""",
        """curl localhost{path} --json '{{"exact": true, }}' > count.json""",
        """curl -XPOST localhost{path} --data-binary @- <<'EOF' | jq\n{{"exact": true}}\nEOF\n""",
        """curl -fsS --request POST --url localhost{path} --data-raw '{{"exact": true}}' && true""",
    ],
)
def test_curl_as_shells_take_it(command: str) -> None:
    wanted = "COUNT FROM docs PARAMS (exact = true);"
    if command.endswith("true"):
        command = command.removesuffix("true") + "curl localhost/collections"
        wanted += " SHOW COLLECTIONS;"
    assert line(command.format(path=f"{POINTS}/count")) == wanted


def test_no_message_shows_a_key() -> None:
    for secret in (
        "-H 'api-key: hidden'",
        '-H "Authorization: Bearer hidden"',
        "-u hidden",
        "-H api_key=hidden",
    ):
        for rest in ("--frobnicate", "-d '{\"limt\": 1}'"):
            with pytest.raises((QQLSyntaxError, QQLPlanError)) as caught:
                qql.from_request(f"curl {secret} localhost{POINTS}/query {rest}")
            assert "hidden" not in str(caught.value)


# ------------------------------------------------------------------------------------ other names

_VECTORS = {"a": {"size": 4, "distance": "Dot"}}
_GROUPED = {"query": 1, "group_by": "a"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (post("points/query", {"query": 1, "with_vectors": ["a"]}), {"query": 1, "with_vector": ["a"]}),
        (post("points/scroll", {"with_vectors": True}), {"with_vector": True}),
        (post("points", {"ids": [1], "with_vectors": True}), {"ids": [1], "with_vector": True}),
        (
            post(
                "points/query/groups", {**_GROUPED, "with_lookup": {"collection": "o", "with_vector": True}}
            ),
            {**_GROUPED, "with_lookup": {"collection": "o", "with_vectors": True}},
        ),
        (
            post("points/vectors/delete", {"points": [1], "vectors": ["a"]}),
            {"points": [1], "vector": ["a"]},
        ),
        (
            post("points", {"points": [{"id": 1, "vectors": [1.0]}]}, method="PUT"),
            {"points": [{"id": 1, "vector": [1.0]}]},
        ),
        (
            post("points/vectors", {"points": [{"id": 1, "vectors": {"a": [1.0]}}]}, method="PUT"),
            {"points": [{"id": 1, "vector": {"a": [1.0]}}]},
        ),
        (
            post(
                "",
                {
                    "vectors": {"a": {**_VECTORS["a"], "quantization": {"binary": {}}}},
                    "quantization": {"scalar": {"type": "int8"}},
                    "hnsw_config": {"full_scan_threshold_kb": 100},
                    "optimizer_config": {"indexing_threshold_kb": 1, "memmap_threshold_kb": 2},
                },
                method="PUT",
            ),
            {
                "vectors": {"a": {**_VECTORS["a"], "quantization_config": {"binary": {}}}},
                "quantization_config": {"scalar": {"type": "int8"}},
                "hnsw_config": {"full_scan_threshold": 100},
                "optimizers_config": {"indexing_threshold": 1, "memmap_threshold": 2},
            },
        ),
        (
            post("", {"optimizer_config": {"max_segment_size_kb": 9}, "wal_config": {}}, method="PATCH"),
            {"optimizers_config": {"max_segment_size": 9}},
        ),
        (
            post("index", {"field_name": "f", "field_type": "keyword"}, method="PUT"),
            {"field_name": "f", "field_schema": "keyword"},
        ),
        (
            post(
                "index",
                {
                    "field_name": "f",
                    "field_schema": {
                        "type": "text",
                        "stopwords": "en",
                        "stemmer": {"type": "snowball", "language": "de"},
                    },
                },
                method="PUT",
            ),
            {
                "field_name": "f",
                "field_schema": {
                    "type": "text",
                    "stopwords": {"languages": ["english"]},
                    "stemmer": {"type": "snowball", "language": "german"},
                },
            },
        ),
        (post("points/scroll", {"with_payload": [], "with_vector": []}), {"with_payload": False}),
        (post("points/scroll", {"with_payload": {"exclude": []}}), {}),
    ],
)
def test_other_names_mean_the_same(one: Request, other: dict[str, Any]) -> None:
    same(one, Request(one.method, one.path, one.query, other))


def test_a_key_by_both_of_its_names_is_refused() -> None:
    found = refusal(post("points/scroll", {"with_vector": True, "with_vectors": False}))
    assert "with_vectors: this is another name of `with_vector`, which is given too" in found


def test_messages_call_a_key_what_the_request_calls_it() -> None:
    assert "with_vectors[0]: a text is required" in refusal(post("points/scroll", {"with_vectors": [1]}))
    assert "quantization: this is no quantization" in refusal(post("", {"quantization": {}}, method="PATCH"))


def test_names_that_a_server_ignores_are_not_taken() -> None:
    found = refusal(post("points/query/groups", {"query": 1, "group_by": "a", "with_vectors": True}))
    assert "with_vectors: QQL has no word for this key (did you mean `with_vector`?)" in found
    assert "ignores it here" in refusal(post("", {"wal_config": {"wal_capacity_mb": 1}}, method="PATCH"))


def test_languages_by_their_codes() -> None:
    from qql.compiler.options.index import INDEX_TYPES

    assert language_of("hi-en") == "hinglish"
    assert language_of("english") == "english"
    for code in ("ar", "az", "eu", "jp", "kk", "sl", "tg", "zh"):  # each is a language of stopwords
        assert INDEX_TYPES["text"]["stopwords"].check(language_of(code)) == {"languages": [language_of(code)]}


# ------------------------------------------------------------------------------------ older days

_PAIRS = [{"positive": 1, "negative": [1.0]}]


@pytest.mark.parametrize(
    ("path", "body", "today", "wanted"),
    [
        ("search", {"vector": [1.0], "limit": 3}, "", {"query": [1.0], "limit": 3}),
        (
            "search",
            {"vector": {"name": "d", "vector": [1.0]}, "top": 3, "with_vectors": True, "offset": 2},
            "",
            {"query": [1.0], "using": "d", "limit": 3, "with_vector": True, "offset": 2},
        ),
        (
            "search",
            {
                "vector": {"name": "s", "vector": {"indices": [1], "values": [0.5]}},
                "limit": 1,
                "filter": None,
            },
            "",
            {"query": {"indices": [1], "values": [0.5]}, "using": "s", "limit": 1},
        ),
        (
            "search/batch",
            {"searches": [{"vector": [1.0], "limit": 3}, {"vector": [2.0], "limit": 1}]},
            "/batch",
            {"searches": [{"query": [1.0], "limit": 3}, {"query": [2.0], "limit": 1}]},
        ),
        (
            "search/groups",
            {"vector": [1.0], "limit": 3, "group_by": "a", "group_size": 2, "score_threshold": 0.5},
            "/groups",
            {"query": [1.0], "limit": 3, "group_by": "a", "group_size": 2, "score_threshold": 0.5},
        ),
        (
            "recommend",
            {"positive": [1, [1.0]], "strategy": "best_score", "limit": 3, "using": "d"},
            "",
            {
                "query": {"recommend": {"positive": [1, [1.0]], "strategy": "best_score"}},
                "using": "d",
                "limit": 3,
            },
        ),
        (
            "recommend/batch",
            {"searches": [{"positive": [1], "negative": [2], "top": 3}]},
            "/batch",
            {"searches": [{"query": {"recommend": {"positive": [1], "negative": [2]}}, "limit": 3}]},
        ),
        (
            "recommend/groups",
            {"positive": [1], "limit": 3, "group_by": "a", "group_size": 2},
            "/groups",
            {"query": {"recommend": {"positive": [1]}}, "limit": 3, "group_by": "a", "group_size": 2},
        ),
        (
            "discover",
            {"target": 1, "context": _PAIRS, "limit": 3, "lookup_from": {"collection": "o"}},
            "",
            {
                "query": {"discover": {"target": 1, "context": _PAIRS}},
                "limit": 3,
                "lookup_from": {"collection": "o"},
            },
        ),
        ("discover", {"context": _PAIRS, "limit": 3}, "", {"query": {"context": _PAIRS}, "limit": 3}),
        (
            "discover/batch",
            {"searches": [{"target": 1, "limit": 3}]},
            "/batch",
            {"searches": [{"query": {"discover": {"target": 1, "context": []}}, "limit": 3}]},
        ),
    ],
)
def test_routes_of_older_days(path: str, body: Any, today: str, wanted: Any) -> None:
    same(post(f"points/{path}", body, timeout=3), post(f"points/query{today}", wanted, timeout=3))


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("search", {"vector": [1.0]}, "the key `limit` is missing"),
        ("search", {"vector": {"name": "a"}, "limit": 1}, "vector: the key `vector` is missing"),
        ("search", {"vector": [1.0], "limit": 1, "group_by": "a"}, "group_by: QQL has no word"),
        ("recommend", {"positive": ["x"], "limit": 1}, r"positive[0]: 'x' is no point id"),
        ("discover", {"limit": 1}, "a `target` or a `context` is required"),
        ("discover", {"target": 1, "limit": 1, "with_vectors": True}, "did you mean `with_vector`"),
        ("search/groups", {"vector": [1.0], "limit": 1}, "the key `group_by` is missing"),
    ],
)
def test_what_the_older_routes_do_not_take(path: str, body: Any, message: str) -> None:
    assert message in refusal(post(f"points/{path}", body))


def test_bodies_of_older_days_say_which_request_they_are() -> None:
    assert line({"vector": [1.0], "limit": 3}, collection="docs").startswith("QUERY [1.0] FROM docs")
    assert line({"positive": [1], "limit": 3}, collection="docs").startswith("QUERY RECOMMEND POSITIVE (1)")


def test_a_discovery_needs_no_context() -> None:
    for discover in ({"target": 1}, {"target": 1, "context": None}, {"target": 1, "context": []}):
        one = post("points/query", {"query": {"discover": discover}})
        same(one, post("points/query", {"query": {"discover": {"target": 1, "context": []}}}))


# ------------------------------------------------------------------------------------ parameters of the URL


@pytest.mark.parametrize(
    ("one", "notes", "statement"),
    [
        (
            post("", {"vectors": _VECTORS}, method="PUT", timeout="60"),
            ["-- the request has a timeout of 60 s; a statement waits as its session does"],
            "CREATE COLLECTION docs (a VECTOR(4, DOT));",
        ),
        (post("", method="DELETE", timeout=0), 1, "DROP COLLECTION docs;"),
        (post("points/delete", {"points": [1]}, wait="true", timeout=3), 1, "DELETE FROM docs WHERE id = 1;"),
        (post("index/f", method="DELETE", wait=True, timeout=3), 1, "DROP INDEX ON docs FOR f;"),
        (post("points/count", {}, timeout=3), 0, "COUNT FROM docs PARAMS (timeout = 3);"),
        (
            post("points/7", method="GET", timeout=3),
            0,
            "QUERY POINTS (7) FROM docs PARAMS (timeout = 3) WITH",
        ),
        (
            post("vectors/a", method="DELETE"),
            ["-- the request does not wait until it is done; the statement does"],
            "ALTER COLLECTION docs DROP VECTOR a;",
        ),
        (post("snapshots", wait="false"), 1, "CREATE SNAPSHOT ON docs;"),
        (post("snapshots"), 0, "CREATE SNAPSHOT ON docs;"),
    ],
)
def test_what_a_statement_does_not_say_stands_above_it(one: Request, notes: Any, statement: str) -> None:
    *above, last = qql.from_request(one, format="line").splitlines()
    assert above == notes if isinstance(notes, list) else len(above) == notes
    assert last.startswith(statement.partition(" PARAMS")[0])
    assert ("timeout = 3" in last) == ("PARAMS" in statement)
    qql.compile("\n".join([*above, last]))


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (post("", method="GET", timeout=1), "URL.timeout: QQL has no word for this parameter"),
        (post("", {"vectors": _VECTORS}, method="PUT", timeout="soon"), "URL.timeout: a whole number"),
        (post("points/delete", {"points": [1]}, ordering="strong"), "default ordering, which is weak"),
        (post("points/delete", {"points": [1]}, wiat="true"), "URL.wiat: QQL has no word for this key"),
    ],
)
def test_parameters_that_are_refused(one: Request, message: str) -> None:
    assert message in refusal(one)


# ------------------------------------------------------------------------------------ aliases, no statement


def test_several_changes_of_aliases_are_one_batch() -> None:
    actions = [
        {"delete_alias": {"alias_name": "now"}},
        {"create_alias": {"collection_name": "new", "alias_name": "now"}},
        {"rename_alias": {"old_alias_name": "now", "new_alias_name": "then"}},
    ]
    one = Request("POST", "/collections/aliases", {}, {"actions": actions})
    found = qql.from_request(one)
    assert "".join(found.split()) == (
        "BATCH{DROPALIASnow;CREATEORREPLACEALIASnowFORnew;ALTERALIASnowRENAMETO'then';};"
    )
    assert qql.compile(found) == [one]
    assert "actions: there is nothing to change" in refusal(
        Request("POST", "/collections/aliases", {}, {"actions": []})
    )


@pytest.mark.parametrize(
    ("form", "body", "expected"),
    [
        ("pairs", {}, "MATRIX FROM docs;"),
        (
            "pairs",
            {"sample": 9, "limit": 2, "using": "d", "filter": {"must": [{"has_vector": "d"}]}},
            "MATRIX FROM docs USING d WHERE HAS_VECTOR d PARAMS (sample = 9) LIMIT 2;",
        ),
        ("offsets", {"shard_key": "eu"}, "MATRIX FROM docs PARAMS (form = 'offsets') SHARD 'eu';"),
    ],
)
def test_search_matrices(form: str, body: Any, expected: str) -> None:
    one = post(f"points/search/matrix/{form}", body)
    assert line(one) == expected
    same(one, one)


@pytest.mark.parametrize(
    ("request_line", "reason"),
    [
        ("GET /telemetry", "about the server"),
        ("GET /", "about the server"),
        ("DELETE /issues", "about the server"),
        ("POST /locks", "about the server"),
        ("GET /cluster", "about the nodes of a cluster"),
        ("POST collections/docs/cluster", "about the nodes of a cluster"),
        ("POST /snapshots", "about all collections at once"),
        ("GET /collections/docs/snapshots/a.snapshot", "it sends or brings a file"),
        ("POST /collections/docs/snapshots/upload", "it sends or brings a file"),
        ("POST /collections/docs/shards/0/snapshots", "about one shard"),
        ("POST /collections/docs/points/serch", "did you mean `points/search`?"),
    ],
)
def test_routes_without_a_statement_are_refused_by_name(request_line: str, reason: str) -> None:
    found = refusal(request_line)
    assert "QQL has no statement for this route" in found
    assert reason in found


def test_every_fault_of_several_requests_is_told_with_its_place() -> None:
    text = json.dumps({"method": "GET", "path": "/metrics"}) + "\n\nGET /collections\n\nGET /telemetry"
    with pytest.raises(QQLScriptError) as caught:
        qql.from_request(text, name="some.http")
    assert [(one.code, one.line) for one in caught.value.diagnostics] == [
        ("cannot-convert", 1),
        ("cannot-convert", 5),
    ]


def test_a_file_as_editors_keep_it() -> None:
    text = (
        "### search\nPOST {{host}}/collections/docs/points/search HTTP/1.1\nAccept: application/json\n\n"
        '{\n  "vector": [0.1, 0.2] // two\n  "limit": 3\n}\n\n### all\nGET collections\n'
    )
    assert line(text) == "QUERY [0.1, 0.2] FROM docs WITH PAYLOAD false LIMIT 3; SHOW COLLECTIONS;"
