"""Pipelines of several steps: command steps, bindings, parameters, failed steps."""

from __future__ import annotations

import pickle
import textwrap
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
import pytest
from prefect import flow, runtime, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterName,
    FlowRunFilterParentFlowRunId,
)
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_parallel import PipelineFailed, PipelineResult, compile_pipeline, parallel
from prefect_parallel.entry import spawner
from prefect_parallel.flow.observer import Observer
from prefect_parallel.flow.run.step_result import StepResult
from tests.e2e.conftest import started_by_test
from tests.waiting import wait_until


class Ends(Observer):
    """Records the results of steps in the order in which they end."""

    def __init__(self) -> None:
        self.of: dict[str, StepResult] = {}
        self.warnings: list[str] = []

    def warned(self, text: str) -> None:
        self.warnings.append(text)

    def step_ended(self, step: str, end: StepResult) -> None:
        self.of[step] = end

    @property
    def statuses(self) -> dict[str, str]:
        return {step: end.status for step, end in self.of.items()}


class Pipeline:
    """A pipeline in a folder that is run in this process."""

    def __init__(self, folder: Path, text: str, server: str) -> None:
        self.folder = folder
        self.file = folder / "pipeline.yml"
        self.file.write_text("type: pipeline\ndisplay_name: a test\n" + textwrap.dedent(text))
        self.ends = Ends()
        self._server = server

    def run(
        self,
        *overrides: str,
        name: str = "run",
        resume: bool = False,
        datastores: Path | None = None,
        **parameters: object,
    ) -> State[Any]:
        with temporary_settings({PREFECT_API_URL: self._server}):
            compiled = compile_pipeline(
                self.file,
                overrides=overrides,
                output_dir=self.folder / "runs",
                name=name,
                resume=resume,
                observer=self.ends,
                datastores=datastores,
            )
            return compiled(**parameters, return_state=True)  # type: ignore[return-value,no-any-return]

    def output(self, step: str, name: str) -> Path:
        return self.folder / "runs" / "run" / "steps" / step / "outputs" / name


@pytest.fixture
def pipeline(tmp_path: Path, server: str) -> Any:
    return lambda text: Pipeline(tmp_path, text, server)


def test_command_steps_hand_on_their_outputs(pipeline: Any) -> None:
    it: Pipeline = pipeline("""
        inputs:
          word: a b
          number: 3
          deep: true
          run: in ${{name}}
        jobs:
          last:
            command: >-
              cat "$TEXT" > ${{outputs.copy}} &&
              printf '%s|' ${{inputs.word}} "${{inputs.number}}" '${{inputs.deep}}' ${{name}}
              ${{inputs.run}} "$NAME" >> ${{outputs.copy}}
            inputs:
              text: ${{parent.jobs.first.outputs.text}}
              word: ${{parent.inputs.word}}
              number: ${{parent.inputs.number}}
              deep: ${{parent.inputs.deep}}
              run: ${{parent.inputs.run}}
            environment_variables: {TEXT: "${{inputs.text}}", NAME: "of ${{ name }}"}
            outputs: {copy: {type: uri_file}}
            environment: azureml:any:1
          first:
            command: echo "$COLOUR" > ${{outputs.text}}; pwd; ls
            code: ./code
            environment_variables: {COLOUR: red}
            outputs: {text: {type: uri_file}}
            environment: azureml:any:1
    """)
    (it.folder / "code").mkdir()
    (it.folder / "code" / "tool.sh").touch()
    state = it.run(word="""it's "$(touch hacked)" `x` ü""")
    assert state.is_completed(), state.message
    assert list(it.ends.of) == ["first", "last"]
    assert it.output("last", "copy").read_text() == (
        """red\nit's "$(touch hacked)" `x` ü|3|True|run|in run|of run|"""
    )
    log = it.ends.of["first"].log.read_text().splitlines()
    assert log[0].endswith("/steps/first/code")
    assert log[1:] == ["outputs", "tool.sh"]


