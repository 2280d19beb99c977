"""Nested pipelines: bindings through all levels, overrides, and what is refused."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from prefect_parallel.errors import InvalidPipeline, Problem
from prefect_parallel.job import (
    Data,
    Literal,
    Missing,
    OutputOf,
    OutputSpec,
    ParallelStep,
    PipelineStep,
    load_pipeline,
    resolve,
)
from tests.nested_pipelines import PREPARE, write_pipeline


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_pipeline(tmp_path)


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def problem(file: Path, *overrides: str) -> Problem:
    with pytest.raises(InvalidPipeline) as caught:
        resolve(load_pipeline(file, overrides))
    (only,) = caught.value.problems
    return only


def test_inputs_and_outputs_are_bound_through_all_levels(file: Path) -> None:
    resolved = resolve(load_pipeline(file))
    texts = str(file.parent / "texts")
    published = str(file.parent / "published/names.txt")
    assert list(resolved.graph.names()) == [
        *("prepare", "prepare.look", "prepare.score"),
        *("outer", "outer.inner", "outer.inner.copy", "last"),
    ]
    assert resolved.graph.after["last"] == {"prepare", "outer"}
    prepare = resolved.graph.steps["prepare"]
    assert isinstance(prepare, PipelineStep)
    assert prepare.graph.after["prepare.score"] == {"prepare.look"}
    steps = resolved.steps
    assert steps["prepare.look"].inputs == {
        "texts": Data("uri_folder", "ro_mount", "./texts", texts),
        "depth": Literal(7, "integer"),
    }
    score = steps["prepare.score"]
    assert isinstance(score, ParallelStep)
    assert (score.code, score.compute) == (file.parent / "parts/code", "local")
    assert score.outputs["names"] == OutputSpec("uri_file", published, "names")
    copy = steps["outer.inner.copy"]
    assert copy.inputs == {"names": OutputOf("prepare.score", "names", "uri_file", "ro_mount")}
    assert steps["last"].inputs == {
        "copy": OutputOf("outer.inner.copy", "copy", "uri_file", "ro_mount"),
        "list": OutputOf("prepare.look", "list", "uri_file", "ro_mount"),
    }


def test_defaults_and_optional_inputs_of_a_component_reach_its_steps(file: Path) -> None:
    component = file.parent / "parts/prepare.yml"
    replace(file, "      depth: ${{parent.inputs.depth}}\n", "")
    replace(component, 'depth: "${{parent.inputs.depth}}"}', 'depth: "${{parent.inputs.note}}"}')
    replace(
        component, "(ls ${{inputs.texts}}; echo ${{inputs.depth}})", "ls $[[${{inputs.depth}}]]"
    )
    resolved = resolve(load_pipeline(file))
    prepare = resolved.graph.steps["prepare"]
    assert prepare.inputs["depth"] == Literal(3, "integer")
    assert resolved.steps["prepare.look"].inputs["depth"] == Missing(left_out=True)
    replace(component, "$[[${{inputs.depth}}]]", "${{inputs.depth}}")
    found = problem(file)
    assert (found.file, found.message) == (
        str(component),
        "${{inputs.depth}} is optional, and not given",
    )


def test_values_of_a_components_steps_are_overridden(file: Path) -> None:
    """Relative paths start from the folder of the pipeline that overrides them."""
    (file.parent / "code").mkdir()
    (file.parent / "code/entry.py").write_text("def run(mini_batch):\n    return []\n")
    overrides = (
        "jobs.prepare.jobs.score.mini_batch_size=5",
        "jobs.prepare.jobs.score.task.code=./code",
        "jobs.prepare.jobs.look.inputs.depth=4",
        "jobs.outer.jobs.inner.jobs.copy.command=mv ${{inputs.names}} ${{outputs.copy}}",
    )
    job = load_pipeline(file, overrides)
    # As a run writes it down, to be resumed from.
    again = file.parent / "elsewhere/job.yml"
    again.parent.mkdir()
    again.write_text(job.to_yaml(values={"depth": 8}, absolute_paths=True))
    for each in (resolve(job, {"depth": 8}), resolve(load_pipeline(again))):
        score = each.steps["prepare.score"]
        assert isinstance(score, ParallelStep)
        assert (score.mini_batch_size, score.code) == (5, file.parent / "code")
        assert each.steps["prepare.look"].inputs["depth"] == Literal(4, "integer")
        assert each.graph.steps["prepare"].inputs["depth"] == Literal(8, "integer")
        copy = each.steps["outer.inner.copy"]
        assert getattr(copy, "command", "").startswith("mv ")
    assert score.origins["mini_batch_size"] == "override"


@pytest.mark.parametrize(
    ("override", "key", "message"),
    [
        (
            "jobs.prepare.jobs.scor.mini_batch_size=5",
            "jobs.prepare.jobs.scor",
            "the component has no step scor",
        ),
        ("jobs.outer.jobs.iner.x=5", "jobs.outer.jobs.iner", "there is no such key"),
        (
            "jobs.prepare.jobs.score.mini_batch_sise=5",
            "jobs.prepare.component.jobs.score.mini_batch_sise",
            "unknown key",
        ),
        ("inputs.depth=10", "inputs.depth", "found the number 10"),
    ],
)
def test_a_wrong_override_is_found(file: Path, override: str, key: str, message: str) -> None:
    found = problem(file, override)
    assert (found.key, found.message) == (key, message)


@pytest.mark.parametrize(
    ("of", "old", "new", "message"),
    [
        ("prepare", "depth: {type: integer, default: 3, max: 9}", "", "the component declares no"),
        ("prepare", "${{parent.inputs.depth}}", "${{parent.inputs.dept}}", "the pipeline has no"),
        (
            "prepare",
            'outputs: {list: "${{parent.outputs.list}}"}',
            "outputs: {list: {type: uri_file}}",
            "no step of the pipeline prepare is bound to its output list",
        ),
        (
            "pipeline",
            "outer.outputs.copy",
            "outer.outputs.copi",
            "the step outer has no output copi",
        ),
        (
            "pipeline",
            '{copy: "${{parent.outputs.copy',
            '{copy: "${{parent.outputs.x',
            "has no output x",
        ),
        ("pipeline", "      texts: {type: uri_folder, path: ./texts}\n", "", "requires this input"),
        ("pipeline", "component: ./parts/prepare.yml", "component: ./parts/no.yml", "no file"),
        ("pipeline", "./parts/prepare.yml\n", "./parts/prepare.yml\n    jobs: x\n", "no mapping"),
        ("pipeline", "    component: ./parts/prepare.yml\n", "", "the key is missing"),
    ],
)
def test_a_mistake_is_found_where_it_is(
    file: Path, of: str, old: str, new: str, message: str
) -> None:
    changed = file if of == "pipeline" else file.parent / "parts/prepare.yml"
    replace(changed, old, new)
    with pytest.raises(InvalidPipeline) as caught:
        load_pipeline(file)
    assert any(message in each.message for each in caught.value.problems)


def test_components_that_lead_back_to_themselves_are_refused(file: Path) -> None:
    component = file.parent / "parts/prepare.yml"
    component.write_text(
        PREPARE.replace("  look:\n", "  again: {type: pipeline, component: ./more.yml}\n  look:\n")
    )
    more = "type: pipeline\njobs:\n  back: {type: pipeline, component: ../parts/prepare.yml}\n"
    (component.parent / "more.yml").write_text(more)
    found = problem(file)
    assert found.message == "circular components: prepare.yml -> more.yml -> prepare.yml"
    assert found.file == str(component.parent / "more.yml")


def test_text_is_a_path_in_inline_pipelines_too(file: Path) -> None:
    replace(
        file,
        "jobs:\n      inner:",
        """jobs:
      prepare:
        type: pipeline
        jobs:
          again:
            type: pipeline
            component: ./parts/prepare.yml
            inputs: {texts: ./texts}
      inner:""",
    )
    job = load_pipeline(file)
    written = file.parent / "elsewhere/job.yml"
    written.parent.mkdir()
    written.write_text(job.to_yaml(absolute_paths=True))
    for each in (resolve(job), resolve(load_pipeline(written))):
        found = each.steps["outer.prepare.again.look"].inputs["texts"]
        assert isinstance(found, Data)
        assert found.location == str(file.parent / "texts")


@pytest.mark.parametrize(("depth", "by_option"), [(1, False), (2, False), (1, True)])
@pytest.mark.parametrize("user", ["a", "b"])
def test_text_is_a_path_from_the_folder_of_who_overrides_it(
    tmp_path: Path, depth: int, by_option: bool, user: str
) -> None:
    files = {
        "c/train.yml": """\
            type: command
            inputs: {model: {type: uri_folder}}
            command: ls ${{inputs.model}}
            environment: azureml:any:1
            """,
        "b/inner.yml": """\
            type: pipeline
            jobs:
              train: {type: command, component: ../c/train.yml, inputs: {model: ./model}}
            """,
        "d/outer.yml": """\
            type: pipeline
            jobs:
              n: {type: pipeline, component: ../b/inner.yml}
            """,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(dedent(text))
    for folder in "abcd":
        (tmp_path / folder / "model").mkdir(parents=True)
        (tmp_path / folder / "new").mkdir()
    changes = "jobs: {train: {inputs: {model: ./new}}}"
    key = "jobs.m.jobs."
    if depth == 2:
        changes, key = f"jobs: {{n: {{{changes}}}}}", f"{key}n.jobs."
    component = "../b/inner.yml" if depth == 1 else "../d/outer.yml"
    step = f"type: pipeline, component: {component}" + ("" if by_option else f", {changes}")
    (tmp_path / user / "p.yml").write_text(f"type: pipeline\njobs:\n  m: {{{step}}}\n")
    overrides = [f"{key}train.inputs.model=./new"] if by_option else []
    job = load_pipeline(tmp_path / user / "p.yml", overrides)
    (tmp_path / "job.yml").write_text(job.to_yaml(absolute_paths=True))
    for each in (job, load_pipeline(tmp_path / "job.yml")):
        (found,) = resolve(each).steps.values()
        assert getattr(found.inputs["model"], "location", "") == str(tmp_path / f"{user}/new")


def test_a_component_has_all_steps_of_a_job(file: Path) -> None:
    file.write_text(
        "type: pipeline\ncomponent: ./parts/prepare.yml\n"
        "inputs: {texts: {path: ./texts}}\noutputs: {list: {path: ./list.txt}}\n"
    )
    job = load_pipeline(file, ["jobs.score.mini_batch_size=2"])
    assert [(each.name, each.type, each.default) for each in job.parameters] == [
        ("texts", "uri_folder", "./texts"),
        ("depth", "integer", 3),
    ]
    (file.parent / "other").mkdir()
    replace(file, "{path: ./texts}", "./texts")
    by_path = load_pipeline(file, ["jobs.score.mini_batch_size=2"])
    again = file.parent / "other/again.yml"
    values = {"texts": "./texts", "depth": 5}
    again.write_text(by_path.to_yaml(values=values, absolute_paths=True))
    for each in (resolve(job, values), resolve(load_pipeline(again))):
        assert list(each.steps) == ["look", "score"]
        assert each.steps["look"].inputs["depth"] == Literal(5, "integer")
        list_ = OutputSpec("uri_file", str(file.parent / "list.txt"), "list")
        assert each.steps["look"].outputs["list"] == list_
        assert getattr(each.steps["score"], "mini_batch_size", None) == 2
    with pytest.raises(InvalidPipeline, match="at most 9"):
        resolve(job, {"depth": 10})
    replace(file, "inputs: {texts: ./texts}", "inputs: {txts: ./texts}")
    found = problem(file)
    assert (found.key, found.hint) == ("inputs.txts", "did you mean texts?")
