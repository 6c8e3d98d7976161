"""Comparison: pairing, its tests held to slow ones, and verdicts that need evidence."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from copytaster.compare import compare
from copytaster.errors import DataError
from copytaster.labeled import Example
from copytaster.metrics import evaluate_examples
from copytaster.report import read_report, to_json

LABELS = ("reporting", "opinion", "call-to-action")


def make_examples(n, n_articles, seed=0):
    rng = np.random.default_rng(seed)
    return [
        Example(f"text {i}", LABELS[rng.integers(3)], article=f"a{rng.integers(n_articles)}")
        for i in range(n)
    ]


def predict(examples, accuracy, seed, labels=LABELS):
    """A report of a model that is right so often, independently from paragraph to paragraph."""
    rng = np.random.default_rng(seed)
    gold = np.array([labels.index(example.label) for example in examples])
    guess = np.where(rng.random(len(gold)) < accuracy, gold, rng.integers(len(labels), size=len(gold)))
    proba = np.where(np.eye(len(labels))[guess] == 1, 0.8, 0.1)
    return evaluate_examples(examples, labels, proba, draws=0)


@pytest.fixture(scope="module")
def examples():
    return make_examples(600, 60)


def test_a_clear_gain_is_better_and_its_mirror_worse(examples):
    good, poor = predict(examples, 0.9, seed=1), predict(examples, 0.6, seed=2)
    forth, back = compare(good, poor, "old.json"), compare(poor, good)
    assert (forth["verdict"], back["verdict"]) == ("better", "worse")
    assert forth["baseline"] == "old.json"
    assert (forth["fixed"], forth["broken"]) == (back["broken"], back["fixed"])
    one, other = forth["differences"]["macro_f1"], back["differences"]["macro_f1"]
    assert one["difference"] == pytest.approx(good["macro_f1"] - poor["macro_f1"])
    assert one["interval"] == pytest.approx([-other["interval"][1], -other["interval"][0]])
    assert one["p_value"] < 0.01
    assert forth["differences"]["calibration"]["log_loss"]["difference"] < 0
    assert forth["differences"]["calibration"]["log_loss"]["verdict"] == "better"


def test_equal_models_cannot_be_told_apart(examples):
    report = predict(examples, 0.8, seed=1)
    comparison = compare(report, report)
    difference = comparison["differences"]["macro_f1"]
    assert comparison["verdict"] == "cannot tell"
    assert (difference["difference"], difference["interval"], difference["p_value"]) == (0, [0, 0], 1)
    assert comparison["fixed"] == comparison["broken"] == 0


def test_few_articles_are_no_evidence():
    examples = make_examples(400, 4)
    assert compare(predict(examples, 0.95, 1), predict(examples, 0.4, 2))["verdict"] == "cannot tell"


def test_false_alarms_are_rare(examples):
    verdicts = [
        compare(predict(examples, 0.8, 2 * seed), predict(examples, 0.8, 2 * seed + 1), draws=400)["verdict"]
        for seed in range(60)
    ]
    assert verdicts.count("cannot tell") >= 53  # 57 of 60 expected


def test_the_p_value_is_that_of_all_swaps():
    examples = make_examples(40, 7)
    new, old = predict(examples, 0.8, 1), predict(examples, 0.55, 2)
    comparison = compare(new, old, draws=20_000)
    articles, gold = (np.array([row[i] for row in new["predictions"]]) for i in (1, 2))
    ours, theirs = (np.array([row[3] for row in report["predictions"]]) == gold for report in (new, old))
    observed = abs(ours.mean() - theirs.mean())
    extreme = 0
    for swap in itertools.product([False, True], repeat=articles.max() + 1):
        swapped = np.array(swap)[articles]
        gap = np.where(swapped, theirs, ours).mean() - np.where(swapped, ours, theirs).mean()
        extreme += abs(gap) >= observed - 1e-12
    p_value = comparison["differences"]["accuracy"]["p_value"]
    assert p_value == pytest.approx(extreme / 2 ** (articles.max() + 1), abs=0.015)


def test_pairs_are_found_by_text_in_any_order(examples):
    new, old = predict(examples, 0.9, 1), predict(examples, 0.6, 2)
    shuffled = {
        **old,
        "predictions": [old["predictions"][i] for i in np.random.default_rng(0).permutation(600)],
    }
    assert compare(new, shuffled) == compare(new, old)


def test_only_shared_paragraphs_count(examples):
    new, old = predict(examples[100:], 0.9, 1), predict(examples[:400], 0.6, 2)
    comparison = compare(new, old)
    assert (comparison["n"], comparison["only_here"], comparison["only_baseline"]) == (300, 200, 100)


def test_equal_texts_pair_one_by_one():
    twice = [Example("Sign here.", "call-to-action", article=a) for a in "xy"]
    new = evaluate_examples(twice, LABELS, [[0, 0, 1], [0, 0, 1]], draws=0)
    old = evaluate_examples(twice, LABELS, [[0, 0, 1], [1, 0, 0]], draws=0)
    comparison = compare(new, old, draws=10)
    assert (comparison["n"], comparison["fixed"], comparison["broken"]) == (2, 1, 0)


def test_labels_may_come_in_another_order(examples):
    new = predict(examples, 0.9, 1)
    turned = evaluate_examples(examples, LABELS[::-1], [row[:3:-1] for row in new["predictions"]], draws=0)
    comparison = compare(new, turned, draws=50)
    assert comparison["fixed"] == comparison["broken"] == comparison["relabelled"] == 0
    assert comparison["differences"]["calibration"]["log_loss"]["difference"] == pytest.approx(0)


def test_new_labels_count_for_both(examples):
    old = predict(examples, 1.0, 1)
    changed = [replace(examples[0], label=next(x for x in LABELS if x != examples[0].label)), *examples[1:]]
    comparison = compare(predict(changed, 1.0, 1), old, draws=50)
    assert comparison["relabelled"] == comparison["fixed"] == 1


def test_an_absent_label_is_not_compared():
    examples = [Example(f"{i}", LABELS[i % 2], article=str(i)) for i in range(20)]
    report = predict(examples, 0.7, 1)
    assert compare(report, report, draws=20)["differences"]["labels"]["call-to-action"]["f1"] is None


def test_a_json_report_compares_like_the_report(tmp_path, examples):
    new, old = predict(examples, 0.9, 1), predict(examples, 0.6, 2)
    (tmp_path / "old.json").write_text(to_json(old))
    assert compare(new, read_report(tmp_path / "old.json")) == compare(new, old)
    json.dumps(compare(new, old), allow_nan=False)


def test_what_cannot_be_paired_is_an_error(examples):
    report = predict(examples, 0.9, 1)
    others = [Example(f"other {i}", "opinion", article="a") for i in range(5)]
    with pytest.raises(DataError, match="none of these paragraphs"):
        compare(report, predict(others, 0.9, 1))
    with pytest.raises(DataError, match="labels are"):
        compare(report, predict(others, 0.9, 1, labels=("opinion", "news", "plea")))
    with pytest.raises(DataError, match="holds no predictions"):
        compare(report, {**report, "predictions": []})
