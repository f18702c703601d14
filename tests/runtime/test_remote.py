"""A workspace on a real S3 server: what is saved, in which order, and who may write."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.config import Config, StorageConfig, parse_config
from runtime.errors import ConfigError, LockedError, StopRequested, WorkspaceError
from runtime.opening import reading, workspace_folder, writing
from runtime.remote.lease import LOCK, leased
from runtime.remote.mirror import LATEST
from runtime.remote.store import ObjectStore, PreconditionError, StoreError
from runtime.stopping import stopping_on_sigterm
from tests.runtime.stores import BUCKET, Server, running_store


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_store(tmp_path_factory.mktemp("store")) as server:
        yield server


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    return f"s3://{BUCKET}/{abs(hash(request.node.name))}"


@pytest.fixture
def store(server: Server, url: str) -> ObjectStore:
    return ObjectStore(url, server.settings)


def config_of(server: Server, url: str, cache: str = "cache") -> Config:
    storage = {**server.settings.model_dump(), "cache": cache}
    return parse_config({"workspace": url, "storage": storage})


def fill(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_of_two_conditional_writes_one_wins(store: ObjectStore) -> None:
    first = store.put("key", b"1", over=None)
    with pytest.raises(PreconditionError):
        store.put("key", b"2", over=None)
    second = store.put("key", b"3", over=first)
    with pytest.raises(PreconditionError):
        store.put("key", b"4", over=first)
    found = store.look("key")
    assert found is not None and (found.body, found.etag) == (b"3", second)
    assert store.look("nothing") is None


def test_another_machine_finds_what_was_saved(server: Server, url: str, tmp_path: Path) -> None:
    here, there = config_of(server, url, "here"), config_of(server, url, "there")
    with writing(here, tmp_path) as opened:
        fill(opened.workspace.folder, runs__r__listings__a="rows", last_run="x")
    seen = reading(there, tmp_path)
    assert (seen.folder / "runs/r/listings/a").read_text() == "rows"
    with writing(there, tmp_path) as opened:
        fill(opened.workspace.folder, runs__r__listings__a="other rows")
        (opened.workspace.folder / "last_run").unlink()
    seen = reading(here, tmp_path)
    assert (seen.folder / "runs/r/listings/a").read_text() == "other rows"
    assert not (seen.folder / "last_run").exists()


def test_what_belongs_to_a_machine_stays_there(server: Server, url: str, tmp_path: Path) -> None:
    here, there = config_of(server, url, "here"), config_of(server, url, "there")
    names = [
        "state.sqlite", "runs/r/frontier/s.sqlite", "runs/r/captures/a.warc.gz", "logs/x",
        "runs/r/captures/b.warc.gz.open", "releases/.1.0.0.partial/data", "runs/r/.a.1.tmp",
    ]  # fmt: skip
    with writing(here, tmp_path) as opened:
        folder = opened.workspace.folder
        fill(folder, **{name.replace("/", "__"): "mine" for name in names})
        fill(folder, **{"runs__r__run.json": json.dumps({"stages": {}})})
    stored = {name.partition("/")[2] for name in server.files.find(url.removeprefix("s3://"))}
    assert not [name for name in stored if name.endswith(tuple(names))]
    assert all((folder / name).is_file() for name in names), "its own work is kept here"
    with writing(here, tmp_path) as opened:
        assert all((folder / name).is_file() for name in names)
        fill(folder, **{"runs__r__run.json": json.dumps({"stages": {"crawl": {}}})})
    assert (reading(there, tmp_path).folder / "runs/r/captures/a.warc.gz").is_file()
    # Once another machine wrote, unfinished work of this one is of the past.
    with writing(there, tmp_path):
        pass
    reading(here, tmp_path)
    assert not (folder / "runs/r/frontier/s.sqlite").exists()


def test_links_are_copied_in_the_store(server: Server, url: str, tmp_path: Path) -> None:
    config = config_of(server, url)
    with writing(config, tmp_path) as opened:
        folder = opened.workspace.folder
        fill(folder, **{"releases__1.0.0__data__a.parquet": "shard" * 1000})
    with writing(config, tmp_path) as opened:
        shard = folder / "releases/1.1.0/data/a.parquet"
        shard.parent.mkdir(parents=True)
        os.link(folder / "releases/1.0.0/data/a.parquet", shard)
        before = len(server.requests())
        opened.save()
    sent = [r for r in server.requests()[before:] if r.startswith("PUT") and "1.1.0/data" in r]
    assert len(sent) == 1
    other = reading(config_of(server, url, "other"), tmp_path).folder
    copies = [other / f"releases/{v}/data/a.parquet" for v in ("1.0.0", "1.1.0")]
    assert copies[0].read_bytes() == copies[1].read_bytes() == shard.read_bytes()
    assert copies[0].samefile(copies[1]), "it is brought here once"


def test_what_speaks_of_files_comes_after_them(server: Server, url: str, tmp_path: Path) -> None:
    names = [
        "runs/r/clean/a.parquet", "runs/r/clean/a.json", "releases/1.0.0/manifest.json",
        "releases/LATEST.json",
    ]  # fmt: skip
    with writing(config_of(server, url), tmp_path) as opened:
        before = len(server.requests())
        fill(opened.workspace.folder, **{name.replace("/", "__"): "{}" for name in names})
        opened.save()
    put = [r.split()[1] for r in server.requests()[before:] if r.startswith("PUT")]
    order = [next((n for n in names if n in path), "") for path in put]
    assert [name for name in order if name] == names


def test_a_pointer_that_somebody_moved_is_not_overwritten(
    server: Server, url: str, tmp_path: Path, store: ObjectStore
) -> None:
    with (
        pytest.raises(WorkspaceError, match="found another one; it stays"),
        writing(config_of(server, url), tmp_path) as opened,
    ):
        fill(opened.workspace.folder, **{"releases__LATEST.json": '{"version": "1.0.0"}'})
        store.put(LATEST, b"theirs", over=None)
    found = store.look(LATEST)
    assert found is not None and found.body == b"theirs"


def test_a_lock_that_lives_is_respected_and_a_dead_ones_is_taken_over(
    store: ObjectStore, server: Server, url: str, tmp_path: Path
) -> None:
    code = (
        "import sys, time; from runtime.remote.store import ObjectStore\n"
        "from runtime.remote.lease import leased; from runtime.config import StorageConfig\n"
        "store = ObjectStore(sys.argv[1], StorageConfig(endpoint_url=sys.argv[2]))\n"
        "with leased(store, 2.0): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, url, server.endpoint], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    held = pytest.raises(LockedError, match=f"held by process {holder.pid} on")
    with held, writing(config_of(server, url), tmp_path):
        pass
    time.sleep(2.5)  # it renews its lease, so time alone does not end it
    with pytest.raises(LockedError), leased(store, 2.0):
        pass
    holder.kill()
    holder.wait()
    deadline = time.monotonic() + 30
    while True:
        try:
            with leased(store, 2.0):
                break
        except LockedError:
            assert time.monotonic() < deadline, "the dead holder's lock was never free"
            time.sleep(0.2)
    assert store.look(LOCK) is None


def test_who_lost_the_lock_stops_and_writes_no_more(
    store: ObjectStore, server: Server, url: str, tmp_path: Path
) -> None:
    with (
        pytest.raises(LockedError, match="taken over by process 1 on elsewhere"),
        stopping_on_sigterm(),
        writing(config_of(server, url), tmp_path) as opened,
    ):
        found = store.look(LOCK)
        assert found is not None
        body = json.dumps({"process": 1, "host": "elsewhere"}).encode()
        store.put(LOCK, body, over=found.etag)
        fill(opened.workspace.folder, late="late")
        with pytest.raises(StopRequested):
            time.sleep(30)
        raise StopRequested("as a run would")
    assert "late" not in store.list()


def test_what_is_wrong_with_a_store_is_told_in_one_line(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("runtime.remote.store._ATTEMPTS", 1)
    with pytest.raises(WorkspaceError, match="expected the bucket 'nowhere', found none"):
        ObjectStore("s3://nowhere/x", server.settings).list()
    silent = StorageConfig(endpoint_url="http://127.0.0.1:9")
    with pytest.raises(StoreError, match="expected to list, got Could not connect"):
        ObjectStore("s3://shelf/x", silent).list()
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ConfigError, match=r"install mep3m-pipeline\[s3\]"):
        reading(config_of(server, "s3://shelf/x"), tmp_path)


def test_each_store_has_a_copy_of_its_own(server: Server, tmp_path: Path) -> None:
    folders = {workspace_folder(config_of(server, f"s3://shelf/{n}"), tmp_path) for n in "ab"}
    assert len(folders) == 2
    local = parse_config({"workspace": "w"})
    assert workspace_folder(local, tmp_path) == (tmp_path / "w").resolve()
