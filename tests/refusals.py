"""What tests of bad texts share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

import qql

E = TypeVar("E", bound=qql.QQLError)


def refused(text: str, code: str, params: Any = None) -> qql.QQLError:
    """The error that a text is refused with, which has this code and is short enough to be read."""
    with pytest.raises(qql.QQLCompileError) as caught:
        qql.compile(text, params)
    assert caught.value.code == code, caught.value.render()
    assert len(caught.value.render()) < 2000
    return caught.value


def failure(kind: type[E], code: str, call: Callable[[], Any]) -> E:
    """The error of a call, which is of this kind and has this code."""
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.code == code, caught.value
    return caught.value
