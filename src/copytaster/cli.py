"""The command line. Only this module prints and exits; what a command needs is imported when it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

import click

from copytaster import __version__
from copytaster.errors import CopytasterError, DataError, GateError, UsageError, reason
from copytaster.signals import Interrupted, interruptible
from copytaster.terminal import Meter, visible

if TYPE_CHECKING:
    from copytaster.article import Article
    from copytaster.labeled import Example
    from copytaster.metrics import Report

MODEL = "model.copytaster"
LABELED = "labeled"
FAULT, USAGE = 1, 2


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    The exit code is 0 if all went well, 1 for a fault of data or model, 2 for wrong usage, 3 for a failed
    gate, and 128 and the signal's number after an interruption.
    """
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; `main` exits with it."""
    try:
        with interruptible():
            return cli.main(arguments, "copytaster", standalone_mode=False) or 0
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "copytaster"
        message = error.format_message()
        stop = "" if message.endswith(("?", ".")) else "."
        complain(f"{message}{stop} Try '{where} --help'")
        return USAGE
    except click.ClickException as error:
        complain(error.format_message())
        return FAULT
    except CopytasterError as error:
        complain(error)
        return error.exit_code
    except OSError as fault:
        if fault.filename is not None:
            raise
        complain(f"standard output cannot be written: {reason(fault)}")  # help, or the version
        return FAULT
    except MemoryError:
        complain("out of memory. With a lower --max-bytes, predict passes over long articles")
        return FAULT
    except Interrupted as stop:
        return stop.exit_code


def put(text: str | bytes) -> None:
    """Write to standard output, in UTF-8 whatever the locale."""
    from copytaster.output import standard_output

    standard_output().write(text if isinstance(text, bytes) else text.encode("utf-8", "backslashreplace"))


def say(message: str) -> None:
    """Write one line to standard error."""
    with suppress(OSError):
        click.echo(visible(message), err=True)


def complain(message: object) -> None:
    """Write an error to standard error; of several lines, each is an error."""
    for line in str(message).split("\n"):
        say(f"Error: {line}")


_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _choice(*names: str) -> _Decorator:
    return click.option(
        "-f",
        "--format",
        type=click.Choice(names),
        default=names[0],
        show_default=True,
        help="Format of the output.",
    )


def _model(default: str) -> _Decorator:
    return click.option(
        "-m", "--model", metavar="MODEL", type=click.Path(), help=f"Artifact to use.  [default: {default}]"
    )


def _output(text: str, **more: Any) -> _Decorator:
    return click.option("-o", "--output", type=click.Path(), help=text, **more)


def _number(*names: str, default: int, least: int, text: str) -> _Decorator:
    return click.option(
        *names, metavar="N", type=click.IntRange(least), default=default, show_default=True, help=text
    )


_inputs = click.argument("inputs", nargs=-1, metavar="[INPUT]...", type=click.Path(allow_dash=True))
_labeled = click.argument("labeled", nargs=-1, metavar="[LABELED]...", type=click.Path())
_encoding = click.option("--encoding", metavar="NAME", help="Encoding of inputs that are not UTF-8.")
_reader = click.option(
    "--reader",
    type=click.Choice(["fast", "careful", "both"]),
    default="fast",
    show_default=True,
    help="Which reader to use; careful, and both in turn, need the extra 'careful'.",
)
_reread_below = click.option(
    "--reread-below",
    metavar="P",
    type=click.FloatRange(0, 1),
    help="With --reader both, read again below this probability.  [default: the model's]",
)
_DEFAULT = f"{MODEL} if there is one here, else the one shipped"


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="copytaster %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Read articles and say of every paragraph whether it is reporting, opinion or a call to action."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(USAGE)


@cli.command()
@_inputs
@_model("the one shipped")
@_reader
@_reread_below
@_choice("text", "jsonl", "csv", "html", "jsonld")
@_output("File to write, whole or not at all.  [default: standard output]", metavar="OUT")
@click.option(
    "--min-confidence",
    metavar="P",
    type=click.FloatRange(0, 1),
    default=0.0,
    help="Call a paragraph unsure below this probability.",
)
@click.option("--explain", is_flag=True, help="Give the evidence for each label.")
@click.option(
    "--only", metavar="LABEL", multiple=True, help="Write only paragraphs of this label. May be repeated."
)
@_number("-j", "--jobs", default=1, text="Worker processes; 0 for one a processor.", least=0)
@click.option("--resume", is_flag=True, help="Complete what an interrupted run has left of OUT.")
@click.option(
    "--backend",
    type=click.Choice(["local", "dask"]),
    default="local",
    show_default=True,
    help="Where the work is done; dask needs the extra 'dask'.",
)
@click.option("--scheduler", metavar="ADDR", help="Address of the Dask scheduler.")
@click.option(
    "--save-text",
    metavar="FOLDER",
    type=click.Path(file_okay=False),
    help="Write the text of each article, which the offsets refer to, to FOLDER.",
)
@_encoding
@_number("--max-bytes", default=256 << 20, text="Longest article, decompressed.", least=1)
@click.option("--csv-raw", is_flag=True, help="CSV as it is: no byte order mark, no guard against formulas.")
def predict(
    inputs: tuple[str, ...],
    model: str | None,
    reader: str,
    reread_below: float | None,
    format: str,
    output: str | None,
    min_confidence: float,
    explain: bool,
    only: tuple[str, ...],
    jobs: int,
    resume: bool,
    backend: str,
    scheduler: str | None,
    save_text: str | None,
    encoding: str | None,
    max_bytes: int,
    csv_raw: bool,
) -> int:
    """Label the paragraphs of articles.

    INPUT is a file, a folder, a glob or - for standard input: plain text, Markdown, JSONL with one article
    a line, or, with the extra 'html', a web page, each also gzipped. Without any, standard input is read.
    """
    inputs = inputs or _standard_input()
    if output == "-":
        output = None
    if resume and output is None:
        raise UsageError("--resume needs -o OUT")
    if (backend == "dask") != (scheduler is not None):
        raise UsageError("--backend dask and --scheduler ADDR belong together")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # set before numpy is loaded: idle threads cost time
    from copytaster.inputs import check_encoding
    from copytaster.output import standard_output, unwritable
    from copytaster.predict import Settings, run_all, start_worker
    from copytaster.raw import read_raw
    from copytaster.resume import START, Direct, Partial, is_complete, open_output, skip
    from copytaster.writers import encode

    check_encoding(encoding)
    if resume and output and is_complete(output):
        say(f"{output} is complete; to write it anew, leave out --resume")
        return 0
    if save_text:
        try:
            os.makedirs(save_text, exist_ok=True)
        except OSError as error:
            raise unwritable(save_text, error) from None
    work = start_worker(
        Settings(
            model=model,
            reader=reader,
            reread_below=reread_below,
            format=format,
            min_confidence=min_confidence,
            explain=explain,
            only=only,
            raw=csv_raw,
            terminal=None if output else _terminal(),
            encoding=encoding,
            save_text=save_text,
        )
    )
    if not work.writer.independent:
        if resume:
            raise UsageError(f"--resume cannot go on with the format {format}", "It begins anew without")
        jobs = 1
    target = open_output(output, work.digest, resume, work.writer.independent) if output else None
    with (
        target or Direct(standard_output(screened=format != "text")) as sink,
        _meter(inputs, output) as meter,
    ):
        raws = read_raw(inputs, max_bytes)
        if sink.position != START:
            raws = skip(raws, sink.position)
            meter.start(sink.position.size)
            say(f"Going on after {_articles(sink.articles + sink.faults)}")
        else:
            sink.write(encode(work.writer.start()), sink.position)
        results = run_all(work, raws, sink.position, jobs or _processors(), scheduler, _warn_of_loss)
        try:
            for position, written in results:
                sink.write(written.data, position, written.articles, len(written.faults))
                if written.faults:
                    meter.clear()
                for fault in written.faults:
                    complain(fault)
                meter.show(sink.articles + sink.faults, position.size)
        except (Interrupted, CopytasterError, MemoryError):
            meter.clear()
            if isinstance(sink, Partial) and sink.resumable:
                say(f"{output} is not complete; to go on, repeat the command with --resume")
            raise
        sink.write(encode(work.writer.end()), sink.position)
    if output:
        say(f"Wrote {output}: {_articles(sink.articles)}")
    if sink.faults:
        complain(f"{sink.faults:,} of {_articles(sink.articles + sink.faults)} could not be read")
    return FAULT if sink.faults else 0


def _articles(count: int) -> str:
    return f"{count:,} article{'s' * (count != 1)}"


def _standard_input() -> tuple[str]:
    if sys.stdin is None or sys.stdin.isatty():
        raise click.UsageError("No input: name a file, or pipe one in", click.get_current_context())
    return ("-",)


def _terminal() -> tuple[int, bool] | None:
    """Return width and colour of the terminal that standard output is, if it is one."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    import shutil

    from copytaster.terminal import has_colour

    return shutil.get_terminal_size().columns, has_colour(sys.stdout)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _warn_of_loss(process: int, code: int) -> None:
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    say(f"Warning: worker process {process} {how}; its articles are read again")


