"""Measure an artifact on the held-out documents of the stand-off labels.

python training/real.py [-m MODEL] [--reader fast|careful|both] [--neighbours] [--corpora FOLDER]
                        [--gate FILE] [-f text|json|markdown]

Each paragraph is read alone, or with `--neighbours` in its document as far as the local copy has it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import numpy as np
import standoff

from copytaster.annotate import READERS, Annotator, load
from copytaster.gate import check_gates, read_gates
from copytaster.labeled import Example, digest, select
from copytaster.metrics import evaluate_examples, rereading
from copytaster.report import FORMATS


def in_documents(
    annotator: Annotator, copy: dict[str, standoff.Paragraph], examples: list[Example]
) -> np.ndarray:
    """Return the probabilities of paragraphs read in their documents, shape (n, K).

    Those that the document's cutting takes for headings are read alone.
    """
    verdicts = annotator.judge(standoff.documents(copy, {example.article for example in examples}))
    found = dict(zip(map(standoff.key_of, verdicts.texts), verdicts.probabilities, strict=True))
    keys = [standoff.key_of(example.text) for example in examples]
    alone = [example.text for key, example in zip(keys, examples, strict=True) if key not in found]
    rest = iter(annotator.predict_proba(alone))
    return np.array([found[key] if key in found else next(rest) for key in keys])


@click.command()
@click.option("-m", "--model", type=click.Path(path_type=Path), help="Artifact.  [default: the shipped one]")
@click.option("--reader", type=click.Choice(READERS), default="fast", show_default=True)
@click.option("--neighbours", is_flag=True, help="Read each paragraph in its document.")
@click.option("--corpora", type=click.Path(path_type=Path), default=standoff.CORPORA, show_default=True)
@click.option("--gate", type=click.Path(path_type=Path), help="TOML file of figures the model must reach.")
@click.option("-f", "--format", type=click.Choice(list(FORMATS)), default="text", show_default=True)
def main(
    model: Path | None, reader: str, neighbours: bool, corpora: Path, gate: Path | None, format: str
) -> int:
    """Measure an artifact on real text that its training left out."""
    copy = standoff.read_corpora(corpora)
    if not copy:
        click.echo(f"No texts in {corpora}: real text is not measured", err=True)
        return 0
    examples = select(standoff.join(copy).examples, "test")
    annotator = load(model, reader=reader)
    if neighbours:
        chances = in_documents(annotator, copy, examples)
    else:
        reading = annotator.read([example.text for example in examples])
        chances = reading.probabilities
    gates = read_gates(gate) if gate else None
    by = ("source", *(gates.fields if gates else ()))
    report = evaluate_examples(examples, annotator.labels, chances, by=by, errors=0)
    if reader == "both" and not neighbours:
        first = load(model).read([example.text for example in examples]).probabilities
        report["rereading"] = rereading(examples, annotator.labels, first, reading)
    report["data_digest"] = digest(examples)
    checks = check_gates(report, gates) if gates else []
    if gates:
        report["gates"] = checks
    click.echo(FORMATS[format](report), nl=False)
    return 3 if any(not check["passed"] for check in checks) else 0


if __name__ == "__main__":
    sys.exit(main(standalone_mode=False))
