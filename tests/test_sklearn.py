"""The scikit-learn estimators: the library's own checks, its tools, and what they share with `fit`."""

from __future__ import annotations

import pickle
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.validation import check_is_fitted

from copytaster import Annotator, artifact
from copytaster.fit import Config, featuriser, fit
from copytaster.labeled import Example, label_order, read_labeled
from copytaster.model import softmax
from copytaster.sklearn import ParagraphClassifier, ParagraphFeaturizer

LABELED = Path(__file__).parents[1] / "labeled"

SKIPPED = {
    "check_sample_weight_equivalence_on_dense_data": "cues are scaled by their spread whatever the weights "
    "of texts, and n-gram weights have 8 bits: equal to about 0.02, not to 1e-7 (see test_weights)",
    "check_sample_weights_invariance": "the same check under its name up to scikit-learn 1.5",
    "check_array_api_input": "array API dispatch is off by default, and texts are no arrays of numbers",
}
"""scikit-learn's checks that are not run, and why."""


# The checks feed matrices of numbers. An estimator of texts sees them as words, one a number.


def _as_texts(X):
    return [
        " ".join(
            f"{'abcdefghij'[j % 10]}{'m' if v < 0 else 'p'}{min(abs(int(v)), 9)}" for j, v in enumerate(row)
        )
        for row in X
    ]


def _validate(estimator, X, y="no_validation", **more):
    try:
        from sklearn.utils.validation import validate_data
    except ImportError:  # up to scikit-learn 1.5
        return estimator._validate_data(X, y, **more)
    return validate_data(estimator, X, y, **more)


class _TakesNumbers:
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.string = tags.input_tags.one_d_array = False
        return tags

    def _more_tags(self):  # up to scikit-learn 1.5
        return {**super()._more_tags(), "X_types": ["2darray"]}


class NumberClassifier(_TakesNumbers, ParagraphClassifier):
    def fit(self, X, y, sample_weight=None):
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        X, y = _validate(self, X, y)
        return super().fit(_as_texts(X), y, sample_weight)

    def predict_proba(self, X):
        check_is_fitted(self)
        return super().predict_proba(_as_texts(_validate(self, X, reset=False)))


class NumberFeaturizer(_TakesNumbers, ParagraphFeaturizer):
    def fit(self, X, y=None):
        return super().fit(_as_texts(_validate(self, X)))

    def transform(self, X):
        return super().transform(_as_texts(_validate(self, X, reset=False)))


def _checks():
    found = []
    for estimator in (
        ParagraphClassifier(),
        ParagraphFeaturizer(),
        NumberClassifier(bits=12),
        NumberFeaturizer(bits=10),
        NumberFeaturizer(view="words", bits=10),
        NumberFeaturizer(view="cues"),
    ):
        if hasattr(estimator_checks, "estimator_checks_generator"):
            pairs = estimator_checks.estimator_checks_generator(estimator)
        else:
            pairs = estimator_checks.check_estimator(estimator, generate_only=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SkipTestWarning)  # estimators of texts are spared most checks
            for subject, check in pairs:
                name = check.func.__name__ if isinstance(check, partial) else check.__name__
                found.append(pytest.param(subject, check, name, id=f"{subject!r}-{name}"))
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "check", "name"), _checks())
def test_estimator_checks(estimator, check, name):
    if name in SKIPPED:
        pytest.skip(SKIPPED[name])
    check(estimator)


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    found = read_labeled([LABELED])
    articles = list(dict.fromkeys(example.article for example in found))[::16]
    return [example for example in found if example.article in set(articles)]


@pytest.fixture(scope="module")
def texts(examples):
    return [example.text for example in examples]


@pytest.fixture(scope="module")
def labels(examples):
    return np.array([example.label for example in examples])


@pytest.fixture(scope="module")
def groups(examples):
    return [example.article for example in examples]


