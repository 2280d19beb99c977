"""Azure ML's schedule YAML: the times that it gives, what it changes, and its mistakes."""

from __future__ import annotations

import asyncio
import shutil
from datetime import datetime, timezone
from pathlib import Path

import pytest
import yaml
from prefect.server.schemas import schedules as on_server

from prefect_parallel.deploy.recurrence import prefect_schedule
from prefect_parallel.deploy.schedule_file import ScheduleFile
from prefect_parallel.deploy.time_zone import iana_zone
from prefect_parallel.errors import InvalidFile
from tests.deploy.conftest import Api

EXAMPLE = Path(__file__).parents[2] / "examples" / "many_models"

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=timezone.utc)
"""A Sunday, four weeks before clocks are set forward in Berlin."""

CREATE_JOB = "create_job: ./pipeline.yml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "an example"
    shutil.copytree(EXAMPLE, folder)
    return folder


def load(folder: Path, text: str) -> ScheduleFile:
    file = folder / "schedule.yml"
    file.write_text(text)
    return ScheduleFile.load(file)


def times(folder: Path, trigger: str, count: int = 5, create_job: str = CREATE_JOB) -> list[str]:
    """The first times from `NOW` on, as the clocks of the schedule show them."""
    found = load(folder, f"name: nightly\ntrigger: {{{trigger}}}\n{create_job}\n")
    schedule = prefect_schedule(found.model.trigger, NOW)
    kind = getattr(on_server, type(schedule).__name__)
    dates = asyncio.run(kind(**schedule.model_dump()).get_dates(count, start=NOW))
    return [f"{date:%a %m-%d %H:%M %Z}" for date in dates]


BERLIN = "time_zone: W. Europe Standard Time"


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        (
            'type: cron, expression: "30 2 * * *"',
            ["Mon 03-02 02:30 UTC", "Tue 03-03 02:30 UTC"],
        ),
        # NCrontab: a 13th that is a Friday.
        (
            'type: cron, expression: "0 6 13 * 5"',
            ["Fri 03-13 06:00 UTC", "Fri 11-13 06:00 UTC"],
        ),
        (
            'type: cron, expression: "0 6 13 * 5", start_time: 2026-04-01T00:00:00',
            ["Fri 11-13 06:00 UTC", "Fri 08-13 06:00 UTC"],
        ),
        (
            'type: cron, expression: "*/20 6-7 * JAN,MAR MON", end_time: "2026-03-02T06:40:00"',
            ["Mon 03-02 06:00 UTC", "Mon 03-02 06:20 UTC", "Mon 03-02 06:40 UTC"],
        ),
        (
            f'type: cron, expression: "0 0 * * 0,6", start_time: "2026-03-27", {BERLIN}',
            ["Sat 03-28 00:00 CET", "Sun 03-29 00:00 CET", "Sat 04-04 00:00 CEST"],
        ),
        (
            "type: recurrence, frequency: minute, interval: 25, start_time: 2020-01-01T00:00:00",
            ["Sun 03-01 12:15 UTC", "Sun 03-01 12:40 UTC"],
        ),
        (
            "type: recurrence, frequency: hour, interval: 5",
            ["Sun 03-01 17:00 UTC", "Sun 03-01 22:00 UTC", "Mon 03-02 03:00 UTC"],
        ),
        # Hours pass while clocks are set forward; days stay days.
        (
            f"type: recurrence, frequency: hour, interval: 12, start_time: 2026-03-28T14:00:00,"
            f" {BERLIN}, end_time: 2026-03-29T15:00:00",
            ["Sat 03-28 13:00 UTC", "Sun 03-29 01:00 UTC", "Sun 03-29 13:00 UTC"],
        ),
        (
            "type: recurrence, frequency: day, interval: 1, start_time: 2026-03-28T08:15:00,"
            f" {BERLIN}",
            ["Sat 03-28 08:15 CET", "Sun 03-29 08:15 CEST"],
        ),
        (
            "type: recurrence, frequency: Day, interval: 2, schedule: {hours: 4, minutes: [0, 30]}",
            ["Tue 03-03 04:00 UTC", "Tue 03-03 04:30 UTC", "Thu 03-05 04:00 UTC"],
        ),
        (
            "type: recurrence, frequency: week, interval: 2, start_time: 2026-03-02T00:00:00,"
            " schedule: {hours: [10, 9], minutes: 15, week_days: [friday, Monday]}",
            [
                *("Mon 03-02 09:15 UTC", "Mon 03-02 10:15 UTC", "Fri 03-06 09:15 UTC"),
                *("Fri 03-06 10:15 UTC", "Mon 03-16 09:15 UTC"),
            ],
        ),
        (
            "type: recurrence, frequency: week, interval: 1, schedule: {hours: 7, minutes: 0}",
            ["Sun 03-08 07:00 UTC", "Sun 03-15 07:00 UTC"],
        ),
        (
            "type: recurrence, frequency: month, interval: 1,"
            " schedule: {hours: 1, minutes: 0, month_days: [31, 1]}",
            ["Tue 03-31 01:00 UTC", "Wed 04-01 01:00 UTC", "Fri 05-01 01:00 UTC"],
        ),
        (
            "type: recurrence, frequency: month, interval: 1, end_time: 2026-03-10T00:00:00Z,"
            " schedule: {hours: 1, minutes: 0, week_days: tuesday}",
            ["Tue 03-03 01:00 UTC"],
        ),
        # An offset counts; what the clock in Los Angeles shows then is what repeats.
        (
            "type: recurrence, frequency: day, interval: 1, time_zone: America/Los_Angeles,"
            ' start_time: "2026-03-07T06:00:00+01:00"',
            ["Fri 03-06 21:00 PST", "Sat 03-07 21:00 PST", "Sun 03-08 21:00 PDT"],
        ),
    ],
)
def test_the_times_of_a_trigger(folder: Path, trigger: str, expected: list[str]) -> None:
    found = times(folder, trigger)
    assert found[: len(expected)] == expected
    if "end_time" in trigger:
        assert len(found) == len(expected)


