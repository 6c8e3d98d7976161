"""The featuriser and the model as scikit-learn estimators, for pipelines, searches and cross-validation.

Both take texts (a list, a NumPy array, a column of pandas or polars) and wrap the steps of `copytaster.fit`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
)

from copytaster import __version__
from copytaster.counts import FORMS
from copytaster.fit import BITS, Config, Rows, featurise, featuriser, learn, to_model
from copytaster.hidden import MOST, STEP

VIEWS = ("both", "words", "cues")


def _texts(X: Any) -> list[str]:
    """Return texts as a list, or raise ValueError."""
    if isinstance(X, (str, bytes)):
        raise ValueError("a sequence of texts is expected, not one text")
    if sp.issparse(X):
        raise TypeError("texts are expected, not a sparse matrix")
    try:
        column = np.asarray(X, dtype=object)
    except ValueError:
        raise ValueError("texts are expected, one a row") from None
    if column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.ndim != 1:
        raise ValueError(f"one column of texts is expected, not an array of shape {column.shape}")
    texts: list[str] = column.tolist()
    if not texts:
        raise ValueError("Found array with 0 sample(s), while a minimum of 1 is required")
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"row {i} is not a text but {type(text).__name__}")
    return texts


def _check_bits(bits: Any) -> int:
    if not isinstance(bits, (int, np.integer)) or bits not in BITS:
        raise ValueError(f"bits is a whole number from {BITS[0]} to {BITS[-1]}, not {bits!r}")
    return int(bits)


def _check_hidden(units: Any) -> int:
    if not isinstance(units, (int, np.integer)) or units not in range(0, MOST + 1, STEP):
        raise ValueError(f"hidden is a multiple of {STEP}, up to {MOST}, not {units!r}")
    return int(units)


class _TakesTexts:
    """Tells scikit-learn, by the interface of its version, that input is a column of texts."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.string = tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        if tags.transformer_tags is not None:
            tags.requires_fit = False
            tags.transformer_tags.preserves_dtype = []
        return tags

    def _more_tags(self) -> dict[str, Any]:  # up to scikit-learn 1.5
        stateless = {"requires_fit": False, "stateless": True, "preserves_dtype": []}
        return {"X_types": ["string", "1darray"], **(stateless if hasattr(self, "transform") else {})}


