"""Classify the same messages with several spam filters in parallel, and compare the results."""

import argparse
from pathlib import Path
from typing import Any

from prefect_parallel import (
    Environment,
    Input,
    Output,
    RunFunction,
    command,
    compile_pipeline,
    parallel_run_function,
    pipeline,
)

FILTERS = [file.stem for file in sorted(Path("filters").glob("*.json"))]

environment = Environment(
    image="mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04",
    conda_file="./environment/environment_parallel.yml",
)

judge = parallel_run_function(
    inputs={
        "messages": Input(type="mltable", mode="direct"),
        "filter": Input(type="uri_file", mode="download"),
        "threshold": Input(type="number"),
    },
    outputs={"verdicts": Output(type="uri_folder")},
    input_data="${{inputs.messages}}",
    mini_batch_size="500",
    instance_count=1,
    max_concurrency_per_instance=2,
    mini_batch_error_threshold=0,
    task=RunFunction(
        code="./script",
        entry_script="judge.py",
        environment=environment,
        program_arguments="--filter ${{inputs.filter}} --threshold ${{inputs.threshold}}",
        append_row_to="${{outputs.verdicts}}/verdicts.jsonl",
    ),
)

compare = command(
    inputs={name: Input(type="uri_folder") for name in FILTERS},
    outputs={"comparison": Output(type="uri_folder")},
    code="./script",
    command="python compare.py --output ${{outputs.comparison}}"
    + "".join(f" --verdicts {name} ${{{{inputs.{name}}}}}" for name in FILTERS),
    environment=environment,
)


@pipeline(display_name="spam-filters-in-python", default_compute="cpu-cluster")
def compare_filters(messages: Input, threshold: float) -> dict[str, Any]:
    """Classify messages with each filter, and compare the filters."""
    verdicts = {}
    for name in FILTERS:
        words = Input(type="uri_file", path=f"./filters/{name}.json")
        judging = judge(messages=messages, filter=words, threshold=threshold)
        judging.name = f"judge_{name}"
        verdicts[name] = judging.outputs.verdicts
    comparing = compare(**verdicts)
    return {"comparison": comparing.outputs.comparison}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threshold", type=float, default=1.0, help="minimum score of spam")
    parser.add_argument("--yaml", type=Path, metavar="FILE", help="write it as YAML, do not run it")
    args = parser.parse_args()

    job = compare_filters(Input(type="mltable", path="./messages"), threshold=args.threshold)
    if args.yaml:
        args.yaml.write_text(job.to_yaml(), encoding="utf-8")
    else:
        compile_pipeline(job)()


if __name__ == "__main__":
    main()
