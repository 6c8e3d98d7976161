"""The HTML report in a real browser; ``make browser`` installs what this needs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or ""
HOSTILE = "</style></p><script>alert(1)</script><img src=x onerror=alert(2)> \u202e \x1b[31m"
HEBREW = "\u05de\u05e2\u05d1\u05e8 \u05e1\u05d2\u05e8."
ARTICLES = (
    {
        "id": "ferry",
        "title": "The ferry that nobody wanted to lose",
        "text": """By Ada Holm

The county council voted 7-2 on Monday to end the night ferry, the clerk said.

It is a shameful decision, and those who took it should be ashamed of themselves.

What you can do

- Sign the petition at ferry.example before 3 May.
- Call the county at 555 0100 and ask for the minutes.

Share via:

zxq wvut kjhg bnmq plok ijuh ygtf rdes waq zsxd""",
    },
    {
        "id": HOSTILE,
        "text": f"# {HOSTILE}\n\nThe mayor said on Friday that {HOSTILE} was closed.\n\n{HEBREW}",
    },
    {"id": "w" * 300, "text": "The mayor said on Friday that " + "w" * 300 + " was closed."},
)


def missing() -> str:
    if not CHROMIUM:
        return "no chromium: run `make browser`"
    if not shutil.which("node"):
        return "no node"
    return "" if (HERE / "node_modules").is_dir() else "no playwright-core and axe-core: run `make browser`"


if missing() and os.environ.get("BROWSER_TESTS") != "required":
    pytest.skip(missing(), allow_module_level=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    for name, articles in (("one", ARTICLES[:1]), ("many", ARTICLES)):
        lines = "".join(json.dumps(article) + "\n" for article in articles)
        (folder / f"{name}.jsonl").write_text(lines, "utf-8")
        command = [sys.executable, "-m", "copytaster", "predict", str(folder / f"{name}.jsonl"), "--explain"]
        options = ["--min-confidence", "0.5", "-f", "html", "-o", str(folder / f"{name}.html")]
        subprocess.run([*command, *options], check=True)
    return folder


def visit(folder: Path, *pages: str) -> list[dict[str, Any]]:
    screenshots = HERE / os.environ["SCREENSHOTS"] if "SCREENSHOTS" in os.environ else folder
    command = ["node", "visit.mjs", CHROMIUM, str(screenshots), *(str(folder / page) for page in pages)]
    run = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    found: list[dict[str, Any]] = json.loads(run.stdout)
    return found


@pytest.fixture(scope="module")
def visits(folder: Path) -> list[dict[str, Any]]:
    return visit(folder, "one.html", "many.html")


def test_nothing_is_complained_about_or_fetched(visits: list[dict[str, Any]]) -> None:
    assert len(visits) == 16
    for seen in visits:
        assert (seen["complaints"], seen["requests"]) == ([], [])
        assert seen["hashed"] == "double"


def test_no_page_is_wider_than_its_window(visits: list[dict[str, Any]]) -> None:
    assert [seen["overflow"] for seen in visits] == [0] * len(visits)


def test_axe(visits: list[dict[str, Any]]) -> None:
    for seen in visits:
        assert seen.get("violations", []) == [], (seen["page"], seen["size"], seen["scheme"])


def test_filter_by_keyboard(visits: list[dict[str, Any]]) -> None:
    """With scripts and without, each box hides its own label and nothing else."""
    for seen in visits:
        whole = seen["filter"].pop("")
        assert {"reporting", "opinion", "call-to-action", "furniture"} <= whole.keys()
        assert len(seen["filter"]) == 6
        for name, left in seen["filter"].items():
            assert left == {each: 0 if each == name else count for each, count in whole.items()}


def test_print_shows_all(visits: list[dict[str, Any]]) -> None:
    for seen in visits:
        assert all(seen["printed"].values())
        assert seen["pages"] >= 1


def test_the_policy_stops_what_escaping_might_miss(folder: Path) -> None:
    html = (folder / "one.html").read_text("utf-8")
    bad = "<script>document.title = 'x'</script><img src=x onerror='alert(1)'><b style='color: red'>x</b>"
    (folder / "bad.html").write_text(re.sub("(<main>)", rf"\1{bad}", html), "utf-8")
    for seen in visit(folder, "bad.html"):
        assert seen["title"] == "What each paragraph does"
        assert seen["requests"] == []
        assert len([each for each in seen["complaints"] if "Content Security Policy" in each]) >= 2
