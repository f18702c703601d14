"""The audit of a record of every fate, by every rule that the code has, is complete."""

import ast
import json
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner

import pipeline
from provenance.audit import audit
from provenance.ledger import DECIDING_STAGES
from provenance.story_text import story_text
from release.adoption import ADOPTING
from runtime.tables import DECISIONS
from runtime.workspace import Run, Workspace
from tests.provenance.told import Said, assert_complete, edit, everything_decided, of_ledger
from tests.release.finished_run import START, Product, RunWriter, changed, products, publish_run

ROOT = Path(__file__).parents[2]
_RULE = re.compile(r"[a-z][a-z_]*_v[0-9]+")
# Which stage a package's rules are of, and the fate that they give where they refuse; an inner
# package comes before the one around it. Publish's own rules need a release to judge by.
STAGES = (
    ("release/imports", "import", "rejected"),
    ("cleaning/copies", "dedupe", "rejected"),
    ("cleaning", "clean", "rejected"),
    ("taxonomy", "map", "held"),
    ("crawler", "merge", "merged"),
    ("runtime", "clean", "rejected"),
    ("release", "publish", "published"),
)
# The schema's examples of values.
EXAMPLES = "release/schema.py"


def rules_in_the_code() -> Iterator[tuple[str, str, str]]:
    """(stage, rule, fate) of every rule that a module names."""
    for path in sorted(ROOT.rglob("*.py")):
        place = path.relative_to(ROOT).as_posix()
        of = next((of for of in STAGES if place.startswith(f"{of[0]}/")), None)
        if of is None or place == EXAMPLES:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            value = node.value if isinstance(node, ast.Constant) else None
            if isinstance(value, str) and _RULE.fullmatch(value):
                yield of[1], value, of[2]


RULES = sorted(set(rules_in_the_code()))
REFUSING = [rule for rule in RULES if rule[0] not in ("merge", "publish")]
IDS = {rule: f"shop-r:{number:06d}" for number, rule in enumerate(REFUSING)}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A published run with a record for each rule, one in which published records differ, and a
    major one that adopts what differs and refuses what today's rules refuse."""
    made = Workspace(tmp_path_factory.mktemp("rules") / "workspace")
    made.prepare()
    kept = products("shop-k", 8)
    refused = [Product(name, f"珍珠项链 {name}", fate="rejected") for name in IDS.values()]
    copy = Product("shop-k:000009", "珍珠", fate="duplicate", peer="shop-k:000001")
    run = RunWriter(made).write([*kept, *refused, copy])
    judge_anew(run)
    publish_run(made, run)
    again = [
        Product("shop-k:000001", "珍珠手链", fate="duplicate", sightings=3),
        Product("shop-k:000002", "珍珠项链", fate="rejected", opt_out="noai"),
        Product("shop-k:000009", "珍珠", fate="kept"),
        *changed(kept[3:], "shop-k:000003", leaf=299, seed=77),
    ]
    run = RunWriter(made, START + timedelta(hours=1)).write(again)
    edit(run.cleaned, "shop-k:000004", title_raw="【现货】淡水珍珠项链 4 毫米")
    edit(run.listings, "shop-k:000005", image_url="https://img.shop-k.example/other.jpg")
    publish_run(made, run)
    again = changed(again[2:], "shop-k:000006", fate="rejected")
    run = RunWriter(made, START + timedelta(hours=2)).write(again)
    run.update(**{ADOPTING: True})
    publish_run(made, run)
    return made


@pytest.fixture(scope="module")
def decided(workspace: Workspace) -> dict[str, list[Said]]:
    return everything_decided(workspace)


def judge_anew(run: Run) -> None:
    """Give each record that was refused the rule that it stands for, at its stage."""
    rows: dict[tuple[str, str], list[dict[str, object]]] = {}
    of_record = {record_id: rule for rule, record_id in IDS.items()}
    for stage in ("merge", "clean", "map", "dedupe"):
        for name in run.decisions(stage).names():
            for row in run.decisions(stage).read(name).to_pylist():
                to, rule, fate = of_record.get(row["record_id"], (stage, row["rule"], ""))
                told = {**row, "stage": to, "rule": rule, "verdict": fate or row["verdict"]}
                rows.setdefault((to, name), []).append(told)
    for name in run.listings.names():
        for stage in DECIDING_STAGES[:-1]:
            table = pa.Table.from_pylist(rows.get((stage, name), []), DECISIONS.schema)
            run.decisions(stage).write(name, table, "fixture")


def test_the_code_has_rules_of_every_stage() -> None:
    assert len(REFUSING) > 40
    assert {stage for stage, _, _ in RULES} == set(DECIDING_STAGES)


