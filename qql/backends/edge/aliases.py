"""Other names of collections, in one file of the database; the rules are those of a server.

An alias stands for its collection in every request but three: a collection is dropped, and given an alias,
by its own name, and no collection can be created under the name of an alias.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from qql.errors import QQLExecutionError, did_you_mean
from qql.rest.types import Json, JsonObject

from .files import write_json
from .readers import Fields, items, mapping, quoted, read, refuse, text

__all__ = ["Aliases"]


class Aliases:
    """``{alias: collection}``, kept in a file that is replaced in one step.

    ``collections`` gives the names of the collections that there are. Raises ValueError for a file that is
    none of ours; an alias whose collection went away in a crash is forgotten.
    """

    def __init__(self, path: Path, collections: Callable[[], Collection[str]]) -> None:
        self._path = path
        self._collections = collections
        self._known: dict[str, str] = {}
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
                raise ValueError(f"{path.name} is not a list of aliases")
            known = set(collections())
            self._known = {a: c for a, c in found.items() if c in known and a not in known}

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def collection_of(self, name: str) -> str:
        """The collection that a name stands for: an alias's, or the name itself."""
        return self._known.get(name, name)

    def to_json(self, collection: str | None = None) -> JsonObject:
        """The answer of GET /aliases, or of GET /collections/{name}/aliases."""
        return {
            "aliases": [
                {"alias_name": alias, "collection_name": target}
                for alias, target in sorted(self._known.items())
                if collection in (None, target)
            ]
        }

    def change(self, body: Json) -> None:
        """Carry out POST /collections/aliases: all of its actions, or none."""
        known = dict(self._known)
        for item in read(body, "the aliases", {"actions": items}, ("actions",))["actions"]:
            action = mapping(item, "an action")
            if len(action) != 1 or next(iter(action)) not in _ACTIONS:
                listed = ", ".join(action) or "nothing"
                raise refuse(
                    "unknown-operation", f"an action is exactly one of {', '.join(_ACTIONS)}, not {listed}"
                )
            ((kind, value),) = action.items()
            fields, change = _ACTIONS[kind]
            change(known, read(value, kind, fields, fields), self._collections())
        self._save(known)

    def forget(self, collection: str) -> None:
        """Remove the aliases of a collection that was dropped."""
        if collection in self._known.values():
            self._save({alias: name for alias, name in self._known.items() if name != collection})

    def _save(self, known: dict[str, str]) -> None:
        if known != self._known:
            write_json(self._path, known)
            self._known = known


def _alias_name(value: Json, where: str) -> str:
    name = text(value, where)
    if not name:
        raise refuse("invalid-name", f"{where} must not be empty")
    return name


def _require_free(alias: str, collections: Collection[str]) -> None:
    if alias in collections:
        raise refuse(
            "collection-exists",
            f"`{alias}` is a collection, so it cannot be an alias",
            "an alias requires a name of its own",
        )


def _unknown_alias(alias: str, known: Mapping[str, str]) -> QQLExecutionError:
    listed = f"there are {quoted(sorted(known)[:20])}" if known else "there are no aliases"
    hint = did_you_mean(alias, known) or listed
    return refuse("unknown-alias", f"there is no alias `{alias}`", hint)


def _create_alias(known: dict[str, str], given: Mapping[str, str], collections: Collection[str]) -> None:
    alias, target = given["alias_name"], given["collection_name"]
    if target not in collections:
        hint = did_you_mean(target, collections)
        if target in known:
            hint = f"`{target}` is itself an alias: name its collection, `{known[target]}`"
        raise refuse("unknown-collection", f"there is no collection `{target}`", hint)
    _require_free(alias, collections)
    known[alias] = target


def _delete_alias(known: dict[str, str], given: Mapping[str, str], collections: Collection[str]) -> None:
    if given["alias_name"] not in known:
        raise _unknown_alias(given["alias_name"], known)
    del known[given["alias_name"]]


def _rename_alias(known: dict[str, str], given: Mapping[str, str], collections: Collection[str]) -> None:
    if given["old_alias_name"] not in known:
        raise _unknown_alias(given["old_alias_name"], known)
    _require_free(given["new_alias_name"], collections)
    known[given["new_alias_name"]] = known.pop(given["old_alias_name"])


_Change = Callable[[dict[str, str], Mapping[str, str], Collection[str]], None]
_ACTIONS: dict[str, tuple[Fields, _Change]] = {
    "create_alias": ({"collection_name": text, "alias_name": _alias_name}, _create_alias),
    "delete_alias": ({"alias_name": text}, _delete_alias),
    "rename_alias": ({"old_alias_name": text, "new_alias_name": _alias_name}, _rename_alias),
}
