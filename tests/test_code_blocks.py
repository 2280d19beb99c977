"""The code blocks of the docs run; those that need what is elsewhere are at least well-formed."""

from __future__ import annotations

import json
import quopri
import re
import shlex
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import httpx
import pandas as pd
import pytest
import yaml
from PIL import Image

from prefect_parallel.cli.app import app
from tests.four_tasks import web_server, write_data
from tests.program import run_program
from tests.waiting import wait_until

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]

FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    return [body for found, _, body in FENCE.findall(page.read_text()) if found == language]


def files(page: Path) -> dict[str, str]:
    return {title: body for _, title, body in FENCE.findall(page.read_text()) if title}


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each line with a command of this package, without a redirection."""
    for block in blocks(page, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.partition(" > ")[0], comments=True)
            if words[:1] == ["prefect-parallel"]:
                yield words[1:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_blocks_of_a_page_are_well_formed(page: Path) -> None:
    for words in commands(page):
        app.parse_args(words, exit_on_error=False, print_error=False)
    # The reference of Python shows signatures.
    for block in blocks(page, "python") if page != DOCS / "reference/python.md" else ():
        compile(block, page.name, "exec")
    for block in blocks(page, "yaml"):
        yaml.safe_load(block)


def test_the_blocks_about_functions_run(tmp_path: Path, server: str) -> None:
    score, scorer, _on_a_cluster, result, in_a_flow, as_flow = blocks(
        DOCS / "functions.md", "python"
    )
    write_data(tmp_path, sales=100)
    rows = pd.read_csv(tmp_path / "sales.csv").assign(area=1.0)
    (tmp_path / "sales").mkdir()
    rows.to_parquet(tmp_path / "sales/1.parquet")
    scorer = scorer.replace("predict(rows)", 'predict(rows[["area"]])')
    (tmp_path / "jobs.py").write_text("\n".join([score, scorer, result, in_a_flow]))
    rows.to_csv(tmp_path / "sales.csv", index=False)
    before = "import asyncio, jobs; print(asyncio.run(jobs.nightly()))"
    assert run_program(tmp_path, server, "-c", before).split()[-1] == "0"
    assert len((tmp_path / "scores.csv").read_text().split()) == 100
    assert len(pd.read_parquet(tmp_path / "scores.parquet")) == 100
    (tmp_path / "scores.parquet").unlink()
    (tmp_path / "jobs.py").write_text("\n".join([score, as_flow]))
    after = "import jobs; print(jobs.nightly().items['succeeded'])"
    assert run_program(tmp_path, server, "-c", after).split()[-1] == "100"


def test_the_recipes_run(tmp_path: Path, server: str) -> None:
    recipes = files(DOCS / "recipes.md")
    assert len(recipes) == 4
    write_data(tmp_path, sales=1)
    (tmp_path / "photos/no-image.png").write_text("text")
    weeks = [(s, b, p, 10 - p) for s in (1, 2) for b in "xy" for p in range(3)]
    columns = ["store", "brand", "price", "sold"]
    pd.DataFrame(weeks, columns=columns).to_csv(tmp_path / "weeks.csv", index=False)
    with web_server(tmp_path, failing=set()):
        said = run_program(tmp_path, server, "-c", "\n".join(recipes.values()))
    assert "no-image.png" in said
    converted = list(tmp_path.glob("runs/convert*/steps/convert/outputs/output/*.jpg"))
    assert [Image.open(file).format for file in converted] == ["JPEG"] * 3
    urls = (tmp_path / "urls.txt").read_text().split()
    answers = (tmp_path / "answers.jsonl").read_text().splitlines()
    assert len(answers) == len(urls)
    assert len(list(tmp_path.glob("runs/train*/steps/train/outputs/output/*.joblib"))) == 4
    expected = pd.read_csv(tmp_path / "expected.csv")
    assert expected.expected.round(6).tolist() == expected.sold.tolist()
    assert len(pd.read_parquet(tmp_path / "scores.parquet")) == len(weeks)


class Inbox(socketserver.StreamRequestHandler):
    """Takes what is sent by SMTP."""

    received: ClassVar[list[str]] = []

    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        for line in self.rfile:
            if line.upper().startswith(b"DATA"):
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                self.received.append(quopri.decodestring(b"".join(lines)).decode())
            self.wfile.write(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 ok\r\n")


class Webhook(BaseHTTPRequestHandler):
    """Takes what is posted as JSON."""

    received: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.received.append(json.loads(self.rfile.read(length)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Prints nothing."""


@contextmanager
def listening(handler: type[socketserver.BaseRequestHandler]) -> Iterator[int]:
    """A server on this machine; gives its port."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


FAILS = """
type: pipeline
display_name: NAME
jobs:
  bill: {type: command, command: "echo no prices; exit 3", environment: "azureml:any:1"}
"""


def test_the_automation_and_the_hook_tell_of_a_failed_run(tmp_path: Path, server: str) -> None:
    recipes = files(DOCS / "notifications.md")
    name = f"sales-{uuid4()}"
    (tmp_path / "pipeline.yml").write_text(FAILS.replace("NAME", name))
    with listening(Webhook) as hook, listening(Inbox) as inbox:
        notify = recipes["notify.py"].replace('"sales', f'"{name}')
        url = f'url="json://127.0.0.1:{hook}"'
        notify, many = re.subn(r'url="https://hooks[^"]*"', url, notify)
        assert many == 1
        made = run_program(tmp_path, server, "-c", f"{notify}\nprint(block)").split()[-1]
        (automation,) = httpx.post(
            f"{server}/automations/filter",
            json={"automations": {"name": {"any_": [f"{name} has failed"]}}},
            timeout=240,
        ).json()
        try:
            (tmp_path / "sales.py").write_text(recipes["sales.py"].replace(" 25)", f" {inbox})"))
            run_program(tmp_path, server, "-c", "import sales; sales.sales(return_state=True)")
            wait_until(lambda: Webhook.received)
        finally:
            for path in (f"automations/{automation['id']}", f"block_documents/{made}"):
                httpx.delete(f"{server}/{path}", timeout=240).raise_for_status()
    (mail,), (message,) = Inbox.received, Webhook.received
    assert "Subject: " in mail
    for text in (mail, message["message"]):
        assert "step bill: the command ended with exit code 3" in text
    assert message["title"].endswith(": Failed")
