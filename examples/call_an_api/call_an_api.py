"""Calls of a web API that limits its clients: python examples/call_an_api/call_an_api.py.

A rate limit of Prefect holds for all processes, nodes and runs. Create it once:

    prefect gcl create toy-api --limit 10 --slot-decay-per-second 10

Without it, the example only does what the API asks for: a request that is answered with 429 is
repeated after the seconds in Retry-After. Any other error fails the mini-batch, which is retried.
"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.request import urlopen

from prefect.concurrency.sync import rate_limit

from prefect_parallel import parallel


@parallel(mini_batch_size=5, max_concurrency_per_instance=2, timeout=60, max_retries=1)
def fetch(urls: list[str]) -> list[dict]:
    return [get(url) for url in urls]


def get(url: str) -> dict:
    while True:
        rate_limit("toy-api")
        try:
            with urlopen(url, timeout=10) as answer:
                return json.load(answer)
        except HTTPError as error:
            if error.code != 429:
                raise
            time.sleep(float(error.headers.get("Retry-After", 1)))


class ToyApi(BaseHTTPRequestHandler):
    """Refuses every fifth request, as an API does that is asked too often."""

    lock = threading.Lock()
    requests, refused = 0, 0

    def do_GET(self) -> None:
        with self.lock:
            ToyApi.requests += 1
            is_allowed = ToyApi.requests % 5 > 0
            ToyApi.refused += not is_allowed
        number = int(self.path.strip("/"))
        self.send_response(200 if is_allowed else 429)
        if not is_allowed:
            self.send_header("Retry-After", "0.2")
        self.end_headers()
        if is_allowed:
            self.wfile.write(json.dumps({"number": number, "square": number**2}).encode())

    def log_message(self, *_: object) -> None:
        """Prints nothing."""


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), ToyApi) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        result = fetch((f"{address}/{number}" for number in range(50)), output="squares.jsonl")
        server.shutdown()
    print(f"{result.items['succeeded']} answers in {result.output.name}, {ToyApi.refused} refusals")
