"""The measures: hand-worked figures, scikit-learn's values, and a slow bootstrap that obviously is one."""

import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, precision_recall_fscore_support

from copytaster.errors import DataError, UsageError
from copytaster.labeled import Example
from copytaster.metrics import (
    Tally,
    article_sums,
    evaluate,
    evaluate_examples,
    figures_of,
    length_band,
    number,
    resample,
    slice_values,
    text_key,
)

LABELS = ("reporting", "opinion", "call-to-action")


def from_confusion(confusion):
    """Paragraphs, each an article, that give a confusion; the prediction has probability 0.8."""
    gold, predicted = (
        np.repeat(cells, np.ravel(confusion)) for cells in np.indices(np.shape(confusion)).reshape(2, -1)
    )
    n_labels = len(confusion)
    proba = np.where(np.eye(n_labels)[predicted] == 1, 0.8, 0.2 / (n_labels - 1))
    return gold, proba, np.arange(len(gold)).tolist()


def sample(seed=0, n=400, n_labels=3, n_articles=40):
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.full(n_labels, 0.5), size=n)
    gold = (proba.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return gold, proba, rng.integers(n_articles, size=n).tolist()


def test_a_confusion_worked_by_hand():
    report = evaluate(LABELS, *from_confusion([[8, 2, 0], [1, 6, 1], [0, 1, 1]]), draws=0)
    assert report["n"] == 20
    assert report["accuracy"] == 15 / 20
    assert report["confusion"] == [[8, 2, 0], [1, 6, 1], [0, 1, 1]]
    opinion = report["labels"]["opinion"]
    assert (opinion["precision"], opinion["recall"]) == pytest.approx((6 / 9, 6 / 8))
    assert opinion["f1"] == pytest.approx(12 / 17)
    assert opinion["support"] == opinion["articles"] == 8
    f1 = np.array([16 / 19, 12 / 17, 2 / 4])
    assert report["macro_f1"] == pytest.approx(f1.mean())
    assert report["weighted_f1"] == pytest.approx(f1 @ [10, 8, 2] / 20)
    assert report["calibration"]["error"] == pytest.approx(0.05)
    assert report["calibration"]["brier"] == pytest.approx((15 * 0.06 + 5 * (0.81 + 0.64 + 0.01)) / 20)
    assert [row["n"] for row in report["calibration"]["reliability"]] == [20]


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 20), st.integers(1, 60), st.integers(0, 10**6))
def test_scores_are_those_of_scikit_learn(n_labels, n, seed):
    gold, proba, articles = sample(seed, n, n_labels, 5)
    labels = [f"label {i}" for i in range(n_labels)]
    report = evaluate(labels, gold, proba, articles, draws=0)
    predicted = proba.argmax(axis=1)
    present = np.unique(gold)
    scores = precision_recall_fscore_support(gold, predicted, labels=range(n_labels), zero_division=0)
    for i, label in enumerate(labels):
        ours = [report["labels"][label][name] for name in ("precision", "recall", "f1", "support")]
        assert ours == ([None, None, None, 0] if i not in present else pytest.approx([s[i] for s in scores]))
    for average in ("macro", "weighted"):
        theirs = precision_recall_fscore_support(
            gold, predicted, labels=present, average=average, zero_division=0
        )
        ours = [report[f"{average}_{name}"] for name in ("precision", "recall", "f1")]
        assert ours == pytest.approx(theirs[:3])
    assert report["accuracy"] == pytest.approx(accuracy_score(gold, predicted))
    assert report["confusion"] == confusion_matrix(gold, predicted, labels=range(n_labels)).tolist()
    assert report["calibration"]["log_loss"] == pytest.approx(log_loss(gold, proba, labels=range(n_labels)))


def test_calibration_error_is_that_of_a_plain_loop():
    gold, proba, articles = sample(3)
    confidence, right = proba.max(axis=1), proba.argmax(axis=1) == gold
    expected = 0.0
    for low in np.arange(10) / 10:
        members = (confidence >= low) & ((confidence < low + 0.1) | (low == 0.9))
        if members.any():
            expected += members.mean() * abs(right[members].mean() - confidence[members].mean())
    assert evaluate(LABELS, gold, proba, articles, draws=0)["calibration"]["error"] == pytest.approx(expected)


