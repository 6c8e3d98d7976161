"""What the documentation shows is what the program does, and what the wheel holds is what it needs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from copytaster import artifact
from copytaster.cli import cli
from copytaster.gatefile import read_gates

ROOT = Path(__file__).resolve().parent.parent
IN_C = ("_kernel", "_lines", "_rows")
sys.path.insert(0, str(ROOT / "training"))
import docs  # noqa: E402

EXTRAS = {"html", "fast", "gates"}


def sh(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    return subprocess.run(
        ["bash", "-ec", text],
        cwd=folder,
        env={**os.environ, "PATH": path, "GITHUB_STEP_SUMMARY": str(folder / "summary.md")},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )


@pytest.mark.parametrize("page", docs.pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_outputs_and_tables_are_real(page):
    if page.name == "commands.md" and not version("click").startswith("8.5."):
        pytest.skip("other versions of click word the help differently")
    text = page.read_text("utf-8")
    assert docs.fill(text) == text, "out of date; run: make docs"


def test_a_page_that_is_out_of_date_is_noticed():
    assert docs.fill("```console\n$ echo new\nold\n```\n") == "```console\n$ echo new\nnew\n```\n"


def test_every_option_is_documented():
    text = (ROOT / "docs" / "commands.md").read_text("utf-8")
    for name, command in cli.commands.items():
        section = text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        for option in command.params:
            for spelling in option.opts if option.param_type_name == "option" else []:
                assert re.search(rf"(?<![\w-]){re.escape(spelling)}(?![\w-])", section), f"{name} {spelling}"


def test_links_between_pages_lead_somewhere():
    for page in [*docs.pages(), ROOT / "CHANGELOG.md"]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_make_targets_that_are_named_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    for page in docs.pages():
        for block in re.findall(r"`+[^`]+`+", page.read_text("utf-8")):
            assert set(re.findall(r"\bmake ([a-z-]+)", block)) <= targets, page.name


def test_files_that_are_named_exist():
    for page in docs.pages():
        text = page.read_text("utf-8")
        for name in re.findall(r"`((?:tests|training|src|labeled|docs|\.github|\.ci)/[\w./-]+)`", text):
            assert (ROOT / name).exists(), f"{page.name}: {name}"


def test_python_in_the_readme_runs(tmp_path):
    text = "".join(
        re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.M | re.S)
    )
    (tmp_path / "run.py").write_text(text, "utf-8")
    done = sh("python run.py", tmp_path)
    assert done.stdout == "reporting 0 56\n", done.stderr


@pytest.fixture
def project(tmp_path):
    """Another team's repository: its data, its gates."""
    shutil.copytree(ROOT / "labeled" / "written", tmp_path / "labeled")
    (tmp_path / "gates.toml").write_text("macro_f1 = 0.1\n", "utf-8")
    shutil.copy(artifact.DEFAULT, tmp_path / "model.copytaster")
    return tmp_path


def commands_of_gates():
    text = (ROOT / "docs" / "gates.md").read_text("utf-8")
    found = []
    for section, kind in (("A bare shell", "sh"), ("GitHub Actions", "yaml"), ("GitLab CI", "yaml")):
        part = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
        blocks = "".join(re.findall(rf"^```{kind}\n(.*?)^```$", part, re.M | re.S))
        lines = re.findall(r"^(?: *- (?:run: )?)?((?:copytaster) .*)$", blocks, re.M)
        assert lines, section
        found.append(pytest.param([line for line in lines if " train " not in line], id=section))
    return found


def test_gate_file_in_the_documentation_is_one(tmp_path):
    text = (ROOT / "docs" / "gates.md").read_text("utf-8")
    (tmp_path / "gates.toml").write_text(re.search(r"^```toml\n(.*?)^```$", text, re.M | re.S)[1], "utf-8")
    gates = read_gates(tmp_path / "gates.toml")
    assert len(gates.gates) == 6 and gates.tolerance == 1 and gates.data_digest


@pytest.mark.parametrize("lines", commands_of_gates())
def test_examples_of_gates_run(project, lines):
    for line in lines:
        done = sh(line, project)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    if any("SUMMARY" in line for line in lines):
        assert "| macro average |" in (project / "summary.md").read_text("utf-8")


