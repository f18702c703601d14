"""The title model: trained alike every time, kept without pickle, deciding only when sure."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from runtime.errors import ConfigError
from taxonomy.batches import map_batch
from taxonomy.mapper import Mapper
from taxonomy.title_model.deciding import add_titles
from taxonomy.title_model.evaluation import evaluate
from taxonomy.title_model.labelled import labelled_titles
from taxonomy.title_model.model import RULE, TitleModel, load_model, save_model
from taxonomy.title_model.training import deciding_confidence, train
from taxonomy.tree import Tree, load_tree
from tests.taxonomy.title_model.made_titles import make_shards, title_of

TREE = load_tree()
LEAVES = TREE.leaves()


def trained(folder: Path) -> TitleModel:
    return train(labelled_titles(folder, LEAVES, TREE), LEAVES, {"release": "made"}, lambda _: None)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shards(tmp_path_factory.mktemp("release"), TREE)


@pytest.fixture(scope="module")
def model(release: Path) -> TitleModel:
    return trained(release)


def test_it_reads_titles_and_knows_when_it_is_sure(model: TitleModel, release: Path) -> None:
    figures = evaluate(model, labelled_titles(release, LEAVES, TREE), LEAVES, TREE)
    assert figures["records"] == 600
    assert figures["accuracy"]["leaf"] > 0.9
    assert figures["accuracy"]["class"] >= figures["accuracy"]["sub_class"]
    assert figures["decided"]["precision"] >= 0.98
    assert 0.5 < figures["decided"]["share"] < 1
    assert (
        figures["head"]["records"] + figures["middle"]["records"] + figures["tail"]["records"]
        == 600
    )


def test_probabilities_are_calibrated(model: TitleModel, release: Path) -> None:
    batch = next(labelled_titles(release, LEAVES, TREE).batches("test"))
    probable, _ = model.read(batch.titles)
    said = np.array([LEAVES.index(leaf) for leaf in model.leaves])[probable.argmax(axis=1)]
    gap = abs(float(probable.max(axis=1).mean()) - float((said == batch.leaves).mean()))
    assert gap < 0.05
    assert np.allclose(probable.sum(axis=1), 1, atol=1e-3)


def test_the_same_records_give_the_same_bytes(
    model: TitleModel, release: Path, tmp_path: Path
) -> None:
    save_model(model, tmp_path / "a.npz", TREE)
    save_model(trained(release), tmp_path / "b.npz", TREE)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_saved_model_says_the_same(model: TitleModel, tmp_path: Path) -> None:
    path = tmp_path / "titles.npz"
    save_model(model, path, TREE)
    loaded = load_model(path, TREE)
    titles = ["夏季新款连衣裙", "手机保护套", ""]
    assert np.array_equal(loaded.read(titles)[0], model.read(titles)[0])
    assert (loaded.leaves, loaded.decides_at) == (model.leaves, model.decides_at)
    assert loaded.meta["records"] == 3_000
    with zipfile.ZipFile(path) as archive:
        assert not any(b"pickle" in archive.read(name) for name in archive.namelist())


def other_tree(tree: Tree) -> Tree:
    first, *rest = tree.nodes
    return Tree((replace(first, name="别的"), *rest))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda path: path.unlink(), "got none"),
        (lambda path: path.write_bytes(b"no model"), "none or damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[:5_000]), "none or damaged"),
        (lambda path: np.savez(path, told=np.array([{}], dtype=object)), "none or damaged"),
    ],
)
def test_what_is_no_model_is_told_in_a_line(
    model: TitleModel, tmp_path: Path, damage: Callable[[Path], None], told: str
) -> None:
    path = tmp_path / "titles.npz"
    save_model(model, path, TREE)
    damage(path)
    with pytest.raises(ConfigError, match=told) as caught:
        load_model(path, TREE)
    assert "\n" not in str(caught.value)


def test_a_model_of_another_tree_is_refused(model: TitleModel, tmp_path: Path) -> None:
    save_model(model, tmp_path / "titles.npz", TREE)
    with pytest.raises(ConfigError, match="another category tree"):
        load_model(tmp_path / "titles.npz", other_tree(TREE))


def test_labels_that_a_model_gave_train_nothing(tmp_path: Path) -> None:
    make_shards(tmp_path, TREE, rule="title_model_v7")
    with pytest.raises(ConfigError, match="labels that a model gave do not count"):
        trained(tmp_path)


def test_a_handful_of_records_is_never_surely_right() -> None:
    few, many = np.linspace(1, 0.9, 100), np.linspace(1, 0.9, 1_000)
    assert deciding_confidence(few.astype(np.float32), np.ones(100, np.bool_)) is None
    right = np.ones(1_000, np.bool_)
    right[500:] = False
    found = deciding_confidence(many.astype(np.float32), right)
    assert found is not None and 0.945 < found < 0.955
    assert deciding_confidence(np.ones(0, np.float32), np.ones(0, np.bool_)) is None


def test_no_title_is_decided_that_is_more_than_one_time_in_ten_wrong() -> None:
    sure, unsure = np.full(5_000, 0.99, np.float32), np.full(50, 0.6, np.float32)
    right = np.append(np.ones(5_000, np.bool_), np.zeros(50, np.bool_))
    assert deciding_confidence(np.append(sure, unsure), right) == np.float32(0.99)


def test_records_of_one_confidence_are_decided_together() -> None:
    confidences = np.full(1_000, 0.9, np.float32)
    right = np.arange(1_000) < 900
    assert deciding_confidence(confidences, right) is None


def test_it_decides_what_paths_leave_open_and_flags_what_they_contradict(
    model: TitleModel,
) -> None:
    draw = random.Random(1)
    dress, coffee = TREE.leaf_of_sub_class(178), TREE.leaf_of_sub_class(51)
    rows = [
        ([["杂货", "新品"]], title_of(dress, draw, 1)),
        ([["女装", "连衣裙"]], title_of(dress, draw, 1)),
        ([["女装", "连衣裙"]], title_of(coffee, draw, 1)),
        ([["家用电器", "新品"]], title_of(coffee, draw, 1)),
        ([["家用电器", "新品"]], title_of(dress, draw, 1)),
        ([["杂货", "新品"]], "简约"),
    ]
    paths = pa.array([row[0] for row in rows], pa.list_(pa.list_(pa.string())))
    titles = [row[1] for row in rows]
    found = map_batch(Mapper(TREE), paths, pa.array(titles))
    titled = add_titles(found, titles, model, TREE)
    verdicts = [titled.found.verdicts[place] for place in titled.found.of.tolist()]
    assert [verdict.rule for verdict in verdicts] == [
        RULE, "path_name_v2", "path_name_v2", RULE, "class_only_v1", "no_category_match_v1",
    ]  # fmt: skip
    assert [v.label.sub_class_id if v.label else None for v in verdicts] == [
        178, 178, 178, 51, None, None,
    ]  # fmt: skip
    assert titled.contradicted.tolist() == [False, False, True, False, False, False]
    assert model.leaves[titled.leaf[2]] == coffee
    assert dress in {guess.node for guess in verdicts[4].suggestions}
    never = add_titles(found, titles, replace(model, decides_at=None), TREE)
    assert never.found.of.tolist()[1:3] == found.of.tolist()[1:3]
    assert not never.contradicted.any()
    assert all(never.found.verdicts[place].rule != RULE for place in never.found.of.tolist())
