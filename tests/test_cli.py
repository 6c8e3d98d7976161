from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
import stubs

from copytaster import __version__, cli
from copytaster.output import reserved

STUB = [sys.executable, str(Path(__file__).with_name("stubs.py"))]
NEWS = "The ferry was cut on Monday, the council said, after a vote of seven to two in the town hall."
VIEW = "The council must restore it before the winter, whatever its members may say about the budget."
PLEA = "Please sign the petition and send it to the clerk before Friday at five in the afternoon."
PAGE = f"# Ferry row\n\n{NEWS}\n\n{VIEW}\n\n{PLEA}\n"

Run = Callable[..., tuple[int, str, str]]
Endless = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> Run:
    """Run the command line in an empty folder; return exit code, output and errors."""
    monkeypatch.setitem(sys.modules, "copytaster.artifact", stubs.module())
    monkeypatch.chdir(tmp_path)

    def run_with(*arguments: object, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin))))  # type: ignore[arg-type]
        code = cli.run([str(argument) for argument in arguments])
        out, err = capfdbinary.readouterr()
        return code, out.decode("utf-8"), err.decode("utf-8")

    return run_with


def articles(n: int, word: str = "day") -> bytes:
    lines = [
        json.dumps({"id": f"a{i}", "text": f"{NEWS} On {word} {i}.\n\n{VIEW} Reason {i}."}) for i in range(n)
    ]
    return ("\n".join(lines) + "\n").encode()


def rows(output: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.split("\n")[:-1]]


def ids(output: str) -> list[object]:
    return list(dict.fromkeys(row["id"] for row in rows(output)))


def modules_after(*arguments: str) -> set[str]:
    code = (
        "import sys\nfrom copytaster.cli import run\nrun(sys.argv[1:])\nprint('\\n' + ' '.join(sys.modules))"
    )
    output = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True).stdout
    return set(output.rsplit("\n", 2)[-2].split())


COMMANDS = sorted(cli.cli.commands)


def test_the_commands_are_those_of_the_design() -> None:
    assert COMMANDS == ["check", "convert", "evaluate", "inspect", "predict", "suggest", "train"]


LIGHT = [
    "--help",
    "--version",
    "nope",
    "predict --nope",
    "train --seed x",
    *(f"{name} -h" for name in COMMANDS),
]


@pytest.mark.parametrize("line", LIGHT)
def test_help_and_usage_errors_import_nothing_heavy(line: str) -> None:
    heavy = {"numpy", "sklearn", "scipy", "joblib", "multiprocessing", "hashlib"}
    assert not heavy & modules_after(*line.split())


def test_predict_imports_no_training_library(tmp_path: Path) -> None:
    page = tmp_path / "page.txt"
    page.write_text(PAGE)
    for arguments in ([], ["-f", "jsonl"], ["-f", "csv", "-o", str(tmp_path / "out.csv")]):
        assert not {"sklearn", "scipy", "joblib"} & modules_after("predict", str(page), *arguments)


def test_every_option_is_explained() -> None:
    for name, command in cli.cli.commands.items():
        assert command.help, name
        for parameter in command.params:
            assert isinstance(parameter, click.Argument) or parameter.help, (name, parameter.name)


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"copytaster {__version__}\n", "")


def test_help_is_help(run: Run) -> None:
    for arguments in (["-h"], ["--help"], ["predict", "-h"]):
        code, out, err = run(*arguments)
        assert (code, err) == (0, "") and out.startswith("Usage: copytaster")


