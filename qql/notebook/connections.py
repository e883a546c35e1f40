"""What a notebook is connected to: sessions by the targets that they were opened with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from qql.errors import fail
from qql.session.connect import connect
from qql.session.session import Session

__all__ = ["Connections"]

_MEMORY = ":memory:"


class Connections:
    """Sessions by their names: targets, or variables of the notebook. One of them is the current one.

    A session that is a variable's is its owner's to close.
    """

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._given: dict[str, object] = {}
        """What sessions were made of that were opened here."""
        self._name: str | None = None

    def current(self) -> Session:
        """The session that statements go to; where there is none, one in memory."""
        if self._name is None:
            self.use(_MEMORY, {})
        return self._sessions[str(self._name)]

    def use(self, target: str, names: Mapping[str, object]) -> str:
        """Go to a target, which is opened where it is not yet; what to say of it.

        Raises as `connect` does.
        """
        name, given = _meant(target, names)
        if isinstance(given, Session):
            self._given.pop(name, None)
            self._sessions[name] = given
        elif name not in self._given or self._given[name] != given:
            self._sessions[name] = connect(given)
            self._given[name] = given
        self._name = name
        return self.told()

    def end(self, target: str | None, names: Mapping[str, object]) -> str:
        """Close a session, the current one where none is named; what to say of it."""
        name = self._name if target is None else _meant(target, names)[0]
        if name is None or name not in self._sessions:
            known = ", ".join(self._sessions)
            fail(
                "not-connected",
                "nothing is connected" if name is None else f"{name} is not connected",
                hint=f"what is: {known}" if known else "%qql connect TARGET",
            )
        session = self._sessions.pop(name)
        if self._name == name:
            self._name = None
        if name not in self._given:
            return f"{name} is no longer used here; it stays open"
        del self._given[name]
        session.close()
        return f"closed {name}"

    def told(self) -> str:
        """What is connected."""
        if self._name is None:
            return "not connected: the first statement opens a database in memory; see %qql?"
        others = [self._shown(name) for name in self._sessions if name != self._name]
        return f"connected to {self._shown(self._name)}" + (f"; also: {', '.join(others)}" if others else "")

    def _shown(self, name: str) -> str:
        target = self._sessions[name].target
        return name if target == name else f"{name} ({target})"

    def close(self) -> None:
        """Close what was opened here."""
        while self._sessions:
            name, session = self._sessions.popitem()
            if name in self._given:
                session.close()
        self._given.clear()
        self._name = None


def _meant(target: str, names: Mapping[str, object]) -> tuple[str, object]:
    """The name of what is meant, and what `connect` takes for it: the value of a variable, or the text."""
    given = names.get(target) if target.isidentifier() else None
    if isinstance(given, (str, os.PathLike)):
        return str(given), str(given)
    if isinstance(given, Session) or hasattr(given, "get_collections") or hasattr(given, "call"):
        return target, given
    if given is not None and not Path(target).is_dir():
        fail(
            "invalid-target",
            f"the variable {target} is no session, client, path or address, but {type(given).__name__}",
            hint=f"db = qql.connect(…) makes one; ./{target} is a directory",
        )
    return target, target
