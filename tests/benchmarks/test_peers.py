"""Environments of peers: made once for what they need, and a reason where there is none."""

from pathlib import Path

import pytest

from benchmarks import peers


def test_an_environment_that_is_there_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "HOME", tmp_path)
    needs = [["peer==1"]]
    (tmp_path / "peer").mkdir()
    (tmp_path / "peer" / "done").write_text(repr(needs))
    assert peers.peer_python("peer", needs) == (tmp_path / "peer" / "bin" / "python", "")


def test_one_that_cannot_be_made_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(peers, "HOME", tmp_path / "file")
    python, problem = peers.peer_python("peer", [["peer==1"]])
    assert python is None
    assert problem.startswith("peer: not installed (")
