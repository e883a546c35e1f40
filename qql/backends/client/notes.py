"""What a session is told beside the results: each sentence once, none with a secret in it."""

from __future__ import annotations

from .redact import Secrets

__all__ = ["Notes"]


class Notes:
    """The notes of one backend."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._said: set[str] = set()
        self._waiting: list[str] = []

    def add(self, sentence: str) -> None:
        sentence = self._secrets.scrub(sentence)
        if sentence not in self._said:
            self._said.add(sentence)
            self._waiting.append(sentence)

    def take(self) -> list[str]:
        """The sentences since the last call of this."""
        taken, self._waiting = self._waiting, []
        return taken