def test_parameters_are_typed_and_have_descriptions(pipeline: Any) -> None:
    it: Pipeline = pipeline("""
        description: Scores things.
        inputs:
          rows: 5
          ratio: 0.5
          deep: false
          data: {type: uri_folder, path: ./here, description: What to score}
        jobs:
          step:
            command: >-
              echo ${{inputs.rows}} ${{inputs.ratio}} ${{inputs.deep}} ${{inputs.data}}
              > ${{outputs.o}}
            inputs:
              rows: ${{parent.inputs.rows}}
              ratio: ${{parent.inputs.ratio}}
              deep: ${{parent.inputs.deep}}
              data: ${{parent.inputs.data}}
            outputs: {o: {type: uri_file}}
            environment: azureml:any:1
    """)
    (it.folder / "here").mkdir()
    (it.folder / "there").mkdir()
    properties = compile_pipeline(it.file).parameters.properties
    assert {name: each["type"] for name, each in properties.items()} == {
        "rows": "integer",
        "ratio": "number",
        "deep": "boolean",
        "data": "string",
    }
    assert properties["rows"]["default"] == 5
    assert properties["data"]["description"].startswith("What to score")
    state = it.run(rows="7", deep="yes", data=str(it.folder / "there"))
    assert state.is_completed(), state.message
    assert it.output("step", "o").read_text() == f"7 0.5 True {it.folder / 'there'}\n"


def test_overrides(pipeline: Any) -> None:
    it: Pipeline = pipeline("""
        inputs: {rows: 5}
        jobs:
          step:
            command: echo ${{inputs.rows}} $WORD > ${{outputs.o}}
            inputs: {rows: "${{parent.inputs.rows}}"}
            outputs: {o: {type: uri_file}}
            environment: azureml:any:1
    """)
    state = it.run("inputs.rows=6", "jobs.step.environment_variables.WORD=x=y")
    assert state.is_completed(), state.message
    assert it.output("step", "o").read_text() == "6 x=y\n"
    assert "rows: 6" in (it.folder / "runs" / "run" / "job.yml").read_text()


def test_independent_steps_run_side_by_side(pipeline: Any) -> None:
    meet = """
            command: touch ${{inputs.place}}/%s; for i in $(seq 1200); do
              [ -e ${{inputs.place}}/%s ] && exit 0; sleep 0.1; done; exit 1
            inputs: {place: "${{parent.inputs.place}}"}
            environment: azureml:any:1
    """
    it: Pipeline = pipeline(
        "inputs: {place: {type: uri_folder, path: .}}\njobs:\n  a:"
        + meet % ("a", "b")
        + "\n  b:"
        + meet % ("b", "a")
    )
    assert it.run().is_completed()


FAILING = """
        settings: {continue_on_step_failure: GOES_ON}
        jobs:
          bad:
            command: >-
              until [ -e "PLACE/other" ] && [ -e "PLACE/long" ]; do sleep 0.1; done;
              echo some words; echo last words >&2; exit 3
            outputs: {o: {type: uri_file}}
            environment: azureml:any:1
          after:
            command: cat ${{inputs.i}}
            inputs: {i: "${{parent.jobs.bad.outputs.o}}"}
            environment: azureml:any:1
          other:
            command: touch "PLACE/other"; sleep SECONDS
            environment: azureml:any:1
          later:
            command: "true # ${{inputs.i}}"
            inputs: {i: "${{parent.jobs.long.outputs.o}}"}
            environment: azureml:any:1
          long:
            command: touch "PLACE/long"; sleep SECONDS
            outputs: {o: {type: uri_folder}}
            environment: azureml:any:1
"""


@pytest.mark.parametrize(
    ("goes_on", "seconds", "statuses"),
    [
        (
            "true",
            "2",
            {"bad": "Failed", "other": "Completed", "long": "Completed", "later": "Completed"},
        ),
        ("false", "600", {"bad": "Failed", "other": "Canceled", "long": "Canceled"}),
    ],
)
def test_what_goes_on_when_a_step_fails(
    pipeline: Any, tmp_path: Path, goes_on: str, seconds: str, statuses: dict[str, str]
) -> None:
    text = FAILING.replace("PLACE", str(tmp_path)).replace("GOES_ON", goes_on)
    it: Pipeline = pipeline(text.replace("SECONDS", seconds))
    state = it.run()
    assert state.is_failed()
    assert "step bad: the command ended with exit code 3" in (state.message or "")
    assert "last words" in it.ends.of["bad"].reason
    assert it.ends.statuses == statuses


