"""A pipeline with a nested one by a component, and with nested ones inline, one in the other."""

from __future__ import annotations

from pathlib import Path

PREPARE = """\
type: pipeline
name: prepare
inputs:
  texts: {type: uri_folder}
  depth: {type: integer, default: 3, max: 9}
  note: {type: string, optional: true}
outputs:
  names: {type: uri_file}
  list: {type: uri_file}
jobs:
  look:
    type: command
    inputs: {texts: "${{parent.inputs.texts}}", depth: "${{parent.inputs.depth}}"}
    outputs: {list: "${{parent.outputs.list}}"}
    command: (ls ${{inputs.texts}}; echo ${{inputs.depth}}) > ${{outputs.list}}
    environment: azureml:any:1
  score:
    type: parallel
    inputs:
      texts: {type: uri_folder, path: "${{parent.inputs.texts}}"}
      list: ${{parent.jobs.look.outputs.list}}
    outputs: {names: "${{parent.outputs.names}}"}
    input_data: ${{inputs.texts}}
    mini_batch_size: "1"
    task:
      type: run_function
      code: ./code
      entry_script: entry.py
      environment: azureml:any:1
      program_arguments: --list ${{inputs.list}}
      append_row_to: ${{outputs.names}}
"""

SCRIPT = """\
import os


def run(mini_batch):
    return [os.path.basename(path) for path in mini_batch]
"""

PIPELINE = """\
type: pipeline
display_name: nested
settings: {default_compute: azureml:local}
inputs: {depth: 7}
outputs:
  names: {type: uri_file, path: ./published/names.txt}
jobs:
  prepare:
    type: pipeline
    component: ./parts/prepare.yml
    inputs:
      texts: {type: uri_folder, path: ./texts}
      depth: ${{parent.inputs.depth}}
    outputs: {names: "${{parent.outputs.names}}"}
  outer:
    type: pipeline
    inputs: {names: "${{parent.jobs.prepare.outputs.names}}"}
    outputs: {copy: {type: uri_file}}
    jobs:
      inner:
        type: pipeline
        inputs: {names: "${{parent.inputs.names}}"}
        outputs: {copy: "${{parent.outputs.copy}}"}
        jobs:
          copy:
            type: command
            inputs: {names: "${{parent.inputs.names}}"}
            outputs: {copy: "${{parent.outputs.copy}}"}
            command: cp ${{inputs.names}} ${{outputs.copy}}
            environment: azureml:any:1
  last:
    type: command
    inputs:
      copy: ${{parent.jobs.outer.outputs.copy}}
      list: ${{parent.jobs.prepare.outputs.list}}
    command: cat ${{inputs.copy}} ${{inputs.list}}
    environment: azureml:any:1
"""


def write_pipeline(folder: Path) -> Path:
    """Write the pipeline with its component, script and two texts; the path of its file."""
    for file, text in {
        "pipeline.yml": PIPELINE,
        "parts/prepare.yml": PREPARE,
        "parts/code/entry.py": SCRIPT,
        "texts/a.txt": "a",
        "texts/b.txt": "b",
    }.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)
    return folder / "pipeline.yml"
