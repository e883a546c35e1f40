"""What a server keeps of a collection and the embedded engine does not: copies, shards, its log, limits."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from .refusals import Refusal, bad_request

__all__ = ["ServerSettings"]

_PARAMS = ("shard_number", "replication_factor", "write_consistency_factor", "sharding_method")
_DIFF = ("replication_factor", "write_consistency_factor", "read_fan_out_factor", "read_fan_out_delay_ms")
_WAL = {"wal_capacity_mb": 32, "wal_segments_ahead": 0, "wal_retain_closed": 1}


@dataclass
class ServerSettings:
    """Of one collection. ``shards`` are the points of each shard key, by their ids."""

    params: dict[str, Any] = field(default_factory=dict)
    wal: dict[str, Any] = field(default_factory=lambda: dict(_WAL))
    strict_mode: dict[str, Any] = field(default_factory=lambda: {"enabled": False})
    shards: dict[str | int, set[int | str]] = field(default_factory=dict)

    @classmethod
    def taken_from(cls, body: dict[str, Any]) -> ServerSettings:
        """The settings of a new collection, which are taken out of the body."""
        made = cls({key: body.pop(key) for key in _PARAMS if body.get(key) is not None})
        made.wal |= body.pop("wal_config", None) or {}
        made.strict_mode |= body.pop("strict_mode_config", None) or {}
        return made

    def alter(self, body: dict[str, Any]) -> None:
        """Take the changes out of the body."""
        self.strict_mode |= body.pop("strict_mode_config", None) or {}
        params = body.get("params") or {}
        self.params |= {key: params.pop(key) for key in _DIFF if key in params}
        if not params:
            body.pop("params", None)

    @property
    def is_custom(self) -> bool:
        """Whether points go to the shard that a write names."""
        return self.params.get("sharding_method") == "custom"

    def into(self, info: dict[str, Any]) -> dict[str, Any]:
        """The engine's account of the collection with these settings, as a server gives it."""
        told = deepcopy(info)
        config = told["config"]
        config["params"] |= self.params
        config["wal_config"] = self.wal
        config["strict_mode_config"] = self.strict_mode
        told["status"] = "green"  # it optimizes by itself
        told["update_queue"] = {"length": 0}
        return told

    # --- shard keys --------------------------------------------------------------------------------------

    def create_key(self, key: str | int) -> None:
        """Raises the refusal of a key that is there, and of one where points go to shards by their ids."""
        if not self.is_custom:
            raise bad_request("Shard Key cannot be created with Auto sharding method")
        if key in self.shards:
            raise bad_request(f"Sharding key {_shown(key)} already exists")
        self.shards[key] = set()

    def drop_key(self, key: str | int) -> set[int | str]:
        """The points that go with the key."""
        self._require(key)
        return self.shards.pop(key)

    def _require(self, key: str | int) -> None:
        if key not in self.shards:
            raise Refusal(404 if self.is_custom else 400, f"Wrong input: Shard key {_shown(key)} not found")

    def keys_of(self, selector: Any) -> list[str | int]:
        """The keys that ``shard_key`` of a body selects; a key with a fallback is one that is there."""
        if isinstance(selector, dict):
            chosen = selector["target"] if selector["target"] in self.shards else selector["fallback"]
            selector = [chosen]
        keys = selector if isinstance(selector, list) else [selector]
        for key in keys:
            self._require(key)
        return keys

    def put(self, selector: Any, ids: list[int | str]) -> None:
        """Points were written to the shards of a selector; without one a custom collection refuses them."""
        if selector is None:
            if self.is_custom:
                raise bad_request("Shard key not specified")
            return
        for key in self.keys_of(selector):
            self.shards[key] |= set(ids)

    def reach(self, selector: Any) -> set[int | str] | None:
        """The points that a read with this selector can find; None: all."""
        if selector is None:
            return None
        return set().union(*(self.shards[key] for key in self.keys_of(selector)))


def _shown(key: str | int) -> str:
    return f'Keyword("{key}")' if isinstance(key, str) else f"Number({key})"
