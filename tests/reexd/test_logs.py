"""The log file: one JSON object a line, private, rotated, without document text."""

import json
import logging
import os
import stat
from pathlib import Path

import pytest
from reexd.logs import configure


@pytest.fixture
def log(tmp_path):
    file = tmp_path / "reexd.log"
    closers = []

    def opened(**settings):
        closers.append(configure(file, **({"size_max_bytes": 1 << 20, "files_max": 2} | settings)))
        return file

    yield opened
    for close in closers:
        close()


def lines(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_line_is_an_object_with_the_extra_fields(log):
    file = log()
    logging.getLogger("reexd.jobs").info("job %s ended", "train-3", extra={"project": "p", "took_s": 1.5})
    (line,) = lines(file)
    assert line["level"] == "info"
    assert line["logger"] == "reexd.jobs"
    assert line["message"] == "job train-3 ended"
    assert line["project"] == "p"
    assert line["took_s"] == 1.5
    assert line["time"].endswith("+00:00")


def test_text_fields_never_reach_the_file(log):
    file = log()
    logging.getLogger("reexd").error(
        "rejected", extra={"text": "secret words", "document": "secret", "id": "a"}
    )
    assert "secret" not in file.read_text()
    assert lines(file)[0]["id"] == "a"


def test_long_messages_and_traces_are_clipped_and_control_characters_escaped(log):
    file = log()
    try:
        raise ValueError("x" * 100_000)
    except ValueError:
        logging.getLogger("reexd").exception("line\nbreak \x1b[31m " + "y" * 100_000)
    assert len(file.read_text()) < 12_000
    assert len(file.read_text().splitlines()) == 1
    assert "\x1b" not in file.read_text()


def test_the_level_is_kept(log):
    file = log(level="warning")
    logging.getLogger("reexd").info("quiet")
    logging.getLogger("reexd").warning("heard")
    assert [line["message"] for line in lines(file)] == ["heard"]


def test_rotation_keeps_a_bounded_number_of_private_files(log, tmp_path):
    before = os.umask(0)
    try:
        log(size_max_bytes=2000)
        for number in range(200):
            logging.getLogger("reexd").info("line %d", number)
    finally:
        os.umask(before)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["reexd.log", "reexd.log.1", "reexd.log.2"]
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    assert all(file.stat().st_size <= 2000 for file in files)
    assert lines(files[0])[-1]["message"] == "line 199"


@pytest.mark.parametrize("away", [Path.unlink, lambda file: file.rename(file.with_name("kept"))])
def test_a_log_that_was_taken_away_is_begun_anew(log, away):
    logger, file = logging.getLogger("reexd.test"), log()
    logger.info("before")
    away(file)
    logger.info("after")
    logger.info("again")
    assert [line["message"] for line in lines(file)] == ["after", "again"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_linked_log_is_not_followed(tmp_path):
    (tmp_path / "reexd.log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        configure(tmp_path / "reexd.log", size_max_bytes=1000, files_max=1)


def test_closing_gives_the_root_logger_back(tmp_path):
    before = list(logging.getLogger().handlers)
    configure(tmp_path / "a.log", size_max_bytes=1000, files_max=1)()
    assert logging.getLogger().handlers == before
