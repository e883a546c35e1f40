"""The tree that the text of a statement becomes.

A node's docstring is the QQL that makes it. Nodes are immutable. ``span`` is where a node was written;
it is ignored by equality, so trees can be compared whatever their spelling and layout.
"""

from __future__ import annotations

from qql.nodes.collections import *  # noqa: F403
from qql.nodes.core import *  # noqa: F403
from qql.nodes.declare import STATEMENTS as STATEMENTS
from qql.nodes.declare import TARGETS as TARGETS
from qql.nodes.filters import *  # noqa: F403
from qql.nodes.formulas import *  # noqa: F403
from qql.nodes.points import *  # noqa: F403
from qql.nodes.queries import *  # noqa: F403
from qql.nodes.statements import *  # noqa: F403
from qql.nodes.targets import *  # noqa: F403
