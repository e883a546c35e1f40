"""What a server says that a request has cost it: the ``usage`` of an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from qql.records import dataclass
from qql.rest.types import Json, JsonObject

__all__ = ["Usage", "Used"]

_MOST = 2**64


@dataclass(frozen=True, slots=True)
class Usage:
    """What a server counts, by its own names, and the tokens that each model of its own has read.

    ``hardware`` is ``cpu`` (in units of Qdrant's own) and what was read and written, in bytes:
    ``vector_io_read``, ``payload_io_read`` … What a server does not say is not there.
    """

    hardware: Mapping[str, int]
    tokens: Mapping[str, int]

    @classmethod
    def of(cls, answer: Json) -> Usage | None:
        """From the ``usage`` of an answer; None where it says nothing that can be read."""
        if not isinstance(answer, Mapping):
            return None
        hardware, inference = answer.get("hardware"), answer.get("inference")
        models = inference.get("models") if isinstance(inference, Mapping) else None
        tokens = {
            str(name): one["tokens"]
            for name, one in (models.items() if isinstance(models, Mapping) else ())
            if isinstance(one, Mapping) and _is_count(one.get("tokens"))
        }
        known = hardware.items() if isinstance(hardware, Mapping) else ()
        found = cls({str(name): value for name, value in known if _is_count(value)}, tokens)
        return found if found.hardware or found.tokens else None

    @classmethod
    def median(cls, several: Sequence[Usage]) -> Usage | None:
        """What one of several calls has cost, each count the median of them; None of none."""
        if not several:
            return None
        from statistics import median_low

        def counts(each: Sequence[Mapping[str, int]]) -> dict[str, int]:
            names = dict.fromkeys(name for one in each for name in one)
            return {name: median_low([one.get(name, 0) for one in each]) for name in names}

        return cls(counts([one.hardware for one in several]), counts([one.tokens for one in several]))

    def cells(self) -> dict[str, int]:
        """The counts by a name in words: ``cpu``, ``vector io read``, ``tokens``."""
        found = {name.replace("_", " "): value for name, value in self.hardware.items()}
        return found | ({"tokens": sum(self.tokens.values())} if self.tokens else {})

    def __str__(self) -> str:
        counted = [f"{name} {value:,}" for name, value in self.cells().items() if value and name != "tokens"]
        counted += [f"{value:,} tokens of {model}" for model, value in self.tokens.items()]
        return ", ".join(counted) or "usage 0"

    def to_dict(self) -> JsonObject:
        """``{"hardware": {name: count}, "tokens": {model: count}}``."""
        return {"hardware": dict(self.hardware), "tokens": dict(self.tokens)}


Used = Callable[[], Usage | None]
"""What the last call has cost, None where the engine does not say."""


def _is_count(value: Json) -> bool:
    return type(value) is int and 0 <= value < _MOST