@contextmanager
def _meter(inputs: Sequence[str], output: str | None) -> Iterator[Meter]:
    """Show progress on standard error where it is a terminal that the output does not go to."""
    silent = sys.stderr is None or (output is None and sys.stdout is not None and sys.stdout.isatty())
    plain = all(os.path.isfile(path) and not path.endswith(".gz") for path in inputs)
    meter = Meter(None if silent else sys.stderr, sum(map(os.path.getsize, inputs)) if plain else 0)
    try:
        yield meter
    finally:
        meter.clear()


@cli.command()
@_labeled
@_output("Artifact to write.", metavar="MODEL", default=MODEL, show_default=True)
@click.option("-c", "--config", metavar="CONFIG", type=click.Path(), help="TOML file of training options.")
@_number("--seed", default=0, text="Seed of all that is random.", least=0)
def train(labeled: tuple[str, ...], output: str, config: str | None, seed: int) -> None:
    """Train a model on labelled paragraphs.

    LABELED are files and folders of JSONL; the default is labeled/. The split "test" is left out.
    """
    from copytaster.labeled import select

    examples = select(_read_labeled(labeled), "train")
    if not examples:
        raise DataError("no labelled paragraph to train on", 'All are of the split "test"')
    options = None
    if config:
        from copytaster.config import read_config

        options = read_config(config)
    from copytaster.artifact import save
    from copytaster.fit import fit
    from copytaster.output import reserved

    with reserved(output):
        model = fit(examples, seed=seed, config=options)
        save(model, output)
    articles = len({example.article or i for i, example in enumerate(examples)})
    say(f"Wrote {output}, trained on {len(examples):,} paragraphs of {articles:,} articles")