def test_a_model_that_is_certain_and_right_has_no_error():
    report = evaluate(("a", "b"), [0, 1], [[1, 0], [0, 1]], ["x", "y"])
    assert report["calibration"]["error"] == report["calibration"]["brier"] == 0
    assert report["calibration"]["log_loss"] == pytest.approx(0, abs=1e-12)
    assert report["calibration"]["reliability"][-1]["high"] == 1


def test_a_model_that_is_certain_and_wrong_has_a_finite_loss():
    report = evaluate(("a", "b"), [1], [[1, 0]], ["x"])
    assert report["calibration"]["error"] == 1
    assert report["calibration"]["brier"] == 2
    assert 30 < report["calibration"]["log_loss"] < 40


def test_coverage_keeps_the_most_confident():
    confidence = np.array([0.99, 0.9, 0.8, 0.7, 0.6])
    report = evaluate(
        ("a", "b"), [0, 0, 0, 1, 1], np.column_stack((confidence, 1 - confidence)), list("vwxyz"), draws=0
    )
    rows = {row["coverage"]: row for row in report["coverage"]}
    assert list(rows) == [0.5, 0.7, 0.9, 1.0]
    assert (rows[0.5]["n"], rows[0.5]["threshold"], rows[0.5]["accuracy"]) == (3, 0.8, 1.0)
    assert (rows[1.0]["n"], rows[1.0]["threshold"], rows[1.0]["accuracy"]) == (5, 0.6, 0.6)


def test_coverage_keeps_all_of_equal_confidence():
    report = evaluate(("a", "b"), [0] * 10, [[0.7, 0.3]] * 10, range(10), draws=0)
    assert [row["n"] for row in report["coverage"]] == [10] * 4


def test_an_absent_label_is_named_and_has_no_scores():
    gold, proba, articles = sample()
    kept = gold < 2
    report = evaluate(LABELS, gold[kept], proba[kept], np.array(articles)[kept].tolist())
    assert report["absent"] == ["call-to-action"]
    absent = {"precision": None, "recall": None, "f1": None, "support": 0, "articles": 0}
    assert report["labels"]["call-to-action"] == absent
    assert report["intervals"]["labels"]["call-to-action"] == dict.fromkeys(("precision", "recall", "f1"))
    present = [report["labels"][label]["f1"] for label in LABELS[:2]]
    assert report["macro_f1"] == pytest.approx(np.mean(present))
    assert "call-to-action" in report["notes"][0]


def test_a_label_never_predicted_has_precision_0():
    report = evaluate(("a", "b"), [0, 1], [[0.9, 0.1], [0.8, 0.2]], ["x", "y"])
    assert report["labels"]["b"]["precision"] == report["labels"]["b"]["f1"] == 0
    assert report["intervals"]["labels"]["b"]["precision"] == [0, 1]


def test_the_bootstrap_draws_whole_articles():
    gold, proba, articles = sample(1, n=60, n_articles=7)
    codes = number(articles)
    predicted = proba.argmax(axis=1)
    totals = resample(article_sums(gold, predicted, proba, codes, [0.6]), draws=20, seed=5)
    picks = np.random.default_rng(5).integers(7, size=(20, 7))
    drawn = figures_of(LABELS, Tally.of(totals, 3))
    for draw, articles_drawn in enumerate(picks):
        members = np.concatenate([np.flatnonzero(codes == article) for article in articles_drawn])
        slow = evaluate(LABELS, gold[members], proba[members], range(len(members)), draws=0)
        assert drawn["macro_f1",][draw] == pytest.approx(slow["macro_f1"])
        assert drawn["calibration", "error"][draw] == pytest.approx(slow["calibration"]["error"])
        assert drawn["calibration", "log_loss"][draw] == pytest.approx(slow["calibration"]["log_loss"])
        recall = slow["labels"]["opinion"]["recall"]
        assert drawn["labels", "opinion", "recall"][draw] == pytest.approx(
            np.nan if recall is None else recall, nan_ok=True
        )
        kept = members[proba[members].max(axis=1) >= 0.6]
        assert drawn["coverage", "0"][draw] == pytest.approx((predicted == gold)[kept].mean())


