"""Bad input: one clear line, the right exit status, and what was there stays intact."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.commands import REPOSITORY, DemoRun, mep3m

REFUSING = """
workspace = "workspace"

[crawl]
delay = 0.0
max_attempts = 2

[[site]]
key = "gone"
program = "django-oscar"
base_url = "http://127.0.0.1:{port}"
allow_private = ["127.0.0.1:{port}"]
"""


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def one_line(text: str) -> str:
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    return lines[0]


def test_a_missing_config_names_the_file_and_the_remedy(tmp_path: Path) -> None:
    said = mep3m("run", "--config", tmp_path / "nowhere.toml")
    assert said.status == 2
    line = one_line(said.err)
    assert "nowhere.toml" in line
    assert "mep3m init" in line


def test_a_faulty_signing_key_is_named_before_a_run_is_begun(tmp_path: Path) -> None:
    config = tmp_path / "mep3m.toml"
    config.write_text(REFUSING.format(port=free_port()) + '[release]\nsigning_key = "key.pem"\n')
    said = mep3m("run", "--config", config)
    assert said.status == 2
    line = one_line(said.err)
    assert "release.signing_key" in line and "key.pem" in line and "openssl" in line
    assert list((tmp_path / "workspace" / "runs").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("workers == 2", ("TOML", "line 1")),
        ("[dedupe]\nradus = 3", ("dedupe.radus", "radius")),
        ("[dedupe]\nradius = 'six'", ("dedupe.radius", "six", "integer")),
        ("[dedupe]\nradius = 70", ("dedupe.radius", "70", "7")),
        ("[[site]]\nkey = 'Shop A'", ("site[0]", "Shop A")),
        ("", ("[[site]]",)),
        (
            "[[site]]\nkey='a'\nprogram='none'\nbase_url='http://127.0.0.1:9'",
            ("program", "none", "django-oscar"),
        ),
        (
            "[[site]]\nkey='a'\nprogram='django-oscar'\nbase_url='https://shop.example'",
            ("contact",),
        ),
    ],
)
def test_a_faulty_config_names_key_value_and_what_is_allowed(
    tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    config = tmp_path / "mep3m.toml"
    config.write_text(text)
    said = mep3m("run", "--config", config)
    assert said.status == 2
    line = one_line(said.err)
    for word in words:
        assert word in line


def test_init_writes_a_config_that_loads_and_never_replaces_one(tmp_path: Path) -> None:
    config = tmp_path / "mep3m.toml"
    assert mep3m("init", "--config", config).status == 0
    assert mep3m("status", "--config", config).status == 0
    config.write_text("# mine")
    said = mep3m("init", "--config", config)
    assert said.status == 2
    assert "--force" in one_line(said.err)
    assert config.read_text() == "# mine"


def test_a_site_that_refuses_connections_degrades_the_run(tmp_path: Path) -> None:
    config = tmp_path / "mep3m.toml"
    config.write_text(REFUSING.format(port=free_port()))
    said = mep3m("run", "--config", config)
    assert said.status == 30
    assert "gone" in said.err
    assert "connection_refused" in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "workspace" / "releases" / "LATEST.json").exists()


def test_a_workspace_that_is_a_file_is_named(tmp_path: Path) -> None:
    config = tmp_path / "mep3m.toml"
    config.write_text(REFUSING.format(port=free_port()))
    (tmp_path / "workspace").write_text("mine")
    said = mep3m("run", "--config", config)
    assert said.status == 2
    assert "workspace" in one_line(said.err)
    assert (tmp_path / "workspace").read_text() == "mine"


@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv to give up root's powers")
def test_a_workspace_that_is_not_writable_is_named(tmp_path: Path) -> None:
    config = tmp_path / "mep3m.toml"
    config.write_text(REFUSING.format(port=free_port()))
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "mine").write_text("mine")
    workspace.chmod(0o555)
    # Root writes anywhere; without its capabilities it is held to the permissions like others.
    command = [sys.executable, "-m", "pipeline", "run", "--config", str(config)]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command]
    said = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    workspace.chmod(0o755)
    assert said.returncode == 2, said.stderr
    assert str(workspace) in one_line(said.stderr)
    assert [path.name for path in workspace.iterdir()] == ["mine"]


def test_a_full_disk_is_named_and_nothing_is_lost(demo: DemoRun, tmp_path: Path) -> None:
    """A limit on file size stands in for the disk: publish needs larger files than it allows."""
    folder = tmp_path / "workspace"
    shutil.copytree(demo.folder, folder)
    shutil.rmtree(folder / "releases")
    config = folder / "mep3m.toml"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, resource.RLIM_INFINITY))

    said = subprocess.run(
        [sys.executable, "-m", "pipeline", "publish", "--config", str(config)],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, preexec_fn=limit,
    )  # fmt: skip
    assert said.returncode == 1, said.stderr
    assert "no room to write" in one_line(said.stderr)
    assert str(folder) in said.stderr
    assert not (folder / "releases" / "LATEST.json").exists()
    assert not list(folder.rglob(".*.tmp"))
    finished = mep3m("publish", "--config", config)
    assert finished.status == 0, finished.err
    assert mep3m("verify", "--config", config).status == 0


def test_a_corrupt_part_is_named_and_made_again(demo: DemoRun, tmp_path: Path) -> None:
    folder = tmp_path / "workspace"
    shutil.copytree(demo.folder, folder)
    config = folder / "mep3m.toml"
    for stage, table in (
        ("merge", "listings"),
        ("fetch", ""),
        ("clean", "cleaned"),
        ("map", "labels"),
    ):
        if not table:  # nothing is missing; the stages after it expect it done
            assert mep3m(stage, "--config", config).status == 0
            continue
        part = sorted(folder.glob(f"runs/*/{table}/*.parquet"))[0]
        whole = part.read_bytes()
        damaged = bytearray(whole)
        damaged[len(damaged) // 2] ^= 0xFF
        part.write_bytes(damaged)
        said = mep3m(stage, "--config", config)
        assert said.status == 0, said.err
        assert part.name in said.err
        assert part.read_bytes() == whole


def test_a_second_run_exits_at_once_while_one_holds_the_workspace(
    demo: DemoRun, tmp_path: Path
) -> None:
    folder = tmp_path / "workspace"
    shutil.copytree(demo.folder, folder)
    with (folder / ".lock").open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        said = mep3m("run", "--config", folder / "mep3m.toml")
    assert said.status == 75
    assert "in use" in one_line(said.err)