def test_no_command_gets_help_on_standard_error(run: Run) -> None:
    assert run() == (2, "", run("--help")[1])


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["nope"], "No such command 'nope'"),
        (["predict", "--explian"], "? Try 'copytaster predict --help'"),
        (["predict", "-f", "xml"], "'xml' is not one of"),
        (["predict", "--min-confidence", "2"], "2.0 is not in the range"),
        (["predict", "--resume", "x"], "--resume needs -o OUT"),
        (["predict", "--backend", "dask", "x"], "belong together"),
        (["predict", "--only", "reprting", "x"], "no label 'reprting'. Its labels: reporting, opinion"),
        (["predict", "--encoding", "klingon", "x"], "klingon: no such encoding"),
        (["evaluate", "--update-gates"], "--update-gates needs --gate"),
        (["convert", "x"], "Missing argument 'OUT'"),
    ],
)
def test_wrong_usage_is_one_line_and_exits_with_2(run: Run, arguments: list[str], words: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("Error: ") and words in err


def test_missing_extras_are_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("cluster", "careful"):
        monkeypatch.setitem(sys.modules, f"copytaster.{module}", None)
    Path("page.txt").write_text(PAGE)
    for arguments, extra in (
        (["--backend", "dask", "--scheduler", "tcp://x"], "dask"),
        (["--reader", "careful"], "careful"),
        (["--reader", "both"], "careful"),
    ):
        code, _, err = run("predict", "page.txt", *arguments)
        assert code == 2 and f"pip install 'copytaster[{extra}]'" in err


def test_text_is_the_default(run: Run) -> None:
    Path("page.txt").write_text(PAGE)
    code, out, err = run("predict", "page.txt")
    assert (code, err) == (0, "")
    cells = [line.split("\t") for line in out.splitlines()]
    assert [row[0] for row in cells] == ["-", "reporting", "opinion", "call-to-action"]
    assert [row[2] for row in cells] == ["Ferry row", NEWS, VIEW, PLEA]


def test_jsonl_from_everything_that_can_be_read(run: Run) -> None:
    Path("folder").mkdir()
    Path("folder/b.txt").write_text(PAGE)
    Path("folder/a.md").write_text(PAGE)
    Path("lines.jsonl").write_bytes(articles(3))
    Path("packed.jsonl.gz").write_bytes(gzip.compress(articles(2, "evening")))
    code, out, err = run(
        "predict", "folder", "*.jsonl", "packed.jsonl.gz", "-", "-f", "jsonl", stdin=PAGE.encode()
    )
    assert (code, err) == (0, "")
    assert ids(out) == ["folder/a.md", "folder/b.txt", "a0", "a1", "a2", "<stdin>"]
    assert len(rows(out)) == 4 + 4 + 6 + 4 + 4
    first = rows(out)[1]
    assert PAGE[first["start"] : first["end"]] == first["text"] == NEWS  # type: ignore[misc]


def test_standard_input_is_the_default(run: Run) -> None:
    assert run("predict", stdin=PAGE.encode()) == run("predict", "-", stdin=PAGE.encode())
    assert ids(run("predict", "-f", "jsonl", stdin=articles(2))[1]) == ["a0", "a1"]


def test_csv(run: Run) -> None:
    code, out, _ = run(
        "predict", "-f", "csv", stdin=b"=1+1 is what the clerk of the council said on Monday.\n"
    )
    table = list(csv.reader(io.StringIO(out.removeprefix("\ufeff"))))
    assert code == 0 and out.startswith("\ufeff") and table[1][-1].startswith("'=1+1")
    raw = run(
        "predict", "-f", "csv", "--csv-raw", stdin=b"=1+1 is what the clerk of the council said on Monday.\n"
    )[1]
    assert next(csv.DictReader(io.StringIO(raw)))["text"].startswith("=1+1")


def test_options_of_predict(run: Run) -> None:
    only = rows(
        run("predict", "-f", "jsonl", "--only", "opinion", "--only", "reporting", stdin=PAGE.encode())[1]
    )
    assert [row["label"] for row in only] == ["reporting", "opinion"]
    unsure = rows(run("predict", "-f", "jsonl", "--min-confidence", "1", stdin=PAGE.encode())[1])
    assert [row["status"] for row in unsure] == ["not_classified", "unsure", "unsure", "unsure"]
    explained = rows(run("predict", "-f", "jsonl", "--explain", stdin=PAGE.encode())[1])
    assert [row.get("evidence") for row in explained] == [
        None,
        {"word": "The"},
        {"word": "The"},
        {"word": "Please"},
    ]
    assert "says 'Please'" in run("predict", "--explain", stdin=PAGE.encode())[1]


def test_the_texts_can_be_saved(run: Run) -> None:
    data = json.dumps({"id": "../a b/ü" + "x" * 300, "text": PAGE.replace("\n", "\r\n")}).encode()
    code, out, _ = run("predict", "-f", "jsonl", "--save-text", "texts/new", stdin=data)
    (name,) = os.listdir("texts/new")
    assert code == 0 and name.startswith("..%2Fa b%2F%C3%BCxxx") and re.search(r"~[0-9a-f]{8}\.txt$", name)
    text = Path("texts/new", name).read_bytes().decode()
    assert all(text[row["start"] : row["end"]] == row["text"] for row in rows(out))  # type: ignore[misc]
    Path("file").touch()
    code, _, err = run("predict", "--save-text", "file/x", stdin=PAGE.encode())
    assert code == 1 and "cannot be written" in err


def test_bad_inputs_are_named_counted_and_skipped(run: Run) -> None:
    Path("empty").mkdir()
    Path("latin.txt").write_bytes("Le conseil a voté à l'unanimité lundi.".encode("latin-1"))
    Path("lines.jsonl").write_bytes(
        b'{"id": "a", "text": "One must act."}\n{oops\n{"id": "b", "text": "It was cut."}\n'
    )
    Path("nothing.txt").write_bytes(b" \n")
    inputs = ["missing.txt", "empty", "lat*.txt", "lines.jsonl", "nothing.txt", "no*such"]
    code, out, err = run("predict", "-f", "jsonl", *inputs)
    assert code == 1 and ids(out) == ["a", "b"]
    lines = err.splitlines()
    assert all(line.startswith("Error: ") for line in lines)
    for line, words in zip(
        lines,
        [
            "missing.txt: ",
            "empty: ",
            "latin.txt: ",
            "lines.jsonl:2: ",
            "nothing.txt: ",
            "no*such: ",
            "6 of 8 articles",
        ],
        strict=True,
    ):
        assert words in line
    assert "--encoding" in lines[2]
    assert run("predict", "latin.txt", "--encoding", "latin-1")[0] == 0


def test_errors_reach_the_terminal_escaped(run: Run) -> None:
    name = "\x1b[31mred\u202e.txt"
    code, _, err = run("predict", name)
    assert code == 1 and "\x1b" not in err and "\\x1b[31mred" in err


def test_a_missing_model(run: Run) -> None:
    for command in ("predict", "evaluate", "suggest", "inspect"):
        Path("labels.jsonl").write_text('{"text": "One must act.", "label": "opinion"}\n')
        arguments = ["missing"] if command == "inspect" else ["-m", "missing", "labels.jsonl"]
        assert run(command, *arguments) == (1, "", "Error: missing: no such artifact. Train one\n")


def test_output_to_a_file(run: Run) -> None:
    Path("out").write_text("old")
    code, out, err = run("predict", "-o", "out", stdin=PAGE.encode())
    assert (code, out, err) == (0, "", "Wrote out: 1 article\n")
    assert Path("out").read_text() == run("predict", stdin=PAGE.encode())[1]
    code, out, err = run("predict", "-o", "no/out", stdin=PAGE.encode())
    assert (code, out) == (1, "") and "no/out cannot be written: no such file" in err
    assert run("predict", "-o", "/dev/null", stdin=PAGE.encode())[0] == 0
    assert os.listdir() == ["out"]


def test_the_number_of_processes_and_the_size_of_batches_do_not_matter(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = articles(60) + b"{oops\n" + articles(60, "night")
    Path("lines.jsonl").write_bytes(data)
    one = run("predict", "lines.jsonl", "-f", "jsonl")
    for size in (1, 3000):
        monkeypatch.setattr("copytaster.raw._PIECE", size)
        monkeypatch.setattr("copytaster.predict.SIZE", size)
        monkeypatch.setattr("copytaster.predict.LINES", size)
        assert run("predict", "lines.jsonl", "-f", "jsonl") == one
    two = subprocess.run(
        [*STUB, "predict", "lines.jsonl", "-f", "jsonl", "-j", "2"], capture_output=True, text=True
    )
    assert (two.returncode, two.stdout, two.stderr) == one


def test_a_killed_worker_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(articles(300, "slowly"))
    command = [*STUB, "predict", str(path), "-f", "jsonl", "-j", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    workers: list[str] = []
    while len(workers) < 2:
        time.sleep(0.02)
        workers = children.read_text().split()
    time.sleep(0.5)
    os.kill(int(workers[0]), signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert f"Warning: worker process {workers[0]} was killed by signal 9" in err
    assert ids(out) == [f"a{i}" for i in range(300)]


def runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_workers_end_with_the_process_they_were_forked_from(
    endless: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    process = endless("-j", "2", "-o", str(tmp_path / "out.jsonl"))
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    workers: list[str] = []
    while len(workers) < 2:
        time.sleep(0.02)
        workers = children.read_text().split()
    time.sleep(0.5)
    open_files = [os.readlink(file) for pid in workers for file in Path(f"/proc/{pid}/fd").iterdir()]
    assert not [name for name in open_files if "out.jsonl" in name]
    process.kill()
    process.wait()
    ends = time.monotonic() + 10
    while any(map(runs, workers)):
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.fixture
def endless() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start predict on articles without end."""
    article = json.dumps({"text": PAGE})[1:]
    feed = f'i = 0\nwhile True:\n    i += 1\n    print(\'{{"id": "a%d", \' % i + {article!r})'
    pipe = subprocess.PIPE
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> subprocess.Popen[bytes]:
        source = subprocess.Popen([sys.executable, "-c", feed], stdout=pipe, stderr=subprocess.DEVNULL)
        command = [*STUB, "predict", "-f", "jsonl", *options]
        started.extend(
            (source, subprocess.Popen(command, stdin=source.stdout, stdout=pipe, stderr=subprocess.PIPE))
        )
        source.stdout.close()  # type: ignore[union-attr]
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_interruptions_leave_complete_lines(endless: Endless, number: signal.Signals, jobs: str) -> None:
    process = endless("-j", jobs)
    assert process.stdout and process.stderr
    output = process.stdout.read(200_000)
    process.send_signal(number)
    began = time.monotonic()
    output += process.stdout.read()
    errors = process.stderr.read()
    assert process.wait() == 128 + number
    assert time.monotonic() - began < 1
    assert errors == b""
    assert ids(output.decode()) == [f"a{i + 1}" for i in range(len(ids(output.decode())))]


@pytest.fixture(scope="module")
def giant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of an article of 100 MB in one paragraph."""
    path = tmp_path_factory.mktemp("giant") / "giant.jsonl"
    text = "The council met on \u201cTuesday\u201d and said no. " * 2_000_000
    path.write_text(json.dumps({"text": text}, ensure_ascii=False) + "\n", "utf-8")
    return path


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")
@pytest.mark.parametrize("after", [0.3, 0.6, 0.9, 1.2])
def test_a_giant_article_does_not_hold_an_interruption_up(giant: Path, tmp_path: Path, after: float) -> None:
    """Stop after so many seconds of the processor; others may be busy, so what follows is counted alike."""
    output = tmp_path / "out.jsonl"

    def used() -> tuple[bool, float]:
        state, *fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()
        return state == "Z", sum(map(int, fields[10:12])) / os.sysconf("SC_CLK_TCK")

    command = [sys.executable, "-m", "copytaster", "predict", str(giant), "-f", "jsonl"]
    with (
        output.open("wb") as stream,
        subprocess.Popen(command, stdout=stream, stderr=subprocess.PIPE) as process,
    ):
        ended, before = used()
        while before < after and not ended:
            time.sleep(0.01)
            ended, before = used()
        process.send_signal(signal.SIGTERM)
        errors = process.stderr.read()  # type: ignore[union-attr]
        _, spent = used()
    assert (process.returncode, errors) in ((143, b""), (0, b""))
    assert spent - before < 1
    assert output.read_bytes()[-1:] in (b"", b"\n")


def test_a_reader_that_stops_reading_does_not_hold_it_up(endless: Endless) -> None:
    process = endless()
    assert process.stdout
    process.stdout.read(1000)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    assert process.wait(5) == 143
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_closed_pipe_is_silent(endless: Endless, jobs: str) -> None:
    process = endless("-j", jobs)
    assert process.stdout and process.stderr
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(5) == 141


def test_a_full_disk_is_said() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*STUB, "predict"], input=PAGE.encode(), stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr == b"Error: standard output cannot be written: no space left on device\n"


@pytest.mark.parametrize("line", ["--help", "--version", "predict --help", "inspect"])
def test_a_full_disk_is_said_by_whatever_writes(line: str) -> None:
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "copytaster", *line.split()]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    *_, last = done.stderr.splitlines()
    assert last.lower() == "error: standard output cannot be written: no space left on device"
    assert "Traceback" not in done.stderr


def test_closed_standard_input_is_said() -> None:
    command = f"{shlex.join([*STUB, 'predict', '-'])} <&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: <stdin>: it is closed\nError: 1 of 1 article could not be read\n"


def test_a_run_that_filled_the_disk_is_resumed(tmp_path: Path) -> None:
    path, out, whole = tmp_path / "lines.jsonl", tmp_path / "out.jsonl", tmp_path / "whole.jsonl"
    path.write_bytes(articles(300))
    command = shlex.join([*STUB, "predict", str(path), "-f", "jsonl", "-o"])
    full = subprocess.run(["sh", "-c", f"ulimit -f 100; {command} {out}"], capture_output=True, text=True)
    assert full.returncode == 1
    assert "file too large" in full.stderr and "repeat the command with --resume" in full.stderr
    assert not out.exists()
    last = subprocess.run(["sh", "-c", f"{command} {out} --resume"], capture_output=True, text=True)
    assert (last.returncode, "Going on after" in last.stderr) == (0, True)
    subprocess.run(["sh", "-c", f"{command} {whole}"], capture_output=True, check=True)
    assert out.read_bytes() == whole.read_bytes()


def test_an_interrupted_run_is_resumed_without_a_gap_or_a_repetition(tmp_path: Path) -> None:
    path, out, whole = tmp_path / "lines.jsonl", tmp_path / "out.jsonl", tmp_path / "whole.jsonl"
    path.write_bytes(articles(150, "slowly") + b"{oops\n" + articles(150, "slowly at night"))
    command = [*STUB, "predict", str(path), "-f", "jsonl", "-o"]
    assert subprocess.run([*command, str(whole)], capture_output=True).returncode == 1
    for number in (signal.SIGTERM, signal.SIGKILL):
        process = subprocess.Popen([*command, str(out), "--resume"], stderr=subprocess.PIPE)
        time.sleep(1.2)
        process.send_signal(number)
        error = process.communicate()[1].decode()
        assert process.returncode == (143 if number == signal.SIGTERM else -9)
        assert ("repeat the command with --resume" in error) == (number == signal.SIGTERM)
        assert sorted(p.name for p in tmp_path.iterdir()) == [
            "lines.jsonl", "out.jsonl.partial", "out.jsonl.progress", "whole.jsonl"
        ]  # fmt: skip
    other = subprocess.run([*command, str(out), "--resume", "--explain"], capture_output=True, text=True)
    assert other.returncode == 1 and "other options or another model" in other.stderr
    last = subprocess.run([*command, str(out), "--resume"], capture_output=True, text=True)
    assert last.returncode == 1
    assert "Going on after" in last.stderr and "1 of 301 articles could not be read" in last.stderr
    assert out.read_bytes() == whole.read_bytes()
    again = subprocess.run([*command, str(out), "--resume"], capture_output=True, text=True)
    assert (again.returncode, "is complete" in again.stderr) == (0, True)


def on_a_terminal(*arguments: str, folder: Path | None = None, **environment: str) -> tuple[int, str]:
    """Run on a terminal of 60 columns."""
    ours, theirs = pty.openpty()
    inherited = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    variables = {**inherited, "COLUMNS": "60", "TERM": "xterm", **environment}
    process = subprocess.Popen(
        [*STUB, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=variables, cwd=folder
    )
    os.close(theirs)
    output = b""
    with contextlib.suppress(OSError):  # the end of what a terminal gives
        while part := os.read(ours, 65536):
            output += part
    os.close(ours)
    return process.wait(), output.decode().replace("\r\n", "\n")


def test_a_terminal_gets_a_page_to_read(tmp_path: Path) -> None:
    page = tmp_path / "page.txt"
    page.write_text(PAGE)
    code, coloured = on_a_terminal("predict", str(page))
    assert code == 0 and "\x1b[36m" in coloured
    code, plain = on_a_terminal("predict", str(page), NO_COLOR="1")
    assert code == 0 and "\x1b" not in plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    assert "1 reporting, 1 opinion, 1 call-to-action" in plain
    assert all(len(line) <= 60 for line in plain.split("\n")[1:])


@pytest.mark.parametrize("format", ["text", "jsonl", "csv", "html", "jsonld"])
def test_no_format_commands_the_terminal(tmp_path: Path, format: str) -> None:
    page = tmp_path / "page.txt"
    page.write_text("The clerk said \x1b]0;title\x07 and \u009b31m and \u202egninepo\u2069 on Monday.\n")
    for target in ([], ["-o", "/dev/stdout"]):
        code, output = on_a_terminal("predict", str(page), "-f", format, *target, NO_COLOR="1")
        assert code == 0 and "gninepo" in output
        assert not re.search("[\x1b\x07\u009b\u202e\u2069]", output)


def test_progress_is_shown_on_a_terminal_unless_the_output_goes_there(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(articles(300, "slowly"))
    for output, shown in ((["-o", "out"], True), ([], False)):
        code, written = on_a_terminal("predict", str(path), "-f", "jsonl", *output, folder=tmp_path)
        found = re.search(r"\d+% +\d+ articles, \d+\.\d MB/s, 0:\d\d left", written)
        assert (code, bool(found)) == (0, shown)


def test_a_terminal_without_input_gets_a_hint() -> None:
    code, output = on_a_terminal("predict")
    assert code == 2
    assert output == "Error: No input: name a file, or pipe one in. Try 'copytaster predict --help'\n"


def labelled(path: Path, split: str = "") -> None:
    texts = [
        ("was cut, they said, in", "reporting"),
        ("must go, for", "opinion"),
        ("sign for", "call-to-action"),
    ]
    words = iter("abcdefghijklmnopqrstuvwxyz" * 20)
    with path.open("w") as file:
        for i in range(4):
            paragraphs = [
                {"text": f"{text} {' '.join(next(words) * 3 for _ in range(9))} {i}", "label": label}
                for text, label in texts
            ]
            line = {
                "id": f"a{i}",
                "paragraphs": paragraphs,
                **({"split": "test" if i else "train"} if split else {}),
            }
            file.write(json.dumps(line) + "\n")


def test_evaluate(run: Run) -> None:
    code, out, err = run("evaluate")
    assert (code, out) == (1, "") and "no folder labeled/" in err
    Path("labeled").mkdir()
    labelled(Path("labeled/a.jsonl"), split="yes")
    code, out, err = run("evaluate", "-f", "json")
    report = json.loads(out)
    assert (code, err) == (0, "Model: the one shipped\n")
    assert (report["n"], report["macro_f1"]) == (9, 1.0)
    assert json.loads(run("evaluate", "-f", "json", "--split", "all")[1])["n"] == 12
    code, out, _ = run("evaluate")
    assert code == 0 and "macro average" in out and "Confusion" in out
    labelled(Path("b.jsonl"))
    assert json.loads(run("evaluate", "b.jsonl", "-f", "json", "--by", "length")[1])["n"] == 12
    code, _, err = run("evaluate", "b.jsonl", "--split", "test")
    assert code == 1 and "no labelled paragraph of the split 'test'" in err
    for name in ("markdown", "junit", "github", "svg"):
        assert run("evaluate", "-f", name)[1]


def test_gates_and_baselines(run: Run) -> None:
    labelled(Path("a.jsonl"))
    Path("gates.toml").write_text("macro_f1 = 0.9\nn = 12\n")
    code, out, _ = run("evaluate", "a.jsonl", "--gate", "gates.toml")
    assert code == 0 and "All 2 gates passed" in out
    Path("gates.toml").write_text("macro_f1 = 0.9\nn = 13\n")
    code, out, err = run("evaluate", "a.jsonl", "--gate", "gates.toml")
    assert code == 3 and "1 of 2 gates failed" in out and "Error: n: 12 measured" in err
    code, _, err = run("evaluate", "a.jsonl", "--gate", "gates.toml", "--update-gates")
    assert code == 3 and "left as it is" in err
    assert run("evaluate", "a.jsonl", "--gate", "gates.toml", "--update-gates", "--allow-lower")[0] == 0
    assert "n = 12" in Path("gates.toml").read_text()
    assert run("evaluate", "a.jsonl", "--gate", "missing.toml")[0] == 2
    Path("before.json").write_text(run("evaluate", "a.jsonl", "-f", "json")[1])
    for baseline in ("before.json", "a.jsonl"):
        code, out, err = run("evaluate", "a.jsonl", "--baseline", baseline)
        assert (code, "Against the baseline" in out) == (
            (0, True) if baseline == "before.json" else (1, False)
        )
    assert run("evaluate", "a.jsonl", "--baseline", "none")[0] == 1


def test_check(run: Run) -> None:
    labelled(Path("a.jsonl"))
    code, out, _ = run("check", "a.jsonl")
    assert code == 0 and "12 paragraphs, 4 articles" in out
    Path("a.jsonl").write_text('{"text": "One must act.", "label": 3}\n')
    code, out, _ = run("check", "a.jsonl", "-f", "json")
    assert code == 1 and json.loads(out)["findings"][0]["line"] == 1


def test_suggest(run: Run) -> None:
    Path("lines.jsonl").write_bytes(articles(5) + b"{oops\n")
    code, out, err = run("suggest", "lines.jsonl", "-n", "2")
    assert (code, len(rows(out))) == (1, 2) and "lines.jsonl:6" in err
    code, out, _ = run("suggest", "-n", "1", "-f", "csv", "-o", "out.csv", stdin=articles(3))
    assert (code, out) == (0, "") and "suggested" in Path("out.csv").read_text("utf-8")
    assert run("suggest", stdin=b"# Ferry row\n")[0] == 1


def test_convert(run: Run) -> None:
    labelled(Path("a.jsonl"))
    code, out, err = run("convert", "a.jsonl", "out.csv")
    assert (code, out) == (0, "") and err.endswith("Wrote out.csv\n")
    assert run("convert", "out.csv", "back.jsonl", "--to", "copytaster")[0] == 0
    assert run("convert", "a.jsonl", "out.what")[0] == 2


def test_inspect(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "copytaster.artifact")
    code, out, err = run("inspect", "-f", "json", "-n", "3")
    shown = json.loads(out)
    assert (code, err) == (0, "Model: the one shipped\n")
    assert shown["label_order"] == list(stubs.LABELS)
    assert len(shown["data"]["digest"]) == 64
    assert "please" in shown["strongest"]["call-to-action"]["words"]
    assert all(len(signs) == 3 for sorts in shown["strongest"].values() for signs in sorts.values())
    code, out, _ = run("inspect")
    assert code == 0 and "What speaks for opinion" in out and shown["data"]["digest"] in out
    assert "speaks" not in run("inspect", "-n", "0")[1]
    assert not {"sklearn", "scipy"} & modules_after("inspect")


def test_training_options(run: Run) -> None:
    labelled(Path("a.jsonl"))
    Path("config.toml").write_text("bit = 12\nfolds = 2.5\niterations = 0\nword_weight = nan\n")
    code, _, err = run("train", "a.jsonl", "-c", "config.toml")
    assert code == 2
    assert [line.split(": ", 2)[2] for line in err.splitlines()] == [
        "no option 'bit'. Did you mean 'bits'?",
        "folds must be a positive whole number",
        "iterations must be a positive whole number",
        "word_weight must be a positive number",
    ]
    Path("config.toml").write_text("bits = 40\n")
    code, _, err = run("train", "a.jsonl", "-c", "config.toml")
    assert code == 2 and "config.toml: bits must be a whole number from 10 to 22" in err
    assert run("train", "a.jsonl", "-c", "missing.toml")[0] == 2


def test_from_training_to_prediction(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "copytaster.artifact")
    Path("labeled").mkdir()
    labelled(Path("labeled/a.jsonl"), split="yes")
    labelled(Path("b.jsonl"))
    Path("config.toml").write_text("bits = 10\nfolds = 2\nword_weight = 3\n")
    code, out, err = run("train", "b.jsonl", "-c", "config.toml", "--seed", "3")
    assert (code, out) == (0, "")
    assert err == "Wrote model.copytaster, trained on 12 paragraphs of 4 articles\n"
    code, out, err = run("evaluate", "-f", "json")
    assert code == 0 and err == "Model: model.copytaster\n" and json.loads(out)["n"] == 9
    manifest = json.loads(run("inspect", "model.copytaster", "-f", "json")[1])
    assert (manifest["seed"], manifest["config"]["bits"], manifest["data"]["paragraphs"]) == (3, 10, 12)
    code, out, _ = run("predict", "-m", "model.copytaster", "-f", "jsonl", stdin=PAGE.encode())
    assert code == 0 and set(rows(out)[1]["probabilities"]) == set(stubs.LABELS)  # type: ignore[call-overload]
    with reserved("model.copytaster"):
        code, _, err = run("train", "b.jsonl")
    assert code == 1 and "model.copytaster is being written by another process" in err


def test_broken_labelled_data_stops_training(run: Run) -> None:
    Path("a.jsonl").write_text('{"text": "One must act."}\n{"text": "", "label": "opinion"}\n')
    code, out, err = run("train", "a.jsonl")
    assert (code, out) == (1, "")
    assert [line.split(": ")[1] for line in err.splitlines()] == ["a.jsonl:1", "a.jsonl:2"]
    labelled(Path("test.jsonl"), split="yes")
    assert run("train", "missing.jsonl")[0] == 1