def test_same_as_fit(examples, texts):
    order = label_order(examples)
    model = fit(examples)
    temperature = model.manifest["calibration"]["temperature"]
    ours = ParagraphClassifier().fit(texts, [order.index(example.label) for example in examples])
    assert ours.classes_.tolist() == [0, 1, 2]
    # `fit` has the rows in the order of its folds, so sums differ in their last digits.
    assert np.abs(ours.model_.words.astype(int) - model.words).max() <= 1
    expected = softmax(model.decision_function(texts) * temperature)
    np.testing.assert_allclose(ours.predict_proba(texts), expected, atol=1e-3)


def test_defaults_are_those_of_config():
    config = Config()
    parameters = ParagraphClassifier().get_params()
    assert parameters == {name: getattr(config, name) for name in parameters}
    assert {*parameters, "folds"} == set(config.__dataclass_fields__)
    assert ParagraphFeaturizer().bits == config.bits


def test_grid_search_and_clone(texts, labels, groups):
    search = GridSearchCV(
        ParagraphClassifier(bits=14, iterations=20),
        {"inverse_regularisation": [0.001, 1.0], "cue_weight": [0.15]},
        cv=GroupKFold(2),
        scoring="neg_log_loss",
    ).fit(texts, labels, groups=groups)
    assert search.best_params_["inverse_regularisation"] == 1.0
    copy = clone(search.best_estimator_)
    assert copy.get_params() == search.best_estimator_.get_params()
    with pytest.raises(NotFittedError):
        copy.predict(texts)


def test_cross_val_predict_by_group(texts, labels, groups):
    proba = cross_val_predict(
        ParagraphClassifier(bits=14), texts, labels, groups=groups, cv=GroupKFold(3), method="predict_proba"
    )
    assert proba.shape == (len(texts), 3)
    assert (np.unique(labels)[proba.argmax(axis=1)] == labels).mean() > 0.6


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibrated(texts, labels, method):
    calibrated = CalibratedClassifierCV(ParagraphClassifier(bits=14, iterations=20), method=method, cv=2)
    proba = calibrated.fit(texts, labels).predict_proba(texts[:5])
    np.testing.assert_allclose(proba.sum(axis=1), 1)


@pytest.mark.parametrize(
    "names", [["one", "two"], [0, 1], [True, False], ["ü\x1b[31m", ""], [-3, 12]], ids=repr
)
def test_any_labels(names):
    texts = ["Sign the petition now!", "The council met on Monday."] * 3
    fitted = ParagraphClassifier(bits=10).fit(texts, names * 3)
    assert set(fitted.classes_.tolist()) == set(names)
    assert fitted.predict(texts[:2]).tolist() == names


def test_thirty_labels():
    texts = [f"so{letter} {letter}{second}ing" for letter in "bcdfgh" for second in "klmnp"] * 2
    fitted = ParagraphClassifier(bits=14).fit(texts, list(range(30)) * 2)
    assert (fitted.predict(texts) == list(range(30)) * 2).mean() > 0.9


def test_weights(texts, labels):
    half = len(texts) // 2
    weights = np.r_[np.ones(half), np.zeros(len(texts) - half)]
    weighted = ParagraphClassifier(bits=14).fit(texts, labels, sample_weight=weights)
    removed = ParagraphClassifier(bits=14).fit(texts[:half], labels[:half])
    np.testing.assert_array_equal(weighted.predict_proba(texts), removed.predict_proba(texts))

    rare = np.where(labels == "opinion", 5.0, 1.0)
    heavy = ParagraphClassifier(bits=14).fit(texts, labels, rare)
    plain = ParagraphClassifier(bits=14).fit(texts, labels)
    column = plain.classes_.tolist().index("opinion")
    assert heavy.predict_proba(texts)[:, column].mean() > plain.predict_proba(texts)[:, column].mean()

    twice = ParagraphClassifier(bits=14).fit([*texts, *texts], [*labels, *labels])
    double = ParagraphClassifier(bits=14).fit(texts, labels, np.full(len(texts), 2.0))
    np.testing.assert_allclose(double.predict_proba(texts), twice.predict_proba(texts), atol=0.02)

    tiny = ParagraphClassifier(bits=14, inverse_regularisation=1e4)
    tiny.fit(texts, labels, np.full(len(texts), 1e-4))
    np.testing.assert_allclose(tiny.predict_proba(texts), plain.predict_proba(texts), atol=0.02)