class ParagraphFeaturizer(_TakesTexts, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turn paragraphs into hashed n-grams, cues, or both.

    It learns nothing from the data, so it may be used without `fit`.

    Parameters
    ----------
    view : {"both", "words", "cues"}, default "both"
        "words" are hashed uni- and bigrams, what is quoted or opens a sentence apart, each worth one over the
        square root of the number of tokens. "cues" are densities of the lexicons that ship with the package,
        and signs of form: shares, small counts and logarithms. "both" are the words and, to their right, the
        cues.
    bits : int, default 18
        N-grams are hashed to ``2 ** bits`` columns; 10 to 22.

    Examples
    --------
    >>> cues = ParagraphFeaturizer(view="cues")
    >>> X = cues.fit_transform(["Sign the petition today!", "The council met on Monday, the clerk said."])
    >>> dict(zip(cues.get_feature_names_out(), X[0]))["form:ends_exclamation"].item()
    1.0
    >>> ParagraphFeaturizer(view="words", bits=10).transform(["Sign the petition today!"]).shape
    (1, 1024)
    """

    def __init__(self, view: str = "both", bits: int = Config.bits) -> None:
        self.view = view
        self.bits = bits

    def fit(self, X: Any, y: Any = None) -> ParagraphFeaturizer:
        """Check parameters and texts.

        Parameters
        ----------
        X : array-like of str, shape (n,)
            Paragraphs.
        y : ignored

        Returns
        -------
        ParagraphFeaturizer
            Itself.
        """
        self._check()
        _texts(X)
        return self

    def transform(self, X: Any) -> Any:
        """Featurise paragraphs.

        Parameters
        ----------
        X : array-like of str, shape (n,)
            Paragraphs.

        Returns
        -------
        csr_matrix of float32, shape (n, 2 ** bits) or (n, 2 ** bits + c)
            For the views "words" and "both".
        ndarray of float32, shape (n, c)
            For the view "cues"; what `set_output` asks for, instead.
        """
        self._check()
        features, words = featurise(_texts(X), self.bits), 1 << self.bits
        if self.view == "words":
            return features[:, :words]
        return features[:, words:].toarray() if self.view == "cues" else features

    def _check(self) -> None:
        if self.view not in VIEWS:
            raise ValueError(f"view is one of {', '.join(VIEWS)}, not {self.view!r}")
        _check_bits(self.bits)

    def _has_names(self) -> bool:
        return self.view == "cues"

    @available_if(_has_names)  # type: ignore[untyped-decorator,unused-ignore]
    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the cue columns; the other views have none.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        ndarray of str, shape (c,)
            Signs of form as ``form:name``; lexicons as ``name`` (density in the writer's own voice),
            ``name:any`` (whether it occurs there), ``name:quoted`` (density in quotations) and
            ``name:opening`` (sentences that open with it).
        """
        names = featuriser().cue_names[len(FORMS) :]
        return np.array([*(f"form:{name}" for name in FORMS), *names], dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True


class ParagraphClassifier(_TakesTexts, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """The model that ``copytaster train`` fits, for any labels.

    Its probabilities are those of the logistic regression as it is; for calibrated ones wrap it in
    scikit-learn's `CalibratedClassifierCV`, which takes the place of `copytaster.fit.Config.folds`.

    Parameters
    ----------
    bits : int, default 18
        N-grams are hashed to ``2 ** bits`` columns; 10 to 22.
    inverse_regularisation : float, default 1
        ``C`` of scikit-learn's multinomial `LogisticRegression`; above 0.
    word_weight, cue_weight : float, default 3 and 0.15
        Scale of the two views before the penalty, 0 or more; 0 leaves a view out.
    iterations : int, default 20
        Most steps of the solver.
    tolerance : float, default 5e-4
        The solver stops where a step lowers the mean loss by less; 0 or more.
    hidden : int, default 0
        Units of a hidden layer over the cues, a multiple of 16 up to 1,024; the same ones each time.

    Attributes
    ----------
    classes_ : ndarray, shape (K,)
        Labels, sorted.
    model_ : Model
        The fitted model, as `copytaster.artifact.save` and `copytaster.Annotator` take it.

    Examples
    --------
    >>> texts = ["Sign the petition today!", "Join us and donate now.", "The council met on Monday.",
    ...          "Police said the road was closed."]
    >>> classifier = ParagraphClassifier(bits=12).fit(texts, ["ask", "ask", "news", "news"])
    >>> classifier.predict(["Donate today!"]).tolist()
    ['ask']
    """

    def __init__(
        self,
        bits: int = Config.bits,
        inverse_regularisation: float = Config.inverse_regularisation,
        word_weight: float = Config.word_weight,
        cue_weight: float = Config.cue_weight,
        iterations: int = Config.iterations,
        tolerance: float = Config.tolerance,
        hidden: int = Config.hidden,
    ) -> None:
        self.bits = bits
        self.inverse_regularisation = inverse_regularisation
        self.word_weight = word_weight
        self.cue_weight = cue_weight
        self.iterations = iterations
        self.tolerance = tolerance
        self.hidden = hidden

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> ParagraphClassifier:
        """Fit the model.

        Parameters
        ----------
        X : array-like of str, shape (n,)
            Paragraphs.
        y : array-like, shape (n,)
            Their labels: at least two different ones.
        sample_weight : array-like of float, shape (n,), optional
            Weights, 0 or more; a paragraph of weight 0 is left out.

        Returns
        -------
        ClassifierMixin
            Itself.
        """
        config = self._config()
        texts = _texts(X)
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        check_consistent_length(texts, labels)
        weights = _check_sample_weight(sample_weight, np.empty((len(texts), 1)), dtype=np.float64)
        if (weights < 0).any():
            raise ValueError("Negative values in sample_weight")
        used = np.flatnonzero(weights)
        classes, gold = np.unique(labels[used], return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"at least two classes are needed, the data has {len(classes)} class")
        features = featurise([texts[i] for i in used.tolist()], config.bits)
        solution = learn([Rows(features, np.eye(len(classes))[gold] * weights[used, None])], config, 0)
        manifest = {"package": __version__, "config": self.get_params()}
        self.classes_ = classes
        self.model_ = to_model(tuple(map(str, classes.tolist())), solution, 1.0, manifest)
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probability of each label.

        Parameters
        ----------
        X : array-like of str, shape (n,)
            Paragraphs.

        Returns
        -------
        ndarray of float64, shape (n, K)
            Rows sum to 1; columns in the order of `classes_`.
        """
        check_is_fitted(self)
        return self.model_.predict_proba(_texts(X))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable label.

        Parameters
        ----------
        X : array-like of str, shape (n,)
            Paragraphs.

        Returns
        -------
        ndarray, shape (n,)
            Elements of `classes_`.
        """
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]  # type: ignore[no-any-return]

    def _config(self) -> Config:
        if not self.inverse_regularisation > 0:
            raise ValueError(f"inverse_regularisation is above 0, not {self.inverse_regularisation!r}")
        if not min(self.word_weight, self.cue_weight) >= 0:
            raise ValueError("word_weight and cue_weight are 0 or more")
        if self.iterations < 1:
            raise ValueError(f"iterations is 1 or more, not {self.iterations!r}")
        if not self.tolerance >= 0:
            raise ValueError(f"tolerance is 0 or more, not {self.tolerance!r}")
        return Config(
            bits=_check_bits(self.bits),
            inverse_regularisation=self.inverse_regularisation,
            word_weight=self.word_weight,
            cue_weight=self.cue_weight,
            iterations=self.iterations,
            tolerance=self.tolerance,
            hidden=_check_hidden(self.hidden),
        )
