"""Program arguments that set the run itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_parallel.job.settings.parallel_settings import SETTINGS
from prefect_parallel.job.settings.program_arguments import (
    MIN_PREFIX,
    arguments,
    parse_predefined,
    split_arguments,
)
from prefect_parallel.yaml_schema import Refused

OURS = [each.name for each in SETTINGS.values() if each.argument and each.is_own]
DEFAULTS = {each.name: each.default for each in SETTINGS.values() if each.argument}


def parse(text: str) -> dict[str, object]:
    def refuse(refused: Refused) -> None:
        raise refused

    return DEFAULTS | parse_predefined(split_arguments(text), {}, refuse)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("--error_threshold 5", "error_threshold", 5),
        ("--error_threshold=-1", "error_threshold", -1),
        ("--error_threshold -1", "error_threshold", -1),
        ("--allowed_failed_percent 0", "allowed_failed_percent", 0),
        ("--allowed_failed_percent=12.5", "allowed_failed_percent", 12.5),
        ("--task_overhead_timeout 259200", "task_overhead_timeout", 259200),
        ("--progress_update_timeout 0.5", "progress_update_timeout", 0.5),
        ("--first_task_creation_timeout '1'", "first_task_creation_timeout", 1),
        ("--copy_logs_to_parent true", "copy_logs_to_parent", True),
        ("--copy_logs_to_parent False", "copy_logs_to_parent", False),
        ("--resource_monitor_interva 20", "resource_monitor_interval", 20),
        ("--resource_monitor_interval 0", "resource_monitor_interval", 0),
        ("--append_row_dataframe_header True", "append_row_dataframe_header", True),
        ("--append_row_dataframe_delimiter ';'", "append_row_dataframe_delimiter", ";"),
        (r"--append_row_dataframe_delimiter '\t'", "append_row_dataframe_delimiter", "\t"),
        ("--append_row_dataframe_delimiter ' '", "append_row_dataframe_delimiter", " "),
        ("--check_item_count False", "check_item_count", False),
        ("--metrics_name_prefix ''", "metrics_name_prefix", ""),
        ("--push_metrics_to_parent TRUE", "push_metrics_to_parent", True),
        ("--isolate_failed_items True", "isolate_failed_items", True),
        ("--max_mini_batches_per_process 7", "max_mini_batches_per_process", 7),
        ("--retry_delay_seconds 10", "retry_delay_seconds", (10,)),
        ("--retry_delay_seconds='[1.5, 60]'", "retry_delay_seconds", (1.5, 60)),
        ("--max_process_memory 2gb", "max_process_memory", 2 * 1024**3),
        ("--profiling_module cProfile", "profiling_module", "cProfile"),
        ("--x 1 --error_threshold 5 --y --error_threshold 6 z", "error_threshold", 6),
        ("-- --error_threshold 5", "error_threshold", -1),
        ("--error 5 --first 3", "error_threshold", -1),
        ("error_threshold 5", "error_threshold", -1),
    ],
)
def test_values(text: str, name: str, value: object) -> None:
    assert parse(text)[name] == value


@pytest.mark.parametrize("name", OURS)
def test_arguments_that_azure_lacks_have_no_abbreviations(name: str) -> None:
    assert parse(f"--{name[:-1]} nonsense") == DEFAULTS


@given(st.sampled_from([name for name in DEFAULTS if name not in OURS]), st.integers(0, 40))
def test_any_prefix_from_ten_letters_on(name: str, length: int) -> None:
    prefix = name[: max(length, 1)]
    value = {"copy_logs_to_parent": "True", "append_row_dataframe_header": "True"}.get(name)
    value = value or {"profiling_module": "cProfile", "push_metrics_to_parent": "True"}.get(name)
    value = value or "7"
    parsed = parse(f"--{prefix} {value}")
    assert (parsed != DEFAULTS) == (len(prefix) >= MIN_PREFIX or prefix == name)


@pytest.mark.parametrize(
    "text",
    [
        "--error_threshold many",
        "--error_threshold -2",
        "--error_threshold 1.5",
        "--error_threshold 2147483648",
        "--error_threshold",
        "--error_threshold --x",
        "--error_threshold=",
        "--allowed_failed_percent 101",
        "--allowed_failed_percent -1",
        "--allowed_failed_percent nan",
        "--task_overhead_timeout 0",
        "--task_overhead_timeout 259201",
        "--progress_update_timeout inf",
        "--first_task_creation_timeout 10s",
        "--resource_monitor_interval -1",
        "--copy_logs_to_parent 1",
        "--append_row_dataframe_header",
        "--profiling_module profile",
        "--max_mini_batches_per_process 0",
        "--retry_delay_seconds soon",
        "--retry_delay_seconds 1,",
        "--retry_backoff_factor 0.5",
        "--retry_jitter_factor -1",
        "--append_row_dataframe_delimiter ''",
        "--append_row_dataframe_delimiter x",
        "--append_row_dataframe_delimiter ', '",
        "--max_process_memory 2",
        "--max_process_memory 0gb",
        "--max_process_memory '2 rows'",
    ],
)
def test_wrong_values(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(text)
    assert refused.value.allowed


def test_values_of_expressions_count() -> None:
    words = split_arguments("--error_threshold ${{ inputs.limit }}")
    assert words == ["--error_threshold", "${{inputs.limit}}"]
    parsed = parse_predefined(words, {"inputs.limit": "4"}, print)
    assert parsed == {"error_threshold": 4}


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("", []),
        ("  a\n b\tc ", ["a", "b", "c"]),
        ('--title "two words" --owner \'me\' --empty ""', None),
        ('a\\ b \'c\\d\' "e\\"f" "g\\h"', ["a b", "c\\d", 'e"f', "g\\h"]),
        ("--size 1 \\\n--shape round", ["--size", "1", "--shape", "round"]),
        ("# a", ["#", "a"]),
        ("$HOME `a` *", ["$HOME", "`a`", "*"]),
    ],
)
def test_cut_as_a_shell_does(template: str, words: list[str] | None) -> None:
    wanted = words or (["--title", "two words", "--owner", "me", "--empty", ""] if template else [])
    assert arguments(template, {}) == wanted


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_value_is_never_cut_nor_read(value: str) -> None:
    template = "-a X 'X' \"b X\" --c=X$[[ X ]]".replace("X", "${{ inputs.x }}")
    assert arguments(template, {"inputs.x": value}) == [
        *("-a", value, value, f"b {value}", f"--c={value}", value)
    ]


def test_optional_parts_go_away() -> None:
    template = "a $[[--b ${{inputs.b}}]] $[[--c ${{ inputs.c }} 'd e']]f"
    assert arguments(template, {"inputs.b": "1"}, ["inputs.c"]) == ["a", "--b", "1", "f"]
    assert arguments(template, {"inputs.c": "1"}, ["inputs.b"]) == ["a", "--c", "1", "d ef"]
