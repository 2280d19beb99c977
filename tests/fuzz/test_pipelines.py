"""Pipeline files, conda files and expressions that nobody would write."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.job import load_pipeline, resolve
from prefect_parallel.job.settings.program_arguments import arguments
from prefect_parallel.job.syntax.expressions import fill, find, keep_given, malformed, whole
from prefect_parallel.job.syntax.placeholders import (
    fill_placeholders,
    malformed_placeholder,
    placeholders,
)
from prefect_parallel.job.syntax.shell import quoted_command
from tests.fuzz.conftest import CHARACTERS, CPU_SECONDS, Fuzz, mutated
from tests.job.conftest import PIPELINE, Folder

RICHER = (
    PIPELINE
    + """\
    environment_variables: {A: "{{ prefect.blocks.secret.x }}", B: "${{parent.inputs.label}}"}
    limits: {timeout: 5}
  third: &third
    type: command
    command: echo $[[ --x ${{inputs.x}} ]] "${{name}}" 'y'
    environment: {image: i, conda_file: {dependencies: [python=3.10, {pip: [numpy<2, -r r.txt]}]}}
  fourth:
    <<: *third
"""
)

CONDA = """\
name: x
channels: [conda-forge]
dependencies:
  - python>=3.8,<3.11|3.12.*
  - conda-forge::numpy=1.21=py38_0
  - pip:
      - pandas[excel]>=2; python_version > "3"  # comment
      - -r more.txt
"""

YAML_TOKENS = [
    *("{", "}", "[", "]", ": ", "- ", "? ", "= ", "\n", "\n  ", "\t", "&a ", "*a", "<<: ", "!"),
    *("!!python/name:os ", "|\n", ">", '"', "'", "#", "%YAML 1.1\n", "---\n", "...\n", "@", "`"),
    *("null", "~", "1e999", "0x1F", "1_0", "12:30:45", "2024-13-45", ".inf", ".nan", "-9" * 400),
    *("\0", "\x85", "\ufeff", "é", "\U0001f600", "..", "/", "file:", "azureml:", "https://"),
    *("jobs:", "type: parallel"),
]

EXPRESSION_TOKENS = [
    *("${{", "}}", "$[[", "]]", "{{", "inputs", "parent", ".", "inputs.x", "outputs.y", "prefect."),
    *("blocks.secret.x", "variables.y", " ", "$", "${{inputs.x}}", "$[[ ${{inputs.z}} ]]", "\n"),
]

SHELL_TOKENS = [
    *("'", '"', "`", "$(", ")", "((", "))", "${", "}", "$'", '$"', "<<EOF\n", "EOF\n", "<<<", "#"),
    *("\n", " ", ";", "&&", "|", "case x in", "esac", "[[", "]]", "function f {", "$((1 + ", "\\"),
    *("${{inputs.x}}", "$[[ ${{inputs.z}} ]]", "a=(", "${a[", "!", "~", "*", "{1..3}", "\0"),
]


def only_ours(call: Any, *arguments: Any) -> Any:
    """What a call gives; None if it raised what is ours."""
    with suppress(PrefectParallelError):
        return call(*arguments)
    return None


def test_pipeline_files(fuzz: Fuzz[str], tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    file = folder.path / "pipeline.yml"
    folder.add("r.txt", "six\n")

    def read(text: str) -> None:
        file.write_text(text, encoding="utf-8")
        job = only_ours(load_pipeline, file)
        if job is None:
            return
        resolved = only_ours(resolve, job)
        if resolved is not None:
            again = folder.path / "again.yml"
            again.write_text(job.to_yaml(), encoding="utf-8")
            assert load_pipeline(again) == job

    fuzz(mutated([PIPELINE, RICHER], YAML_TOKENS), read)


def test_files_of_any_bytes(fuzz: Fuzz[bytes], tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yml"

    def read(content: bytes) -> None:
        file.write_bytes(content)
        only_ours(load_pipeline, file)

    fuzz(st.binary(max_size=200), read)


def test_overrides(fuzz: Fuzz[str], tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    file = folder.path / "pipeline.yml"
    file.write_text(PIPELINE)
    seeds = ["inputs.rows=5", "jobs.first.mini_batch_size=1mb", 'jobs.first.task={"a": [1]}']
    fuzz(mutated(seeds, [*YAML_TOKENS, "=", ".", "jobs", "[0]"]), lambda text: only_ours(
        load_pipeline, file, [text]
    ))  # fmt: skip


def test_conda_files(fuzz: Fuzz[str], tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.replace(
        "/\n    environment: azureml:any:1\n", "/\n    environment: {conda_file: conda.yml}\n"
    )
    file = folder.path / "pipeline.yml"
    file.write_text(folder.text)
    folder.add("more.txt", "-r more.txt\n").add("r.txt", "six\n")

    def read(text: str) -> None:
        (folder.path / "conda.yml").write_text(text, encoding="utf-8")
        only_ours(load_pipeline, file)

    tokens = [*YAML_TOKENS, *EXPRESSION_TOKENS, "==", ">=", ",", "|", ".*", "::"]
    fuzz(mutated([CONDA], tokens), read)


def test_expressions(fuzz: Fuzz[str]) -> None:
    def use(text: str) -> None:
        find(text), whole(text), malformed(text), malformed_placeholder(text)
        assert "secret" not in fill_placeholders(text, dict.fromkeys(placeholders(text), "")) or (
            "secret" in text
        )
        kept = keep_given(text, ["inputs.z"])
        assert len(kept) <= len(text)
        fill(kept, {"inputs.x": "${{inputs.x}}"})

    for token in EXPRESSION_TOKENS:
        before = time.process_time()
        use(token * (500_000 // len(token)))
        assert time.process_time() - before < CPU_SECONDS, token

    seeds = ["a ${{inputs.x}} $[[ --z ${{ inputs.z }} ]] {{ prefect.blocks.secret.x }}"]
    fuzz(mutated(seeds, EXPRESSION_TOKENS), use)


def test_program_arguments(fuzz: Fuzz[tuple[str, str]]) -> None:
    def use(example: tuple[str, str]) -> None:
        template, value = example
        with suppress(ValueError):
            # An unclosed quote; the reader of pipelines tells of it.
            words = arguments(template, {"inputs.x": value}, ["inputs.z"])
            assert all(isinstance(word, str) for word in words)

    seeds = ["--a ${{inputs.x}} 'b c' $[[ --z ${{inputs.z}} ]]"]
    fuzz(st.tuples(mutated(seeds, SHELL_TOKENS), st.text(CHARACTERS, max_size=10)), use)


def test_commands(fuzz: Fuzz[tuple[str, str]]) -> None:
    def use(example: tuple[str, str]) -> None:
        command, value = example
        values = {each.key: value for each in find(command)}
        only_ours(quoted_command, command, values, ["inputs.z"])

    seeds = [
        "python a.py --x ${{inputs.x}} \"${{inputs.x}}\" '${{inputs.x}}' $[[ ${{inputs.z}} ]]",
        "cat <<EOF\n${{inputs.x}}\nEOF\necho $(printf %s ${{inputs.x}}) > ${{outputs.y}}",
    ]
    fuzz(st.tuples(mutated(seeds, SHELL_TOKENS), st.text(CHARACTERS, max_size=10)), use)