@cli.command()
@_labeled
@_model(_DEFAULT)
@_reader
@_reread_below
@_choice("text", "json", "markdown", "junit", "github", "svg")
@click.option("--gate", metavar="FILE", type=click.Path(), help="TOML file of figures the model must reach.")
@click.option("--update-gates", is_flag=True, help="Raise the figures in FILE to what is measured.")
@click.option("--allow-lower", is_flag=True, help="With --update-gates, lower them too.")
@_number("--errors", default=10, text="Show the N most confident mistakes.", least=0)
@click.option(
    "--baseline",
    metavar="FILE|MODEL",
    type=click.Path(),
    help="Earlier JSON report, or model, to compare with.",
)
@click.option(
    "--by",
    metavar="FIELD",
    multiple=True,
    help="Measure by source, kind, topic, variety, length ... as well. May be repeated.",
)
@click.option(
    "--split",
    type=click.Choice(["train", "test", "all"]),
    help="Which paragraphs.  [default: test, of data without splits all]",
)
def evaluate(
    labeled: tuple[str, ...],
    model: str | None,
    reader: str,
    reread_below: float | None,
    format: str,
    gate: str | None,
    update_gates: bool,
    allow_lower: bool,
    baseline: str | None,
    errors: int,
    by: tuple[str, ...],
    split: str | None,
) -> int:
    """Measure a model on labelled paragraphs.

    LABELED are files and folders of JSONL; the default is labeled/. A failed gate exits with 3.
    """
    if update_gates and not gate:
        raise UsageError("--update-gates needs --gate FILE")
    from copytaster import figure, report
    from copytaster.annotate import load
    from copytaster.gate import check_gates, read_gates
    from copytaster.gate import update_gates as pin
    from copytaster.labeled import digest, select
    from copytaster.metrics import evaluate_examples, rereading

    gates = read_gates(gate) if gate else None
    examples = _read_labeled(labeled)
    split = split or ("test" if any(example.split for example in examples) else "all")
    if split != "all":
        examples = select(examples, split)
        if not examples:
            raise DataError(f"no labelled paragraph of the split {split!r}", "Name another one: --split all")
    examples.sort(key=lambda example: (example.file, example.article, example.index))
    fields = tuple(dict.fromkeys((*by, *(gates.fields if gates else ()))))

    def measure(model: str | None) -> Report:
        annotator = load(model, reader=reader, reread_below=reread_below)
        articles = [example.article or i for i, example in enumerate(examples)]
        texts = [example.text for example in examples]
        reading = annotator.read(texts, articles)
        result = evaluate_examples(examples, annotator.labels, reading.probabilities, fields, errors)
        if reader == "both":
            first = load(model).read(texts, articles).probabilities
            result["rereading"] = rereading(examples, annotator.labels, first, reading)
        return result

    model = _own_or_shipped(model)
    found = measure(model)
    found["model"] = model or "the one shipped"
    found["data_digest"] = digest(examples)
    if baseline:
        from copytaster.compare import compare

        other = report.read_report(baseline) if _is_json(baseline) else measure(baseline)
        found["comparison"] = compare(found, other, baseline)
    if gates:
        found["gates"] = check_gates(found, gates)
    put(figure.to_svg(found) if format == "svg" else report.FORMATS[format](found))
    if gate and update_gates:
        for change in pin(gate, found, allow_lower):
            say(change)
        return 0
    failed = [check["message"] for check in found.get("gates", []) if not check["passed"]]
    if failed:
        raise GateError("\n".join(failed))
    return 0