def test_a_command_that_takes_too_long_is_ended_with_what_it_started(
    pipeline: Any, tmp_path: Path
) -> None:
    text = """
        jobs:
          step:
            command: setsid sleep 600 & sleep 600
            limits: {timeout: 1}
            environment: azureml:any:1
            environment_variables: {STARTED_BY_TEST: "FOLDER"}
    """
    it: Pipeline = pipeline(text.replace("FOLDER", str(tmp_path)))
    assert it.run().is_failed()
    assert it.ends.of["step"].reason == "the command took longer than limits.timeout: 1 s"
    wait_until(lambda: started_by_test(tmp_path) == [])


@pytest.mark.parametrize(
    ("signal", "seconds", "said"),
    [("KILL", 60, "was killed"), ("STOP", 10, "did not answer within 10 s")],
)
def test_a_command_whose_parent_is_killed_or_hangs_is_ended_and_says_so(
    pipeline: Any, monkeypatch: pytest.MonkeyPatch, signal: str, seconds: float, said: str
) -> None:
    monkeypatch.setattr(spawner, "ANSWER_SECONDS", seconds)
    it: Pipeline = pipeline(f"""
        jobs:
          step:
            command: |
              sleep 600 & echo $! > ${{{{outputs.pid}}}}
              # It has said that the command is started.
              until grep -q "^State:.S" /proc/$PPID/status; do :; done
              kill -{signal} $PPID; wait
            outputs: {{pid: {{type: uri_file}}}}
            environment: azureml:any:1
    """)
    assert it.run().is_failed()
    killed = f"the command was killed: the process that had started it {said}"
    assert it.ends.of["step"].reason == killed
    pid = int(it.output("step", "pid").read_text())
    wait_until(
        lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    )


def test_a_flow_returns_its_result_or_raises_with_it(pipeline: Any) -> None:
    it: Pipeline = pipeline("""
        outputs: {names: {type: uri_file}, said: {type: uri_file}}
        jobs:
          score:
            type: parallel
            inputs: {files: {type: uri_folder, path: ./files}}
            outputs: {rows: "${{parent.outputs.names}}"}
            input_data: ${{inputs.files}}
            mini_batch_size: "1"
            retry_settings: {max_retries: 0}
            task:
              type: run_function
              code: ./code
              entry_script: s.py
              environment: azureml:any:1
              append_row_to: ${{outputs.rows}}
          after:
            command: echo '<done>' > ${{outputs.text}}; exit $(cat ${{inputs.status}})
            inputs:
              rows: ${{parent.jobs.score.outputs.rows}}
              status: {type: uri_file, path: ./status.txt}
            outputs: {text: "${{parent.outputs.said}}"}
            environment: azureml:any:1
    """)
    (it.folder / "files").mkdir()
    for name in "abc":
        (it.folder / "files" / name).touch()
    (it.folder / "status.txt").write_text("0")
    (it.folder / "code").mkdir()
    (it.folder / "code" / "s.py").write_text(
        "def run(mini_batch):\n"
        "    if mini_batch[0].endswith('b'): raise ValueError('<b>')\n"
        "    return [mini_batch[0][-1]]\n"
    )
    result = it.run().result()
    run = it.folder / "runs" / "run"
    assert isinstance(result, PipelineResult)
    assert (result.status, result.run_directory) == ("Completed", run)
    assert {name: Path(place).read_text() for name, place in result.outputs.items()} == {
        "names": "a\nc\n",
        "said": "<done>\n",
    }
    score, after = result.steps["score"], result.steps["after"]
    assert score.output == score.outputs["rows"] == result.outputs["names"]
    assert score.mini_batches == {"total": 3, "succeeded": 2, "failed": 1, "retried": 0}
    assert score.items == {"total": 3, "succeeded": 2, "failed": 1}
    assert [(each.example, each.count) for each in score.failures] == [("ValueError: <b>", 1)]
    assert Path(str(score.log)).name == "job_result.txt"
    assert after.output == result.outputs["said"]
    assert repr(result) == (
        f"<PipelineResult a test: Completed (score: Completed, after: Completed) in {run}>"
    )
    assert "<td>2 of 3</td>" in result._repr_html_()
    assert "&lt;b&gt;" in result._repr_html_()

    assert "score" in Path(result.report).read_text()

    (it.folder / "status.txt").write_text("3")
    Path(result.report).unlink()
    Path(result.report, "no file").mkdir(parents=True)
    with pytest.raises(PipelineFailed, match="step after: the command ended") as caught:
        it.run(resume=True).result()
    assert "report.html was not written: IsADirectoryError" in it.ends.warnings[-1]
    failed = pickle.loads(pickle.dumps(caught.value)).result
    assert (failed.status, failed.outputs) == ("Failed", {"names": score.output})
    assert (failed.steps["after"].status, failed.steps["after"].output) == ("Failed", None)


