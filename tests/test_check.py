"""The linter: each fault planted is found, where it is, and clean data pass."""

import json
import time

import numpy as np
import pytest

from copytaster.check import check, suspected_labels, to_json, to_text
from copytaster.errors import DataError
from copytaster.labeled import Example

WORDS = np.array([f"w{i}" for i in range(3_000)])


def sentence(rng, n=12):
    return " ".join(rng.choice(WORDS, n))


@pytest.fixture
def clean():
    rng = np.random.default_rng(0)
    return [
        {
            "id": f"a{i}",
            "split": "test" if i % 5 == 0 else "train",
            "paragraphs": [{"text": sentence(rng), "label": label} for label in ("news", "view", "plea")],
        }
        for i in range(40)
    ]


@pytest.fixture
def run(tmp_path):
    def write_and_check(records, **options):
        path = tmp_path / "x.jsonl"
        path.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
        return check([path], **options)

    return write_and_check


def found(result, code):
    return [(f.severity, f.line) for f in result.findings if f.code == code]


def test_clean_data_pass(run, clean):
    result = run(clean)
    assert result.findings == ()
    assert (result.paragraphs, result.articles) == (120, 40)
    assert result.labels["news"] == {"test": 8, "train": 32}


def test_schema_faults_are_errors_and_the_rest_is_checked(run, clean):
    clean[3]["paragraphs"][0]["text"] = ""
    clean[4]["paragraphs"][1]["label"] = "veiw"
    result = run(clean, labels=("news", "view", "plea"))
    assert found(result, "empty-text") == [("error", 4)]
    assert found(result, "label") == [("error", 5)]
    assert "Did you mean 'view'?" in to_text(result)
    assert result.paragraphs == 118


def test_label_typo_without_a_list_of_labels(run, clean):
    clean[4]["paragraphs"][1]["label"] = "veiw"
    result = run(clean)
    assert found(result, "label-typo") == [("warning", 5)]


def test_leakage_is_an_error_for_copies_and_near_copies(run, clean):
    clean[5]["paragraphs"][0]["text"] = clean[1]["paragraphs"][0]["text"].upper()
    clean[10]["paragraphs"][1]["text"] = clean[2]["paragraphs"][1]["text"] + " more"
    result = run(clean)
    assert found(result, "leakage") == [("error", 6), ("error", 11)]
    assert [f.message.count("nearly") for f in result.findings if f.code == "leakage"] == [0, 1]


def test_leakage_is_found_where_the_test_split_comes_first(run, clean):
    clean[1]["paragraphs"][0]["text"] = clean[0]["paragraphs"][0]["text"]
    assert found(run(clean), "leakage") == [("error", 1)]


def test_a_short_text_may_recur_across_splits(run, clean):
    clean[0]["paragraphs"][2]["text"] = clean[1]["paragraphs"][2]["text"] = "Sign the petition"
    result = run(clean)
    assert found(result, "leakage") == []
    assert found(result, "duplicate") == [("warning", 2)]


def test_duplicates_and_conflicts(run, clean):
    clean[2]["paragraphs"][0]["text"] = clean[1]["paragraphs"][0]["text"]
    clean[4]["paragraphs"][1]["text"] = clean[3]["paragraphs"][0]["text"]
    clean[7]["paragraphs"][1]["text"] = clean[6]["paragraphs"][0]["text"] + " more"
    result = run(clean)
    assert found(result, "duplicate") == [("warning", 3)]
    assert found(result, "conflict") == [("error", 5), ("warning", 8)]


def test_article_in_two_splits(run):
    rows = [
        {"text": f"Text {i}", "label": "xy"[i], "article": "a", "split": s}
        for i, s in enumerate(("train", "test"))
    ]
    assert found(run(rows), "split-article") == [("error", 1)]


def test_lopsided_data(run, clean):
    for paragraph in clean[0]["paragraphs"]:
        paragraph["label"] = "news"
    clean[1]["paragraphs"][0]["label"] = "other"
    result = run(clean)
    assert found(result, "one-label-article") == [("note", 1)]
    assert len(found(result, "rare-label")) == 1
    assert len(found(result, "missing-label")) == 1


@pytest.mark.parametrize("labels", [1, 21])
def test_number_of_labels(run, labels):
    result = run([{"text": f"Text {i}", "label": f"label {i}"} for i in range(labels)])
    assert found(result, "label-count") == [("error", 0)]


def test_odd_texts(run, clean):
    clean[0]["paragraphs"][0]["text"] += " \u202egnp.exe"
    clean[1]["paragraphs"][0]["text"] = "* * *"
    result = run(clean)
    assert found(result, "odd-character") == [("warning", 1)]
    assert found(result, "no-words") == [("warning", 2)]
    assert "\u202e" not in to_text(result)


def test_several_annotators_disagree_rather_than_conflict(run, clean):
    second = [{**article, "annotator": "lee"} for article in json.loads(json.dumps(clean))]
    second[7]["paragraphs"][0]["label"] = "view"
    result = run(clean + second)
    assert [f.code for f in result.findings] == ["disagreement"]
    assert result.agreement.n == 120
    assert "unnamed and lee: Cohen's kappa 0.988, 99.2% the same of 120" in to_text(result)


def test_suspected_labels_are_ranked_by_margin():
    examples = [Example(f"Text {i}", "a" if i < 5 else "b", file="x", line=i + 1) for i in range(10)]
    p = np.array([[0.9, 0.1]] * 5 + [[0.2, 0.8]] * 5)
    p[2] = 0.3, 0.7
    p[7] = 0.99, 0.01
    p[9] = 0.55, 0.45
    suspects = suspected_labels(examples, ("a", "b"), p)
    assert [(f.line, f.suggestion) for f in suspects] == [
        (8, "a (probability 0.99)?"),
        (3, "b (probability 0.70)?"),
    ]


def test_out_of_fold_model_is_called_with_examples_and_labels(run, clean):
    def by_the_label_but_one(examples, labels):
        p = np.array([[0.8 if e.label == label else 0.1 for label in labels] for e in examples])
        p[3] = p[3][::-1]
        return p

    assert found(run(clean, out_of_fold=by_the_label_but_one), "suspected-label") == [("warning", 2)]

    def too_few(examples, labels):
        raise DataError("5 folds need at least 5 unrelated articles")

    assert found(run(clean, out_of_fold=too_few), "suspected-label") == [("note", 0)]


def test_text_limits_each_sort_and_json_has_all(run, clean):
    for article in clean:
        article["paragraphs"][0]["text"] = "The same old line."
    result = run(clean)
    assert f"and {result.count('error') - 3} more of error leakage" in to_text(result, limit=3)
    report = json.loads(to_json(result))
    assert len(report["findings"]) == len(result.findings)
    assert set(report["findings"][0]) == {"severity", "code", "file", "line", "message", "suggestion"}


def test_no_data_is_an_error(tmp_path):
    (tmp_path / "x.jsonl").touch()
    result = check([tmp_path / "x.jsonl"])
    assert found(result, "label-count") == [("error", 0)]
    assert to_text(result).endswith("0 paragraphs, 0 articles: 1 error, 0 warnings, 0 notes\n")


def test_time_is_linear(run):
    rng = np.random.default_rng(0)
    rows = [{"text": sentence(rng, 40), "label": "xyz"[i % 3]} for i in range(5_000)]
    started = time.perf_counter()
    run(rows)
    assert time.perf_counter() - started < 10