def test_z_is_utc(folder: Path) -> None:
    daily = "type: recurrence, frequency: day, interval: 1, start_time: "
    written = [f'"2126-03-07T06:00:00{offset}"' for offset in ("Z", "z", "+00:00")]
    assert len({*(tuple(times(folder, daily + start)) for start in written)}) == 1


def test_azures_names_of_time_zones_are_known() -> None:
    names = ["UTC", "UTC-11", "Pacific Standard Time", "Kamchatka Standard Time", "Asia/Tokyo"]
    assert [iana_zone(name) for name in names] == [
        *("Etc/UTC", "Etc/GMT+11", "America/Los_Angeles", "Asia/Kamchatka", "Asia/Tokyo")
    ]
    assert iana_zone("Nowhere Standard Time") is None


WEEKLY = """
$schema: https://azuremlschemas.azureedge.net/latest/schedule.schema.json
name: weekly
display_name: Every week
description: as it should be
tags: {team: sales}
trigger:
  type: recurrence
  frequency: week
  interval: 1
  schedule:
    hours: [4]
    minutes: [0]
    week_days: [monday]
create_job:
  type: pipeline
  job: ./pipeline.yml
  settings:
    default_compute: azureml:other
  inputs:
    holdout_weeks: 4
    sales: {path: ./other.csv}
"""


def test_create_job_changes_the_pipeline(folder: Path) -> None:
    (folder / "sales.csv").rename(folder / "other.csv")
    schedule = load(folder, WEEKLY)
    job = schedule.load_job(["inputs.holdout_weeks=5"])
    assert job.settings.default_compute == "azureml:other"
    assert [(each.name, each.type, each.default) for each in job.parameters] == [
        ("sales", "uri_file", "./other.csv"),
        ("holdout_weeks", "integer", 5),
    ]
    assert schedule.ignored == ["display_name"]


def test_paths_start_from_the_folder_of_the_pipeline_as_in_azure(folder: Path) -> None:
    (folder / "schedules").mkdir()
    (folder / "sales.csv").rename(folder / "other.csv")
    job = load(folder / "schedules", WEEKLY.replace("./pipeline.yml", "../pipeline.yml")).load_job()
    assert job.parameters[0].default == "./other.csv"