def graph_of(server: str, run: object, names: set[str]) -> dict[str, list[str]]:
    """The nodes of Prefect's graph of a flow run, and those that each has an arrow from."""
    graph: dict[str, list[str]] = {}

    def is_drawn() -> bool:
        answer = httpx.get(f"{server}/flow_runs/{run}/graph-v2", timeout=60)
        nodes = dict(answer.raise_for_status().json()["nodes"])
        graph.clear()
        for node in nodes.values():
            parents = [nodes[each["id"]]["label"] for each in node["parents"]]
            graph[node["label"].rpartition(" / ")[2]] = parents
        return graph.keys() == names

    wait_until(is_drawn)
    return graph


def test_the_graph_has_arrows_between_steps_and_to_tasks_that_take_a_result(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pipeline.yml").write_text("""
        type: pipeline
        jobs:
          make:
            command: echo 1 > ${{outputs.out}}
            outputs: {out: {type: uri_file}}
            environment: azureml:any:1
          other:
            command: "true"
            environment: azureml:any:1
          read:
            command: cat ${{inputs.made}}
            inputs: {made: "${{parent.jobs.make.outputs.out}}"}
            environment: azureml:any:1
    """)

    @parallel
    def copied(items: list[int]) -> list[int]:
        return items

    run_ids: list[UUID] = []

    @task(task_run_name="use-{name}")
    def use(result: Any, name: str) -> None: ...

    @flow
    def outer() -> None:
        run_ids.append(UUID(runtime.flow_run.id))
        # Two of each: equal parts of their results are not taken for each other.
        pipelines = [compile_pipeline("pipeline.yml", name=name)() for name in ("p1", "p2")]
        calls = [copied([1], name=name) for name in ("c1", "c2")]
        use(pipelines[0], "pipeline")
        use(calls[0], "call")
        use(calls[0].output, "output")

    with temporary_settings({PREFECT_API_URL: server}), get_client(sync_client=True) as api:
        outer()
        named = FlowRunFilter(
            name=FlowRunFilterName(any_=["p1"]),
            parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=run_ids),
        )
        (pipeline,) = api.read_flow_runs(flow_run_filter=named)

    used = {"use-pipeline", "use-call", "use-output"}
    graph = graph_of(server, run_ids[0], {"p1", "p2", "c1", "c2", *used})
    assert graph["use-pipeline"] == ["pipeline / p1"]
    assert graph["use-call"] == graph["use-output"] == ["copied / c1"]
    graph = graph_of(server, pipeline.id, {"make", "other", "read"})
    assert graph == {"make": [], "other": [], "read": ["make / make"]}


def test_an_input_that_an_earlier_step_leaves_empty(pipeline: Any) -> None:
    it: Pipeline = pipeline("""
        jobs:
          make:
            command: "true"
            outputs: {files: {type: uri_folder}}
            environment: azureml:any:1
          score:
            type: parallel
            inputs: {files: "${{parent.jobs.make.outputs.files}}"}
            input_data: ${{inputs.files}}
            task:
              {type: run_function, code: ./code, entry_script: s.py, environment: "azureml:any:1"}
    """)
    (it.folder / "code").mkdir()
    (it.folder / "code" / "s.py").write_text("def init(): pass\ndef run(mini_batch): return []\n")
    assert it.run().is_failed()
    assert "the input is empty" in it.ends.of["score"].reason
    assert not (Path(str(it.ends.of["score"].log)).parent / "user" / "stdout").exists()