def test_the_interval_of_the_calibration_error_is_not_pushed_up_by_its_bias():
    outcomes = []
    for seed in range(30):
        gold, proba, articles = sample(seed, n=300, n_articles=60)  # calibrated by construction
        low, high = evaluate(LABELS, gold, proba, articles, draws=300)["intervals"]["calibration"]["error"]
        outcomes.append(low < 0.01 < high)
    assert sum(outcomes) >= 25


def test_draws_do_not_depend_on_how_they_are_cut_into_blocks():
    sums = np.random.default_rng(0).random((30_000, 1))
    assert np.allclose(resample(sums, 140, seed=1)[:130], resample(sums, 130, seed=1), rtol=1e-12)


def test_intervals_widen_when_paragraphs_of_an_article_agree():
    gold, proba, _ = sample(2, n=100)
    alone = evaluate(LABELS, np.tile(gold, 4), np.tile(proba, (4, 1)), range(400))
    together = evaluate(LABELS, np.tile(gold, 4), np.tile(proba, (4, 1)), [*range(100)] * 4)
    assert alone["macro_f1"] == together["macro_f1"]
    low, high = alone["intervals"]["macro_f1"]
    wide_low, wide_high = together["intervals"]["macro_f1"]
    assert wide_high - wide_low > 1.6 * (high - low)


def test_intervals_are_seeded_and_hold_the_value():
    args = (LABELS, *sample(4))
    report = evaluate(*args, seed=7)
    assert report == evaluate(*args, seed=7)
    assert report["intervals"] != evaluate(*args, seed=8)["intervals"]
    for name in ("accuracy", "macro_f1", "weighted_recall"):
        low, high = report["intervals"][name]
        assert low <= report[name] <= high
    for row in report["coverage"] + report["calibration"]["reliability"]:
        assert row["interval"][0] <= row["accuracy"] <= row["interval"][1]


def test_a_perfect_score_does_not_get_a_certain_interval():
    report = evaluate(("a", "b"), [0, 0, 0, 1], [[0.9, 0.1]] * 3 + [[0.2, 0.8]], ["u", "v", "w", "x"])
    low, high = report["intervals"]["labels"]["a"]["recall"]
    assert low == pytest.approx(0.438, abs=0.001)  # Wilson: 3 / (3 + 1.96²)
    assert high == 1
    assert report["intervals"]["macro_f1"][0] == pytest.approx(0.207, abs=0.001)


def test_one_article_gives_no_narrow_interval():
    report = evaluate(("a", "b"), [0, 0, 1, 1], [[0.9, 0.1]] * 3 + [[0.2, 0.8]], ["u"] * 4)
    low, high = report["intervals"]["accuracy"]
    assert low < 0.3
    assert high > 0.9
    assert report["intervals"]["calibration"]["error"] is None
    assert "too narrow" in report["notes"][0]


def test_two_articles_give_no_narrow_interval():
    proba = [[0.9, 0.1], [0.2, 0.8]] * 10
    gold = [0, 1, 1, 0, *[0, 1] * 4, 1, 0, *[0, 1] * 3]
    low, high = evaluate(("a", "b"), gold, proba, [*"u" * 10, *"v" * 10])["intervals"]["accuracy"]
    assert high - low > 0.6


def test_articles_may_come_in_any_order_and_of_any_kind():
    gold, proba, articles = sample(5)
    order = np.random.default_rng(0).permutation(len(gold))
    names = [(f"id\0{article}", None) for article in articles]
    one = evaluate(LABELS, gold, proba, articles, draws=0)
    other = evaluate(LABELS, gold[order], proba[order], [names[i] for i in order], draws=0)
    assert other["articles"] == one["articles"]
    assert other["macro_f1"] == pytest.approx(one["macro_f1"])


def test_slices_measure_their_own_paragraphs():
    gold, proba, articles = sample(6)
    source = ["wire" if i % 3 else "blog" for i in range(len(gold))]
    report = evaluate(LABELS, gold, proba, articles, slices={"source": source}, draws=50)
    blog = np.array(source) == "blog"
    alone = evaluate(LABELS, gold[blog], proba[blog], np.array(articles)[blog].tolist(), draws=50)
    alone.pop("version")
    assert list(report["slices"]["source"]) == ["blog", "wire"]
    assert report["slices"]["source"]["blog"] == alone


