"""``python -m qql``."""

from __future__ import annotations

import sys

from qql.cli import main

sys.exit(main())
