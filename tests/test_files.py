"""Files that are whole or not there, and folders that come with the package."""

from pathlib import Path

import pytest

from pyqkit import files


def test_a_file_is_replaced_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    target.write_text("old")
    with files.replacing(target) as beside:
        beside.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new" and list(tmp_path.iterdir()) == [target]


def test_a_failure_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    target.write_text("old")
    with pytest.raises(files.OutputError, match=r"a file that can be written was expected, but .*report.json cannot \(disk full\); choose"), files.replacing(target) as beside:
        beside.write_text("half")
        raise OSError("disk full")
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_packaged_folders_are_in_the_package_or_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "__file__", str(tmp_path / "pyqkit" / "files.py"))
    assert files.packaged("hls_library", "hls") == tmp_path / "hls"
    (tmp_path / "pyqkit" / "hls_library").mkdir(parents=True)
    assert files.packaged("hls_library", "hls") == tmp_path / "pyqkit" / "hls_library"
