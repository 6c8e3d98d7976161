"""Give newly written articles their split and put them into labeled/: add_articles.py NEW.jsonl... FOLDER

The split follows from the article's id alone (`copytaster.labeled.split_of`), so it never changes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from copytaster.labeled import read_labeled, split_of


def ordered(article: dict[str, object]) -> dict[str, object]:
    """The article with its keys in the order of the other files, and its split."""
    article = {"source": "written", **article, "split": split_of(str(article["id"]))}
    keys = ("id", "title", "source", "kind", "topic", "variety", "split", "paragraphs")
    return {key: article[key] for key in keys}


def main(*args: str) -> None:
    """Copy each file into the folder, line by line."""
    *new, folder = map(Path, args)
    for path in new:
        articles = [ordered(json.loads(line)) for line in path.read_text("utf-8").split("\n") if line]
        lines = "".join(json.dumps(article, ensure_ascii=False) + "\n" for article in articles)
        (folder / path.name).write_text(lines, "utf-8")
    read_labeled([folder])


if __name__ == "__main__":
    main(*sys.argv[1:])
