"""The pictures of a copy: real files inside its folder, bounded, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from release.imports.json_rows import Fault
from release.imports.pictures import (
    EMPTY,
    MISSING,
    NO_FILE,
    OUTSIDE,
    TOO_LARGE,
    UNREADABLE,
    PictureFolder,
)

DATA = b"\xff\xd8\xff picture"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "Images"
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "1.jpg").write_bytes(DATA)
    return folder


def read(images: Path, name: str, most: int = 1000) -> bytes | str:
    """The bytes of `Images/1/<name>`, or the rule that refuses it."""
    found = PictureFolder(images, most).read(f"Images/1/{name}")
    return found.rule if isinstance(found, Fault) else found


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_file_is_read_byte_for_byte(images: Path) -> None:
    assert read(images, "1.jpg") == DATA
    assert PictureFolder(images, 1000).read("./Images/1/1.jpg") == DATA


def test_what_is_not_there_is_missing(images: Path) -> None:
    assert read(images, "2.jpg") == MISSING
    assert PictureFolder(images, 1000).read("Images/2/1.jpg").rule == MISSING  # type: ignore[union-attr]
    (images / "3").write_bytes(b"no folder")
    assert PictureFolder(images, 1000).read("Images/3/1.jpg").rule == MISSING  # type: ignore[union-attr]


@pytest.mark.parametrize("ending", ["JPG", "Jpg", "jpg"])
def test_an_ending_in_other_case_is_found(images: Path, ending: str) -> None:
    (images / "1" / f"7.{ending}").write_bytes(DATA)
    for stated in ("7.jpg", "7.JPG", "7.Jpg"):
        assert read(images, stated) == DATA


def test_the_path_as_stated_comes_before_one_in_other_case(images: Path) -> None:
    (images / "1" / "7.JPG").write_bytes(b"upper")
    (images / "1" / "7.jpg").write_bytes(b"lower")
    assert (read(images, "7.JPG"), read(images, "7.jpg")) == (b"upper", b"lower")


def test_an_empty_file_and_one_that_is_too_large_are_refused(images: Path) -> None:
    (images / "1" / "2.jpg").write_bytes(b"")
    assert read(images, "2.jpg") == EMPTY
    assert read(images, "1.jpg", most=len(DATA)) == DATA
    assert read(images, "1.jpg", most=len(DATA) - 1) == TOO_LARGE


def test_a_link_inside_the_folder_is_followed(images: Path) -> None:
    (images / "1" / "2.jpg").symlink_to("1.jpg")
    (images / "2").symlink_to(images / "1")
    assert read(images, "2.jpg") == DATA
    assert PictureFolder(images, 1000).read("Images/2/1.jpg") == DATA


def test_the_folder_itself_may_be_a_link(images: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").symlink_to(images)
    assert read(tmp_path / "elsewhere", "1.jpg") == DATA


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside.jpg", "../../Images2/1.jpg"])
def test_a_link_out_of_the_folder_is_refused(images: Path, tmp_path: Path, target: str) -> None:
    (tmp_path / "outside.jpg").write_bytes(DATA)
    (tmp_path / "Images2").mkdir()
    (tmp_path / "Images2" / "1.jpg").write_bytes(DATA)
    (images / "1" / "2.jpg").symlink_to(target)
    assert read(images, "2.jpg") == OUTSIDE


def test_a_folder_that_is_a_link_out_of_the_copy_is_refused(images: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "1.jpg").write_bytes(DATA)
    (images / "2").symlink_to(tmp_path / "outside")
    assert PictureFolder(images, 1000).read("Images/2/1.jpg").rule == OUTSIDE  # type: ignore[union-attr]


def test_links_that_lead_nowhere_are_refused(images: Path) -> None:
    (images / "1" / "2.jpg").symlink_to("3.jpg")
    assert read(images, "2.jpg") == MISSING
    (images / "1" / "3.jpg").symlink_to("2.jpg")
    assert read(images, "2.jpg") == OUTSIDE


def test_a_pipe_does_not_wait_for_its_writer(images: Path) -> None:
    os.mkfifo(images / "1" / "2.jpg")
    assert read(images, "2.jpg") == NO_FILE


def test_a_folder_is_no_picture(images: Path) -> None:
    (images / "1" / "2.jpg").mkdir()
    assert read(images, "2.jpg") == NO_FILE


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
def test_a_device_is_no_picture(images: Path) -> None:
    try:
        os.mknod(images / "1" / "2.jpg", 0o600 | 0o020000, os.makedev(1, 5))  # zeros without end
    except PermissionError:
        pytest.skip("a container may forbid it even to root")
    assert read(images, "2.jpg") in (NO_FILE, UNREADABLE)  # a disk may be mounted without devices


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_told(images: Path) -> None:
    (images / "1" / "1.jpg").chmod(0)
    assert read(images, "1.jpg") == UNREADABLE


def test_a_name_that_is_too_long_for_the_disk_is_told(images: Path) -> None:
    assert read(images, "x" * 300 + ".jpg") == OUTSIDE


def test_no_file_stays_open_whatever_lies_there(images: Path) -> None:
    (images / "1" / "2.jpg").mkdir()
    os.mkfifo(images / "1" / "3.jpg")
    (images / "1" / "4.jpg").symlink_to("/etc/passwd")
    before = open_files()
    for name in ("1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg"):
        read(images, name)
    assert open_files() == before