@pytest.mark.parametrize("lines", commands_of_gates())
def test_examples_of_gates_fail_a_worse_model(project, lines):
    (project / "gates.toml").write_text("macro_f1 = 0.9999\n", "utf-8")
    codes = [sh(line, project).returncode for line in lines if "--gate" in line and "--update" not in line]
    assert codes and set(codes) == {3}


def test_workflow_evaluates_as_the_documentation_says():
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    assert 'copytaster evaluate -f markdown >> "$GITHUB_STEP_SUMMARY"' in workflow
    assert "copytaster evaluate -f github --gate training/gates.toml" in workflow
    assert all(re.search(r"@[0-9a-f]{40} # v[\d.]+$", use) for use in re.findall(r"uses: .*", workflow))
    assert not re.findall(r"https?://", workflow)


BUILD = 'python -c \'from setuptools.build_meta import *; build_wheel("."); build_sdist(".")\''
COMPILED = ("*.so", "*.pyd")


@pytest.fixture(scope="module", params=["", "CC=false "], ids=["compiler", "no compiler"])
def wheel(request, tmp_path_factory):
    pytest.importorskip("setuptools", "77")
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    ignored = shutil.ignore_patterns(*COMPILED, "*.egg-info", "__pycache__")
    shutil.copytree(ROOT / "src", folder / "src", ignore=ignored)
    done = sh(request.param + BUILD, folder)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


def test_wheel_holds_the_package_and_nothing_else(wheel):
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    source = ROOT / "src"
    files = (path for path in (source / "copytaster").rglob("*") if path.is_file())
    left_out = ("__pycache__/*", "*.c", *COMPILED)
    expected = [path for path in files if not any(map(path.match, left_out))]
    compiled = [name for name in names if any(map(Path(name).match, COMPILED))]
    assert sorted({*names} - {*compiled}) == sorted(str(path.relative_to(source)) for path in expected)
    assert {name.split(".")[0] for name in compiled} <= {f"copytaster/{part}" for part in IN_C}
    suffixes = {Path(name).suffix for name in {*names} - {*compiled}}
    assert suffixes <= {".py", ".typed", ".txt", ".json", ".css", ".copytaster", ".md"}
    assert {"copytaster/default.copytaster", "copytaster/py.typed", "copytaster/report.schema.json"} <= set(
        names
    )
    assert wheel.stat().st_size < 5_000_000


def test_wheel_is_compiled_where_it_can_be(wheel, request):
    names = zipfile.ZipFile(wheel).namelist()
    compiled = {part: any(f"/{part}." in name for name in names) for part in IN_C}
    if not any(compiled.values()) and "no compiler" not in request.node.name and shutil.which("cc") is None:
        pytest.skip("no compiler here")
    assert set(compiled.values()) == {"no compiler" not in request.node.name}


def test_source_distribution_holds_the_source(wheel):
    with tarfile.open(next(wheel.parent.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"setup.py", "pyproject.toml", *(f"src/copytaster/{part}.c" for part in IN_C)} <= names
    assert {"src/copytaster/default.copytaster", "src/copytaster/py.typed", "README.md", "LICENSE"} <= names
    assert not [name for name in names if any(map(Path(name).match, COMPILED))]


def test_wheel_needs_four_packages(wheel):
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(
            next(name for name in archive.namelist() if name.endswith("/METADATA"))
        ).decode()
    required = re.findall(r"^Requires-Dist: ([\w-]+)[^;\n]*$", metadata, re.M)
    assert sorted(required) == ["click", "joblib", "numpy", "scikit-learn"]
    assert set(re.findall(r"^Provides-Extra: (\S+)", metadata, re.M)) >= EXTRAS


def test_wheel_predicts_at_once(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    done = sh(
        f"""export PYTHONPATH='{tmp_path}'
        python -c 'import copytaster; print(copytaster.__file__)'
        python -m copytaster predict '{ROOT}/examples/riverside-library.txt'""",
        tmp_path,
    )
    lines = done.stdout.splitlines()
    assert lines[0].startswith(str(tmp_path)), done.stderr
    assert {line.split("\t")[0] for line in lines[1:]} == {"-", "reporting", "opinion", "call-to-action"}