@cli.command()
@_labeled
@_choice("text", "json")
@click.option(
    "--suspects", is_flag=True, help="Also look for wrong labels, by models that have not seen them (slow)."
)
@_number("--limit", default=10, text="Findings of a sort to show as text.", least=1)
def check(labeled: tuple[str, ...], format: str, suspects: bool, limit: int) -> int:
    """Look for faults in labelled data: schema, duplicates, leakage, conflicts, agreement.

    LABELED are files and folders of JSONL; the default is labeled/. An error in them exits with 1.
    """
    from copytaster import check as checking

    blind: checking.OutOfFold | None = None
    if suspects:
        from copytaster.fit import out_of_fold

        blind = out_of_fold
    result = checking.check(labeled or _default_labeled(), out_of_fold=blind)
    put(checking.to_json(result) if format == "json" else checking.to_text(result, limit))
    return FAULT if result.count("error") else 0


@cli.command()
@_inputs
@_number("-n", "number", default=50, text="How many paragraphs.", least=1)
@_model(_DEFAULT)
@_reader
@_reread_below
@_choice("copytaster", "doccano", "label-studio", "prodigy", "csv")
@_output("File to write.  [default: standard output]", metavar="OUT")
@_number("--per-article", default=3, text="The most of one article.", least=1)
@_encoding
def suggest(
    inputs: tuple[str, ...],
    number: int,
    model: str | None,
    reader: str,
    reread_below: float | None,
    format: str,
    output: str | None,
    per_article: int,
    encoding: str | None,
) -> int:
    """Choose the paragraphs most worth labelling next.

    INPUT is what predict takes. The output is ready for a labelling tool.
    """
    inputs = inputs or _standard_input()
    from copytaster import suggest as suggesting
    from copytaster.annotate import load
    from copytaster.inputs import read_articles
    from copytaster.output import atomic

    annotator = load(_own_or_shipped(model), reader=reader, reread_below=reread_below)
    faults = 0

    def articles() -> Iterator[Article]:
        nonlocal faults
        for item in read_articles(inputs, encoding):
            if isinstance(item, DataError):
                faults += 1
                complain(item)
            else:
                yield item

    pool = [
        suggesting.Suggestion(a.text, a.article, a.paragraph, tuple(a.probabilities.values()))
        for _, annotations in annotator.annotate_articles(articles())
        for a in annotations
        if a.probabilities
    ]
    if not pool:
        raise DataError("no paragraph to choose from")
    chosen = suggesting.select(
        [s.text for s in pool],
        [s.probabilities for s in pool],
        [s.article for s in pool],
        number,
        per_article,
    )
    content = suggesting.render([pool[i] for i in chosen.tolist()], annotator.labels, format)
    if output in (None, "-"):
        put(content)
    else:
        with atomic(output) as stream:
            stream.write(content.encode("utf-8", "backslashreplace"))
    return FAULT if faults else 0


