"""Bring what the documentation shows up to date, or say where it is not.

    python training/docs.py [--write]

In a block marked ``console`` every line that starts with ``$ `` is a command, run by bash where the
repository's files are, and below it stands what it prints to standard output. Between ``<!-- begin NAME -->``
and ``<!-- end NAME -->`` stands what `TABLES` makes.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import datasheet

from copytaster import artifact

ROOT = datasheet.ROOT
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "labeled/*.md", "training/*.md", "docs/*.md")
HERE = ("examples", "labeled", "training")
"""What commands find in the folder they run in."""
SCORES = "| label | precision | recall | F1 | paragraphs |"
_CONSOLE = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.M | re.S)
_TABLE = re.compile(r"(?<=<!-- begin )([a-z-]+) -->\n.*?(?=<!-- end \1 -->)", re.S)


def pages() -> list[Path]:
    """Return the pages of the documentation."""
    return [path for pattern in PAGES for path in sorted(ROOT.glob(pattern))]


def run(command: str, folder: Path) -> str:
    """Return what a command prints to standard output, as if typed at the root of the repository."""
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    surroundings = {**os.environ, "PATH": path, "COLUMNS": "100", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=surroundings,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    if not done.stdout and done.returncode:
        raise click.ClickException(f"{command}: {done.stderr}")
    return done.stdout


def fill_console(block: str, folder: Path) -> str:
    """Return a console block with every command followed by its output."""
    commands = [line for line in block.split("\n") if line.startswith("$ ")]
    return "".join(f"{line}\n{run(line[2:], folder)}" for line in commands)


def fill(text: str) -> str:
    """Return a page with all that is generated brought up to date."""
    with tempfile.TemporaryDirectory() as folder:
        for name in HERE:
            (Path(folder) / name).symlink_to(ROOT / name)
        text = _CONSOLE.sub(lambda match: fill_console(match[0], Path(folder)), text)
    return _TABLE.sub(fill_table, text)


def fill_table(match: re.Match[str]) -> str:
    """Return a table brought up to date, or as it was where it cannot be made here."""
    made = TABLES[match[1]]().strip()
    return f"{match[1]} -->\n{made}\n" if made else match[0]


def scores(command: str) -> str:
    """Return the table of scores of a report, or nothing if there is none."""
    lines = run(f"{command} -f markdown", ROOT).split("\n")
    if SCORES not in lines:
        return ""
    start = lines.index(SCORES)
    return "\n".join(line for line in lines[start : lines.index("", start + 5)] if line)


def figures() -> str:
    """Return the scores of the shipped model on the held-out written articles."""
    return scores(f"copytaster evaluate --model {artifact.DEFAULT}")


def real_figures() -> str:
    """Return the same on the held-out real documents; nothing where their texts are not at hand."""
    return scores("python training/real.py")


def model_card() -> str:
    """Return what the manifest of the shipped model says of its training."""
    manifest = artifact.load().manifest
    data, blind = manifest["data"], manifest["out_of_fold"]
    versions = ", ".join(f"{name} {version}" for name, version in manifest.get("versions", {}).items())
    soft = data.get("soft")
    rows = [
        ["trained on", f"{data['paragraphs']:,} labelled paragraphs of {data['articles']:,} articles"],
        ["sources", ", ".join(f"{name} {size:,}" for name, size in data["sources"].items())],
        ["labels", ", ".join(f"{name} {size:,}" for name, size in data["labels"].items())],
        [
            "soft targets",
            f"{soft['texts']:,} texts, from the {soft['source']}" if soft else "none",
        ],
        ["data digest", f"`{data['digest']}`"],
        ["calibration", f"{manifest['calibration']['method']}; {manifest['calibration']['temperature']:.3f}"],
        ["macro F1, out of fold", f"{blind['macro_f1']:.3f} on {blind['n']:,} paragraphs"],
        ["settings", f"`{json.dumps(manifest['config'])}`"],
        ["seed", str(manifest["seed"])],
        ["made with", versions],
        ["file", f"{artifact.DEFAULT.stat().st_size / 1e6:.2f} MB, format version {artifact.VERSION}"],
    ]
    lines = ["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows if value)]
    return "\n".join(lines)


TABLES = {
    "figures": figures,
    "real-figures": real_figures,
    "model-card": model_card,
    "written": datasheet.written,
    "standoff": datasheet.standoff,
}


@click.command()
@click.option("--write", is_flag=True, help="Rewrite the pages.")
def main(write: bool) -> int:
    """Check the documentation, or bring it up to date."""
    stale = 0
    for page in pages():
        old = page.read_text("utf-8")
        new = fill(old)
        if new != old:
            stale += 1
            click.echo(f"{page.relative_to(ROOT)}: {'rewritten' if write else 'out of date; run make docs'}")
            if write:
                page.write_text(new, "utf-8")
    return 1 if stale and not write else 0


if __name__ == "__main__":
    sys.exit(main(standalone_mode=False))
