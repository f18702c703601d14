"""What a manifest tells of the machine and the code; none of it decides what a release holds."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from release import environment


def git(folder: Path, *words: str) -> str:
    settings = ["-c", "user.name=tests", "-c", "user.email=tests@localhost"]
    said = subprocess.run(
        ["git", "-C", folder, *settings, *words], check=True, capture_output=True, text=True
    )
    return said.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "code.py").write_text("1\n")
    git(folder, "add", "code.py")
    git(folder, "commit", "-q", "-m", "first")
    git(folder, "tag", "v1")
    monkeypatch.setattr(environment, "_ROOT", folder)
    return folder


def test_the_commit_is_that_of_the_checkout_marked_where_files_changed(checkout: Path) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    assert environment.commit() == head
    (checkout / "code.py").write_text("2\n")
    assert environment.commit() == f"{head}-dirty"


def test_another_repository_named_by_the_environment_is_not_asked(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    assert environment.commit() == head


@pytest.mark.parametrize("broken", ["no .git", "an empty .git", "no git"])
def test_without_a_sound_checkout_there_is_no_commit(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    (checkout / ".git").rename(checkout / "moved")
    if broken == "an empty .git":
        (checkout / ".git").mkdir()
    if broken == "no git":
        (checkout / "moved").rename(checkout / ".git")
        monkeypatch.setenv("PATH", str(checkout))
    assert environment.commit() is None


def test_the_environment_names_what_touches_bytes_in_words() -> None:
    found = environment.environment()
    named = {"python", "pyarrow", "pillow", "libjpeg", "numpy", "system", "machine", "cpu"}
    assert set(found) == named
    assert all(found.values())
