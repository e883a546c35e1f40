"""Texts that send nothing: what `compile` gives of them says why where a request is taken."""

from __future__ import annotations

import pytest

import qql

TEXTS = {
    "USE docs": "USE is no request: it is between a session and its statements",
    "DEFINE d AS (QUERY [1] LIMIT 2)": "DEFINE is no request: it is between a session and its statements",
    "SHOW STAGES": "SHOW STAGES is no request: it is between a session and its statements",
    "EXPLAIN COUNT FROM docs": "EXPLAIN is no request: a session carries it out, and sends what it takes",
    "WHY 1 QUERY [1] FROM docs": "WHY is no request: a session carries it out, and sends what it takes",
    "COPY docs FROM 'x.csv'": "COPY is no request: a session carries it out, and sends what it takes",
    "USE docs; SHOW STAGES": "none of the 2 statements is a request, beginning with USE",
    "-- a comment": "the text has no statement, and so there is no request",
}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("times", [1, 2, 3])  # what came before goes other ways through the compiler
def test_taking_a_request_says_why_there_is_none(text: str, times: int) -> None:
    for _ in range(times):
        found = qql.compile(text)
    with pytest.raises(qql.QQLPlanError) as caught:
        [_request] = found
    assert (caught.value.code, caught.value.message) == ("no-request", TEXTS[text])
    with pytest.raises(qql.QQLPlanError, match="no-request"):
        _first, *_others = found
    with pytest.raises(qql.QQLPlanError, match="no-request"):
        found[0]


@pytest.mark.parametrize("error", [ValueError, IndexError])
def test_it_is_the_error_that_python_raises_of_an_empty_list(error: type[Exception]) -> None:
    with pytest.raises(error):
        if error is ValueError:
            [_request] = qql.compile("USE docs")
        else:
            qql.compile("USE docs")[0]


def test_all_else_is_as_of_an_empty_list() -> None:
    found = qql.compile("USE docs")
    [*taken] = found
    assert taken == found == [] == [*found] == list(found) == found[:1]
    assert isinstance(found, list)
    assert not found
    for _request in found:
        pytest.fail("there is none")


def test_a_text_with_some_requests_is_a_plain_list() -> None:
    [request] = qql.compile("USE docs; COUNT FROM docs")
    assert request.path == "/collections/docs/points/count"
    assert type(qql.compile("COUNT FROM docs")) is list
