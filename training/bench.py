"""Measure speed and memory beside public tools: make bench

    python training/bench.py [--part PART]... [--texts FOLDER] [--megabytes N] [--repeats N]

Competitors take turns on one core, each repeat gives one ratio, and the median is printed; all are timed by
the processor time they use, which other programs disturb less than the clock. fastText is measured where it
is installed (`pip install fasttext==0.9.2` or `fasttext-wheel==0.9.2`).

The texts are the paragraphs of a folder of text (`.txt`, `.md`, `.jsonl` with a "text" a line, each also
`.gz`), without one the written articles over and over.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from importlib.metadata import distributions
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from threading import Thread
from typing import Any, BinaryIO

import click
from threadpoolctl import threadpool_limits

import copytaster
from copytaster.labeled import Example, read_labeled

LABELED = Path(__file__).resolve().parent.parent / "labeled"
PARTS = ("paragraphs", "command", "jobs", "start", "memory", "training", "growth", "load")
LONG_PARTS = ("growth", "load")
IN_ARTICLE = 12
"""Paragraphs put into one article."""
IN_SHORT_ARTICLE = 3
ARTICLES = 1_000_000
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
Timed = Callable[[], float]


def paragraphs_of(folder: Path) -> Iterator[str]:
    """Yield the paragraphs of all texts in a folder, each on one line."""
    for path in sorted(folder.rglob("*")):
        suffix = Path(path.name.removesuffix(".gz")).suffix
        if suffix not in (".txt", ".md", ".jsonl"):
            continue
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            texts = (
                (json.loads(line).get("text", "") for line in file) if suffix == ".jsonl" else [file.read()]
            )
            for text in texts:
                yield from filter(None, (" ".join(part.split()) for part in re.split(r"\n\s*\n", text)))


def gather(source: Iterator[str], size: float) -> list[str]:
    """Return the first paragraphs, `size` bytes of them in all."""
    texts, left = [], size
    for text in source:
        texts.append(text)
        left -= len(text.encode()) + 1
        if left <= 0:
            break
    return texts


def megabytes_of(texts: Sequence[str]) -> float:
    return sum(len(text.encode()) for text in texts) / 1e6


def write_articles(texts: Iterator[str], size: float, path: Path) -> list[str]:
    """Write JSONL articles of `size` bytes in all and return their paragraphs."""
    used, number = [], 0
    with path.open("w", encoding="utf-8") as file:
        while file.tell() < size and (some := list(islice(texts, IN_ARTICLE))):
            file.write(json.dumps({"id": str(number), "text": "\n\n".join(some)}, ensure_ascii=False) + "\n")
            used += some
            number += 1
    return used


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time that a call takes in this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


_LAUNCHER = """
import os, sys
silent = [(os.POSIX_SPAWN_OPEN, file, os.devnull, os.O_WRONLY, 0) for file in (1, 2)]
process = os.posix_spawn(sys.executable, [sys.executable, *sys.argv[1:]], os.environ, file_actions=silent)
_, status, usage = os.wait4(process, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""


def child(*arguments: object, stdin: Any = subprocess.DEVNULL) -> tuple[float, float]:
    """Run Python with arguments; return its processor time in seconds and its peak memory in MB.

    Linux counts the memory of the process that starts another one as the peak of that other one, so a small
    process stands between.
    """
    environment = os.environ | dict.fromkeys(_THREADS, "1")
    command = [sys.executable, "-c", _LAUNCHER, *map(str, arguments)]
    done = subprocess.run(command, stdin=stdin, capture_output=True, env=environment, check=True)
    code, seconds, peak = done.stdout.split()
    if int(code):
        raise click.ClickException(f"a run ended with code {int(code)}")
    return float(seconds), float(peak) / (1e6 if sys.platform == "darwin" else 1e3)


def resident(process: int) -> float:
    """Return the memory that a process and its children hold now, in MB; 0 where there is no /proc."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    own = int(status.partition("VmRSS:")[2].split()[0]) / 1e3 if "VmRSS:" in status else 0.0
    return own + sum(map(resident, map(int, children)))


def feed(stream: BinaryIO, articles: Sequence[Sequence[str]], digest: Any) -> None:
    """Write articles over and over, `ARTICLES` of them, each under an id of its own."""
    with suppress(BrokenPipeError), stream:
        for number, paragraphs in zip(range(ARTICLES), cycle(articles), strict=False):
            for text in paragraphs:
                digest.update(f"{number} {text}\n".encode())
            stream.write(json.dumps({"id": str(number), "paragraphs": paragraphs}).encode() + b"\n")


def take_turns(repeats: int, ours: Timed, theirs: Timed) -> tuple[float, float, float]:
    """Return the median seconds of both, and the median of their ratio (theirs by ours)."""
    pairs = [(ours(), theirs()) for _ in range(repeats)]
    return median(a for a, _ in pairs), median(b for _, b in pairs), median(b / a for a, b in pairs)


def show(what: str, figure: str, bar: str = "", note: str = "") -> None:
    click.echo(f"| {what} | {figure} | {bar} | {note} |")


def fasttext_model(examples: Sequence[Example], folder: Path) -> Any:
    """Train fastText on the labelled paragraphs; None if it is not installed."""
    try:
        import fasttext
    except ImportError:
        return None
    rows = folder / "fasttext.txt"
    rows.write_text("".join(f"__label__{e.label} {' '.join(e.text.split())}\n" for e in examples), "utf-8")
    fasttext.FastText.eprint = lambda *_: None
    return fasttext.train_supervised(str(rows), dim=10, wordNgrams=2, epoch=25, lr=0.5, thread=1, verbose=0)


def tfidf_model(examples: Sequence[Example]) -> Any:
    """Fit TF-IDF of words and pairs with logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=1000))
    return pipeline.fit([e.text for e in examples], [e.label for e in examples])


