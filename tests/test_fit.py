"""Fitting: any number of labels, folds by article, soft targets, and the same model every time."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from copytaster import fit as fitting
from copytaster.artifact import load, save
from copytaster.errors import DataError, UsageError
from copytaster.fit import Config, Rows, Soft, fit, out_of_fold, solve
from copytaster.labeled import Example

SIGNS = ("council", "disgrace", "petition", "recipe", "weather")
CONFIG = Config(bits=10, iterations=30)
PROBE = [f"The {sign} of {word}." for sign in SIGNS for word in ("Monday", "tomorrow")]


def written(labels, articles=9, paragraphs=4, seed=0, named=True):
    """Make articles of random words in which one word tells the label."""
    random = np.random.default_rng(seed)
    examples = []
    for i in range(articles):
        for j in range(paragraphs):
            label = (i + j) % len(labels)
            words = ["".join(map(chr, random.integers(97, 123, 6))) for _ in range(8)]
            words.insert(3, SIGNS[label])
            text = " ".join(words).capitalize() + "."
            examples.append(Example(text, labels[label], f"a{i}" if named else "", source="test", index=j))
    return examples


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_any_number_of_labels_is_learnt(tmp_path, count):
    labels = SIGNS[:count]
    model = fit(written(labels), config=CONFIG)
    assert model.labels == labels
    proba = model.predict_proba([f"The {label} of it." for label in labels])
    assert proba.argmax(axis=1).tolist() == list(range(count))
    figures = model.manifest["out_of_fold"]
    assert figures["n"] == 36 and figures["accuracy"] > 0.8
    assert model.manifest["data"] | {"digest": ""} == {
        "digest": "",
        "paragraphs": 36,
        "articles": 9,
        "labels": {label: labels_of(written(labels)).count(label) for label in labels},
        "sources": {"test": 36},
        "soft": None,
    }
    save(model, tmp_path / "m.copytaster")
    assert np.array_equal(load(tmp_path / "m.copytaster").predict_proba(PROBE), model.predict_proba(PROBE))


def labels_of(examples):
    return [example.label for example in examples]


@pytest.mark.parametrize("labels", [("one",), tuple(f"l{i}" for i in range(21))])
def test_one_label_or_more_than_twenty_are_refused(labels):
    examples = [Example(f"Some text number {i}.", label, f"a{i}") for i, label in enumerate(labels)]
    with pytest.raises(DataError, match="2 to 20 labels"):
        fit(examples, config=CONFIG)


def test_the_labels_of_the_codebook_come_first():
    order = ("call-to-action", "reporting", "other", "opinion")
    model = fit(written(order), config=CONFIG)
    assert model.labels == ("reporting", "opinion", "call-to-action", "other")


@pytest.mark.parametrize("rare", ["petition", "council"])
def test_a_label_of_one_article_is_missing_from_a_fold(rare):
    labels = SIGNS[:3]
    others = [label for label in labels if label != rare]
    examples = written(labels)
    examples = [e if e.article == "a0" or e.label != rare else written(others, 1, 1)[0] for e in examples]
    examples = [
        Example(e.text + f" {i}", e.label, e.article or f"a{i}", index=e.index)
        for i, e in enumerate(examples)
    ]
    model = fit(examples, config=CONFIG)
    assert set(model.labels) == set(labels)
    proba = model.predict_proba(PROBE)
    assert np.isfinite(proba).all() and np.abs(proba.sum(axis=1) - 1).max() < 1e-12
    assert model.manifest["out_of_fold"]["labels"][rare]["recall"] in (0, None)


def test_too_few_articles_for_folds_are_said_so():
    with pytest.raises(DataError, match="folds"):
        fit(written(SIGNS[:2], articles=2), config=CONFIG)


def test_paragraphs_that_stand_alone_are_articles_of_their_own():
    model = fit(written(SIGNS[:3], named=False), config=CONFIG)
    assert model.manifest["data"]["articles"] == 36
    assert model.manifest["out_of_fold"]["articles"] == 36
    assert model.manifest["context"] == {"neighbours": 0, "lead_in": 0, "following": 0}


def test_no_article_is_scored_by_a_model_that_saw_it(monkeypatch):
    examples = written(SIGNS[:3])
    seen, solve, score = [], fitting.solve, fitting.Solution.score

    def texts_in(features):
        return {row.tobytes() for row in features.toarray()}

    def watched_solve(blocks, config):
        known = set().union(*(texts_in(rows.features) for rows in blocks))
        seen.append((known, solve(blocks, config)))
        return seen[-1][1]

    def watched_score(solution, features):
        learnt = next(known for known, fitted in seen if fitted is solution)
        scored.append(texts_in(features))
        articles = [by_row[row] for row in scored[-1]]
        assert not {by_row[row] for row in learnt} & set(articles)
        return score(solution, features)

    scored = []
    monkeypatch.setattr(fitting, "Config", lambda: CONFIG)
    everything = fitting.featurise([e.text for e in examples], CONFIG.bits)
    by_row = {row.tobytes(): e.article for row, e in zip(everything.toarray(), examples, strict=True)}
    monkeypatch.setattr(fitting, "solve", watched_solve)
    monkeypatch.setattr(fitting.Solution, "score", watched_score)
    proba = out_of_fold(examples, SIGNS[:3])
    assert proba.shape == (36, 3) and np.abs(proba.sum(axis=1) - 1).max() < 1e-12
    assert set().union(*scored) == set(by_row)


def test_soft_targets_teach_what_no_label_says():
    labels = SIGNS[:3]
    taught = ["zebra crossing here", "zebra farm there", "a zebra", "zebra again"] * 3
    shares = np.tile([0.1, 0.0, 0.9], (len(taught), 1))
    plain = fit(written(labels), config=CONFIG)
    model = fit(written(labels), config=CONFIG, soft=Soft(taught, shares, "a teacher"))
    probe = ["The zebra of it."]
    assert model.predict_proba(probe)[0, 2] > plain.predict_proba(probe)[0, 2] + 0.1
    assert model.manifest["data"]["soft"] == {"texts": 12, "source": "a teacher"}
    none = fit(written(labels), config=CONFIG, soft=Soft([], np.empty((0, 3)), "nobody"))
    assert np.allclose(none.predict_proba(PROBE), plain.predict_proba(PROBE))


def rows_of(examples, weights=1.0):
    gold = np.eye(3)[[SIGNS.index(e.label) for e in examples]]
    return Rows(fitting.featurise([e.text for e in examples], CONFIG.bits), gold * weights)


def test_it_does_not_matter_how_rows_are_cut_into_blocks():
    whole = rows_of(written(SIGNS[:3]))
    parts = [Rows(*(part[at : at + 7] for part in whole)) for at in range(0, 36, 7)]
    one, other = (solve(blocks, CONFIG).score(whole.features) for blocks in ([whole], parts))
    assert one == pytest.approx(other, abs=1e-3)


def test_a_weight_counts_like_as_many_copies():
    examples = written(SIGNS[:3])
    weights = np.ones(36)
    weights[::5] = 2
    weighted = rows_of(examples, weights[:, None])
    copied = rows_of([examples[i] for i in np.repeat(np.arange(36), weights.astype(int))])
    one, other = (solve([rows], CONFIG).score(weighted.features) for rows in (weighted, copied))
    assert one == pytest.approx(other, abs=1e-3)


@pytest.mark.parametrize("shares", [False, True])
def test_the_solution_is_that_of_logistic_regression(shares):
    rows = rows_of(written(SIGNS[:3]))
    if shares:
        rows = rows._replace(targets=0.7 * rows.targets + 0.1)
    config = Config(bits=10, iterations=400, tolerance=1e-10, inverse_regularisation=0.5)
    found = solve([rows], config).score(rows.features)
    words, cues = rows.features[:, :1024].toarray(), rows.features[:, 1024:].toarray().astype(float)
    cues = (cues - cues.mean(axis=0)) / np.maximum(cues.std(axis=0), 0.02)
    both = np.hstack((words * config.word_weight, cues * config.cue_weight))
    peer = LogisticRegression(C=0.5, tol=1e-8, max_iter=10_000)
    peer.fit(np.repeat(both, 3, axis=0), np.tile(range(3), 36), rows.targets.ravel() + 1e-12)
    scores = peer.decision_function(both)
    assert found == pytest.approx(scores[:, 1:] - scores[:, :1], abs=1e-3)


@pytest.mark.parametrize("bits", [9, 23, 1.5])
def test_bits_are_bounded(bits):
    with pytest.raises(UsageError, match="bits must be a whole number from 10 to 22"):
        Config(bits=bits)


SCRIPT = """
import json, sys
from test_fit import CONFIG, PROBE, SIGNS, written
from copytaster.fit import fit
model = fit(written(SIGNS[:3]), config=CONFIG, seed=3)
print(json.dumps([model.predict_proba(PROBE).tolist(), model.manifest["data"]["digest"]]))
"""


def test_every_process_fits_the_same_model():
    here = os.path.dirname(__file__)
    paths = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
    found = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": paths, "PYTHONHASHSEED": seed, "OPENBLAS_NUM_THREADS": threads},
        )
        for seed, threads in (("1", "1"), ("2", "2"))
    ]
    model = fit(written(SIGNS[:3]), config=CONFIG, seed=3)
    own = model.predict_proba(PROBE)
    for process in found:
        proba, digest = json.loads(process.communicate(timeout=60)[0])
        assert np.array(proba) == pytest.approx(own, abs=1e-4)
        assert np.array(proba).argmax(axis=1).tolist() == own.argmax(axis=1).tolist()
        assert digest == model.manifest["data"]["digest"]
