"""The command line. Only this module prints and exits; the libraries behind a command are imported by it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import click

from copytaster import __version__
from copytaster.errors import CopytasterError, DataError, GateError, UsageError
from copytaster.terminal import visible

if TYPE_CHECKING:
    from copytaster.labeled import Example
    from copytaster.model import Model

MODEL = "model.copytaster"
LABELED = "labeled"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    The exit code is 0 if all went well, 1 for a fault of data or model, 2 for wrong usage, 3 for a failed gate.
    """
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    try:
        return cli.main(arguments, "copytaster", standalone_mode=False) or 0
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "copytaster"
        complain(f"{error.format_message().rstrip('.')}. Try '{where} --help'")
        return 2
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        complain(error.format_message())
        return 1
    except CopytasterError as error:
        complain(error)
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except MemoryError:
        complain("out of memory")
        return 1
    except (KeyboardInterrupt, click.Abort):
        return 130


def complain(message: object) -> None:
    """Write an error to stderr, one line for each of its lines."""
    for line in str(message).splitlines():
        click.echo(f"Error: {visible(line)}", err=True)


def say(message: str) -> None:
    """Write a remark to stderr."""
    click.echo(visible(message), err=True)


def labeled_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Take labelled files and folders."""
    return click.argument("labeled", nargs=-1, type=click.Path())(command)


def model_option(text: str) -> Callable[..., Any]:
    """Take a model."""
    return click.option("-m", "--model", metavar="MODEL", type=click.Path(), help=text)


reader_option = click.option(
    "--reader",
    type=click.Choice(["fast", "careful", "both"]),
    default="fast",
    show_default=True,
    help="Which reader of the model to use; careful and both need the extra 'careful'.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="copytaster %(version)s")
def cli() -> None:
    """Read articles and say of every paragraph whether it is reporting, opinion or a call to action."""


@cli.command()
@click.argument("inputs", nargs=-1, metavar="[INPUT]...")
@model_option("Artifact to use.  [default: the one shipped]")
@reader_option
@click.option("-f", "--format", type=click.Choice(["text", "jsonl", "csv", "html", "jsonld"]), default="text", show_default=True, help="Format of the output.")  # fmt: skip
@click.option("-o", "--output", metavar="OUT", type=click.Path(), help="File to write, whole or not at all.  [default: standard output]")  # fmt: skip
@click.option("--min-confidence", metavar="P", type=click.FloatRange(0, 1), default=0.0, help="Leave a paragraph unlabelled (unsure) below this probability.")  # fmt: skip
@click.option("--explain", is_flag=True, help="Give the evidence for each label.")
@click.option("--only", metavar="LABEL", multiple=True, help="Write only paragraphs of this label; may be repeated.")
@click.option("--encoding", metavar="NAME", help="Encoding of inputs that are not UTF-8.")
@click.option("--csv-raw", is_flag=True, help="Write CSV cells as they are, unguarded against formulas.")
def predict(inputs, model, reader, format, output, min_confidence, explain, only, encoding, csv_raw):  # type: ignore[no-untyped-def]
    """Label the paragraphs of articles.

    INPUT is a file, a folder, a glob or - for standard input: plain text, Markdown or JSONL, also gzipped.
    """
    if not inputs:
        if sys.stdin is None or sys.stdin.isatty():
            raise click.UsageError("No input", click.get_current_context())
        inputs = ("-",)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from contextlib import nullcontext

    from copytaster.inputs import read_articles
    from copytaster.output import StandardOutput, atomic
    from copytaster.predict import Settings, Work, batches, encode
    from copytaster.terminal import has_colour

    terminal = None
    if output is None and sys.stdout is not None and sys.stdout.isatty():
        import shutil

        terminal = (shutil.get_terminal_size().columns, has_colour(sys.stdout))
    settings = Settings(model, reader, format, min_confidence, explain, only, csv_raw, terminal)
    work = Work(settings)
    faults = articles = 0
    with nullcontext(StandardOutput()) if output in (None, "-") else atomic(output) as out:
        out.write(encode(work.writer.start()))
        for batch in batches(read_articles(inputs, encoding)):
            written = work(batch)
            out.write(written.data)
            articles += written.articles
            faults += len(written.faults)
            for fault in written.faults:
                complain(fault)
        out.write(encode(work.writer.end()))
    if faults:
        complain(f"{faults:,} of {articles + faults:,} articles could not be read")
    return 1 if faults else 0


@cli.command()
@labeled_argument
@click.option("-o", "--output", metavar="MODEL", type=click.Path(), default=MODEL, show_default=True, help="Artifact to write.")  # fmt: skip
@click.option("-c", "--config", metavar="CONFIG", type=click.Path(), help="TOML file of training options.")
@click.option("--seed", metavar="N", type=int, default=0, show_default=True, help="Seed of everything random.")
def train(labeled, output, config, seed):  # type: ignore[no-untyped-def]
    """Train a model on labelled paragraphs.

    LABELED are files and folders of JSONL; the default is labeled/. Paragraphs of the split "test" are left out.
    """
    from copytaster.artifact import save
    from copytaster.fit import fit
    from copytaster.labeled import select

    examples = select(_read_labeled(labeled), "train")
    if not examples:
        raise DataError("no labelled paragraph to train on")
    save(fit(examples, seed=seed), output)
    say(f"Wrote {output}, trained on {len(examples):,} paragraphs")


@cli.command()
@labeled_argument
@model_option(f"Artifact to evaluate.  [default: {MODEL} if there is one, else the one shipped]")
@reader_option
@click.option("-f", "--format", type=click.Choice(["text", "json", "markdown", "junit", "github"]), default="text", show_default=True, help="Format of the report.")  # fmt: skip
@click.option("--gate", metavar="FILE", type=click.Path(), help="TOML file of figures the model must reach.")
@click.option("--baseline", metavar="FILE|MODEL", type=click.Path(), help="Earlier JSON report, or model, to compare with.")  # fmt: skip
@click.option("--by", metavar="FIELD", multiple=True, help="Also measure by source, kind, topic, variety, length ...; may be repeated.")  # fmt: skip
def evaluate(labeled, model, reader, format, gate, baseline, by):  # type: ignore[no-untyped-def]
    """Measure a model on labelled paragraphs.

    LABELED are files and folders of JSONL; the default is labeled/. Of data with splits, "test" is measured.
    """
    from copytaster import report as reports
    from copytaster.annotate import load
    from copytaster.gate import check_gates, read_gates
    from copytaster.labeled import digest, select
    from copytaster.metrics import evaluate_examples

    gates = read_gates(gate) if gate else None
    examples = _read_labeled(labeled)
    if any(example.split for example in examples):
        examples = select(examples, "test")
    annotator = load(_model_or_default(model), reader=reader)
    fields = tuple(dict.fromkeys((*by, *(gates.fields if gates else ()))))

    def measure(annotator):  # type: ignore[no-untyped-def]
        proba = annotator.predict_proba([example.text for example in examples])
        return evaluate_examples(examples, annotator.labels, proba, fields)

    found = measure(annotator)
    found["data_digest"] = digest(examples)
    if baseline:
        from copytaster.compare import compare

        other = reports.read_report(baseline) if _is_report(baseline) else measure(load(baseline))
        found["comparison"] = compare(found, other, str(baseline))
    if gates:
        found["gates"] = check_gates(found, gates)
    click.echo(reports.FORMATS[format](found), nl=False)
    failed = [check for check in found.get("gates", []) if not check["passed"]]
    if failed:
        raise GateError("\n".join(check["message"] for check in failed))


def _read_labeled(paths: Sequence[str]) -> list[Example]:
    from copytaster.labeled import read_labeled

    if not paths and not os.path.isdir(LABELED):
        raise DataError(f"there is no folder {LABELED}/ here", "Name the labelled files")
    return read_labeled(paths or [LABELED])


def _model_or_default(model: str | None) -> str | None:
    if model is None:
        model = MODEL if os.path.exists(MODEL) else None
        say(f"Model: {model or 'the one shipped'}")
    return model


def _is_report(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(64).lstrip()[:1] == b"{"
    except OSError as fault:
        raise DataError(f"{path} cannot be read: {fault.strerror}") from None
