"""Lint labelled data: what is broken, repeated, leaking, contradictory, lopsided or probably mislabelled."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from copytaster.agreement import Agreement, agreement
from copytaster.duplicates import exact_groups, fold, near_groups
from copytaster.errors import DataError
from copytaster.labeled import MIN_WORDS, Example, label_order, scan

OutOfFold = Callable[[Sequence[Example], Sequence[str]], NDArray[np.float64]]
"""Gives each example's probabilities, columns in the order of the labels, by a model that has not seen it."""

SEVERITIES = ("error", "warning", "note")
MIN_LABELS, MAX_LABELS = 2, 20
RARE = 20
"""A label with fewer paragraphs than this can neither be learnt nor measured."""
_DAMAGE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069\ufffd]|â€|Ã[\x80-\xbf]")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at.

    Attributes
    ----------
    severity : str
        One of `SEVERITIES`.
    code : str
        What sort of thing, in a word or two with a hyphen: "leakage", "suspected-label".
    file : str
        The file, "" for the data as a whole.
    line : int
        The line there, from 1; 0 for none.
    message : str
        What was found.
    suggestion : str
        What to do about it, or "".
    """

    severity: str
    code: str
    file: str
    line: int
    message: str
    suggestion: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """What a check of labelled data found.

    Attributes
    ----------
    findings : tuple of Finding
        Errors first, then warnings, then notes.
    paragraphs, articles : int
        How many could be read.
    labels : dict of str to dict of str to int
        Paragraphs by label and split; the split is "" where the data name none.
    agreement : Agreement or None
        Agreement of the annotators, None unless two labelled the same paragraph.
    """

    findings: tuple[Finding, ...]
    paragraphs: int
    articles: int
    labels: dict[str, dict[str, int]]
    agreement: Agreement | None

    def count(self, severity: str) -> int:
        """Return the number of findings of one severity."""
        return sum(finding.severity == severity for finding in self.findings)


def check(
    paths: Iterable[str | Path], labels: Sequence[str] = (), out_of_fold: OutOfFold | None = None
) -> Check:
    """Check labelled files.

    Parameters
    ----------
    paths : iterable of str or Path
        As for `copytaster.labeled.read_labeled`.
    labels : sequence of str
        The labels allowed; without any, all are.
    out_of_fold : callable, optional
        Called once with the examples and the labels in order, to find suspected label errors.

    Returns
    -------
    Check
        Everything found; the data may be used if it counts no error.
    """
    examples, faults = scan(paths, labels)
    order = label_order(examples)
    findings = [Finding("error", f.code, f.file, f.line, f.message, f.hint) for f in faults]
    findings += _labels(examples, order)
    findings += _texts(examples)
    findings += _articles(examples)
    findings += _repeats(examples)
    findings += _disagreements(examples)
    if out_of_fold and len(order) >= MIN_LABELS:
        try:
            findings += suspected_labels(examples, order, out_of_fold(examples, order))
        except DataError as error:
            findings.append(Finding("note", "suspected-label", "", 0, f"not looked for: {error}"))
    counts: dict[str, Counter[str]] = {label: Counter() for label in order}
    for e in examples:
        counts[e.label][e.split] += 1
    return Check(
        tuple(sorted(findings, key=lambda f: SEVERITIES.index(f.severity))),
        len(examples),
        len({e.article or i for i, e in enumerate(examples)}),
        {label: dict(count) for label, count in counts.items()},
        agreement(examples),
    )


def suspected_labels(
    examples: Sequence[Example], labels: Sequence[str], probabilities: ArrayLike
) -> list[Finding]:
    """Name the paragraphs whose label a model that has not seen them would not have given.

    A label is suspected where another one has a probability at least as high as it has on average where it is
    given, and the highest of those that have (the off-diagonal of the confident joint).

    Parameters
    ----------
    examples : sequence of Example
        ``n`` labelled paragraphs.
    labels : sequence of str
        The ``K`` labels, in the order of the columns.
    probabilities : array_like of float, shape (n, K)
        Out-of-fold probabilities.

    Returns
    -------
    list of Finding
        Warnings, the surest first: by the margin of the other label's probability over the given one's.

    References
    ----------
    C. Northcutt, L. Jiang, I. Chuang, "Confident learning: estimating uncertainty in dataset labels", Journal
    of Artificial Intelligence Research 70, 2021.
    """
    p = np.asarray(probabilities, float)
    given = np.array([labels.index(e.label) for e in examples], np.intp)
    rows = np.arange(len(examples))
    own = p[rows, given]
    sums = np.bincount(given, own, minlength=len(labels))
    with np.errstate(invalid="ignore"):
        threshold = sums / np.bincount(given, minlength=len(labels))
    confident = np.where(p >= threshold - 1e-6, p, -1)
    other = confident.argmax(axis=1)
    suspected = np.flatnonzero((confident.max(axis=1) >= 0) & (other != given))
    margin = p[suspected, other[suspected]] - own[suspected]
    return [
        _at(
            examples[i],
            "warning",
            "suspected-label",
            f"labelled {examples[i].label} (probability {own[i]:.2f})",
            f"{labels[other[i]]} (probability {p[i, other[i]]:.2f})?",
        )
        for i in suspected[np.argsort(-margin, kind="stable")]
    ]


def to_text(result: Check, limit: int = 10) -> str:
    """Render a check for a terminal.

    Parameters
    ----------
    result : Check
        What was found.
    limit : int
        Findings shown of each sort.

    Returns
    -------
    str
        One line a finding, then the counts; signs that could steer a terminal are replaced.
    """
    by_code: dict[str, list[Finding]] = defaultdict(list)
    for finding in result.findings:
        by_code[f"{finding.severity} {finding.code}"].append(finding)
    lines = []
    for code, findings in by_code.items():
        for f in findings[:limit]:
            place = f"{f.file}:{f.line}: " if f.line else f"{f.file}: " if f.file else ""
            lines.append(f"{place}{code}: {f.message}" + (f". {f.suggestion}" if f.suggestion else ""))
        if len(findings) > limit:
            lines.append(f"and {len(findings) - limit} more of {code}")
    lines += ["", *_table(result)]
    if result.agreement:
        lines += ["", *_agreement_lines(result.agreement)]
    tally = ", ".join(f"{result.count(s)} {s}{'s' * (result.count(s) != 1)}" for s in SEVERITIES)
    lines += ["", f"{result.paragraphs} paragraphs, {result.articles} articles: {tally}"]
    return (
        "\n".join("".join(c if c.isprintable() else "\ufffd" for c in line) for line in lines).lstrip() + "\n"
    )


def to_json(result: Check) -> str:
    """Render a check as one JSON object; a figure that is undefined is null."""
    return json.dumps(_finite(asdict(result)), indent=2) + "\n"


def _labels(examples: Sequence[Example], order: Sequence[str]) -> Iterator[Finding]:
    if not MIN_LABELS <= len(order) <= MAX_LABELS:
        message = f"{len(order)} labels in use, {MIN_LABELS} to {MAX_LABELS} can be learnt"
        yield Finding("error", "label-count", "", 0, message)
    counts = Counter(e.label for e in examples)
    first = {e.label: e for e in reversed(examples)}
    for label in order:
        common = [other for other in order if counts[other] >= 10 * counts[label]]
        close = difflib.get_close_matches(label, common, 1, 0.7)
        if close:
            message = f"label {label!r} is used {counts[label]} times"
            yield _at(first[label], "warning", "label-typo", message, f"Is {close[0]!r} meant?")
        elif counts[label] < RARE:
            message = f"label {label!r} has {counts[label]} paragraphs"
            yield Finding("warning", "rare-label", "", 0, message, f"Label at least {RARE}.")
    splits = sorted({e.split for e in examples} - {""})
    used = {(e.split, e.label) for e in examples}
    for split in splits:
        for label in order:
            if (split, label) not in used:
                message = f"label {label!r} does not occur in split {split!r}"
                yield Finding("warning", "missing-label", "", 0, message)


def _texts(examples: Sequence[Example]) -> Iterator[Finding]:
    for e in examples:
        damage = _DAMAGE.search(e.text)
        if damage:
            message = f"damaged or hidden character {damage.group()!a}"
            yield _at(e, "warning", "odd-character", message, "Look at the source of the text.")
        elif not any(map(str.isalnum, e.text)):
            yield _at(e, "warning", "no-words", "no letter or digit", "Give it the label null.")


def _articles(examples: Sequence[Example]) -> Iterator[Finding]:
    articles: dict[str, list[Example]] = defaultdict(list)
    for e in examples:
        if e.article:
            articles[e.article].append(e)
    for article, members in articles.items():
        splits = sorted({e.split or "train" for e in members})
        if len(splits) > 1:
            message = f"article {article!r} is in splits {' and '.join(splits)}"
            yield _at(members[0], "error", "split-article", message, "Put it into one.")
        if len(members) > 1 and len({e.label for e in members}) == 1:
            message = f"article {article!r} has {len(members)} paragraphs, all {members[0].label}"
            yield Finding("note", "one-label-article", members[0].file, members[0].line, message)


def _repeats(examples: Sequence[Example]) -> Iterator[Finding]:
    """Repeated texts: leakage where they cross splits, conflicts where their labels differ."""
    annotator: dict[tuple[str, str], str] = {}
    once = [e for e in examples if annotator.setdefault((e.article, e.text), e.annotator) == e.annotator]
    texts = [e.text for e in once]
    exact, near = exact_groups(texts), near_groups(texts)
    train: dict[int, int] = {}
    for i, leader in enumerate(near.tolist()):
        if once[i].split != "test":
            train.setdefault(leader, i)
    for i in np.flatnonzero(np.bincount(near, minlength=len(once))[near] > 1).tolist():
        e, leader = once[i], int(near[i])
        first = int(exact[i]) if exact[i] != i else leader
        long = len(fold(e.text).split()) >= MIN_WORDS
        if e.split == "test" and leader in train and long:
            twin = once[train[leader]]
            nearly = "" if exact[i] == exact[train[leader]] else "nearly "
            message = f"{nearly}the same text is in the training split at {_place(twin)}"
            yield _at(e, "error", "leakage", message, "Drop one, or put both articles into one split.")
        if first == i:
            continue
        same = exact[i] == exact[first]
        where = f"{'the same' if same else 'nearly the same'} text as at {_place(once[first])}"
        if e.label != once[first].label:
            severity = "error" if same and long else "warning"
            message = f"{where}, labelled {once[first].label} there and {e.label} here"
            yield _at(e, severity, "conflict", message, "Decide on one label.")
        else:
            yield _at(e, "warning", "duplicate" if same else "near-duplicate", where)


def _disagreements(examples: Sequence[Example]) -> Iterator[Finding]:
    units: dict[tuple[str, str], list[Example]] = defaultdict(list)
    for e in examples:
        units[e.article, e.text].append(e)
    for members in units.values():
        if len({e.annotator for e in members}) > 1 and len({e.label for e in members}) > 1:
            votes = ", ".join(f"{e.annotator or 'unnamed'}: {e.label}" for e in members)
            yield _at(members[0], "warning", "disagreement", votes)


def _at(e: Example, severity: str, code: str, message: str, suggestion: str = "") -> Finding:
    words = " ".join(e.text[:200].split())
    excerpt = words if len(words) <= 60 else words[:59] + "…"
    return Finding(
        severity, code, e.file, e.line, f"paragraph {e.index + 1}, “{excerpt}”: {message}", suggestion
    )


def _place(e: Example) -> str:
    return f"{e.file}:{e.line}, paragraph {e.index + 1}"


def _table(result: Check) -> Iterator[str]:
    splits = sorted({split for counts in result.labels.values() for split in counts})
    width = max(map(len, result.labels), default=0)
    for label, counts in result.labels.items():
        share = sum(counts.values()) / result.paragraphs
        parts = "".join(f"  {split} {counts.get(split, 0)}".rstrip() for split in splits if split)
        yield f"{label:{width}} {sum(counts.values()):7} {share:6.1%}{parts}"


def _agreement_lines(measured: Agreement) -> Iterator[str]:
    yield f"Krippendorff's alpha {measured.alpha:.3f} on {measured.n} paragraphs"
    for pair in measured.pairs:
        names = " and ".join(name or "unnamed" for name in pair.annotators)
        yield f"{names}: Cohen's kappa {pair.kappa:.3f}, {pair.observed:.1%} the same of {pair.n}"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
