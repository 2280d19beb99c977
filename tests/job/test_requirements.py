"""What a conda file asks for, and mistakes in it."""

from __future__ import annotations

import pytest

from prefect_parallel.job import CommandStep, Requirements, resolve
from tests.job.conftest import Folder

SECOND = "    environment: azureml:any:1\n"


def requirements(folder: Folder, environment: str) -> Requirements:
    folder.replace(f"/\n{SECOND}", f"/\n    environment: {environment}\n")
    step = resolve(folder.load()).steps["second"]
    assert isinstance(step, CommandStep)
    assert step.requirements is not None
    return step.requirements


def test_of_a_file(folder: Folder) -> None:
    folder.add(
        "env/conda.yml",
        """
        name: mine
        channels: [conda-forge, defaults]
        dependencies:
          - python=3.10
          - pip=20.2
          - conda-forge::numpy=1.21=py310_0
          - scipy >=1.8,<2|1.7.3
          - lz4 4.*
          - x264 *
          - pip:
            - pandas[excel]>=2; python_version > "3"  # for sheets
            - -r more/needed.txt
            - --extra-index-url https://example.org/simple
        """,
    )
    folder.add("env/more/needed.txt", "# all\nsix==1.16.0\n\n-r deeper/other.txt\n")
    folder.add("env/more/deeper/other.txt", "attrs \\\n >=20\n")
    found = requirements(folder, "{conda_file: env/conda.yml}")
    assert found.source == "env/conda.yml"
    assert found.python is not None
    assert found.python.versions == ("==3.10.*",)
    assert found.channels == ("conda-forge", "defaults")
    assert [(spec.text, spec.name, spec.versions) for spec in found.conda] == [
        ("conda-forge::numpy=1.21=py310_0", "numpy", ("==1.21.*",)),
        ("scipy >=1.8,<2|1.7.3", "scipy", (">=1.8,<2", "==1.7.3")),
        ("lz4 4.*", "lz4", ("==4.*",)),
        ("x264 *", "x264", ()),
    ]
    assert found.pip == (
        'pandas[excel]>=2; python_version > "3"',
        "six==1.16.0",
        "attrs   >=20",
        "--extra-index-url https://example.org/simple",
    )


def test_of_a_mapping_in_place(folder: Folder) -> None:
    found = requirements(folder, "{conda_file: {dependencies: [python>=3.9, {pip: [six]}]}}")
    assert found.source == "jobs.second.environment.conda_file"
    assert found.python is not None
    assert (found.python.versions, found.pip) == ((">=3.9",), ("six",))


@pytest.mark.parametrize("text", ["", "name: x", "dependencies: []", "dependencies:\n"])
def test_of_a_file_that_asks_for_nothing(folder: Folder, text: str) -> None:
    found = requirements(folder.add("conda.yml", text), "{conda_file: conda.yml}")
    assert (found.python, found.pip, found.conda) == (None, (), ())


@pytest.mark.parametrize("environment", ["azureml:any:1", "{image: any}"])
def test_an_environment_without_a_conda_file_asks_for_nothing(
    folder: Folder, environment: str
) -> None:
    folder.replace(f"/\n{SECOND}", f"/\n    environment: {environment}\n")
    step = resolve(folder.load()).steps["second"]
    assert step.requirements is None


@pytest.mark.parametrize(
    ("text", "line", "key", "message"),
    [
        ("dependencies: six", 1, "dependencies", "found 'six'"),
        ("dependencies:\n  - numpy\n  - 3.10", 3, "dependencies.1", "found the number 3.1"),
        ("dependencies:\n  - pip: six", 2, "dependencies.0.pip", "found 'six'"),
        ("dependencies:\n  - pip:\n    - {a: 1}", 3, "dependencies.0.pip.0", "found a mapping"),
        ("dependencies:\n  - npm: [x]", 2, "dependencies.0", "found a mapping"),
        ("dependencies:\n  - --file=/etc/passwd", 2, "dependencies.0", "found '--file"),
        ("channels: conda-forge", 1, "channels", "found 'conda-forge'"),
        ("dependencies:\n  - pip: [-r none.txt]", 2, "dependencies.0.pip.0", "none.txt cannot be"),
        ("dependencies:\n  - pip: [-r loop.txt]", 2, "dependencies.0.pip.0", "more than 20 deep"),
        ("dependencies: " + "[" * 300, 1, "", "nested deeper"),
        # Of so many libyaml itself says so, from 0.2.6 on.
        ("dependencies: " + "[" * 5000, 1, "", "nest"),
        ("dependencies: [", 2, "", "invalid YAML"),
    ],
)
def test_mistakes_in_a_file(folder: Folder, text: str, line: int, key: str, message: str) -> None:
    folder.add("loop.txt", "-r loop.txt").add("conda.yml", text)
    folder.replace(f"/\n{SECOND}", "/\n    environment: {conda_file: conda.yml}\n")
    problem = folder.problem()
    assert message in problem.message
    assert problem.file == str(folder.path / "conda.yml")
    assert problem.line == line
    where = "jobs.second.environment.conda_file"
    assert problem.key == (f"{where}.{key}" if key else where)


def test_a_mistake_in_place_is_told_of_at_its_line(folder: Folder) -> None:
    folder.replace(
        f"/\n{SECOND}",
        "/\n    environment:\n      conda_file:\n        dependencies:\n          - 5\n",
    )
    problem = folder.problem()
    assert problem.line == folder.line_of("- 5")
    assert problem.key == "jobs.second.environment.conda_file.dependencies.0"


def test_a_component_s_conda_file_counts_from_its_folder(folder: Folder) -> None:
    folder.add(
        "parts/component.yml",
        """\
        type: command
        command: "true"
        environment: {image: any, conda_file: conda.yml}
        """,
    )
    folder.add("parts/conda.yml", "dependencies: [{pip: [six]}]")
    folder.text = "type: pipeline\njobs: {one: {type: command, component: parts/component.yml}}\n"
    step = resolve(folder.load()).steps["one"]
    assert step.requirements is not None
    assert step.requirements.pip == ("six",)
    folder.add("parts/conda.yml", "dependencies: [{pip: [5]}]")
    assert folder.problem().key == (
        "jobs.one.component.environment.conda_file.dependencies.0.pip.0"
    )