def test_a_report_is_strict_json():
    report = evaluate(("a", "b", "c"), [0, 0], [[0.9, 0.1, 0], [0, 0, 1]], ["u", "u"], {"kind": ["x", "y"]})
    assert json.loads(json.dumps(report, allow_nan=False)) == report


@pytest.mark.parametrize(
    ("labels", "gold", "proba", "groups"),
    [
        (("a", "b"), [0, 1], [[1, 0]], ["x", "y"]),
        (("a", "b"), [0], [[1, 0]], ["x", "y"]),
        (("a", "b"), [2], [[1, 0]], ["x"]),
        (("a", "b"), [-1], [[1, 0]], ["x"]),
        (("a", "a"), [0], [[1, 0]], ["x"]),
        (("a", "b"), [0], [[np.nan, 0]], ["x"]),
        (("a", "b"), [0], [[1.5, 0]], ["x"]),
    ],
)
def test_what_does_not_fit_together_is_refused(labels, gold, proba, groups):
    with pytest.raises(ValueError, match=r"must|fit"):
        evaluate(labels, gold, proba, groups)


def test_nothing_to_evaluate_on_is_an_error():
    with pytest.raises(DataError, match="no labelled paragraph"):
        evaluate(LABELS, [], np.empty((0, 3)), [])
    with pytest.raises(DataError, match="no labelled paragraph"):
        evaluate_examples([], LABELS, np.empty((0, 3)))


def test_examples_give_errors_and_predictions():
    examples = [
        Example("It rained.", "reporting", article="a", file="x.jsonl", line=3),
        Example("Shameful  rain.", "opinion", article="a", file="x.jsonl", line=4, source="blog"),
        Example("x" * 9_000, "opinion", file="y.jsonl", line=1),
        Example("Bring an umbrella.", "call-to-action", file="y.jsonl", line=2),
    ]
    proba = [[0.9, 0.1, 0], [0.6, 0.4, 0], [0.7, 0.3, 0], [0, 0.2, 0.8]]
    report = evaluate_examples(examples, LABELS, proba, by=["source"], draws=20)
    assert report["articles"] == 3
    assert [(m["line"], m["gold"], m["predicted"]) for m in report["errors"]] == [
        (1, "opinion", "reporting"),
        (4, "opinion", "reporting"),
    ]
    assert report["errors"][0]["confidence"] == 0.7
    assert len(report["errors"][0]["text"]) == 501
    assert report["predictions"][1] == [text_key("Shameful rain."), 0, 1, 0, 0.6, 0.4, 0.0]
    assert list(report["slices"]["source"]) == ["(none)", "blog"]
    assert evaluate_examples(examples, LABELS, proba, errors=1, draws=0)["errors"] == report["errors"][:1]


def test_a_label_the_model_does_not_know_is_an_error():
    with pytest.raises(DataError, match=r"x\.jsonl:7: the model does not know the label 'satire'"):
        evaluate_examples([Example("x", "satire", file="x.jsonl", line=7)], LABELS, [[1, 0, 0]])


def test_text_key_folds_white_space_and_takes_any_text():
    assert text_key(" a\r\nb ") == text_key("a b") != text_key("ab")
    assert len(text_key("\ud800\0")) == 16


@pytest.mark.parametrize(
    ("words", "band"),
    [
        (1, "1-20"),
        (20, "1-20"),
        (21, "21-60"),
        (60, "21-60"),
        (61, "61-120"),
        (120, "61-120"),
        (121, "over 120"),
    ],
)
def test_length_bands(words, band):
    assert length_band("w " * words) == f"{band} words"
    assert slice_values([Example("w " * words, "a")], ["length"]) == {"length": [f"{band} words"]}


def test_a_field_there_is_not_is_a_usage_error():
    for field in ("sauce", "__class__", "text"):
        with pytest.raises(UsageError, match="no field"):
            slice_values([Example("x", "a")], [field])


@pytest.mark.parametrize("n_labels", [3, 20])
def test_two_thousand_draws_on_five_thousand_paragraphs_take_under_two_seconds(n_labels):
    gold, proba, articles = sample(0, 5_000, n_labels, 5_000)
    start = time.perf_counter()
    evaluate([str(i) for i in range(n_labels)], gold, proba, articles, draws=2_000)
    assert time.perf_counter() - start < 2
