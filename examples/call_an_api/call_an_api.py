"""Calls of a web API that limits its clients: python examples/call_an_api/call_an_api.py.

The limit is kept: a request that is answered with 429 is repeated after the seconds that the server
asks for. Other errors fail the mini-batch, which is retried, and in the end listed as failed.
"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.request import urlopen

from prefect_parallel import parallel


@parallel(mini_batch_size=5, max_concurrency_per_instance=4, timeout=60, max_retries=1)
def fetch(urls: list[str]) -> list[dict]:
    return [get(url) for url in urls]


def get(url: str) -> dict:
    while True:
        try:
            with urlopen(url, timeout=10) as answer:
                return json.load(answer)
        except HTTPError as error:
            if error.code != 429:
                raise
            time.sleep(float(error.headers["Retry-After"]))


class ToyApi(BaseHTTPRequestHandler):
    """Answers 20 requests per second; the others are asked to come back."""

    per_second = 20
    lock = threading.Lock()
    window, served, refused = 0, 0, 0

    def do_GET(self) -> None:
        with self.lock:
            now = int(time.time())
            if ToyApi.window != now:
                ToyApi.window, ToyApi.served = now, 0
            ToyApi.served += 1
            is_allowed = ToyApi.served <= self.per_second
            ToyApi.refused += not is_allowed
        number = int(self.path.strip("/"))
        self.send_response(200 if is_allowed else 429)
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
        result = fetch((f"{address}/{number}" for number in range(100)), output="squares.jsonl")
        server.shutdown()
    print(f"{result.items['succeeded']} answers in {result.output.name}, {ToyApi.refused} refusals")
