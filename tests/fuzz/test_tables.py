"""MLTable files and filters that nobody would write."""

from __future__ import annotations

import warnings
from pathlib import Path

from hypothesis import strategies as st

from prefect_parallel import load_table
from tests.fuzz.conftest import Fuzz, mutated
from tests.fuzz.test_pipelines import YAML_TOKENS, only_ours

ROWS = """\
number,share,name,flag,when,empty
1,0.5,a,true,2024-01-01,
-3,,bé,false,2024-02-30,
9223372036854775807,1e308,"x,""y"",z",true,1969-12-31 23:59:59,
"""

MLTABLE = """\
type: mltable
paths:
  - file: ./rows.csv
  - pattern: ./*.csv
  - folder: ./more
transformations:
  - read_delimited:
      delimiter: ","
      encoding: utf8
      header: all_files_same_headers
      empty_as_string: false
      support_multi_line: true
  - filter: 'number > 1 and share < 0.5 or name.startswith("b")'
  - convert_column_types:
      - {columns: when, column_type: {datetime: {formats: ["%Y-%m-%d"]}}}
      - {columns: [number], column_type: int}
  - keep_columns: [number, name, when]
  - skip: 1
  - take: 5
  - take_random_sample: {probability: 0.5, seed: 7}
metadata: {x: 1}
"""

OTHERS = [
    "paths: [{file: rows.csv}]\ntransformations: [{read_json_lines: {encoding: utf8}}]\n",
    "paths: [{file: rows.csv}]\ntransformations: [read_parquet]\n",
    "paths: [{pattern: '**/*.csv'}]\ntransformations:\n  - extract_columns_from_partition_format:"
    " '/{name}/{date:yyyy/MM/dd}.csv'\n",
]  # fmt: skip

TABLE_TOKENS = [
    *YAML_TOKENS,
    *("../", "**", "*", "{", "}", "{a:yyyy}", "read_delimited", "filter: ", "take: ", "-1", "1e9"),
    *("delimiter: ", "'\\t'", "''", "columns: ", "%Y", "%", "col('", "probability: ", "seed: "),
]

FILTER_TOKENS = [
    *(
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "lambda: ",
        "__import__('os')",
        ".__class__",
        "col(",
        "datetime",
    ),
    *("not ", " and ", " or ", " if ", " else ", " in ", " is ", "==", "<", "**", "//", "%", "-"),
    *("9" * 400, "1e400", "1j", "'", '"', "b''", "f'{x}'", "\\N{DASH}", "\0", "\n", "#", ",", "="),
    *(
        "None",
        "True",
        "...",
        "number",
        "share",
        "name",
        "flag",
        "when",
        "empty",
        "nothing",
        "é",
        "@",
    ),
]


def load(folder: Path) -> None:
    with warnings.catch_warnings():
        # Of Python's parser, about a filter such as `1()`.
        warnings.simplefilter("ignore")
        only_ours(lambda: load_table(str(folder)).to_pandas())


def test_mltable_files(fuzz: Fuzz[str], tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "rows.csv").write_text(ROWS)

    def read(text: str) -> None:
        (tmp_path / "MLTable").write_text(text, encoding="utf-8")
        load(tmp_path)

    for opening in ("[", "- ", "{a: ", "? "):
        read("paths: " + opening * 5000)
    fuzz(mutated([MLTABLE, *OTHERS], TABLE_TOKENS), read)


def terms() -> st.SearchStrategy[str]:
    columns = ("number", "share", "name", "flag", "when", "empty", "number.x", 'col("share")')
    values = ("1", "-0.5", "'a'", "None", "True", "datetime(2024, 1, 1)", "9" * 18, "1e308")
    leaf = st.sampled_from([*columns, *values])
    operators = ["+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", ">=", "and", "or"]

    def combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.builds("({} {} {})".format, inner, st.sampled_from(operators), inner),
            st.builds("({} if {} else {})".format, inner, inner, inner),
            st.builds("(not {})".format, inner),
            st.builds("(-{})".format, inner),
            st.builds("{}.startswith('a')".format, leaf),
        )

    return st.recursive(leaf, combined, max_leaves=8)


def test_filters(fuzz: Fuzz[str], tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    head = "paths: [{file: rows.csv}]\ntransformations:\n  - read_delimited\n  - filter: |-\n      "

    def read(text: str) -> None:
        (tmp_path / "MLTable").write_text(head + text.replace("\n", " "), encoding="utf-8")
        load(tmp_path)

    for opening in ("(", "not ", "-", "col(", "1 if ", "1 ** ", "number.x", "[", "'" * 3):
        read(opening * 5000)
    fuzz(terms(), read)
    fuzz(mutated(["number > 1 and (share < 0.5 or not flag)"], FILTER_TOKENS), read)
