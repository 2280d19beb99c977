"""Values from the command line."""

from __future__ import annotations

import pytest

from prefect_parallel.job import Data, Literal, ParallelStep, resolve

from .conftest import Folder


@pytest.mark.parametrize(
    ("override", "attribute", "value"),
    [
        ("jobs.first.mini_batch_size=7", "mini_batch_size", 7),
        ("jobs.first.mini_batch_size=1mb", "mini_batch_size", 2**20),
        ("jobs.first.mini_batch_size=${{parent.inputs.rows}}", "mini_batch_size", 3),
        ("jobs.first.error_threshold=4", "error_threshold", 4),
        ("jobs.first.resources.instance_count=4", "instance_count", 4),
        ("jobs.first.retry_settings.timeout=5", "timeout", 5),
        ("jobs.first.retry_settings={timeout: 5}", "timeout", 5),
        ("jobs.first.partition_keys=[a, b]", "partition_keys", ("a", "b")),
        ("jobs.first.environment_variables.A=5", "environment_variables", {"A": "5"}),
        ("jobs.first.environment_variables.A=a=b", "environment_variables", {"A": "a=b"}),
        ("jobs.first.display_name=", "display_name", "first"),
        ("jobs.first.description=7", "description", "7"),
    ],
)
def test_any_value_can_be_set(folder: Folder, override: str, attribute: str, value: object) -> None:
    step = resolve(folder.load(override)).steps["first"]
    assert getattr(step, attribute) == value


def test_without_partition_keys_the_size_counts(folder: Folder) -> None:
    step = resolve(folder.load("jobs.first.mini_batch_size=7")).steps["first"]
    assert isinstance(step, ParallelStep)
    assert step.mini_batch_size == 7
    assert step.partition_keys == ()


def test_inputs_of_the_pipeline_keep_their_types(folder: Folder) -> None:
    job = folder.load("inputs.rows=8", "inputs.share=1", "inputs.label=12", "inputs.deep=NO")
    assert {parameter.name: parameter.default for parameter in job.parameters} == {
        "rows": 8,
        "share": 1,
        "label": "12",
        "deep": False,
        "stock": "./data",
    }


def test_paths_count_from_the_pipelines_folder(folder: Folder) -> None:
    folder.add("other/a.txt", "")
    data = resolve(folder.load("jobs.first.inputs.files.path=other")).steps["first"].inputs["files"]
    assert isinstance(data, Data)
    assert data.location == str(folder.path / "other")


@pytest.mark.parametrize("value", ["1.10", "01234", "no", "1:30"])
def test_text_stays_as_it_is_given(folder: Folder, value: str) -> None:
    folder.add("part.yml", PART.replace("{type: integer, max: 9}", "{type: string}"))
    folder.text += "  third: {component: ./part.yml, inputs: {x: a}}\n"
    folder.replace("inputs: {x: a}", "inputs: {}")
    steps = resolve(
        folder.load(
            f"jobs.third.inputs.x={value}",
            f"jobs.first.environment_variables.A={value}",
            f"jobs.second.environment_variables.A={value}",
        )
    ).steps
    assert steps["third"].inputs["x"] == Literal(value, "string")
    assert steps["first"].environment_variables == {"A": value}
    assert steps["second"].environment_variables == {"A": value}
    folder.add("all.yml", f"{NESTED}  third: {{component: ./part.yml}}\n")
    folder.text = "type: pipeline\ncomponent: ./all.yml\n"
    job = folder.load(f"inputs.y={value}", f"jobs.third.inputs.x={value}")
    folder.add("job.yml", job.to_yaml())
    folder.text = job.to_yaml()
    for each in (job, folder.load()):
        steps = resolve(each).steps
        assert steps["third"].inputs["x"] == Literal(value, "string")
        assert steps["other"].inputs["x"] == Literal(value, "string")


def test_an_item_of_a_list(folder: Folder) -> None:
    folder.replace('mini_batch_size: "5"', "partition_keys: [a, b]")
    step = resolve(folder.load("jobs.first.partition_keys.1=c")).steps["first"]
    assert isinstance(step, ParallelStep)
    assert step.partition_keys == ("a", "c")


