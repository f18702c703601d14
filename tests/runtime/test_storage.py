"""Files are whole or absent, also when the disk is full or the process ends half-way."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.errors import StorageFullError, WorkspaceError
from runtime.storage import (
    atomic_path,
    explain_os_error,
    read_json,
    remove_temporaries,
    sha256_file,
    write_bytes,
    write_json,
)

FILL = """
import resource, sys
from pathlib import Path
from runtime.errors import StorageFullError
from runtime.storage import write_bytes
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
try:
    write_bytes(Path(sys.argv[1]), b"x" * 100_000)
except StorageFullError as error:
    print(error)
    sys.exit(int(error.exit_status))
"""
DIE = """
import os, sys
from pathlib import Path
from runtime.storage import atomic_path
with atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"half")
    os.kill(os.getpid(), 9)
"""


def run(code: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_is_written_can_be_read_back(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "er" / "价格.json"
    write_json(target, {"标题": ["一", None, 1.5]})
    assert read_json(target) == {"标题": ["一", None, 1.5]}
    assert target.read_bytes().endswith(b"}\n")
    assert "标题" in target.read_text("utf-8")
    write_bytes(target, b"")
    assert target.read_bytes() == b""
    assert sha256_file(target).startswith("e3b0c44298fc1c14")


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "file"
    write_bytes(target, b"old")
    with pytest.raises(RuntimeError, match="half-way"), atomic_path(target) as temporary:
        temporary.write_bytes(b"new")
        raise RuntimeError("half-way")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_killed_write_leaves_the_old_file_and_a_leftover_that_can_be_swept(
    tmp_path: Path,
) -> None:
    target = tmp_path / "file"
    write_bytes(target, b"old")
    assert run(DIE, target).returncode == -9
    assert target.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 2
    remove_temporaries(tmp_path)
    assert list(tmp_path.iterdir()) == [target]


def test_what_every_writer_leaves_half_written_is_swept_and_nothing_of_the_users(
    tmp_path: Path,
) -> None:
    ours = [
        ".last_run.json.7.tmp", ".state.sqlite.7.tmp", ".state.sqlite.7.tmp-journal",
        ".archive.sqlite.tmp", "runs/r/.archive.sqlite.tmp", "runs/r/listings/.s-1.parquet.7.tmp",
        "releases/.LATEST.json.7.tmp", "tombstones/.000001-a.jsonl.7.tmp", "recipes/.1.0.0.7.tmp",
        ".picture-places.sqlite.7.tmp-wal",
    ]  # fmt: skip
    theirs = [".notes.tmp", ".env", "mine/.notes.7.tmp", "runs/r/x.tmp", ".lock"]
    for name in (*ours, *theirs):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    remove_temporaries(tmp_path)
    left = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert left == set(theirs)


def test_a_full_disk_is_named_with_the_path_and_what_was_there_stays(tmp_path: Path) -> None:
    """A limit on file size stands in for a full disk."""
    target = tmp_path / "file"
    write_bytes(target, b"old")
    said = run(FILL, target)
    assert said.returncode == 1, said.stderr
    assert "no room to write" in said.stdout
    assert str(target) in said.stdout
    assert len(said.stdout.splitlines()) == 1
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_each_situation_has_its_own_error(tmp_path: Path) -> None:
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        assert isinstance(explain_os_error(OSError(number, ""), tmp_path), StorageFullError)
    for number in (errno.EACCES, errno.EPERM, errno.EROFS):
        explained = explain_os_error(OSError(number, ""), tmp_path)
        assert isinstance(explained, WorkspaceError)
        assert str(tmp_path) in str(explained)
    other = OSError(errno.EIO, "")
    assert explain_os_error(other, tmp_path) is other


def test_a_folder_that_is_a_file_is_not_hidden(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match=os.strerror(errno.ENOTDIR)):
        write_bytes(tmp_path / "file" / "x", b"")
    assert (tmp_path / "file").read_text() == "mine"


def test_json_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("{")
    with pytest.raises(WorkspaceError, match=r"run\.json: expected JSON"):
        read_json(path)
