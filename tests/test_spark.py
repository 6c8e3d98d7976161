"""The example of the documentation, run on Spark: skipped where there is no pyspark or no Java."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyspark")
if not shutil.which("java"):
    pytest.skip("Spark needs Java", allow_module_level=True)

ROOT = Path(__file__).resolve().parent.parent
HEAD = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
"""
FOOT = """
import copytaster, json
with open("articles.jsonl", encoding="utf-8") as lines:
    expected = copytaster.annotate_batch(map(json.loads, lines))
print(json.dumps([[list(row) for row in table.collect()], [[row[c] for c in columns] for row in expected]]))
"""


def test_the_example_says_what_is_said_without_spark(tmp_path: Path) -> None:
    text = (ROOT / "examples" / "riverside-library.txt").read_text("utf-8")
    parts = text.split("\n\n")
    articles = [{"id": str(i), "text": "\n\n".join(parts[i % 5 :])} for i in range(150)]
    lines = "".join(json.dumps(article) + "\n" for article in articles)
    (tmp_path / "articles.jsonl").write_text(lines, "utf-8")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "scale.md").read_text("utf-8"), re.DOTALL)
    (example,) = (block for block in blocks if "spark" in block)
    (tmp_path / "example.py").write_text(HEAD + example + FOOT, "utf-8")
    environment = os.environ | {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found, expected = json.loads(done.stdout)
    assert len(found) > 150 and sorted(found) == sorted(expected)