@cli.command()
@click.argument("model", required=False, metavar="[MODEL]", type=click.Path())
@_choice("text", "json")
@_number("-n", "number", default=10, text="Cues and n-grams to show of each label.", least=0)
def inspect(model: str | None, format: str, number: int) -> None:
    """Show what a model is: its manifest, its figures, its strongest cues.

    MODEL is an artifact; without, the one in this folder, else the one shipped.
    """
    from copytaster.artifact import load
    from copytaster.overview import to_json, to_text

    loaded = load(_own_or_shipped(model))
    put(to_json(loaded, number) if format == "json" else to_text(loaded, number))


@cli.command()
@click.argument("source", metavar="IN", type=click.Path())
@click.argument("target", metavar="OUT", type=click.Path())
@click.option(
    "--from",
    "source_format",
    metavar="FORMAT",
    default="",
    help="Format of IN.  [default: by its suffix and content]",
)
@click.option(
    "--to", "target_format", metavar="FORMAT", default="", help="Format of OUT.  [default: by its suffix]"
)
def convert(source: str, target: str, source_format: str, target_format: str) -> None:
    """Convert labelled data from and to the formats of other tools.

    FORMAT is copytaster, doccano, label-studio, prodigy, fasttext or csv.
    """
    from copytaster import convert as converting

    for note in converting.convert(source, target, source_format, target_format):
        say(note)
    say(f"Wrote {target}")


def _default_labeled() -> list[str]:
    if not os.path.isdir(LABELED):
        raise DataError(f"there is no folder {LABELED}/ here", "Name the labelled files")
    return [LABELED]


def _read_labeled(paths: Sequence[str]) -> list[Example]:
    from copytaster.labeled import read_labeled

    return read_labeled(paths or _default_labeled())


def _own_or_shipped(model: str | None) -> str | None:
    """Choose the model of commands that measure or look into one, and say which where none is named."""
    if model is None:
        model = MODEL if os.path.exists(MODEL) else None
        say(f"Model: {model or 'the one shipped'}")
    return model


def _is_json(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(64).lstrip()[:1] == b"{"
    except OSError as fault:
        raise DataError(f"{path} cannot be read: {fault.strerror}") from None
