"""README's picture: the demo's pipeline as it ran, `docs/pipeline.svg`. `make demo` fills its database."""

from __future__ import annotations

from pathlib import Path

import qql
from qql.pictures import svg

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Run the demo's query, and write what its stages did."""
    query = (ROOT / "examples" / "stdlib.qql").read_text(encoding="utf-8").rpartition("\n\n")[2]
    with qql.connect(ROOT / "build" / "demo") as db:
        [data] = db.execute(f"EXPLAIN ANALYZE RUNS 5 FORMAT json {query}").rows
    (ROOT / "docs" / "pipeline.svg").write_text(svg(data), encoding="utf-8")


if __name__ == "__main__":
    main()
