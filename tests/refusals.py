"""What tests of bad texts share."""

from __future__ import annotations

from typing import Any

import pytest

import qql


def refused(text: str, code: str, params: Any = None) -> qql.QQLError:
    """The error that a text is refused with, which has this code and is short enough to be read."""
    with pytest.raises(qql.QQLCompileError) as caught:
        qql.compile(text, params)
    assert caught.value.code == code, caught.value.render()
    assert len(caught.value.render()) < 2000
    return caught.value
