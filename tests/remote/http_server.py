"""A tiny real HTTP server in a thread, which can be made to behave badly."""

from __future__ import annotations

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class HttpServer:
    """Serves files from memory.

    Attributes:
        files: Path to content.
        failures: How many requests are answered with `status` before the next is served.
        ranges: Whether ranges are served; else the whole file is.
        sent: How many bytes of files it has sent.
        gets: How many files or ranges of such.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.failures = 0
        self.status = 503
        self.ranges = True
        self.sent = 0
        self.gets = 0
        self.lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                owner.answer(self, body=False)

            def do_GET(self) -> None:
                owner.answer(self, body=True)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler, *, body: bool) -> None:
        with self.lock:
            fails, self.failures = self.failures > 0, max(self.failures - 1, 0)
        content = self.files.get(request.path)
        if fails or content is None:
            request.send_response(self.status if fails else 404)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
        etag = hashlib.sha256(content).hexdigest()
        if asked and self.ranges:
            start, last = int(asked[1]), min(int(asked[2]), len(content) - 1)
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{last}/{len(content)}")
            content = content[start : last + 1]
        else:
            request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.send_header("ETag", f'"{etag}"')
        request.end_headers()
        if body:
            with self.lock:
                self.sent += len(content)
                self.gets += 1
            request.wfile.write(content)