class Bench:
    """What the parts share."""

    def __init__(
        self,
        texts: Callable[[], Iterator[str]],
        megabytes: float,
        repeats: int,
        folder: Path,
        processors: set[int],
    ) -> None:
        self.texts, self.megabytes, self.repeats, self.folder = texts, megabytes, repeats, folder
        self.processors = processors
        self.examples = read_labeled([LABELED])

    def paragraphs(self) -> None:
        """Probabilities of paragraphs in memory."""
        texts = gather(self.texts(), self.megabytes * 1e6)
        size, reader = megabytes_of(texts), copytaster.load()
        show("paragraphs in memory", f"{len(texts):,} of {size:.1f} MB")
        rivals = {"scikit-learn TF-IDF(1,2) + LR": (tfidf_model(self.examples).predict_proba, 8)}
        if fast := fasttext_model(self.examples, self.folder):
            rivals = {"fastText predict": (fast.predict, 2), **rivals}
        for name, (predict, bar) in rivals.items():

            def theirs(predict: Callable[[list[str]], object] = predict) -> float:
                return seconds(lambda: predict(texts))

            a, b, ratio = take_turns(
                self.repeats, lambda: seconds(lambda: reader.predict_proba(texts)), theirs
            )
            show(f"by {name}", f"{ratio:.2f}x", f"at least {bar}x", f"{size / a:.1f} and {size / b:.1f} MB/s")

    def command(self) -> None:
        """`copytaster predict`, JSONL to JSONL, against fastText alone on the same paragraphs."""
        source = self.folder / "articles.jsonl"
        texts = write_articles(cycle(self.texts()), 2.5e6 * self.megabytes, source)
        size = source.stat().st_size / 1e6
        arguments = ("-m", "copytaster", "predict", source, "-f", "jsonl", "-o", self.folder / "out.jsonl")
        fast = fasttext_model(self.examples, self.folder)
        theirs = (lambda: seconds(lambda: fast.predict(texts))) if fast else lambda: float("nan")
        a, b, ratio = take_turns(min(self.repeats, 3), lambda: child(*arguments)[0], theirs)
        rates = f"{size / a:.1f} and {megabytes_of(texts) / b:.1f} MB/s"
        show(
            f"predict {size:.0f} MB, whole process, by fastText alone", f"{ratio:.2f}x", "at least 1x", rates
        )

    def jobs(self) -> None:
        """`copytaster predict -j 2` against `-j 1` by the clock, and on four times the articles.

        Beside it, what two processors of this machine come to that share no work: two runs at once.
        """
        for copies in (1, 4):
            source, out = self.folder / "articles.jsonl", self.folder / "out.jsonl"
            write_articles(cycle(self.texts()), copies * 2.5e6 * self.megabytes, source)
            written = set()

            def clock(jobs: int, *outputs: Path, source: Path = source, written: set[str] = written) -> float:
                command = ("-m", "copytaster", "predict", source, "-f", "jsonl", "-j", jobs, "-o")
                began = time.monotonic()
                with ThreadPoolExecutor(len(outputs)) as runs:
                    list(runs.map(lambda output: child(*command, output), outputs))
                took = time.monotonic() - began
                written.update(hashlib.sha256(output.read_bytes()).hexdigest() for output in outputs)
                return took

            pin(self.processors)
            a, b, ratio = take_turns(
                self.repeats, lambda out=out: clock(2, out), lambda out=out: clock(1, out)
            )
            other = out.with_suffix(".2")
            c, _, slower = take_turns(
                max(self.repeats // 2, 1),
                lambda out=out, other=other: clock(1, out, other),
                lambda out=out: clock(1, out),
            )
            other.unlink()
            pin({min(self.processors)})
            if len(written) > 1:
                raise click.ClickException("the output depends on the number of processes")
            size = copies * 2.5 * self.megabytes
            show(
                f"predict -j 2 by -j 1, {size:.0f} MB",
                f"{ratio:.2f}x",
                "at least 1.7x",
                f"{a:.1f} and {b:.1f} s",
            )
            show("two runs of -j 1 at once, by one after the other", f"{2 * slower:.2f}x", "", f"{c:.1f} s")

    def start(self) -> None:
        """`copytaster predict` of one short article, against the import of numpy."""
        article = self.folder / "one.txt"
        article.write_text("The council voted 7-2 to close the pool, the clerk said.\n", "utf-8")
        a, b, ratio = take_turns(
            5 * self.repeats,
            lambda: child("-m", "copytaster", "predict", article)[0],
            lambda: child("-c", "import numpy")[0],
        )
        show(
            "predict one article, by import numpy",
            f"{1 / ratio:.2f}x",
            "at most 2.5x",
            f"{a:.2f} and {b:.2f} s",
        )

    def memory(self) -> None:
        """Peak memory on a short stream, one 20 times as long, and one paragraph of 100 MB."""
        peaks = []
        for copies in (1, 20):
            path = self.folder / "stream.jsonl"
            write_articles(cycle(gather(self.texts(), 5e6)), copies * 2.5e6 * self.megabytes, path)
            with path.open("rb") as stream:
                peaks.append(child("-m", "copytaster", "predict", "-", "-f", "jsonl", stdin=stream)[1])
            path.unlink()
        show("peak memory, long stream by short", f"{peaks[1] / peaks[0]:.2f}x", "at most 1.2x")
        show("peak memory, long stream", f"{peaks[1]:.0f} MB", "under 250 MB")
        path = self.folder / "giant.txt"
        giants = {
            "one paragraph of 100 MB": "The council met again. " * 4_350_000,
            "a million paragraphs of one letter": "x\n\n" * 1_000_000,
        }
        for name, text in giants.items():
            path.write_text(text, "utf-8")
            peak = child("-m", "copytaster", "predict", path, "-f", "jsonl")[1]
            show(f"peak memory, {name}", f"{peak:.0f} MB", "under 1,500 MB")

    def training(self) -> None:
        """Fitting, against TF-IDF and logistic regression on the same rows."""
        from copytaster.fit import fit

        a, b, ratio = take_turns(
            self.repeats,
            lambda: seconds(lambda: fit(self.examples)),
            lambda: seconds(lambda: tfidf_model(self.examples)),
        )
        note = f"{a:.2f} and {b:.2f} s, {len(self.examples):,} paragraphs"
        show("training, by TF-IDF(1,2) + LR", f"{1 / ratio:.2f}x", "at most 1x", note)

    def growth(self) -> None:
        """Time and memory of fitting on more and more of the same paragraphs."""
        for rows in (10_000, 100_000, 1_000_000):
            took, peak = child(__file__, "--fit", rows)
            show(f"training on {rows:,} paragraphs", f"{took:.0f} s", "", f"{peak:,.0f} MB, under 4,000")

    def load(self) -> None:
        """A million articles through `predict -j 2`: each comes out once, in order, in flat memory."""
        texts = [" ".join(example.text.split()) for example in self.examples]
        articles = [texts[at : at + IN_SHORT_ARTICLE] for at in range(0, len(texts), IN_SHORT_ARTICLE)]
        given, got = hashlib.sha256(), hashlib.sha256()
        held: list[float] = []
        last, count, size, began = "", 0, 0, time.monotonic()
        pin(self.processors)
        command = [sys.executable, "-m", "copytaster", "predict", "-", "-f", "jsonl", "-j", "2"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            feeder = Thread(target=feed, args=(process.stdin, articles, given))
            feeder.start()
            for line in process.stdout:
                row = json.loads(line)
                got.update(f"{row['id']} {row['text']}\n".encode())
                size += len(row["text"].encode())
                if row["id"] != last:
                    last, count = row["id"], count + 1
                    if count % (ARTICLES // 1000) == 0:
                        held.append(resident(process.pid))
            feeder.join()
        took = time.monotonic() - began
        pin({min(self.processors)})
        if process.returncode or count != ARTICLES or given.digest() != got.digest():
            raise click.ClickException(f"{count:,} of {ARTICLES:,} articles, exit code {process.returncode}")
        early, whole = max(held[: len(held) // 10]), max(held)
        show(
            "articles in and out, predict -j 2",
            f"{ARTICLES:,} and {count:,}",
            "equal",
            f"SHA-256 of ids and paragraphs {got.hexdigest()[:16]}, on both sides",
        )
        show("the same, articles a second", f"{count / took:,.0f}", "", f"{took:.0f} s, {size / 1e6:,.0f} MB")
        ratio = whole / early if early else float("nan")
        note = f"{whole:.0f} MB, three processes"
        show("the same, peak memory of the whole by the first tenth", f"{ratio:.2f}x", "at most 1.2x", note)


def pin(processors: set[int]) -> None:
    """Keep this process, and those it starts, to some processors, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, processors)


def fit_repeated(rows: int) -> None:
    """Fit to the labelled paragraphs over and over, each copy of an article an article of its own."""
    from dataclasses import replace

    from copytaster.fit import fit

    examples = read_labeled([LABELED])
    copies = -(-rows // len(examples))
    more = (replace(e, article=f"{e.article} {copy}") for copy in range(copies) for e in examples)
    fit(list(islice(more, rows)))


def versions() -> str:
    names = ("copytaster", "numpy", "scikit-learn", "fasttext", "fasttext-wheel", "orjson")
    here = {dist.metadata["Name"]: dist.version for dist in distributions()}
    return ", ".join((f"Python {platform.python_version()}", *(f"{n} {here[n]}" for n in names if n in here)))


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


@click.command()
@click.option(
    "--part",
    "parts",
    type=click.Choice(PARTS),
    multiple=True,
    help="May be repeated.  [default: all but growth and load]",
)
@click.option(
    "--texts", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A folder of text."
)
@click.option(
    "--megabytes", type=float, default=20.0, show_default=True, help="Paragraphs classified in memory."
)
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True)
@click.option("--fit", "rows", type=int, hidden=True)
def main(
    parts: tuple[str, ...], texts: Path | None, megabytes: float, repeats: int, rows: int | None
) -> None:
    """Print a table of ratios."""
    processors = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}
    pin({min(processors)})
    if rows:
        fit_repeated(rows)
        return
    written = cycle([" ".join(example.text.split()) for example in read_labeled([LABELED])])
    click.echo(f"{date.today()}, {processor()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    click.echo(f"{versions()}; {f'texts of {texts.name}' if texts else 'written articles over and over'}\n")
    click.echo("| what | figure | bar | |\n| --- | --: | --- | --- |")
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        source = (lambda: paragraphs_of(texts)) if texts else (lambda: iter(written))
        bench = Bench(source, megabytes, repeats, Path(folder), processors)
        for part in parts or [part for part in PARTS if part not in LONG_PARTS]:
            getattr(bench, part)()


if __name__ == "__main__":
    main()
