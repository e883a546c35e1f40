"""How long does completion take for a key? CPU time, and how it grows with the text and with the fields.

python benchmarks/completion.py [--rounds N]

Each row is an input of about 200 lines (or one line, to compare with) and a collection of 10,000 fields
(or 100). A ratio stands beside a time, for the time hangs on the machine; it has to stay below 16 ms, that
of the ``first`` key behind a paste, for which all of the statement is read, below 12.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

from qql.cli.prompt.completion.core import complete
from qql.cli.prompt.completion.schema import KnownCollection, KnownSchema
from qql.cli.prompt.completion.up_to_cursor import forget
from qql.schema import Fields, Schema, SeenField, VectorInfo

QUERY = "QUERY 'ridge walk' FROM docs USING dense\nWHERE kind = 'a' AND year >= 2000\nLIMIT 10"
ROW = "{id: 1, title: 'a title of some words', dense: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]},\n"
STAGE = "(QUERY 'text' USING dense\nWHERE a = 1 AND b > 1\nLIMIT 5)"
STAGES = ",\n".join(f"s{at} AS {STAGE}" for at in range(66))
KEYS = ("", "f", "name5", "f7n3", "zzq")
"""What is typed of a field: nothing, a beginning, a word inside, letters, what no field has."""
INPUTS = {
    "one line": "COUNT FROM docs WHERE ",
    "200 lines, behind `;`": f"{QUERY};\n" * 66 + "COUNT FROM docs WHERE ",
    "200 lines without `;`": f"{QUERY}\n" * 66 + "COUNT FROM docs WHERE ",
    "200 lines of one WHERE": "COUNT FROM docs WHERE " + "".join(f"a{at} = {at} AND\n" for at in range(200)),
    "200 lines of stages": f"WITH {STAGES}\nQUERY FUSION RRF FROM docs WHERE ",
    "200 rows of one UPSERT": "UPSERT INTO docs VALUES\n" + ROW * 200 + "{id: 3, ",
}


def known(fields: int) -> KnownSchema:
    """A collection with so many fields, as a sample of its points has them."""
    seen = {f"field_{at}_name{at % 97}": SeenField({"text": 3}, 3) for at in range(fields)}
    schema = Schema({"dense": VectorInfo("dense", "dense", 8, "Dot")}, {"kind": "keyword"}, 1_000_000)
    return KnownSchema(("docs",), {"docs": KnownCollection(schema, Fields(seen, 10))})


def milliseconds(text: str, there: KnownSchema, rounds: int, *, first: bool = False) -> float:
    """CPU milliseconds of a key, the median of the rounds; the first, which loads things, is left out.

    With ``first``, of a key for which nothing was read yet: that behind a paste.
    """
    spent = []
    for _ in range(rounds + 1):
        if first:
            forget()
        begun = time.process_time()
        complete(text, len(text), there)
        spent.append(1000 * (time.process_time() - begun))
    return median(spent[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    few, many = known(100), known(10_000)
    print(f"{'input':<24} {'typed':<6} {'ms':>6} {'÷ one line':>11} {'÷ 100 fields':>13} {'first':>6}")
    for key in KEYS:
        line = milliseconds(INPUTS["one line"] + key, many, rounds)
        for name, text in INPUTS.items():
            took = milliseconds(text + key, many, rounds)
            small = milliseconds(text + key, few, rounds)
            whole = milliseconds(text + key, many, rounds, first=True)
            ratios = f"{took / line:>11.1f} {took / small:>13.1f}"
            print(f"{name:<24} {key:<6} {took:>6.1f} {ratios} {whole:>6.1f}")


if __name__ == "__main__":
    main()
