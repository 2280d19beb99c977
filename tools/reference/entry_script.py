"""The page of what an entry script has, is given and gives."""

from __future__ import annotations

from prefect_parallel.data import MiniBatchContext
from prefect_parallel.entry.script import EntryScript
from prefect_parallel.output.formats import JsonLines, Parquet, Text
from tools.reference.markdown import code, docstring, document, fenced, table

_INTRO = """\
The Python file that [`task.entry_script`](pipeline.md#task) names, as written for Azure Machine
Learning. Each entry process imports it once; a process runs one mini-batch at a time."""

_EXAMPLE = """\
import argparse
import pickle


def init():
    global model
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    arguments, _ = parser.parse_known_args()
    with open(arguments.model, "rb") as file:
        model = pickle.load(file)


def run(mini_batch):  # a DataFrame; a list of paths, if the input is files
    mini_batch["class"] = model.predict(mini_batch)
    return mini_batch
"""

_FUNCTIONS = (
    ("init()", "yes", "Called once in each process, before its first mini-batch. Loads the model."),
    (
        "run(mini_batch)",
        "yes",
        "Called for each attempt at a mini-batch that has items. Gets a pandas DataFrame for a"
        " table, a list of file paths for files.",
    ),
    ("run(mini_batch, context)", "", "The same, for a script that wants to know more."),
    ("shutdown()", "no", "Called once in each process, when its work is over. Cleans up."),
)

_OF_FUNCTIONS = "Capitalised names, as Azure's documentation prints them, are found, too."

_RETURN = """\
A DataFrame, a list or a tuple, with a row or element for each item that succeeded: fewer than the
mini-batch holds, or something else, is a failed attempt
([Failures](../failures.md)). A step with `partition_keys` and without `append_row_to` may return
any number. What is returned goes to the aggregated output, in the input's order; its name
says in which format."""

_AROUND = """\
- `sys.argv`: the script's name and all of `program_arguments`, the
  [predefined](program_arguments.md) included. Parse with `parse_known_args`.
- The working directory is a snapshot of `code`, which also heads `sys.path`.
- `environment_variables` are set before the script is imported.
- What it prints and logs is in files of its process:
  [Logs of a step](run_directory.md#logs-of-a-step).
- It may crash, hang, fork or call `sys.exit`: that costs an attempt, and another process goes on.
"""


def page() -> str:
    return document(
        "Entry script",
        _INTRO,
        fenced("python", _EXAMPLE),
        f"## Functions\n\n{_OF_FUNCTIONS}",
        table(
            ("function", "required", ""),
            ((code(name), required, about) for name, required, about in _FUNCTIONS),
        ),
        f"## What run returns\n\n{_RETURN}",
        table(("output", ""), _formats()),
        "## The context\n\nThe second argument of `run`.",
        _attributes(MiniBatchContext, minibatch_index="The same as `mini_batch_index`."),
        "## EntryScript\n\nFrom `azureml_user.parallel_run`, which any entry script can import.",
        _attributes(EntryScript, working_dir=docstring(EntryScript.working_dir).short_description),
        f"## Around it\n\n{_AROUND}",
    )


def _formats() -> list[tuple[str, str]]:
    named = ((code(".jsonl"), JsonLines), (code(".parquet"), Parquet), ("any other", Text))
    return [(name, docstring(form).short_description or "") for name, form in named]


def _attributes(of: type, **more: str | None) -> str:
    told = {each.arg_name: each.description for each in docstring(of).params} | more
    return table(("attribute", ""), ((code(name), about or "") for name, about in told.items()))
