"""The socket is taken away under a daemon, and the home."""

from __future__ import annotations

import shutil
import stat

from reex import health


def test_a_socket_that_was_taken_away_is_bound_again(fresh, daemons):
    daemon = fresh()
    assert daemon.client.server_info().pid == daemon.pid
    daemon.location.socket.unlink()  # as logind does at the last logout, with the folder that it is in
    daemons.wait_for(lambda: daemon.location.socket.exists() and health.serving(daemon.location.socket), 60)
    assert stat.S_IMODE(daemon.location.socket.stat().st_mode) == 0o600
    with daemon.connect() as other:
        assert other.server_info().pid == daemon.pid
    assert daemon.client.server_info().pid == daemon.pid, "who had found it is served on"
    assert daemon.stop() == 0
    assert not daemon.location.socket.exists()


def test_a_daemon_whose_home_was_taken_away_ends(fresh):
    daemon = fresh()
    shutil.rmtree(daemon.home)
    assert daemon.process.wait(60) == 0
    assert not daemon.home.exists()
