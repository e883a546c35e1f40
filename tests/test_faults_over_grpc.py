"""Each statement meets faults over gRPC: it is carried out, or the error says what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer
from fake_server.refusals import Disconnection, Refusal
from statement_routes import STATEMENTS, params_of

import qql
from qql.rest.repeats import harmless_again, reads
from qql.rest.request import Request

pytestmark = pytest.mark.usefixtures("no_proxy")

SETUP = """
CREATE COLLECTION docs VECTOR(2, COSINE);
CREATE COLLECTION other (v VECTOR(2, COSINE), w VECTOR(2, COSINE));
CREATE INDEX ON docs FOR n TYPE integer;
CREATE INDEX ON docs FOR t TYPE text;
UPSERT INTO docs VALUES {id: 1, n: 1, vector: [1, 0]}, {id: 2, n: 2, vector: [0, 1]};
"""
UNKNOWN = "no answer says whether it was carried out"
AGAIN_REFUSED = {"DELETE index/*"}
"""What the embedded engine refuses the second time, and a server does not."""
Fault = Callable[[Callable[[], bytes]], bytes]


def broken_before(_: Callable[[], bytes]) -> bytes:
    raise Disconnection


def broken_after(carry_out: Callable[[], bytes]) -> bytes:
    carry_out()
    raise Disconnection


def panicking(_: Callable[[], bytes]) -> bytes:
    raise Refusal(500, "task panicked")


def turned_away(_: Callable[[], bytes]) -> bytes:
    raise Refusal(429, "slow down")


class Faulty(FakeServer):
    """A server that answers the requests of one route with faults, as long as there are some."""

    route = ""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.faults: list[Fault] = []

    def _serve(self, transport: str, name: str, request: Request, *others: Any) -> bytes:
        def carry_out() -> bytes:
            return FakeServer._serve(self, transport, name, request, *others)

        if self.faults and " ".join(request.route) == self.route:
            return self.faults.pop(0)(carry_out)
        return carry_out()


def outcome(session: qql.Session, statement: str, params: dict[str, str]) -> Any:
    """What a statement gives, without its time; or the code of its error."""
    try:
        result = session.execute(statement, params)
    except qql.QQLError as exc:
        return exc
    return result.kind, [hit.id for hit in result.hits], len(result.rows)


@pytest.mark.parametrize(
    ("statement", "method", "path"),
    [
        pytest.param(*one, marks=[pytest.mark.slow] if at % 8 else [], id=f"{one[0][:30]} {one[1]}")
        for at, one in enumerate(STATEMENTS)
        if not one[2].endswith(("/quotas", "/optimizations", "/memory"))  # gRPC has none of them
    ],
)
def test_a_statement_outlives_a_fault_or_says_what_is_known(
    tmp_path: Path, statement: str, method: str, path: str
) -> None:
    params = params_of(statement, tmp_path)
    route = " ".join(Request(method, path).route)
    expected: Any = None
    asked: list[Request] = []
    for fault in (None, broken_before, broken_after, panicking, turned_away):
        (tmp_path / "dump.qql").unlink(missing_ok=True)
        with Faulty(cluster=True) as server, qql.connect(server.grpc_url, advice=False) as session:
            session.run(SETUP)
            server.calls.clear()
            server.route = route
            server.faults = [fault] if fault else []
            found = outcome(session, statement, params)
            asked = asked or [call.request for call in server.asked(route)]
            assert bool(asked) != bool(server.faults)
        if fault is None:
            expected = found
        if fault is broken_after and route in AGAIN_REFUSED:
            assert isinstance(found, qql.QQLError) and UNKNOWN in found.message
        elif fault in (None, turned_away) or not asked or harmless_again(asked[0]):
            assert same(found, expected), (fault, found)  # not asked: it is none of gRPC's
        elif fault is broken_after and isinstance(expected, qql.QQLError):
            assert same(found, expected)  # it was refused before the connection broke
        else:
            assert isinstance(found, qql.QQLError) and not reads(asked[0]), (fault, found)
            assert UNKNOWN in found.message, (fault, found.message)


def same(found: Any, expected: Any) -> bool:
    """Whether two outcomes are one, whatever is said of the tries."""
    if isinstance(found, qql.QQLError) and isinstance(expected, qql.QQLError):
        return found.code == expected.code
    return bool(found == expected)