def test_fitted_model_annotates_and_can_be_stored(texts, labels, tmp_path):
    fitted = ParagraphClassifier().fit(texts, labels)
    artifact.save(fitted.model_, tmp_path / "own.copytaster")
    model = artifact.load(tmp_path / "own.copytaster")
    assert model.labels == tuple(fitted.classes_)
    np.testing.assert_allclose(model.predict_proba(texts), fitted.predict_proba(texts))
    assert Annotator(model).annotate("Sign the petition today.")[0].label in model.labels
    restored = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(restored.predict(texts), fitted.predict(texts))


def test_views_agree(texts):
    words = ParagraphFeaturizer(view="words", bits=12).transform(texts)
    cues = ParagraphFeaturizer(view="cues").transform(texts)
    both = ParagraphFeaturizer(bits=12).fit_transform(texts)
    assert sp.issparse(words) and words.format == "csr" and words.shape == (len(texts), 4096)
    assert both.format == "csr" and both.dtype == words.dtype == cues.dtype == np.float32
    np.testing.assert_array_equal(both[:, :4096].toarray(), words.toarray())
    np.testing.assert_array_equal(both[:, 4096:].toarray(), cues)


def test_batch_split_does_not_matter(texts):
    texts = (texts * 4)[:1100]
    whole = ParagraphFeaturizer(bits=10).transform(texts)
    single = sp.vstack([ParagraphFeaturizer(bits=10).transform([text]) for text in texts[::50]])
    assert abs(whole[::50] - single).max() < 1e-6


def test_names_of_cues(texts):
    featurizer = ParagraphFeaturizer(view="cues")
    names = featurizer.get_feature_names_out()
    assert [name.removeprefix("form:") for name in names] == list(featuriser().cue_names)
    assert len(set(names)) == len(names) == featurizer.transform(texts[:2]).shape[1]
    shouted = featurizer.transform(["Sign now!"])[0]
    assert shouted[names.tolist().index("form:ends_exclamation")] == 1
    for view in ("both", "words"):
        assert not hasattr(ParagraphFeaturizer(view=view), "get_feature_names_out")


def test_set_output_pandas(texts):
    pd = pytest.importorskip("pandas")
    column = pd.DataFrame({"text": texts[:4]}, index=[7, 3, 5, 1])
    frame = ParagraphFeaturizer(view="cues").set_output(transform="pandas").fit_transform(column)
    assert list(frame.columns) == list(ParagraphFeaturizer(view="cues").get_feature_names_out())
    assert frame.index.tolist() == [7, 3, 5, 1]
    with pytest.raises((ValueError, AttributeError)):
        make_pipeline(ParagraphFeaturizer()).set_output(transform="pandas").fit_transform(column)


def test_set_output_polars(texts):
    pl = pytest.importorskip("polars")
    featurizer = ParagraphFeaturizer(view="cues").set_output(transform="polars")
    frame = featurizer.fit_transform(pl.Series(texts[:4]))
    assert isinstance(frame, pl.DataFrame) and frame.columns == list(featurizer.get_feature_names_out())


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_columns_of_frames(library, texts, labels):
    frames = pytest.importorskip(library)
    frame = frames.DataFrame({"text": texts, "label": labels.tolist()})
    classifier = ParagraphClassifier(bits=12, iterations=20).fit(frame["text"], frame["label"])
    expected = ParagraphClassifier(bits=12, iterations=20).fit(texts, labels).predict_proba(texts)
    np.testing.assert_array_equal(classifier.predict_proba(frame["text"]), expected)
    np.testing.assert_array_equal(classifier.predict_proba(frame[["text"]]), expected)
    scores = cross_val_score(ParagraphClassifier(bits=12), frame["text"], frame["label"], cv=2)
    assert np.isfinite(scores).all()
    with pytest.raises(ValueError, match="row 1 is not a text"):
        classifier.predict(frames.Series(["a", None, "b"]))


