"""Twenty and more kinds of damage to a real release: every one is found, and its file named.

Each is tried as it is and, where a forger could hide it from the digests, with every digest and
size in the manifest made to agree again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cleaning.titles.sketch import title_sketches
from provenance.verify import verify
from release.manifest import MANIFEST, POINTER
from release.schema import RELEASE_SCHEMA
from release.signature import SIGNATURE, sign_manifest
from runtime.tables import DECISIONS, FINGERPRINTS, LINEAGE
from runtime.tombstones import Tombstone, append_tombstones, keyed_hash
from runtime.workspace import Workspace
from tests.provenance.test_verify import Rows, edit, reseal
from tests.release.finished_run import START, RunWriter, picture, products, publish_run

VERSION = "1.1.0"
INDEX, LINES = "fingerprints/fingerprints.parquet", "lineage/lineage.parquet"
Damage = Callable[[Workspace, Path], object]


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A release of two runs, beside its parent."""
    made = Workspace(tmp_path_factory.mktemp("tamper") / "workspace")
    made.prepare()
    publish_run(made, RunWriter(made).write(products("shop-a", 14)))
    publish_run(made, RunWriter(made, START + timedelta(hours=1)).write(products("shop-b", 4)))
    return made


@pytest.fixture
def workspace(grown: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(grown.folder, tmp_path / "copy")
    return Workspace(tmp_path / "copy")


def shard(release: Path) -> Path:
    return max((release / "data").glob("train-*"), key=lambda path: path.stat().st_size)


def ledger(release: Path) -> Path:
    return release / "decisions" / f"{VERSION}.parquet"


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.unlink()  # it may be the parent's file too
    path.write_bytes(data)


def rows(
    path: Callable[[Path], Path], schema: pa.Schema, change: Callable[[Rows], object]
) -> Damage:
    def damage(_: Workspace, release: Path) -> None:
        file = path(release)
        copy = file.read_bytes()
        file.unlink()  # it may be the parent's file too
        file.write_bytes(copy)
        edit(file, schema, change)

    return damage


def of_shard(change: Callable[[Rows], object]) -> Damage:
    return rows(shard, RELEASE_SCHEMA, change)


def of_index(change: Callable[[Rows], object]) -> Damage:
    return rows(lambda release: release / INDEX, FINGERPRINTS.schema, change)


def of_lineage(change: Callable[[Rows], object]) -> Damage:
    return rows(lambda release: release / LINES, LINEAGE.schema, change)


def of_ledger(change: Callable[[Rows], object]) -> Damage:
    return rows(ledger, DECISIONS.schema, change)


def both(*damages: Damage) -> Damage:
    return lambda workspace, release: [damage(workspace, release) for damage in damages]


def edit_manifest(change: Callable[[dict[str, Any]], object]) -> Damage:
    def damage(_: Workspace, release: Path) -> None:
        value = json.loads((release / MANIFEST).read_bytes())
        change(value)
        (release / MANIFEST).write_text(json.dumps(value))

    return damage


def entry(manifest: dict[str, Any], start: str) -> dict[str, Any]:
    found: dict[str, Any] = next(e for e in manifest["files"] if e["path"].startswith(start))
    return found


def swap_shards(_: Workspace, release: Path) -> None:
    one, other = sorted((release / "data").iterdir())[:2]
    data = one.read_bytes(), other.read_bytes()
    for path, found in ((one, data[1]), (other, data[0])):
        path.unlink()
        path.write_bytes(found)


def other_picture(found: Rows) -> None:
    """Another record's picture, with the digest to it."""
    data = picture(products("shop-z", 1, first=77)[0])
    found[1]["image"]["bytes"] = data
    found[1]["sha256"] = hashlib.sha256(data).hexdigest()


def cut_capture(workspace: Workspace, _: Path) -> None:
    path = workspace.runs()[0].captures / "shop-a-00000.warc.gz"
    path.write_bytes(path.read_bytes()[:-40])


def old_manifest(workspace: Workspace, release: Path) -> None:
    (release / MANIFEST).write_bytes((workspace.releases / "1.0.0" / MANIFEST).read_bytes())


def old_pointer(workspace: Workspace, _: Path) -> None:
    pointer = json.loads((workspace.releases / POINTER).read_bytes())
    (workspace.releases / POINTER).write_text(json.dumps({**pointer, "version": "1.0.0"}))


def move_split(found: Rows) -> None:
    row = next(row for row in found if row["split"] == "train")
    row["split"] = "test"


def link_out(_: Workspace, release: Path) -> None:
    target = release.parents[1] / "outside.parquet"
    path = shard(release)
    shutil.copy(path, target)
    path.unlink()
    path.symlink_to(target)


def entomb(workspace: Workspace, _: Path) -> None:
    """Take a record down that the release holds all the same."""
    key, record = bytes(32), "shop-a:000001"
    entry = Tombstone("id", keyed_hash(key, "id", record), "2026-11-22")
    append_tombstones(workspace.folder, key, [entry])


def cut_tombstones(workspace: Workspace, release: Path) -> None:
    entomb(workspace, release)
    (path,) = (workspace.folder / "tombstones").iterdir()
    path.write_bytes(path.read_bytes()[:-20])


def unpublish(found: Rows) -> None:
    next(row for row in found if row["verdict"] == "published")["verdict"] = "rejected"


def drop_published(found: Rows) -> None:
    found.remove(next(row for row in found if row["verdict"] == "published"))


def set_all(name: str, change: Callable[[Any], Any], row: int = 0) -> Callable[[Rows], None]:
    def act(found: Rows) -> None:
        found[row][name] = change(found[row][name])

    return act


# What is done, and the file that has to be named: of the damage as it is, and of it sealed again.
# None: sealing would undo it, or there is nothing to seal.
DAMAGES: dict[str, tuple[Damage, str, str | None]] = {
    "byte_of_data": (lambda _, r: flip(shard(r), 3000), "data/train-", "data/train-"),
    "byte_of_footer": (lambda _, r: flip(shard(r), -60), "data/train-", None),
    "byte_of_magic": (lambda _, r: flip(shard(r), -1), "data/train-", None),
    "cut_shard": (lambda _, r: shard(r).write_bytes(shard(r).read_bytes()[:-9]), "data/", None),
    "byte_of_manifest": (lambda _, r: flip(r / MANIFEST, 5), MANIFEST, None),
    "swapped_shards": (swap_shards, "data/test-", "data/test-"),
    "missing_shard": (lambda _, r: shard(r).unlink(), "data/train-", None),
    "missing_card": (lambda _, r: (r / "README.md").unlink(), "README.md", None),
    "extra_file": (lambda _, r: (r / "data" / "x.parquet").write_bytes(b""), "data/x", "data/x"),
    "label": (of_shard(set_all("sub_class_name", lambda _: "戒指")), "data/", "data/"),
    "label_id": (of_shard(set_all("class_id", lambda _: 3)), "data/", "data/"),
    "title": (of_shard(set_all("title", lambda _: "别的东西")), "data/", INDEX),
    "duplicated_row": (of_shard(lambda r: r.append(r[0])), "data/", "data/"),
    "dropped_row": (of_shard(lambda r: r.pop()), "data/", LINES),
    "sorted_rows": (of_shard(lambda r: r.sort(key=lambda x: x["record_id"])), "data/", None),
    "picture": (of_shard(other_picture), "data/", "data/"),
    "hash_and_index": (
        both(of_shard(set_all("phash", lambda x: x ^ 0xFF)), of_index(lambda r: None)),
        "data/", "data/",
    ),
    "index_hash": (of_index(set_all("phash", lambda x: x ^ 0xFF)), INDEX, INDEX),
    "index_trimmed_hash": (of_index(set_all("phash_trim", lambda x: x ^ 0xFF)), INDEX, INDEX),
    "index_colour": (of_index(set_all("colour", lambda x: bytes(48))), INDEX, INDEX),
    "index_row": (of_index(lambda r: r.pop(2)), INDEX, INDEX),
    "split_of_lineage": (of_lineage(move_split), LINES, "data/train-"),
    "split_of_both": (both(of_lineage(move_split), of_index(move_split)), LINES, "data/train-"),
    "leak_group": (of_lineage(set_all("leak_group", lambda _: "x")), LINES, INDEX),
    "leak_group_of_both": (
        both(*(of(set_all("leak_group", lambda _: "x")) for of in (of_lineage, of_index))),
        LINES, LINES,
    ),
    "first_release": (of_lineage(set_all("first_release", lambda _: VERSION)), LINES, LINES),
    "later_first_release": (
        of_lineage(set_all("first_release", lambda _: "9.0.0")), LINES, LINES
    ),
    "run_of_record": (of_shard(set_all("run_id", lambda _: "x")), "data/", MANIFEST),
    "run_of_decision": (of_ledger(set_all("run_id", lambda _: "x")), "decisions/", "decisions/"),
    "decision": (of_ledger(unpublish), "decisions/", LINES),
    "decision_dropped": (of_ledger(drop_published), "decisions/", LINES),
    "decisions_unsorted": (of_ledger(lambda r: r.reverse()), "decisions/", "decisions/"),
    "capture_cut": (cut_capture, "data/", "data/"),
    "capture_flipped": (
        lambda w, _: flip(w.runs()[0].captures / "shop-a-00000.warc.gz", 700), "data/", "data/"
    ),
    "moved_capture": (of_shard(set_all("capture_offset", lambda _: 7)), "data/", "data/"),
    "counts": (edit_manifest(lambda m: m["counts"].update(records=999)), MANIFEST, MANIFEST),
    "counts_of_added": (edit_manifest(lambda m: m["counts"].update(added=0)), MANIFEST, MANIFEST),
    "counts_of_ledger": (
        edit_manifest(lambda m: entry(m, "decisions/1.1.0")["ledger"].update(records=7)),
        "decisions/", "decisions/",
    ),
    "no_counts_of_ledger": (
        edit_manifest(lambda m: entry(m, "decisions/1.1.0").update(ledger=None)),
        "decisions/", "decisions/",
    ),
    "rows_of_lineage": (edit_manifest(lambda m: entry(m, LINES).update(rows=0)), LINES, None),
    "no_runs": (edit_manifest(lambda m: m.update(runs={})), MANIFEST, MANIFEST),
    "radius_of_a_run": (
        edit_manifest(lambda m: min(m["runs"].items())[1]["settings"].update(dedupe_radius=0.0)),
        MANIFEST, MANIFEST,
    ),
    "no_terms": (edit_manifest(lambda m: m.update(sites={})), MANIFEST, MANIFEST),
    "no_parent": (edit_manifest(lambda m: m.update(parent=None)), LINES, LINES),
    "parent": (
        edit_manifest(lambda m: m["parent"].update(manifest_sha256="0" * 64)), MANIFEST, MANIFEST
    ),
    "pointer": (old_pointer, POINTER, None),
    "link_out": (link_out, "data/train-", "data/train-"),
    "resurrected": (entomb, "data/", "data/"),
    "cut_tombstones": (cut_tombstones, "tombstones", "tombstones"),
    "old_manifest": (old_manifest, MANIFEST, None),
}  # fmt: skip
CASES = [
    pytest.param(damage, sealed if again else plain, again, id=f"{name}{'-resealed' * again}")
    for name, (damage, plain, sealed) in DAMAGES.items()
    for again in (False, True)
    if not again or sealed is not None
]


@pytest.mark.parametrize(("damage", "file", "again"), CASES)
def test_damage_is_found_and_its_file_named(
    workspace: Workspace, damage: Damage, file: str, again: bool
) -> None:
    release = workspace.releases / VERSION
    damage(workspace, release)
    if again:
        reseal(workspace, release)
    found = verify(release, workspace, quiet=True)
    assert any(failure.file.startswith(file) for failure in found), [str(f) for f in found]


def test_the_release_is_sound_before_any_damage(grown: Workspace, tmp_path: Path) -> None:
    release = grown.releases / VERSION
    assert verify(release, grown, quiet=True) == []
    renamed = tmp_path / "downloaded copy"
    shutil.copytree(release, renamed)
    assert verify(renamed, quiet=True) == []


def consistent_title(workspace: Workspace, release: Path) -> None:
    """A carried record's title, with the sketch that the index has of it."""
    title, record = "别的东西", "shop-a:000000"
    sketch = bytes(title_sketches([title])[0])
    shards = [path for path in (release / "data").iterdir() if record in ids_of(path)]

    def change(name: str, value: object) -> Callable[[Rows], None]:
        return lambda found: next(r for r in found if r["record_id"] == record).update(
            {name: value}
        )

    rows(lambda _: shards[0], RELEASE_SCHEMA, change("title", title))(workspace, release)
    of_index(change("sketch", sketch))(workspace, release)


def ids_of(path: Path) -> list[str]:
    found: list[str] = pq.read_table(path, columns=["record_id"])["record_id"].to_pylist()
    return found


def test_a_consistent_forgery_is_told_by_its_parent_or_its_signature(
    workspace: Workspace, tmp_path: Path
) -> None:
    release, alone = workspace.releases / VERSION, tmp_path / "alone"
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    sign_manifest(release, key)
    assert verify(release, workspace, quiet=True, trusted=key.public_key()) == []
    consistent_title(workspace, release)
    reseal(workspace, release)
    shutil.copytree(release, alone)
    (by_signature,) = verify(alone, quiet=True)
    assert by_signature.file == SIGNATURE
    (alone / SIGNATURE).unlink()
    (unsigned,) = verify(alone, quiet=True, trusted=key.public_key())
    assert unsigned.file == SIGNATURE
    assert verify(alone, quiet=True) == [], "nothing in the copy itself can tell"
    (release / SIGNATURE).unlink()
    (by_parent,) = verify(release, workspace, quiet=True)
    assert by_parent.file.startswith("data/") and by_parent.row is not None


HOSTILE: dict[str, Callable[[dict[str, Any]], object]] = {
    "parent_path": lambda m: m["files"][0].update(path="../../outside"),
    "absolute_path": lambda m: m["files"][0].update(path="/etc/passwd"),
    "null_byte": lambda m: m["files"][0].update(path="data/\0"),
    "twice": lambda m: m["files"].append(m["files"][0]),
    "negative_rows": lambda m: m["files"][-1].update(bytes=-1),
    "huge_count": lambda m: m["counts"].update(records=10**30),
    "text_for_a_number": lambda m: m["counts"].update(records="many"),
    "list_for_files": lambda m: m.update(files={"a": 1}),
    "long_text": lambda m: m["files"][0].update(path="x" * 1_000_000),
    "escapes": lambda m: m["counts"].update(records="\x1b[2J\nmep3m: all is well"),
    "bad_version": lambda m: m.update(version="../1"),
    "deep": lambda m: m.update(format=[[[]]]),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=list(HOSTILE))
def test_a_hostile_manifest_is_told_in_short_lines(
    workspace: Workspace, change: Callable[[dict[str, Any]], object]
) -> None:
    release = workspace.releases / VERSION
    edit_manifest(change)(workspace, release)
    found = [failure for failure in verify(release, quiet=True) if failure.file == MANIFEST]
    assert found and all(len(str(failure)) < 1000 for failure in found)


@pytest.mark.parametrize("text", ["x" * 100_000, "\x1b[2J\nmep3m: verified", "\ud800"])
@pytest.mark.parametrize(
    "place", ["schema_sha256", "fingerprint", "shard", "ledger", "sha256", "run"]
)
def test_what_a_manifest_says_cannot_draw_on_the_terminal(
    workspace: Workspace, place: str, text: str
) -> None:
    release = workspace.releases / VERSION

    def change(found: dict[str, Any]) -> None:
        shard_entry = entry(found, "data/")
        within = {
            "shard": (shard_entry["shard"] or {}, "order_from"),
            "ledger": (entry(found, "decisions/")["ledger"]["rules"][0], "rule"),
            "sha256": (shard_entry, "sha256"),
            "run": (found, "run_id"),
        }
        holder, name = within.get(place, (found, place))
        holder[name] = text

    edit_manifest(change)(workspace, release)
    found = [str(failure) for failure in verify(release, quiet=True)]
    assert found and all(len(line) < 1000 and line.isprintable() for line in found)


def test_a_deeply_nested_manifest_is_one_failure(workspace: Workspace) -> None:
    release = workspace.releases / VERSION
    (release / MANIFEST).write_text("[" * 100_000)
    (failure,) = verify(release, quiet=True)
    assert failure.file == MANIFEST
