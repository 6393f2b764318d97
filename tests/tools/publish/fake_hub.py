"""A hub on this machine that speaks what huggingface_hub speaks: repositories, pre-upload, LFS batch, commits."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_" + "Secret" * 6
LFS_SUFFIXES = (".safetensors", ".onnx", ".bin", ".pt2")
"""What a new repository's .gitattributes tracks, so far as gdp makes it."""
LARGEST_REGULAR = 10_000_000


@dataclass
class FakeHub:
    """What it has, and what it was asked."""

    address: str = ""
    repositories: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By OWNER/NAME: private, files (name -> bytes), commits (messages)."""
    uploads: dict[str, bytes] = field(default_factory=dict)
    """LFS objects by sha256."""
    asked: list[str] = field(default_factory=list)
    """Method and path of every request."""
    fail: dict[str, int] = field(default_factory=dict)
    """Part of a path -> the status that it answers with."""

    def answer(self, path: str, body: bytes) -> tuple[int, Any]:  # noqa: PLR0911 # a path, a return
        status = next((status for part, status in self.fail.items() if part in path), None)
        if status is not None:
            return status, {"error": f"you are refused, {TOKEN}"}
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            good = json.loads(body)["content"].startswith("---\nlicense: ")
            return (200, {"errors": []}) if good else (400, {"errors": [{"message": "no licence"}]})
        if path.startswith("/lfs/"):
            return self._receive(path.removeprefix("/lfs/"), body)
        if path.endswith("/info/lfs/objects/batch"):
            return 200, {"transfer": "basic", "objects": [self._action(each) for each in json.loads(body)["objects"]]}
        repository, _, rest = path.removeprefix("/api/models/").partition("/preupload/")
        if rest:
            return 200, {"files": [self._mode(each) for each in json.loads(body)["files"]]}
        repository, _, rest = path.removeprefix("/api/models/").partition("/commit/")
        if rest:
            return self._commit(repository, body)
        found = self.repositories.get(repository)
        return (404, {}) if found is None else (200, {"id": repository, "private": found["private"], "sha": "0" * 40})

    def _create(self, asked: dict[str, Any]) -> tuple[int, Any]:
        name = f"{asked['organization']}/{asked['name']}"
        status = 409 if name in self.repositories else 200
        private = asked.get("visibility") == "private"
        self.repositories.setdefault(name, {"private": private, "files": {}, "commits": []})
        return status, {"url": f"{self.address}/{name}"}

    def _mode(self, file: dict[str, Any]) -> dict[str, Any]:
        large = file["path"].endswith(LFS_SUFFIXES) or file["size"] > LARGEST_REGULAR
        return {"path": file["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}

    def _action(self, wanted: dict[str, Any]) -> dict[str, Any]:
        href = {"href": f"{self.address}/lfs/{wanted['oid']}"}
        return wanted if wanted["oid"] in self.uploads else {**wanted, "actions": {"upload": href}}

    def _receive(self, oid: str, body: bytes) -> tuple[int, Any]:
        good = hashlib.sha256(body).hexdigest() == oid
        self.uploads |= {oid: body} if good else {}
        return (200, {}) if good else (400, {"error": "another file"})

    def _commit(self, repository: str, body: bytes) -> tuple[int, Any]:
        found = self.repositories[repository]
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "header":
                found["commits"].append(value["summary"])
            elif line["key"] == "lfsFile":
                found["files"][value["path"]] = self.uploads[value["oid"]]
            elif line["key"] == "file":
                found["files"][value["path"]] = base64.b64decode(value["content"])
        oid = hashlib.sha1(body, usedforsecurity=False).hexdigest()
        return 200, {"commitUrl": f"{self.address}/{repository}/commit/{oid}", "commitOid": oid}


@contextmanager
def running_hub() -> Iterator[FakeHub]:
    """Serve a hub on a free port."""
    hub = FakeHub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self._body()
            hub.asked.append(f"{self.command} {self.path}")
            allowed = self.path.startswith("/lfs/") or self.headers.get("authorization") == f"Bearer {TOKEN}"
            status, answer = hub.answer(self.path, body) if allowed else (401, {"error": "who?"})
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("content-length") or 0))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        do_GET = do_POST = do_PUT = _serve  # http.server's names

        def log_message(self, format: str, *args: Any) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        hub.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
