"""A pull through the daemon: its job outlives a kill, and what had arrived is not asked for again."""

from .conftest import REVISION


def test_a_killed_daemon_goes_on_with_its_download(fresh, daemons, hub, tiny_models, tmp_path, monkeypatch):
    source = tiny_models.write_tiny_bert(tmp_path / "source", hidden=256).folder
    hub.files = {file.name: file.read_bytes() for file in source.iterdir()}
    hub.stalls_after = 2 << 20
    models = tmp_path / "models"
    models.mkdir()
    part = models / ".incoming" / "tiny" / f"hub-{REVISION[:16]}" / "model.safetensors.part"
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    daemon = fresh(models)
    job = daemon.client.pull_model("hf:org/tiny")
    daemons.wait_for(lambda: part.exists() and part.stat().st_size >= 1 << 20, 120)
    daemon.kill()
    assert hub.went_away.wait(60), "the killed daemon's download went on without it"
    there = part.stat().st_size
    hub.stalls_after = None
    hub.ranges.clear()
    daemon.start()
    ended = daemon.ended(job.name)
    assert (ended.state, ended.attempts, ended.result["name"]) == ("succeeded", 2, "tiny")
    assert ("model.safetensors", there) in hub.ranges
    assert ("model.safetensors", 0) not in hub.ranges
    found = daemon.client.get_model("tiny")
    assert (found.model.revision, found.model.sources) == (REVISION, ("hf:org/tiny@main",))
    assert daemon.client.load_model("tiny").loaded