def test_what_was_set_is_in_the_yaml(folder: Folder) -> None:
    job = folder.load("jobs.first.mini_batch_size=9", "inputs.label=blue")
    folder.text = job.to_yaml()
    again = folder.load()
    assert again == job
    step = resolve(again).steps["first"]
    assert isinstance(step, ParallelStep)
    assert step.mini_batch_size == 9
    assert step.inputs["label"] == Literal("blue", "string")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("jobs.first", "--set jobs.first: no key"),
        ("=5", "no key"),
        ("a..b=5", "no key"),
        (".".join("a" * 999) + "=5", "nested deeper than"),
        ("jobs.first.partition_keys.2=b", "the list has no such index"),
        ("jobs.frist.mini_batch_size=5", "did you mean first?"),
        ("jobs.first.mini_batch_size.x=5", "not a mapping, but a value"),
        ("jobs.first.mini_bach_size=5", "did you mean mini_batch_size?"),
        ("inputs.lable=blue", "the pipeline has no such input\n    allowed: rows, share"),
        ("inputs.stok.path=other", "did you mean stock?"),
        ("jobs.first.error_threshold=many", "a whole number, -1 or more"),
        ("jobs.first.inputs.files=./other", "--set jobs.first.inputs.files.path=./other"),
        ("jobs.first.retry_settings={a: ", "invalid YAML"),
        ("jobs.first.retry_settings={timout: 5}", "did you mean timeout?"),
        ("jobs.first.task.environment=x", "write azureml:x"),
        ("inputs.rows=nan", "inputs.rows: found 'nan'\n    allowed: a value of type number"),
        ("inputs.share=abc", "inputs.share: found 'abc'\n    allowed: a value of type number"),
        ("inputs.share=", "inputs.share: found ''\n    allowed: a value of type number"),
        (
            "jobs.first.retry_settings={max_retries: 1}, timeout: 5",
            "jobs.first.retry_settings: more follows after the closing bracket",
        ),
        ("inputs.stock=./other", "--set inputs.stock.path=./other"),
        ("inputs.wanted=./other", "--set inputs.wanted.path=./other"),
        ("jobs.first.outputs.rows=./m", "--set jobs.first.outputs.rows.path=./m"),
        ("jobs.first.inputs.model=./m", "--set jobs.first.inputs.model.path=./m"),
        ("inputs.deep=3", "inputs.deep: found 3\n    allowed: a value of type boolean"),
        ("jobs.first.inputs.n=x", "jobs.first.inputs.n: found 'x'"),
        ("jobs.first.inputs.m.value=x", "jobs.first.inputs.m.value: found 'x'"),
    ],
)
def test_mistakes_name_the_argument(folder: Folder, override: str, words: str) -> None:
    label = "label: ${{parent.inputs.label}}"
    folder.text = folder.text.replace(
        "mini_batch_size:", "partition_keys: [a]\n    mini_batch_size:", 1
    )
    model = "model: {type: uri_folder, path: ./data}"
    folder.replace(label, f"{label}\n      n: 1\n      m: {{value: 1}}\n      {model}")
    folder.replace("jobs:", "  wanted: {type: uri_folder}\njobs:")
    problem = folder.problem(override)
    assert problem.file == f"--set {override}"
    assert words in str(problem)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("inputs.rows=0", "inputs.rows: ${{parent.inputs.rows}}: found '0'"),
        ("inputs.label=12", "inputs.label: found the number 12"),
    ],
)
def test_a_value_refused_where_it_is_used_names_the_argument(
    folder: Folder, override: str, words: str
) -> None:
    folder.add("part.yml", PART)
    folder.replace('mini_batch_size: "5"', "max_concurrency_per_instance: ${{parent.inputs.rows}}")
    folder.replace("label: red", "label: 3")
    folder.text += """\
  third:
    component: ./part.yml
    inputs: {x: "${{parent.inputs.label}}"}
"""
    problem = folder.problem(override)
    assert problem.file == f"--set {override}"
    assert words in str(problem)


PART = """\
type: command
inputs: {x: {type: integer, max: 9}}
command: echo ${{inputs.x}}
environment: azureml:any:1
"""

NESTED = """\
type: pipeline
inputs: {y: {type: string}}
jobs:
  other: {component: ./part.yml, inputs: {x: "${{parent.inputs.y}}"}}
"""


def test_inputs_that_are_no_mapping_are_reported(folder: Folder) -> None:
    folder.text = (
        "type: pipeline\ninputs: 5\njobs: {a: {command: ls, environment: azureml:any:1}}\n"
    )
    problem = folder.problem("inputs.x=5")
    assert (problem.key, problem.message) == ("inputs", "not a mapping, but a value")