def test_every_rule_of_the_code_is_in_the_ledger_that_is_told(
    decided: dict[str, list[Said]],
) -> None:
    assert set(decided) == {*FATES, *IDS.values()}
    told = {(one[1], one[2]) for said in decided.values() for one in said}
    assert told >= {(stage, rule) for stage, rule, _ in RULES}


@pytest.mark.parametrize("rule", REFUSING, ids=lambda rule: rule[1])
def test_a_record_refused_by_a_rule_is_told_to_its_end(
    workspace: Workspace, decided: dict[str, list[Said]], rule: tuple[str, str, str]
) -> None:
    stage, name, fate = rule
    story = audit(workspace, IDS[rule])
    assert (story.fate, story.releases) == (fate, ())
    assert_complete(story, decided[IDS[rule]])
    assert f"{stage}: {fate} by {name} (" in story_text(story)


FATES = {
    "shop-k:000000": ("published", ["published_v1"]),
    "shop-k:000001": ("published", ["already_published_v1", "title_changed_v1"]),
    "shop-k:000002": ("removed", ["opted_out_v1"]),
    "shop-k:000003": ("published", ["adopted_v1", "image_changed_v1", "label_changed_v1"]),
    "shop-k:000004": ("published", ["already_published_v1", "raw_title_changed_v1"]),
    "shop-k:000005": ("published", ["already_published_v1", "image_url_changed_v1"]),
    "shop-k:000006": ("removed", ["refused_since_v1"]),
    "shop-k:000007": ("published", ["already_published_v1"]),
    "shop-k:000009": ("published", ["published_v1", "already_published_v1"]),
}


@pytest.mark.parametrize("record_id", FATES)
def test_a_record_that_was_published_is_told_to_its_end(
    workspace: Workspace, decided: dict[str, list[Said]], record_id: str
) -> None:
    story = audit(workspace, record_id)
    assert_complete(story, decided[record_id])
    fate, rules = FATES[record_id]
    assert story.fate == fate
    told = {line.rule for run in story.runs for line in run.decisions if line.stage == "publish"}
    assert told >= set(rules)


def test_merged_sightings_are_told_one_by_one(workspace: Workspace) -> None:
    (run, _) = audit(workspace, "shop-k:000001").runs
    merged = [line.value for line in run.decisions if line.verdict == "merged"]
    assert merged == ["grid 1", "grid 2"] and len(run.sightings) == 3


def test_what_was_a_duplicate_once_and_is_published_now_has_both_told(
    workspace: Workspace,
) -> None:
    story = audit(workspace, "shop-k:000009")
    assert [run.fate for run in story.runs] == ["published", "published", "duplicate"]


def test_the_command_tells_every_decision_as_text_and_as_json(
    workspace: Workspace, decided: dict[str, list[Said]]
) -> None:
    config = workspace.folder / "mep3m.toml"
    config.write_text('workspace = "."\n', encoding="utf-8")
    for record_id in ("shop-k:000003", "shop-k:000002", IDS[REFUSING[0]]):
        arguments = ["audit", record_id, "--config", str(config)]
        text = CliRunner().invoke(pipeline.main, arguments)
        told = CliRunner().invoke(pipeline.main, [*arguments, "--json"])
        assert (text.exit_code, told.exit_code) == (0, 0)
        rules = [line["rule"] for run in json.loads(told.stdout)["runs"] for line in
                 run["decisions"]]  # fmt: skip
        assert sorted(rules) == sorted(one[2] for one in decided[record_id])
        assert text.stdout.strip() == story_text(audit(workspace, record_id))


def test_what_no_run_tells_any_more_is_told_from_the_releases(
    workspace: Workspace, tmp_path: Path
) -> None:
    shutil.copytree(workspace.folder, tmp_path / "copy")
    copy = Workspace(tmp_path / "copy")
    shutil.rmtree(copy.folder / "runs")
    ids = [*FATES, *list(IDS.values())[::9]]
    newest = copy.latest_release()
    assert newest is not None
    for record_id, expected in of_ledger(newest, ids).items():
        story = audit(copy, record_id)
        assert story.runs == () and story.ledger
        assert_complete(story, expected)
    published = audit(copy, "shop-k:000001")
    assert (published.fate, len(published.releases)) == ("published", 3)
    held = published.releases[0]
    assert held.capture is not None and "No such file" in str(held.capture.problem)
    assert held.label == ("箱包/钟表/珠宝", "饰品")
    assert audit(copy, "shop-k:000002").fate == "removed"
