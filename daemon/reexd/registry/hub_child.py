"""The child process that talks to the Hugging Face hub: one JSON request in argv, one JSON answer on stdout.

    {verb: plan, repository, revision, endpoint}                  -> {revision, sizes, digests, licence}
    {verb: fetch, repository, revision, endpoint, sizes, folder}  -> {}
    any failure                                                   -> {error, kind}

`kind` is unreachable, missing or refused.

A file that breaks off stays as NAME.part and is continued by a range request: the library's own download begins
anew in every process. Ends with its standard input, so that nobody writes beside the daemon's next try.
Run by `hub.py` only.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

TIMEOUT_S = 5.0
CHUNK_BYTES = 1 << 20  # what a kill can cost; the library writes ten times as much at once


def plan(request: dict) -> dict:
    from huggingface_hub import HfApi

    found = HfApi(endpoint=request["endpoint"]).model_info(
        request["repository"], revision=request["revision"], files_metadata=True, timeout=TIMEOUT_S
    )
    files = found.siblings or []
    return {
        "revision": found.sha or request["revision"],
        "sizes": {file.rfilename: file.size or 0 for file in files},
        "digests": {file.rfilename: file.lfs.sha256 for file in files if file.lfs is not None},
        "licence": str((found.card_data or {}).get("license") or ""),
    }


def fetch(request: dict) -> dict:
    from huggingface_hub import constants, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    constants.DOWNLOAD_CHUNK_SIZE = CHUNK_BYTES
    headers = build_hf_headers()
    for name, size in request["sizes"].items():
        target = Path(request["folder"]) / name
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.part")
        url = hf_hub_url(
            request["repository"], name, revision=request["revision"], endpoint=request["endpoint"]
        )
        with part.open("ab") as file:
            if file.tell() > size:
                file.truncate(0)
            http_get(url, file, resume_size=file.tell(), headers=headers, expected_size=size)
        part.rename(target)
    return {}


def end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def answer(request: dict) -> dict:
    """Do what is asked; a failure is an answer too, in the three kinds a person acts on differently."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return plan(request) if request["verb"] == "plan" else fetch(request)
    except LocalEntryNotFoundError as error:  # an EntryNotFoundError that means: no connection
        cause = error.__cause__ or error
        return {"error": _line(cause), "kind": "unreachable"}
    except GatedRepoError as error:
        return {"error": _line(error), "kind": "refused"}
    except (RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError, HFValidationError) as error:
        return {"error": _line(error), "kind": "missing"}
    except Exception as error:  # the HTTP library differs between releases, so its errors have no one name
        return {"error": _line(error), "kind": "unreachable"}


def _line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    # Before the library is imported: it reads these once. No request but the two above, no bars on stderr.
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    print(json.dumps(answer(json.loads(sys.argv[1]))))
