"""The daemon's folders and their modes."""

import os
import stat

import pytest
from reex.location import Location
from reexd.errors import InvalidSetting
from reexd.paths import Paths, private_folder


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def paths(tmp_path):
    return Paths(Location.from_environment({"REEX_HOME": str(tmp_path / "home")}))


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_folders_are_private_under_any_umask(paths, umask):
    before = os.umask(umask)
    try:
        paths.prepare()
    finally:
        os.umask(before)
    for folder in (paths.location.data, paths.catalogue, paths.scratch, paths.tuning, paths.log.parent):
        assert mode(folder) == 0o700


def test_the_models_folder_is_a_setting(paths):
    assert paths.models == paths.location.data / "models"
    assert str(Paths(paths.location, "/shared/models").models) == "/shared/models"


def test_the_table_names_every_place(paths):
    places = {"data", "config", "store", "models", "scratch", "tuning", "log", "lock", "socket"}
    assert set(paths.table()) == places


def test_a_fresh_folder_of_ours_is_closed(tmp_path):
    folder = tmp_path / "fresh"
    folder.mkdir()
    folder.chmod(0o755)
    private_folder(folder)
    assert mode(folder) == 0o700


@pytest.mark.parametrize("open_mode", [0o770, 0o707, 0o777, 0o720])
def test_a_folder_others_may_write_is_refused_even_when_empty(tmp_path, open_mode):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(open_mode)
    with pytest.raises(InvalidSetting, match="chmod 700"):
        private_folder(folder)
    assert mode(folder) == open_mode


def test_a_readable_folder_with_files_is_refused_and_left_alone(tmp_path):
    folder = tmp_path / "used"
    folder.mkdir()
    (folder / "file").touch()
    folder.chmod(0o750)
    with pytest.raises(InvalidSetting, match=r"0700.*got 0750"):
        private_folder(folder)
    assert mode(folder) == 0o750


def test_a_link_is_refused(tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(InvalidSetting, match="a link"):
        private_folder(tmp_path / "link")


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidSetting, match="a file"):
        private_folder(tmp_path / "file")
    with pytest.raises(InvalidSetting, match="expected to create"):
        private_folder(tmp_path / "file" / "below")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_foreign_folder_is_refused(tmp_path):
    folder = tmp_path / "foreign"
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)
    with pytest.raises(InvalidSetting, match="owner is user 12345"):
        private_folder(folder)
