"""The documentation agrees with the tests and with itself."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from prefect_parallel.deploy import schedule_file  # noqa: F401 - defines models
from prefect_parallel.job.format.model import Model
from tests.browser import SCHEMES, Shown
from tests.data.test_golden import DIFFERENCES as OF_TABLES
from tests.job.test_golden import DIFFERENCES as OF_PIPELINES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

LOADED = re.compile(r"""<(?:script|img|iframe|link rel="stylesheet")[^>]*?(?:src|href)="([^"]*)""")
"""What a browser loads together with a page."""


def test_every_difference_from_azure_is_listed() -> None:
    listed = (DOCS / "differences.md").read_text()
    for case, (what, reason) in OF_PIPELINES.items():
        assert f"| {case} | {what} it | {reason} |" in listed
    for case, reason in OF_TABLES.items():
        assert f"| {case} | {reason} |" in listed


def test_every_ignored_key_is_listed() -> None:
    listed = (DOCS / "migrating_from_azure.md").read_text().partition("## Accepted")[2]
    for model in models():
        for key in model.all_keys().values():
            assert not key.ignored or f"`{key.name}`" in listed, f"{key} of {model.__name__}"


def models(of: type[Model] = Model) -> Iterator[type[Model]]:
    for model in of.__subclasses__():
        yield model
        yield from models(model)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built by `mkdocs build --strict`."""
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > len(list(DOCS.glob("*.md")))
    for page in pages:
        loaded = LOADED.findall(page.read_text())
        assert loaded, page
        assert [url for url in loaded if urlsplit(url).netloc] == [], page


@pytest.fixture(scope="module")
def url(site: Path) -> Iterator[str]:
    """The site as a server gives it; from files, its search does not work."""
    handler = functools.partial(QuietHandler, directory=site)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.mark.parametrize("width", [1280, 480])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("page", ["", "failures/", "reference/program_arguments/"])
def test_all_of_a_page_can_be_read(
    url: str, browser: Any, tmp_path: Path, page: str, scheme: str, width: int
) -> None:
    shown = Shown(browser, f"{url}/{page}", width=width, color_scheme=scheme)
    shown.page.wait_for_load_state("networkidle")
    shown.take_picture(tmp_path / f"{page.replace('/', '-')}{scheme}-{width}.png")


def test_links_to_elsewhere_are_well_formed() -> None:
    for page in DOCS.rglob("*.md"):
        for url in re.findall(r"\]\((\w+:[^)]*)\)", page.read_text()):
            parts = urlsplit(url)
            assert (parts.scheme, "." in parts.netloc, " " in url) == ("https", True, False), url


def test_links_to_files_of_the_repository_are_not_broken() -> None:
    """Links within the site are checked when it is built."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("examples/**/README.md")]
    links = [
        page.parent / link
        for page in pages
        for link in re.findall(r"\]\(([^):#]+)(?:#[^)]*)?\)", page.read_text())
    ]
    assert len(links) > 10
    assert [str(link) for link in links if not link.exists()] == []


@pytest.mark.parametrize("page", ["contributing.md", "how_it_works.md"])
def test_files_and_classes_named_in_a_page_exist(page: str) -> None:
    said = re.findall(r"`([^`\n]+)`", (DOCS / page).read_text())
    files = {name for name in said if name.endswith((".py", ".yml")) and "feather" not in name}
    homes = (ROOT, ROOT / "prefect_parallel", ROOT / "prefect_parallel" / "data")
    assert len(files) > 4
    assert [name for name in files if not any((home / name).exists() for home in homes)] == []
    code = "".join(file.read_text() for file in ROOT.glob("prefect_parallel/**/*.py"))
    names = {name for name in said if re.fullmatch(r"_?[A-Z]\w+", name)}
    assert names
    assert [name for name in names if not re.search(rf"\b{name}\b", code)] == []


@pytest.mark.parametrize("page", ["failures.md", "migrating_from_azure.md"])
def test_tests_named_in_a_page_exist(page: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", (DOCS / page).read_text()))
    assert len(named) > 3
    assert named - {file.stem for file in ROOT.glob("tests/*/test_*.py")} == set()


def test_tests_named_in_ci_exist() -> None:
    named = re.findall(r"tests/[\w/]+\.py", (ROOT / ".ci" / "versions").read_text())
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_private_names_in_the_table_are_used_and_have_tests() -> None:
    section = (DOCS / "contributing.md").read_text().partition("## Private names")[2]
    rows = [line.split(" | ") for line in section.partition("\n## ")[0].splitlines() if "`" in line]
    code = "".join(file.read_text() for file in ROOT.glob("prefect_parallel/**/*.py"))
    rows = [row for row in rows if len(row) == 4]
    assert len(rows) > 10
    for what, _, _, test in rows:
        for name in re.findall(r"`([^`]+)`", what):
            last = re.split(r"\W", name.partition("(")[0])[-1]
            assert last in code, name
        (file,) = re.findall(r"`([^`]+)`", test)
        assert (ROOT / file).exists(), file


def test_nothing_is_imported_that_another_package_calls_private() -> None:
    for file in ROOT.glob("prefect_parallel/**/*.py"):
        for module, names in re.findall(
            r"^ *from ((?!prefect_parallel)\S+) import (.+)", file.read_text(), re.MULTILINE
        ):
            private = [part for part in re.split(r"\W+", f"{module} {names}") if part[:1] == "_"]
            assert module == "__future__" or not private, f"{file}: {module} {names}"
