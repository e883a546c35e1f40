"""Databases of earlier releases open, and answer as they did. Each release adds one, and none is taken away.

`tests/databases/VERSION.tar.xz` holds one as it was closed; `MADE` is the script that filled it.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from conftest import ROOT

import qql

MADE = """
CREATE COLLECTION docs (
  dense VECTOR(4, COSINE) WITH QUANTIZATION (type = scalar, always_ram = true),
  words SPARSE MODEL 'qdrant/bm25',
  late VECTOR(2, DOT) WITH MULTIVECTOR (comparator = max_sim)
);
CREATE INDEX ON docs FOR year TYPE integer;
CREATE INDEX ON docs FOR kind TYPE keyword;
UPSERT INTO docs VALUES
  {id: 1, vector: {dense: [1, 0, 0, 0], late: [[1, 0], [0, 1]]}, text: 'care of burns',
   year: 2020, kind: 'a', at: '2024-05-06T07:08:09Z'},
  {id: 2, vector: {dense: [0, 1, 0, 0], late: [[1, 1]]}, text: 'care of wounds',
   year: 2021, kind: 'b', place: {lon: 13.4, lat: 52.5}},
  {id: UUID('one'), vector: {dense: [0, 0, 1, 0], late: [[0, 2]]}, text: 'emergency numbers',
   year: 2022, kind: 'a', nested: [{x: 1}, {x: 2}]};
CREATE ALIAS current ON docs;
OPTIMIZE docs;
"""
ASKED = (
    "SHOW COLLECTION docs",
    "SHOW ALIASES",
    "SCROLL FROM docs WITH VECTOR true LIMIT 10",
    "QUERY 'burns' FROM current USING words LIMIT 3",
    "QUERY [0.1, 0.9, 0, 0] FROM docs USING dense WHERE kind = 'b' OR year >= 2022 LIMIT 3",
    "QUERY [[1, 0.25]] FROM docs USING late LIMIT 3",
    "FACET kind FROM docs",
)
KEPT = sorted((ROOT / "tests" / "databases").glob("*.tar.xz"))


@pytest.mark.parametrize("archive", KEPT, ids=lambda path: path.name.removesuffix(".tar.xz"))
def test_a_database_of_an_earlier_release_answers_as_one_of_this(archive: Path, tmp_path: Path) -> None:
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    [folder] = tmp_path.iterdir()
    with qql.connect(folder) as kept, qql.connect() as new:
        new.run(MADE)
        for text in ASKED:
            before, now = kept.execute(text), new.execute(text)
            assert len(now), text
            assert before.to_dicts() == now.to_dicts(), text
        kept.execute(
            "UPSERT INTO docs VALUES {id: 9, vector: {dense: [0, 0, 0, 1]}, text: 'new', year: 2024}"
        )
        assert kept.execute("COUNT FROM docs WHERE year >= 2022").scalar() == 2
    with qql.connect(folder) as again:
        assert again.execute("COUNT FROM docs").scalar() == 4


def test_this_release_is_among_them() -> None:
    assert f"{qql.__version__}.tar.xz" in {path.name for path in KEPT}