def test_the_component_of_a_pipeline_may_declare_the_inputs(folder: Path) -> None:
    (folder / "sales.csv").rename(folder / "other.csv")
    pipeline = yaml.safe_load((folder / "pipeline.yml").read_text())
    inputs = {
        "sales": {"type": "uri_file"},
        "holdout_weeks": {"type": "integer", "default": 8},
    }
    component = {"type": "pipeline", "inputs": inputs, "outputs": pipeline.get("outputs", {})}
    component["outputs"] = {
        name: {"type": each.get("type", "uri_folder")}
        for name, each in component["outputs"].items()
    }
    component["jobs"] = pipeline["jobs"]
    (folder / "component.yml").write_text(yaml.safe_dump(component))
    (folder / "pipeline.yml").write_text("type: pipeline\ncomponent: ./component.yml\n")
    weekly = WEEKLY.replace("sales: {", "sales: {type: uri_file, ")
    job = load(folder, weekly).load_job()
    assert {each.name: each.default for each in job.parameters} == {
        "sales": "./other.csv",
        "holdout_weeks": 4,
    }
    with pytest.raises(InvalidFile, match="did you mean holdout_weeks"):
        load(folder, weekly.replace("holdout_weeks", "holdout_week")).load_job()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("monday", "mondy", ["14:5: trigger.schedule.week_days", "did you mean monday?"]),
        ("[4]", "24", ["trigger.schedule.hours", "from 0 to 23"]),
        ("interval: 1", "intervall: 1", ["10:3: trigger.intervall", "did you mean interval?"]),
        ("  interval: 1\n", "", ["trigger.interval: the key is missing"]),
        ("frequency: week", "frequency: hour", ["trigger.schedule", "day, week or month"]),
        ("type: recurrence", "type: cron", ["trigger.frequency: not allowed in a cron trigger"]),
        ("interval: 1", "interval: 1\n  time_zone: GMT+1", ["trigger.time_zone", "allowed"]),
        (
            "interval: 1",
            "interval: 1\n  end_time: 9999-12-31T23:00:00-05:00",
            ["trigger.end_time", "leave it out"],
        ),
        ("\n    holdout_weeks: 4\n    sales: {path: ./other.csv}", " all", ["found 'all'"]),
        ("\n    holdout_weeks: 4\n    sales: {path: ./other.csv}", " 5", ["found the number 5"]),
        ("interval: 1", "interval: 1\n  start_time: soon", ["11:15: trigger.start_time"]),
        (
            "interval: 1",
            "interval: 1\n  start_time: 2026-01-02\n  end_time: 2026-01-01",
            ["trigger.end_time: must be after start_time"],
        ),
        ("type: pipeline", "type: command", ["create_job.type", "allowed: pipeline"]),
        ("./pipeline.yml", "./pipelin.yml", ["create_job.job", "no such file"]),
        ("./pipeline.yml", "azureml:job:1", ["create_job.job", "workspace"]),
        ("  job: ./pipeline.yml\n", "", ["create_job.job: the key is missing"]),
        ("holdout_weeks", "holdout_week", ["21:5", "did you mean holdout_weeks?"]),
        ("default_compute", "default_comput", ["schedule.yml:19", "did you mean default_compute"]),
        ("{path: ./other.csv}", "{path: 5}", ["schedule.yml:22", "inputs.sales.path"]),
        ("  inputs:", "  jobs: {}\n  inputs:", ["create_job.jobs: unknown key"]),
    ],
)
def test_mistakes_are_told_with_their_place(
    folder: Path, old: str, new: str, said: list[str]
) -> None:
    shutil.copy(folder / "sales.csv", folder / "other.csv")
    assert old in WEEKLY
    with pytest.raises(InvalidFile) as raised:
        load(folder, WEEKLY.replace(old, new)).load_job()
    assert all(part in str(raised.value) for part in said), raised.value


@pytest.mark.parametrize(
    "expression", ["* * * *", "60 * * * *", "0 0 L * *", "0 0 * * 5#1", "0 0 31 2 *", "0 0 ? * *"]
)
def test_a_cron_expression_that_azure_does_not_take(folder: Path, expression: str) -> None:
    trigger = {"type": "cron", "expression": expression}
    text = yaml.safe_dump({"trigger": trigger, "create_job": "./pipeline.yml"})
    with pytest.raises(InvalidFile, match=r"trigger\.expression"):
        load(folder, text)


def test_a_pipeline_is_deployed_by_its_schedule_alone(api: Api, folder: Path) -> None:
    shutil.copy(folder / "sales.csv", folder / "other.csv")
    load(folder, WEEKLY)
    said = api.here("deploy", "--schedule", folder / "schedule.yml")
    made = api.deployment("many-models-using-parallel", "weekly")
    assert made["description"] == "as it should be"
    assert made["tags"] == ["team:sales"]
    properties = made["parameter_openapi_schema"]["properties"]
    assert properties["holdout_weeks"]["default"] == 4
    assert properties["sales"]["default"] == str(folder / "other.csv")
    assert "FREQ=WEEKLY" in made["schedules"][0]["schedule"]["rrule"]
    assert "ignored: settings.default_compute" not in said
    other = api.here(
        "deploy", EXAMPLE / "pipeline.yml", "--schedule", folder / "schedule.yml", expect=1
    )
    assert "omit the pipeline" in other


def test_a_schedule_that_is_over(api: Api, folder: Path) -> None:
    over = WEEKLY.replace("interval: 1", "interval: 1\n  end_time: 2020-01-01")
    shutil.copy(folder / "sales.csv", folder / "other.csv")
    (folder / "schedule.yml").write_text(over)
    said = api.here("deploy", "--schedule", folder / "schedule.yml", expect=2)
    assert "the schedule starts no run" in said


def test_a_key_that_is_broken_is_not_missing(folder: Path) -> None:
    with pytest.raises(InvalidFile) as raised:
        load(folder, WEEKLY.replace("interval: 1", "interval: 0"))
    assert [problem.key for problem in raised.value.problems] == ["trigger.interval"]
    assert raised.value.problems[0].message == "found the number 0"