def test_column_transformer(texts):
    frame = pytest.importorskip("pandas").DataFrame({"text": texts, "n": range(len(texts))})
    columns = make_column_transformer((ParagraphFeaturizer(view="cues"), "text"), ("passthrough", ["n"]))
    assert columns.fit_transform(frame).shape == (len(texts), len(featuriser().cue_names) + 1)


def test_in_a_pipeline(texts, labels):
    pipeline = make_pipeline(
        FeatureUnion(
            [
                ("words", ParagraphFeaturizer(view="words", bits=14)),
                ("cues", make_pipeline(ParagraphFeaturizer(view="cues"), StandardScaler())),
            ]
        ),
        LogisticRegression(max_iter=500),
    )
    pipeline.set_params(featureunion__words__bits=12)
    assert pipeline.fit(texts, labels).score(texts, labels) > 0.9


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("one text", "sequence of texts"),
        ([], "0 sample"),
        ([1, 2], "row 0 is not a text but int"),
        (["a", None], "row 1 is not a text but NoneType"),
        ([b"a", "b"], "row 0 is not a text but bytes"),
        ([["a", "b"], ["c", "d"]], "one column of texts"),
        (np.zeros((2, 2, 2)), "one column of texts"),
        (None, "one column of texts"),
    ],
)
def test_wrong_texts(X, message):
    with pytest.raises(ValueError, match=message):
        ParagraphFeaturizer().transform(X)
    with pytest.raises(ValueError, match=message):
        ParagraphClassifier().fit(X, ["a", "b"])


def test_sparse_is_no_text():
    with pytest.raises(TypeError, match="sparse"):
        ParagraphFeaturizer().transform(sp.eye(2).tocsr())


def test_hostile_texts():
    texts = ["", " ", "\x00\x1b[31m", "\ud800", "\u202e" * 50, "a" * 200_000, "\n" * 1000, "👩\u200d🚒" * 30]
    fitted = ParagraphClassifier(bits=10).fit(texts, [0, 1] * 4)
    assert np.isfinite(fitted.predict_proba(texts)).all()


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (ParagraphFeaturizer(view="char"), "view is one of"),
        (ParagraphFeaturizer(bits=0), "bits"),
        (ParagraphFeaturizer(bits=40), "bits"),
        (ParagraphClassifier(bits=2.5), "bits"),
        (ParagraphClassifier(inverse_regularisation=0), "inverse_regularisation"),
        (ParagraphClassifier(inverse_regularisation=float("nan")), "inverse_regularisation"),
        (ParagraphClassifier(cue_weight=-1), "cue_weight"),
        (ParagraphClassifier(iterations=0), "iterations"),
    ],
    ids=repr,
)
def test_wrong_parameters(estimator, message):
    with pytest.raises(ValueError, match=message):
        estimator.fit(["a", "b"], [0, 1])


def test_wrong_labels_and_weights():
    texts = ["a", "b", "c"]
    with pytest.raises(ValueError, match="1 class"):
        ParagraphClassifier().fit(texts, [1, 1, 1])
    with pytest.raises(ValueError, match="inconsistent"):
        ParagraphClassifier().fit(texts, [1, 2])
    with pytest.raises(ValueError, match="Unknown label type"):
        ParagraphClassifier().fit(texts, [0.5, 1.5, 2.5])
    with pytest.raises(ValueError, match="Negative"):
        ParagraphClassifier().fit(texts, [0, 1, 1], [1, 1, -1])
    with pytest.raises(ValueError, match="1 class"):
        ParagraphClassifier().fit(texts, [0, 1, 1], [0, 1, 1])


@pytest.mark.parametrize("weight", ["word_weight", "cue_weight"])
def test_leaving_a_view_out(weight, texts, labels):
    fitted = ParagraphClassifier(bits=12, **{weight: 0.0}).fit(texts, labels)
    left = fitted.model_.words if weight == "word_weight" else fitted.model_.cues
    assert not left.any()
    assert fitted.score(texts, labels) > 0.6
