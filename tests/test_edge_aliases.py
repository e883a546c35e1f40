"""Aliases of the embedded engine: other names of collections, in its own catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from edge_helpers import Engine, Oracle

from qql.errors import QQLConnectionError, QQLUnsupportedError
from qql.rest.request import Request

SMALL: dict[str, Any] = {"vectors": {"size": 2, "distance": "Dot"}}


def create(alias: str, collection: str) -> dict[str, Any]:
    return {"create_alias": {"collection_name": collection, "alias_name": alias}}


def delete(alias: str) -> dict[str, Any]:
    return {"delete_alias": {"alias_name": alias}}


def rename(old: str, new: str) -> dict[str, Any]:
    return {"rename_alias": {"old_alias_name": old, "new_alias_name": new}}


def change(engine: Engine, *actions: dict[str, Any]) -> Any:
    return engine.backend.call(Request("POST", "/collections/aliases", {}, {"actions": list(actions)}))


def refusal(engine: Engine, *actions: Any) -> Any:
    with pytest.raises(Exception) as caught:
        change(engine, *actions)
    return caught.value


def aliases(engine: Engine) -> dict[str, str]:
    shown = engine.backend.call(Request("GET", "/aliases"))["aliases"]
    return {one["alias_name"]: one["collection_name"] for one in shown}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = Engine(tmp_path)
    for name in ("one", "two"):
        made("PUT", "", SMALL, to=name)
        made.upsert({"id": 1, "vector": [1, 2], "payload": {"of": name}}, to=name)
    yield made
    made.close()


def test_an_alias_stands_for_its_collection_in_every_request(engine: Engine) -> None:
    assert change(engine, create("now", "one")) is True
    assert engine("GET", "exists", to="now") == {"exists": True}
    assert engine("GET", to="now")["points_count"] == 1
    engine.upsert({"id": 2, "vector": [2, 2]}, to="now")
    assert engine.matching({}, to="one") == engine.matching({}, to="now") == [1, 2]
    assert engine.ids(to="now", query=[1, 2], limit=1) == [2]
    assert engine.ids(to="two", query=2, lookup_from={"collection": "now"}) == [1]
    engine("PUT", "index", {"field_name": "of", "field_schema": "keyword"}, to="now")
    assert engine("POST", "facet", {"key": "of"}, to="now")["hits"] == [{"value": "one", "count": 1}]
    engine("PATCH", "", {"metadata": {"a": 1}}, to="now")
    assert engine("GET", to="one")["config"]["metadata"] == {"a": 1}
    groups = {"query": [1, 2], "group_by": "of", "with_lookup": {"collection": "now"}}
    assert [group["id"] for group in engine("POST", "points/query/groups", groups, to="now")["groups"]] == [
        "one"
    ]
    assert engine.backend.needs_optimize("now") is False
    assert engine.backend.optimize("now") in (True, False)


def test_collections_and_aliases_are_listed_apart(engine: Engine) -> None:
    change(engine, create("b", "one"), create("a", "one"), create("c", "two"))
    assert engine.backend.call(Request("GET", "/aliases")) == {
        "aliases": [
            {"alias_name": "a", "collection_name": "one"},
            {"alias_name": "b", "collection_name": "one"},
            {"alias_name": "c", "collection_name": "two"},
        ]
    }
    names = [one["name"] for one in engine.backend.call(Request("GET", "/collections"))["collections"]]
    assert names == ["one", "two"]
    for name in ("one", "a"):
        shown = engine("GET", "aliases", to=name)["aliases"]
        assert [one["alias_name"] for one in shown] == ["a", "b"]
    assert engine.refused("GET", "aliases", to="none").code == "unknown-collection"


def test_an_alias_is_pointed_elsewhere_renamed_and_deleted(engine: Engine) -> None:
    change(engine, create("now", "one"))
    change(engine, create("now", "two"))
    assert aliases(engine) == {"now": "two"}
    change(engine, rename("now", "then"))
    assert aliases(engine) == {"then": "two"}
    change(engine, delete("then"), create("now", "one"))
    assert aliases(engine) == {"now": "one"}


def test_aliases_survive_a_restart_and_go_with_their_collection(tmp_path: Path, engine: Engine) -> None:
    change(engine, create("a", "one"), create("größe/x", "two"))
    engine.close()
    engine = Engine(tmp_path)
    assert aliases(engine) == {"a": "one", "größe/x": "two"}
    assert engine.matching({}, to="größe/x") == [1]
    engine("DELETE", to="one")
    assert aliases(engine) == {"größe/x": "two"}
    engine("PUT", "", SMALL, to="one")
    assert engine.refused("POST", "points/count", {}, to="a").code == "unknown-collection"
    engine.close()
    engine = Engine(tmp_path)
    assert aliases(engine) == {"größe/x": "two"}
    engine.close()


def test_aliases_of_a_collection_that_a_crash_took_away_are_forgotten(tmp_path: Path, engine: Engine) -> None:
    change(engine, create("a", "one"), create("b", "two"))
    engine.close()
    (tmp_path / "collections" / "one").rename(tmp_path / "collections" / ".drop-1")
    engine = Engine(tmp_path)
    assert aliases(engine) == {"b": "two"}
    engine.close()


@pytest.mark.parametrize(
    ("actions", "code"),
    [
        ([create("x", "none")], "unknown-collection"),
        ([create("x", "a")], "unknown-collection"),
        ([create("two", "one")], "collection-exists"),
        ([rename("a", "two")], "collection-exists"),
        ([delete("aa")], "unknown-alias"),
        ([rename("aa", "b")], "unknown-alias"),
        ([create("", "one")], "invalid-name"),
        ([{"create_alias": {"alias_name": "x"}}], "missing-option"),
        ([{"create_alias": {"alias_name": "x", "collection_name": "one", "y": 1}}], "unknown-option"),
        ([{"make_alias": {}}], "unknown-operation"),
        ([create("x", "one") | delete("a")], "unknown-operation"),
    ],
    ids=str,
)
def test_actions_are_carried_out_together_or_not_at_all(
    engine: Engine, actions: list[Any], code: str
) -> None:
    change(engine, create("a", "one"))
    error = refusal(engine, create("new", "two"), delete("a"), create("a", "two"), *actions)
    assert error.code == code
    assert aliases(engine) == {"a": "one"}
    if code == "unknown-alias":
        assert "`a`" in (error.hint or "")


def test_a_collection_cannot_take_the_name_of_an_alias(engine: Engine) -> None:
    change(engine, create("now", "one"))
    error = engine.refused("PUT", "", SMALL, to="now")
    assert error.code == "alias-exists" and "`one`" in error.message


def test_a_collection_is_dropped_by_its_own_name_only(engine: Engine) -> None:
    change(engine, create("now", "one"))
    error = engine.refused("DELETE", to="now")
    assert error.code == "not-a-collection" and "`one`" in error.message
    assert engine.matching({}, to="now") == [1]


def test_the_hint_for_an_unknown_name_knows_aliases(engine: Engine) -> None:
    change(engine, create("production", "one"))
    assert "production" in (engine.refused("POST", "points/count", {}, to="productoin").hint or "")


def test_damaged_aliases_are_said(tmp_path: Path, engine: Engine) -> None:
    change(engine, create("a", "one"))
    engine.close()
    for damage in ("{", '["a"]', '{"a": 1}'):
        (tmp_path / "aliases.json").write_text(damage)
        with pytest.raises(QQLConnectionError) as caught:
            Engine(tmp_path)
        assert caught.value.code == "database-corrupt" and "aliases" in caught.value.message
    (tmp_path / "aliases.json").unlink()
    engine = Engine(tmp_path)
    assert aliases(engine) == {}
    engine.close()


def test_a_full_disk_leaves_the_aliases_as_they_were(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(engine, create("a", "one"))

    def full(path: Path, value: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("qql.backends.edge.aliases.write_json", full)
    assert refusal(engine, create("b", "one")).code == "disk-full"
    assert aliases(engine) == {"a": "one"}
    assert json.loads((tmp_path / "aliases.json").read_text()) == {"a": "one"}


def test_local_mode_agrees(engine: Engine) -> None:
    """The same actions give the same aliases in qdrant-client's local mode."""
    oracle = Oracle()
    for name in ("one", "two"):
        oracle.create(name, SMALL, [{"id": 1, "vector": [1, 2]}])
    steps = [
        [create("a", "one"), create("b", "two")],
        [create("a", "two"), rename("b", "c")],
        [rename("a", "c")],
        [create("two", "one")],
        [create("x", "c")],
        [create("x", "one"), rename("none", "y")],
    ]
    model = oracle.models.ChangeAliasesOperation
    for step in steps:
        done = []
        for ask in (
            lambda step=step: change(engine, *step),
            lambda step=step: oracle.client.update_collection_aliases(model(actions=step).actions),
        ):
            try:
                done.append(ask())
            except Exception as exc:
                assert not isinstance(exc, QQLUnsupportedError)
                done.append(False)
        assert done[0] == done[1], step
        theirs = {one.alias_name: one.collection_name for one in oracle.client.get_aliases().aliases}
        assert aliases(engine) == theirs, step
    oracle.close()
