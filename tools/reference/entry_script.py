"""The page about entry scripts."""

from __future__ import annotations

from prefect_parallel.data import MiniBatchContext
from prefect_parallel.entry.script import EntryScript
from prefect_parallel.output.formats import JsonLines, Parquet, Text
from tools.reference.markdown import code, docstring, document, fenced, table

_INTRO = """\
The entry script is the Python file in [`task.entry_script`](pipeline.md#task). Scripts written for
Azure Machine Learning work unchanged. Each entry process imports the script once and runs one
mini-batch at a time."""

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


def run(mini_batch):  # a DataFrame, or a list of paths if the input is a list of files
    mini_batch["class"] = model.predict(mini_batch)
    return mini_batch
"""

_FUNCTIONS = (
    (
        "init()",
        "no",
        "Called once in each process, before its first mini-batch. Load the model here.",
    ),
    (
        "run(mini_batch)",
        "yes",
        "Called for each attempt of a mini-batch that is not empty. Gets a pandas DataFrame for a"
        " table, or a list of paths for a list of files.",
    ),
    ("run(mini_batch, context)", "", "The same, with a context as its second argument."),
    (
        "shutdown()",
        "no",
        "Called once in each process, after its last mini-batch. Clean up here. The process then"
        " ends as any Python does: files that are still open are written, functions of `atexit`"
        " called. They have 5 s.",
    ),
)

_OF_FUNCTIONS = "Capitalized names, as in Azure's documentation, work, too."

_RETURN = """\
`run` returns a DataFrame, a list or a tuple, with a row or an element for each item that succeeded.
A generator may yield the elements, or DataFrames, which are concatenated.
Fewer than the mini-batch contains, or any other type, is a [failed attempt](../failures.md). In a
step with `partition_keys` and without `append_row_to`, any number is allowed. The results are
written to the aggregated output in the order of the input. The name of the output determines its
format. In text, a line break inside an element is written as `\\n` or `\\r`.
The elements of a set are in order. A value whose only text is its address in memory, such as a
generator inside a list, is a failed attempt."""

_FILES = """\
A script that stores files itself writes them to `output_dir`. If the attempt fails, they are
removed; if it succeeds, they are moved to the step's output when the step has completed. Whatever
is retried, killed or resumed, the output has the files of each mini-batch exactly once.

```python
def run(mini_batch, context):
    model = train(mini_batch)
    store = context.partition_key_value["store"]
    model.save(context.output_dir / f"{store}.model")
    return []
```

- The files go to the step's output of type `uri_folder`, next to that of `append_row_to`. If the
  output of `append_row_to` is the only folder, they go there; those of a parallel function go to
  `outputs/output` of its step in the run directory. If the step has no folder, or several others,
  `output_dir` raises an error.
- Subfolders are allowed, links are not. Two mini-batches must not write files of the same name: the
  step fails with an error that names both.
- A failed attempt that returns too few items keeps its files with the rows that it has returned.
  With `--isolate_failed_items True`, files of items that succeed are kept.
- What is written by path, to `${{outputs.NAME}}`, is not covered.
"""
_AROUND = """\
- `sys.argv` contains the script's name and all of `program_arguments`, including the
  [predefined](program_arguments.md) ones. Parse it with `parse_known_args`.
- The working directory is a snapshot of `code`, which is also first on `sys.path`.
- `environment_variables` are set before the script is imported. Those of Azure ML are set, too:
  `AZUREML_RUN_ID` (run and step), `AZUREML_ROOT_RUN_ID` (run), `AZUREML_NODE_COUNT`,
  `AZUREML_BI_OUTPUT_PATH` (the step's `outputs`) and, for entry scripts,
  `AZ_BATCHAI_GPU_COUNT_FOUND` (GPUs of the node).
- Each process has its own files for what the script prints and logs:
  [Logs of a step](run_directory.md#logs-of-a-step).
- If the script crashes, hangs or calls `sys.exit`, only that attempt fails, and another process
  takes over. It may also fork.
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
        "## Context\n\nThe optional second argument of `run` has these attributes.",
        _attributes(
            MiniBatchContext,
            output_dir="A new folder for [files of this attempt](#files), a `Path`.",
            minibatch_index="The same as `mini_batch_index`.",
        ),
        f"## Files\n\n{_FILES}",
        "## EntryScript\n\nAny entry script can import it from `azureml_user.parallel_run`."
        "\n`EntryScript(logging_level=X)` sets the level of `logger`; `config_log()` does nothing.",
        _attributes(EntryScript, working_dir=docstring(EntryScript.working_dir).short_description),
        f"## Environment of the script\n\n{_AROUND}",
    )


def _formats() -> list[tuple[str, str]]:
    named = ((code(".jsonl"), JsonLines), (code(".parquet"), Parquet), ("any other", Text))
    return [(name, docstring(form).short_description or "") for name, form in named]


def _attributes(of: type, **more: str | None) -> str:
    about = {each.arg_name: each.description for each in docstring(of).params} | more
    return table(("attribute", ""), ((code(name), text or "") for name, text in about.items()))
