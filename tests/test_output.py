from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copytaster.errors import DataError
from copytaster.output import Stream, atomic, reserved, write_all
from copytaster.pool import Pool, WorkerLost
from copytaster.raw import Found, Lines, Raw, each_article
from copytaster.resume import START, Direct, Partial, Position, is_complete, open_output, skip
from copytaster.signals import Interrupted, interruptible, shield


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(path: Path | str, data: bytes) -> None:
    with atomic(path) as stream:
        stream.write(data)


def test_atomic_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "out"
    write(path, b"one")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    path.chmod(0o640)
    write(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert names(tmp_path) == ["out"]


def test_atomic_leaves_the_old_file_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    with pytest.raises(KeyError), atomic(path) as stream:
        stream.write(b"new")
        raise KeyError
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["out"]


def test_atomic_follows_links_and_writes_to_devices(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    write(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"
    write("/dev/null", b"gone")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, reason in (
        (tmp_path / "no" / "x", "no such file"),
        (tmp_path / "file" / "x", "not a directory"),
        (tmp_path, "folder"),
        ("/dev/full", "no space left"),
    ):
        with pytest.raises(DataError, match=f"cannot be written: .*{reason}"):
            write(path, b"x" * 100_000)


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="no space left"):
        write(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["out"]


def test_a_killed_writer_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "out"
    code = (
        "import sys\nfrom copytaster.output import atomic\nfor i in range(10**9):\n"
        "    with atomic(sys.argv[1]) as s:\n        for _ in range(200): s.write(b'%09d' % i * 100)\n"
    )
    for wait in (0.05, 0.12):
        process = subprocess.Popen([sys.executable, "-c", code, str(path)])
        while not path.exists():
            time.sleep(0.01)
        time.sleep(wait)
        process.kill()
        process.wait()
        data = path.read_bytes()
        assert data == data[:9] * 20_000


def test_one_process_at_a_time_may_reserve_a_file(tmp_path: Path) -> None:
    path = tmp_path / "model"
    with reserved(path):
        with pytest.raises(DataError, match="being written by another process"), reserved(path):
            pass
        with reserved(tmp_path / "other"):
            pass
    with reserved(path):
        pass
    assert names(tmp_path) == []


def raws(*data: bytes) -> list[Found]:
    return [Raw("text", f"x{i}", part) for i, part in enumerate(data)]


def position_after(items: list[Found]) -> Position:
    position = START
    for item in items:
        position = position.after(item)
    return position


ITEMS: list[Found] = [*raws(b"a", b"b"), DataError("x:2: bad"), *raws(b"d")]


def interrupted(path: Path, run: str = "run", keep: bool = True) -> None:
    with pytest.raises(KeyError), Partial(path, run, keep=keep) as out:
        out.write(b"A\nB\n", position_after(ITEMS[:2]), 2)
        out.write(b"", position_after(ITEMS[:3]), 0, 1)
        raise KeyError


def test_an_interrupted_run_is_resumed(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    interrupted(path)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["out", "out.partial", "out.progress"]
    with (tmp_path / "out.partial").open("ab") as stream:
        stream.write(b"C, cut o")
    assert not is_complete(path)
    with Partial(path, "run", resume=True) as out:
        assert (out.position, out.articles, out.faults) == (position_after(ITEMS[:3]), 2, 1)
        assert list(skip(iter(ITEMS), out.position)) == ITEMS[3:]
        out.write(b"D\n", position_after(ITEMS))
    assert path.read_bytes() == b"A\nB\nD\n"
    assert names(tmp_path) == ["out"]
    assert is_complete(path)


def test_a_run_that_is_not_resumed_begins_anew(tmp_path: Path) -> None:
    interrupted(tmp_path / "out")
    with Partial(tmp_path / "out", "run") as out:
        assert out.position == START
        out.write(b"Z\n", position_after(ITEMS[:1]))
    assert (tmp_path / "out").read_bytes() == b"Z\n"


def test_nothing_is_kept_of_a_run_that_did_nothing_or_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(KeyError), Partial(tmp_path / "out", "run"):
        raise KeyError
    interrupted(tmp_path / "out", keep=False)
    assert names(tmp_path) == []


def test_another_run_is_not_resumed(tmp_path: Path) -> None:
    interrupted(tmp_path / "out")
    with pytest.raises(DataError, match="other options or another model"):
        Partial(tmp_path / "out", "other", resume=True)
    for items in (raws(b"a", b"x", b"c"), ITEMS[:2]):
        with pytest.raises(DataError, match="inputs are not those"):
            skip(iter(items), position_after(ITEMS[:3]))


def split(data: bytes, ends: list[int]) -> list[Found]:
    """Cut lines in blocks, at the ends of the lines with these numbers."""
    block, blocks = Lines("x", 1, data), []
    for end in sorted(ends):
        size = sum(map(len, data.splitlines(True)[:end])) - (len(data) - len(block.data))
        head, block = block.cut(size)
        blocks += [head] if head.data else []
    return [*blocks, block] if block.data else blocks


@given(
    st.lists(st.sampled_from([b"", b" ", b"a", b"{}"]), min_size=1, max_size=6).map(b"\n".join),
    st.lists(st.integers(0, 7), max_size=3),
    st.lists(st.integers(0, 7), max_size=3),
    st.integers(0, 7),
)
def test_lines_are_resumed_wherever_they_had_been_cut(
    data: bytes, ends: list[int], others: list[int], count: int
) -> None:
    before = split(data, ends)
    rest = skip(iter(split(data, others)), position_after(before[:count]))
    assert list(each_article(rest)) == list(each_article(before[count:]))


def test_half_a_batch_makes_room_for_the_note_of_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk there would be none otherwise."""

    def fill_up(file: int, data: bytes) -> None:
        os.write(file, data[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DataError, match="no space left"), Partial(tmp_path / "out", "run") as out:
        out.write(b"A\nB\n", position_after(ITEMS[:2]))
        monkeypatch.setattr("copytaster.resume.write_all", fill_up)
        out.write(b"D\n", position_after(ITEMS))
    assert (tmp_path / "out.partial").read_bytes() == b"A\nB\n"
    assert json.loads((tmp_path / "out.progress").read_bytes())["bytes"] == 4


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b"[" * 10_000, b'{"run": "run"}', None])
def test_a_broken_note_of_progress_means_to_begin_anew(tmp_path: Path, note: bytes | None) -> None:
    interrupted(tmp_path / "out")
    if note is None:
        (tmp_path / "out.partial").write_bytes(b"A")  # shorter than the note says
    else:
        (tmp_path / "out.progress").write_bytes(note)
    with Partial(tmp_path / "out", "run", resume=True) as out:
        assert out.position == START
    assert (tmp_path / "out").read_bytes() == b""


def test_progress_is_noted_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("copytaster.resume.INTERVAL", 0)
    with Partial(tmp_path / "out", "run") as out:
        out.write(b"A\nB\n", position_after(ITEMS[:2]))
        note = json.loads((tmp_path / "out.progress").read_bytes())
    assert (note["bytes"], tuple(note["position"])) == (4, position_after(ITEMS[:2]))


def test_two_runs_cannot_write_one_file(tmp_path: Path) -> None:
    with Partial(tmp_path / "out", "run") as out:
        out.write(b"A\n", position_after(ITEMS[:1]))
        for resume in (False, True):
            with pytest.raises(DataError, match="another process"):
                Partial(tmp_path / "out", "run", resume)
    assert (tmp_path / "out").read_bytes() == b"A\n"


def test_a_device_is_written_to_at_once(tmp_path: Path) -> None:
    with open_output("/dev/null", "run") as out:
        assert isinstance(out, Direct)
        out.write(b"A\n", position_after(ITEMS[:1]), 1, 2)
    assert (out.position, out.articles, out.faults) == (position_after(ITEMS[:1]), 1, 2)
    with pytest.raises(DataError, match="cannot be written"):
        open_output(tmp_path, "run")


def test_a_full_device_is_named() -> None:
    with (
        open("/dev/full", "wb") as full,
        pytest.raises(DataError, match="it cannot be written: no space left"),
    ):
        Stream(full.fileno(), "it").write(b"x")


def test_a_reader_that_has_gone_ends_the_run() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(Interrupted, match="13"):
        Stream(writing, "it").write(b"x")
    os.close(writing)


def test_an_interruption_waits_for_what_is_being_written() -> None:
    done = []
    with interruptible():
        with pytest.raises(Interrupted) as caught, shield():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append(True)
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
    assert done and caught.value.exit_code == 143
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_reader_that_has_stopped_reading_does_not_hold_an_interruption_up() -> None:
    reading, writing = os.pipe()
    stop = f"import os, time; time.sleep(0.2); os.kill({os.getpid()}, {int(signal.SIGINT)})"
    with interruptible(), pytest.raises(Interrupted) as caught:
        process = subprocess.Popen([sys.executable, "-c", stop])
        began = time.monotonic()
        Stream(writing, "it").write(b"x" * 10_000_000)
    process.wait()
    os.close(reading)
    os.close(writing)
    assert caught.value.exit_code == 130
    assert time.monotonic() - began < 2


def test_all_bytes_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    monkeypatch.setattr(os, "write", lambda file, data: written.append(bytes(data[:3])) or len(data[:3]))
    write_all(1, b"abcdefgh")
    assert written == [b"abc", b"def", b"gh"]


class Echo:
    """Answers with the task; "die" kills the process, once where a file is named; others raise."""

    def __call__(self, task: str) -> str:
        what, _, path = task.partition(" ")
        if what == "die" and not (path and os.path.exists(path)):
            if path:
                Path(path).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "fault":
            raise DataError("at fault", "mend it")
        if what == "glut":
            raise MemoryError
        if what == "bug":
            raise ZeroDivisionError
        return task


def build_nothing() -> Echo:
    raise DataError("nothing to work with")


def test_pool_answers_in_order_and_reads_no_further_than_it_must() -> None:
    read = []

    def tasks():  # type: ignore[no-untyped-def]
        for i in range(50):
            read.append(i)
            yield str(i)

    answers = Pool(Echo, 2).map(tasks())
    assert next(answers) == "0"
    assert len(read) <= 10
    assert list(answers) == [str(i) for i in range(1, 50)]


def test_pool_does_not_jam_on_long_tasks() -> None:
    long = [str(i) * (4 << 20) for i in range(10)]  # more than a pipe holds, both ways at once
    assert list(Pool(Echo, 2).map(long)) == long


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no worker is forked")
def test_forked_workers_share_memory() -> None:
    # Without numpy a process has one thread, so that its workers may be forked.
    program = """
from copytaster.pool import ROOM, Pool, _has_one_thread
assert _has_one_thread()
tasks = [f"{i} " * (ROOM if i % 3 == 1 else 40_000 * (i % 5)) for i in range(60)]
assert list(Pool(None, 2, built=str).map(tasks)) == tasks
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_pool_survives_a_killed_worker(tmp_path: Path) -> None:
    lost = []
    tasks = ["a", "b", f"die {tmp_path / 'once'}", "c", "d"]
    assert list(Pool(Echo, 2, lambda *what: lost.append(what)).map(tasks)) == tasks
    assert [code for _, code in lost] == [-signal.SIGKILL]


def test_pool_gives_up_loudly() -> None:
    for task, kind, words in (
        ("die", WorkerLost, "two worker processes"),
        ("fault", DataError, "at fault. mend it"),
        ("glut", WorkerLost, "out of memory"),
        ("bug", RuntimeError, "ZeroDivisionError"),
    ):
        with pytest.raises(kind, match=words):
            list(Pool(Echo, 2).map(["a", task, "b"]))
    with pytest.raises(DataError, match="nothing to work with"):
        list(Pool(build_nothing, 1).map(["a"]))
    assert list(Pool(Echo, 1).map([])) == []
