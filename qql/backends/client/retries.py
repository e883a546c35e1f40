"""Requests that are tried again: what passes by itself is waited for, within the time that the call has.

Every read may be repeated; a change where the server cannot have carried it out, or where it is harmless to
carry it out twice (`harmless_again`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from qql.errors import QQLConnectionError, QQLError, fail
from qql.flows import pause
from qql.missing import needed_for
from qql.records import dataclass, field, replace
from qql.rest.repeats import harmless_again, reads
from qql.rest.request import Request

from .deadlines import Deadline
from .setbacks import Fate, Setback, setback_of

__all__ = ["MOST_RETRIES", "Course", "check_retries", "sleep"]

MOST_RETRIES = 3
"""Times that a request is sent again, unless a connection says otherwise."""
_FIRST_WAIT, _LONGEST_WAIT, _SHORTEST_WAIT = 0.2, 2.0, 0.02
"""Seconds before the second try are from the shortest to the first; they double up to the longest."""
_WITHOUT_END = 60.0
"""Seconds that are waited between two tries at most, where a call may take as long as it takes."""
sleep = pause
T = TypeVar("T")


def check_retries(retries: int) -> int:
    """Raises `QQLConnectionError` (``invalid-retries``) for what is no number of tries."""
    if isinstance(retries, bool) or not isinstance(retries, int) or not 0 <= retries <= 100:
        message = f"retries requires a whole number from 0 to 100, not {retries}"
        fail("invalid-retries", message, error=QQLConnectionError)
    return retries


@dataclass(slots=True)
class Course:
    """What happens to one request: how often it was sent, and what is known of it."""

    request: Request
    retries: int
    deadline: Deadline
    tries: int = 0
    fates: list[Fate] = field(default_factory=list)
    asked: float | None = None
    """Seconds that the server asked to wait for the last time."""

    def run(self, send: Callable[[], T]) -> T:
        """What ``send`` gives, at the first try or a later one; raises what the last of them raised."""
        failure: Exception
        try:
            return self._try(send)
        except Exception as exc:
            failure = exc
        if not self.retries or not self._may_go_on(failure):
            raise failure
        return self._again(failure, send)

    def _try(self, send: Callable[[], T]) -> T:
        self.tries += 1
        try:
            return send()
        except Exception as exc:
            setback = setback_of(exc)
            self.asked = setback.after
            if setback.fate is not None:
                self.fates.append(setback.fate)
            raise

    def _again(self, failure: Exception, send: Callable[[], T]) -> T:
        with needed_for("a request that is sent again", instead="retries=0 does without"):
            import tenacity  # only where something failed: it takes its time

        passed: list[Exception] = [failure]

        def next_try() -> T:
            if passed:
                raise passed.pop()
            return self._try(send)

        back_off = tenacity.wait_random_exponential(_FIRST_WAIT, _LONGEST_WAIT, min=_SHORTEST_WAIT)

        def wait(state: tenacity.RetryCallState) -> float:
            asked = _setback(state).after
            return back_off(state) if asked is None else asked + back_off(state) / 10

        retrying = tenacity.Retrying(
            wait=wait,
            stop=lambda state: state.attempt_number > self.retries or self._is_late(state.upcoming_sleep),
            retry=tenacity.retry_if_exception(self._may_go_on),
            sleep=lambda seconds: sleep(seconds),
            reraise=True,
        )
        return retrying(next_try)

    def _may_go_on(self, exc: BaseException) -> bool:
        setback = setback_of(exc)
        unchanged = setback.fate in (Fate.UNSENT, Fate.REFUSED)
        return setback.passing and (unchanged or harmless_again(self.request))

    def _is_late(self, pause: float) -> bool:
        left = self.deadline.left()
        return pause >= (_WITHOUT_END if left is None else left)

    def told(self, error: QQLError) -> QQLError:
        """The error with what is known of the request: how often it was sent, and whether it may be done."""
        first, *others = error.diagnostics
        known = self._known()
        said = [known.value] if known is not None else []
        said += [f"tried {self.tries} times"] if self.tries > 1 else []
        hints = [first.hint] if first.hint else []
        if self.asked is not None and self.retries and self._is_late(self.asked):
            hints.append("with a longer `--timeout` (in Python `timeout=`) it is waited for")
        if known is Fate.UNKNOWN and harmless_again(self.request):
            hints.append("it is harmless to run it again")
        message = first.message + (f" ({'; '.join(said)})" if said else "")
        told = type(error)(replace(first, message=message, hint="; ".join(hints) or None), *others)
        told.__cause__ = error.__cause__
        return told

    def _known(self) -> Fate | None:
        """What there is to say of a change: the worst of all tries, as any may have been carried out.

        None of what reads, of a single refusal, which says it itself, and where nothing is known.
        """
        if reads(self.request) or not self.fates:
            return None
        worst = next(fate for fate in (Fate.UNKNOWN, Fate.REFUSED, Fate.UNSENT) if fate in self.fates)
        return None if worst is Fate.REFUSED and self.tries == 1 else worst


def _setback(state: Any) -> Setback:
    return setback_of(state.outcome.exception())
