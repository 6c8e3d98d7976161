"""Artifacts: what is saved is loaded, nothing else is, and no accident leaves half of one."""

import io
import json
import os
import pickle
import random
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from unittest.mock import patch

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import LABELS, names, random_model

from copytaster import artifact
from copytaster.artifact import MAX_BYTES, MAX_HEADER, dump, load, save
from copytaster.cli import run
from copytaster.errors import ArtifactError, DataError
from copytaster.features import FORMS
from copytaster.model import Model
from copytaster.output import reserved

VERSION_1 = Path(__file__).with_name("artifacts") / "version1.copytaster"
TEXTS = ["The mayor said: you must sign.", "", "Please \u201ccall\u201d 1994!", "\ud800\0 x" * 50]
MODEL = random_model(bits=4)
DATA = dump(MODEL)


def taken_apart(data):
    size = int.from_bytes(data[16:24], "little")
    return json.loads(data[64 : 64 + size]), data[64 + size :]


def sealed(header, body, version=1):
    """Put an artifact together, checksum and all, of any header and body."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    front = b"copytaster\r\n" + struct.pack("<IQQ", version, len(header), 64 + len(header) + len(body))
    return front + sha256(front + header + body).digest() + header + body


def changed(change):
    header, body = taken_apart(DATA)
    body = bytearray(body)
    change(header, body)
    return sealed(header, bytes(body))


def array(header, body, name):
    entry = header["arrays"][name]
    count = int(np.prod(entry["shape"]))
    return np.frombuffer(body, entry["type"], count, entry["offset"]).reshape(entry["shape"])


def same(left, right):
    return left.labels == right.labels and np.array_equal(
        left.predict_proba(TEXTS), right.predict_proba(TEXTS)
    )


def loads(data):
    """Load an artifact that need not be written to disk first."""
    with patch.object(artifact, "_read", lambda place: (data, 0)):
        return load("some.copytaster")


def fault(path):
    """Return what loading complains of: one line, soon."""
    start = time.perf_counter()
    with pytest.raises(ArtifactError) as caught:
        load(path)
    assert time.perf_counter() - start < 2
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    return str(caught.value)


# What is saved is loaded


@pytest.mark.parametrize("count", [2, 3, 4, 20])
def test_a_saved_model_is_the_model(tmp_path, count):
    model = random_model(names(count), bits=6, seed=count)
    model.manifest.update({"notes": ["é", "\u202e", "\ud800", None, 1.5], "context": {"neighbours": 0.5}})
    save(model, tmp_path / "a.copytaster")
    loaded = load(str(tmp_path / "a.copytaster"))
    assert same(loaded, model)
    assert loaded.manifest == model.manifest
    assert np.array_equal(loaded.in_domain(TEXTS), model.in_domain(TEXTS))
    assert loaded.lexicons.names == model.lexicons.names
    assert dump(loaded) == dump(model)
    assert os.listdir(tmp_path) == ["a.copytaster"]


def test_the_first_version_is_read_for_ever():
    pinned = {
        "The council voted 7-2 on Tuesday to close the pool, the clerk said.": (
            0.027323890303,
            0.005657583032,
        ),
        "Sign the petition. Please call 555-0134 before June 3, 1994.": (0.008577649433, 0.022398645584),
        "We must not let this stand! It\u2019s a disgrace \u2014 \u201ca shameful one,\u201d "
        "as the mayor said.": (0.279707634987, 0.717500451954),
        "- Na\xefve caf\xe9 \U0001f600 \u4e2d\u6587 \u202e\ud800\0 according to @them: U.S. e-mail?": (
            0.436560042926,
            0.236591857138,
        ),
        "": (0.433106121679, 0.261114053574),
    }
    model = load(VERSION_1)
    assert model.labels == ("reporting", "opinion", "call-to-action")
    assert model.manifest["package"] == "0.1.0"
    assert model.predict_proba(list(pinned))[:, :2] == pytest.approx(
        np.array(list(pinned.values())), abs=1e-9
    )


def test_signs_are_found_by_name_and_new_ones_count_for_nothing(tmp_path):
    header, body = taken_apart(DATA)
    cues = array(header, body, "cues")
    order = np.random.default_rng(0).permutation(len(FORMS))[3:]
    lexical = cues[len(FORMS) :]
    header["forms"] = [FORMS[i] for i in order]
    header["arrays"]["cues"] |= {"offset": len(body), "shape": [len(order) + len(lexical), cues.shape[1]]}
    header["of a later release"] = True
    older = loads(sealed(header, body + np.concatenate((cues[order], lexical)).tobytes()))
    known = MODEL.cues.copy()
    known[sorted(set(range(len(FORMS))) - set(order.tolist()))] = 0
    expected = Model(MODEL.labels, MODEL.lexicons, MODEL.words, MODEL.scale, known, MODEL.bias, {})
    assert same(older, expected)
    assert (older.in_domain(TEXTS) == 1).all()
    header["forms"][0] = "sign_of_the_future"
    (tmp_path / "newer").write_bytes(sealed(header, body))
    assert "newer" in fault(tmp_path / "newer")


@pytest.fixture(scope="module")
def shipped():
    if not artifact.DEFAULT.exists():
        pytest.skip("no default model in this checkout")
    return artifact.DEFAULT.read_bytes()


def test_the_default_is_found_without_a_path(shipped):
    model = load()
    assert model.predict_proba(TEXTS).shape == (len(TEXTS), len(model.labels))
    assert dump(model) == dump(loads(shipped))


# What is not a model is refused


class Bomb:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


def zipped(entries):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return stream.getvalue()


def foreign(marker):
    """Files of other formats, some of which would run code if they were unpickled."""
    with_objects, through_joblib, npy = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.savez(with_objects, words=np.array([Bomb(marker)], dtype=object))
    np.save(npy, np.array([Bomb(marker)], dtype=object), allow_pickle=True)
    joblib.dump({"labels": Bomb(marker)}, through_joblib)
    return {
        "pickle": pickle.dumps(Bomb(marker)),
        "joblib": through_joblib.getvalue(),
        "npy": npy.getvalue(),
        "npz": with_objects.getvalue(),
        "zip bomb": zipped({"words.npy": bytes(30_000_000)}),
        "zip tricks": zipped(
            {"../../evil.npy": b"", "/etc/evil": b"", "a\\..\\b": b"", "words.npy": b"\x93NUMPY"}
        ),
        "empty": b"",
        "text": b"The council voted.\n",
        "zeros": bytes(100_000),
        "magic alone": b"copytaster\r\n",
        "magic and pickle": b"copytaster\r\n" + pickle.dumps(Bomb(marker)),
        "line ends translated": DATA.replace(b"\r\n", b"\n"),
        "gzip": b"\x1f\x8b\x08\0" + bytes(60),
        "followed by more": DATA + b"PK\3\4",
    }


def set_array(name, **entry):
    return lambda header, body: header["arrays"][name].update(entry)


def set_key(key, value):
    return lambda header, body: header.update({key: value})


def put_weight(name, value):
    def change(header, body):
        struct.pack_into("<d", body, header["arrays"][name]["offset"] + 8, value)

    return change


def put_bytes(name, at, data):
    def change(header, body):
        start = header["arrays"][name]["offset"] + at
        body[start : start + len(data)] = data

    return change


def alike(header, body):
    """Hashes that share their bits wherever a look-up table could tell them apart."""
    digits = np.stack(np.meshgrid(*[np.arange(8, dtype=np.uint64)] * 5), -1).reshape(-1, 5)
    hashes = np.zeros(len(digits), np.uint64)
    for place, shift in enumerate((0, 13, 26, 39, 52)):
        hashes += digits[:, place] << np.uint64(shift)
    many = len(hashes)
    header["arrays"]["lexicon_hashes"] = {"type": "<u8", "shape": [many], "offset": len(body)}
    body += np.sort(hashes).tobytes()
    header["arrays"]["lexicon_fan"] = {"type": "<u1", "shape": [many], "offset": len(body)}
    body += bytes(many)
    header["arrays"]["lexicon_column"] = {"type": "<u1", "shape": [0], "offset": 0}


def many_names(header, body):
    header["lexicons"] = [str(i) for i in range(20_000)]
    header["arrays"]["cues"] = {"type": "<f8", "shape": [len(FORMS) + 80_000, 2], "offset": len(body)}
    body += bytes(16 * (len(FORMS) + 80_000))


FORGED = {
    "object array": set_array("words", type="|O"),
    "other type": set_array("bias", type="<f4"),
    "type with fields": set_array("bias", type="<f8,<f8"),
    "type no string": set_array("bias", type=8),
    "10 GB shape": set_array("words", shape=[10_000_000_000, 2]),
    "10 GB in two": set_array("words", shape=[100_000, 100_000]),
    "huge shape": set_array("words", shape=[10**400, 2]),
    "negative shape": set_array("words", shape=[-16, -2]),
    "shape of floats": set_array("words", shape=[16.0, 2.0]),
    "shape of truths": set_array("scale", shape=[True]),
    "shape no list": set_array("scale", shape="2"),
    "shape null": set_array("scale", shape=None),
    "no shape at all": set_array("bias", shape=[]),
    "wrong shape": set_array("words", shape=[2, 16]),
    "three axes": set_array("words", shape=[16, 2, 1]),
    "no power of two": set_array("words", shape=[12, 2]),
    "one bucket": set_array("words", shape=[1, 2]),
    "no bucket": set_array("words", shape=[0, 2]),
    "offset behind the end": set_array("bias", offset=10**9),
    "offset before the start": set_array("bias", offset=-8),
    "offset no number": set_array("bias", offset="0"),
    "array missing": lambda header, body: header["arrays"].pop("bias"),
    "array unknown": lambda header, body: header["arrays"].update(more=header["arrays"]["bias"]),
    "array no object": lambda header, body: header["arrays"].update(bias=[1, 2]),
    "arrays a list": lambda header, body: header.update(arrays=sorted(header["arrays"])),
    "NaN weight": put_weight("cues", float("nan")),
    "infinite bias": put_weight("bias", float("-inf")),
    "weight beyond numbers": put_weight("scale", 1e307),
    "lexicons out of order": put_bytes("lexicon_hashes", 0, b"\xff" * 8),
    "lexicon that is not there": put_bytes("lexicon_column", 0, b"\xff"),
    "fan too wide": put_bytes("lexicon_fan", 0, b"\xff"),
    "hashes alike": alike,
    "many lexicons": many_names,
    "one label": set_key("labels", ["a"]),
    "21 labels": set_key("labels", list(names(21))),
    "label twice": set_key("labels", ["a", "b", "a"]),
    "label empty": set_key("labels", ["a", " ", "c"]),
    "label a number": set_key("labels", ["a", 1, "c"]),
    "label no text": set_key("labels", ["a", "\ud800", "c"]),
    "labels a word": set_key("labels", "abc"),
    "labels an object": set_key("labels", {"a": 1, "b": 2, "c": 3}),
    "labels null": set_key("labels", None),
    "lexicons numbers": set_key("lexicons", [1, 2, 3]),
    "lexicons nested": set_key("lexicons", [["asks"], [], {}]),
    "forms unknown": set_key("forms", [*FORMS[:-1], "x"]),
    "forms twice": set_key("forms", [*FORMS[:-1], FORMS[0]]),
    "forms too few": set_key("forms", FORMS[:-1]),
    "manifest a list": set_key("manifest", []),
    "manifest not finite": set_key("manifest", {"x": float("nan")}),
    "manifest deep": set_key("manifest", {"x": json.loads("[" * 50 + "]" * 50)}),
    "context a word": set_key("manifest", {"context": "x"}),
    "context of lists": set_key("manifest", {"context": {"neighbours": []}}),
    "context too large": set_key("manifest", {"context": {"neighbours": 10**300}}),
    "context beyond numbers": set_key("manifest", {"context": {"lead_in": 10**400}}),
    "context negative": set_key("manifest", {"context": {"lead_in": -1}}),
    "context above one": set_key("manifest", {"context": {"following": 1.5}}),
}

BODY = taken_apart(DATA)[1]
HEADER = json.dumps(taken_apart(DATA)[0]).encode()
SEALED = {
    "no header": b"",
    "no JSON": b"The council voted.",
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "a string": b'"labels"',
    "an empty object": b"{}",
    "deep lists": b"[" * 500_000,
    "deep objects": b'{"a":' * 100_000,
    "deep and closed": b"[" * 400_000 + b"]" * 400_000,
    "wide": b"[" + b"[]," * 300_000 + b"[]]",
    "huge number": HEADER[:-1] + b', "n": ' + b"9" * 900_000 + b"}",
    "infinite number": HEADER[:-1] + b', "n": 1e999}',
    "not a number": HEADER[:-1] + b', "n": NaN}',
    "name twice": HEADER[:-1] + b', "labels": ["a", "b", "c"]}',
    "bytes beyond ASCII": HEADER[:-1] + b', "n": "\xc3\xa9"}',
    "UTF-16": HEADER.decode().encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf" + HEADER,
    "something behind": HEADER + b"{}",
    "more than a header has": HEADER + b" " * MAX_HEADER,
}


def lying(**claims):
    """Change the sizes or the version at the front, checksum and all."""
    fields = (
        dict(zip(("version", "header", "size"), struct.unpack_from("<IQQ", DATA, 12), strict=True)) | claims
    )
    front = DATA[:12] + struct.pack("<IQQ", *fields.values())
    return front + sha256(front + DATA[64:]).digest() + DATA[64:]


LIES = {
    "version 0": lying(version=0),
    "version 2": lying(version=2),
    "version of the future": lying(version=2**32 - 1),
    "10 GB": lying(size=10 * 2**30),
    "10 GB header": lying(header=10 * 2**30),
    "all header": lying(header=2**64 - 1),
    "all": lying(size=2**64 - 1, header=2**64 - 1),
    "no size": lying(size=0),
    "no header size": lying(header=0),
    "header over the end": lying(header=len(DATA) - 63),
}


def hostile(folder):
    """Write every hostile file and return their paths."""
    marker = folder / "ran"
    files = {
        **foreign(marker),
        **{name: changed(change) for name, change in FORGED.items()},
        **{name: sealed(header, BODY) for name, header in SEALED.items()},
        **LIES,
    }
    paths = []
    for name, data in files.items():
        paths.append(folder / f"{name}.copytaster")
        paths[-1].write_bytes(data)
    for name, start in (("sparse zeros", b""), ("sparse model", DATA)):
        paths.append(folder / f"{name}.copytaster")
        paths[-1].write_bytes(start)
        os.truncate(paths[-1], 10 * 2**30)
    return paths, marker


def test_an_unharmed_forgery_is_taken():
    assert same(loads(changed(lambda header, body: None)), MODEL)
    assert same(loads(sealed(HEADER, BODY)), MODEL)
    assert same(loads(lying()), MODEL)


def test_every_hostile_file_is_refused_within_time_and_memory(tmp_path):
    paths, marker = hostile(tmp_path)
    script = """if True:
        import sys, time
        from copytaster.artifact import load
        from copytaster.errors import ArtifactError
        for path in sys.argv[1:]:
            start = time.perf_counter()
            try:
                load(path)
                print("LOADED", path)
            except ArtifactError as fault:
                print("SLOW" if time.perf_counter() - start > 2 else "REFUSED", ascii(str(fault)))
        try:
            print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
        except OSError:
            print(0)
        assert not {"sklearn", "scipy", "joblib"} & set(sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", script, *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    *answers, memory = done.stdout.splitlines()
    assert [answer for answer in answers if not answer.startswith("REFUSED")] == []
    assert len(answers) == len(paths)
    assert int(memory) < 300 * 1024
    assert not marker.exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pickle", "not a copytaster model"),
        ("version 2", "version 2 is not known"),
        ("10 GB", "cut short"),
        ("NaN weight", "no weights"),
        ("wrong shape", "shape"),
        ("array missing", "missing"),
        ("name twice", "header"),
        ("sparse zeros", "not a copytaster model"),
        ("sparse model", "at most"),
    ],
)
def test_the_fault_is_named(tmp_path, name, words):
    hostile(tmp_path)
    assert words in fault(tmp_path / f"{name}.copytaster")


def test_cut_short_at_every_byte():
    for size in range(len(DATA)):
        with pytest.raises(ArtifactError):
            loads(DATA[:size])


def test_every_byte_flipped():
    for at in range(len(DATA)):
        with pytest.raises(ArtifactError):
            loads(DATA[:at] + bytes([DATA[at] ^ 1 << at % 8]) + DATA[at + 1 :])


def test_the_default_cut_short_or_flipped(shipped):
    draw = random.Random(0)
    for at in [0, 63, 64, len(shipped) - 1, *(draw.randrange(len(shipped)) for _ in range(60))]:
        for damaged in (
            shipped[:at],
            shipped[:at] + bytes([shipped[at] ^ 1 << draw.randrange(8)]) + shipped[at + 1 :],
        ):
            with pytest.raises(ArtifactError):
                loads(damaged).careful.read()


def test_every_array_of_the_default_is_checked(shipped):
    header, body = taken_apart(shipped)
    for name, entry in header["arrays"].items():
        wrong = [
            {"shape": [1, 1]},
            {"shape": [10**10]},
            {"type": "|O"},
            {"type": "<f2"},
            {"offset": len(body)},
        ]
        if "f" in entry["type"]:
            wrong.append({"offset": len(body) - len(body) % 8, "nan": True})
        for change in wrong:
            nan = b"\xff" * (8 * int(np.prod(entry["shape"])) + 8) if change.pop("nan", False) else b""
            with pytest.raises(ArtifactError):
                loads(sealed(header | {"arrays": header["arrays"] | {name: entry | change}}, body + nan))
        without = {other: kept for other, kept in header["arrays"].items() if other != name}
        with pytest.raises(ArtifactError):
            loads(sealed(header | {"arrays": without}, body))
    for names_of in [key for key in ("labels", "lexicons", "forms", "domain") if header.get(key)]:
        for value in (["x"], None, 1, [None], header[names_of][:-1]):
            with pytest.raises(ArtifactError):
                loads(sealed(header | {names_of: value}, body))


def test_changes_in_the_default_with_its_checksum_do_no_harm(shipped):
    header, body = taken_apart(shipped)
    draw = random.Random(1)
    for entry in header["arrays"].values():
        for _ in range(4):
            damaged = bytearray(body)
            size = int(np.prod(entry["shape"])) * np.dtype(entry["type"]).itemsize
            for _ in range(3):
                damaged[entry["offset"] + draw.randrange(size)] = draw.choice([0, 1, 127, 128, 255])
            harmless(sealed(header, bytes(damaged)))


def harmless(data):
    """Hold that bytes are refused, or make a model that answers."""
    try:
        model = loads(data)
    except ArtifactError:
        return
    proba = model.predict_proba(TEXTS)
    assert np.isfinite(proba).all() and np.abs(proba.sum(axis=1) - 1).max() < 1e-9
    familiar = model.in_domain(TEXTS)
    assert ((familiar >= 0) & (familiar <= 1)).all()
    json.dumps(model.manifest, indent=2, allow_nan=False)
    model.explain(TEXTS[0])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(BODY) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_body_changed_with_its_checksum_does_no_harm(changes):
    body = bytearray(BODY)
    for at, value in changes:
        body[at] = value
    harmless(sealed(HEADER, bytes(body)))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(HEADER) - 1), st.sampled_from(b'0129-.eE"\\{}[],: an')), max_size=3)
)
def test_a_header_changed_with_its_checksum_does_no_harm(changes):
    header = bytearray(HEADER)
    for at, value in changes:
        header[at] = value
    harmless(sealed(bytes(header), BODY))


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(["labels", "lexicons", "forms", "manifest", "arrays"])
entries = st.tuples(
    st.sampled_from(["type", "shape", "offset"]), st.sampled_from(sorted(taken_apart(DATA)[0]["arrays"]))
)


@settings(max_examples=150, deadline=None)
@given(keys | entries | st.just("context"), plain)
def test_any_value_in_the_header_does_no_harm(place, value):
    header, body = taken_apart(DATA)
    if place == "context":
        header["manifest"]["context"] = value
    elif isinstance(place, str):
        header[place] = value
    else:
        header["arrays"][place[1]][place[0]] = value
    harmless(sealed(header, body))


# What is not a file is not read


def test_a_folder_a_device_a_pipe_or_nothing_is_no_model(tmp_path):
    assert "folder" in fault(tmp_path) or "directory" in fault(tmp_path)
    assert "regular" in fault("/dev/zero")
    assert "regular" in fault("/dev/null")
    os.mkfifo(tmp_path / "pipe")
    assert "regular" in fault(tmp_path / "pipe")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "socket"))
    fault(tmp_path / "socket")
    server.close()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    fault(tmp_path / "loop")
    assert "no model at" in fault(tmp_path / "missing")
    fault(tmp_path / ("long" * 100))
    with pytest.raises(ArtifactError):
        load("nul\0byte")


def test_the_command_says_one_line_and_exits_with_1(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "pickle").write_bytes(pickle.dumps(Bomb(tmp_path / "ran")))
    (tmp_path / "article.txt").write_text("The council voted.\n")
    commands = [
        ["predict", "article.txt", "-m", "pipe"],
        ["predict", "article.txt", "-m", "pickle"],
        ["inspect", "pickle"],
    ]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "copytaster", *command],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]
    for process in running:
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (1, "")
        assert err.startswith("Error: ") and err.count("\n") == 1
        assert "Traceback" not in err
    assert not (tmp_path / "ran").exists()


# What is saved is whole


@contextmanager
def unprivileged():
    """Be somebody to whom the rights of files mean something."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def no_room(size):
    """Let no file grow beyond a size, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_without_room_the_old_model_stays(tmp_path):
    path = tmp_path / "m.copytaster"
    save(MODEL, path)
    with no_room(1000), pytest.raises(DataError, match=r"m\.copytaster cannot be written"):
        save(random_model(seed=1), path)
    assert path.read_bytes() == DATA
    assert os.listdir(tmp_path) == ["m.copytaster"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_a_full_device_is_said():
    with pytest.raises(DataError, match="no space left"):
        save(MODEL, "/dev/full")


def test_without_the_right_to_write_the_old_model_stays():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.copytaster"
        save(MODEL, path)
        os.chmod(folder, 0o555)
        with unprivileged(), pytest.raises(DataError, match="cannot be written"):
            save(random_model(seed=1), path)
        os.chmod(folder, 0o755)
        assert path.read_bytes() == DATA
        assert os.listdir(folder) == ["m.copytaster"]


def test_what_could_not_be_loaded_is_not_saved(tmp_path):
    path = tmp_path / "m.copytaster"
    save(MODEL, path)
    for spoil in ("scale", "bias", "cues"):
        model = random_model(bits=4)
        getattr(model, spoil).flat[0] = np.nan
        with pytest.raises(ArtifactError, match="cannot be stored"):
            save(model, path)
    model = random_model(bits=4)
    model.words = np.zeros((MAX_BYTES // 2, 2), np.int8)
    with pytest.raises(ArtifactError, match="cannot be stored"):
        save(model, path)
    assert path.read_bytes() == DATA


def training(folder):
    """Write six small articles that have nothing in common; return how to learn them, but for MODEL."""
    random = np.random.default_rng(0)

    def some(count):
        return " ".join("".join(map(chr, word)) for word in random.integers(97, 123, (count, 6)))

    frames = {
        "reporting": "The council said {} on Tuesday.",
        "opinion": "We must not {}!",
        "call-to-action": "Sign: {}.",
    }
    with open(folder / "some.jsonl", "w") as file:
        for i in range(6):
            paragraphs = [{"text": frames[name].format(some(8)), "label": name} for name in LABELS * 2]
            file.write(json.dumps({"id": f"a{i}", "paragraphs": paragraphs}) + "\n")
    (folder / "quick.toml").write_text("bits = 10\niterations = 5\n")
    return ["train", str(folder / "some.jsonl"), "-c", str(folder / "quick.toml"), "-o"]


@contextmanager
def forks(prepare, work):
    """Start a process that forks another for every line it is given; yield what sends a line and kills."""
    script = f"""if True:
    import os, sys
    {prepare}
    print(flush=True)
    for line in sys.stdin:
        process = os.fork()
        if not process:
            {work}
        print(process, flush=True)
        print(os.waitpid(process, 0)[1], flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    ) as server:
        server.stdout.readline()

        def fork(line, patience):
            print(line, file=server.stdin, flush=True)
            process = int(server.stdout.readline())
            if patience is not None:
                time.sleep(patience)
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            return int(server.stdout.readline())

        yield fork
        server.stdin.close()


def test_saving_killed_at_any_moment_leaves_the_old_model_or_the_new(tmp_path):
    path, models = tmp_path / "m.copytaster", [random_model(bits=14, seed=seed) for seed in (1, 2)]
    whole = [dump(model) for model in models]
    save(models[0], path)
    prepare = f"""
    sys.path.insert(0, {str(Path(__file__).parent)!r})
    from models import random_model
    from copytaster.artifact import save
    models = [random_model(bits=14, seed=seed) for seed in (2, 1)]
    """
    work = f"""
            while True:
                for model in models:
                    save(model, {str(path)!r})
    """
    draw = random.Random(0)
    with forks(prepare, work) as fork:
        for _ in range(20):
            assert fork("", draw.uniform(0, 0.05)) == signal.SIGKILL
            assert path.read_bytes() in whole


def test_training_killed_at_any_moment_leaves_the_old_model_or_the_new(tmp_path):
    path = tmp_path / "m.copytaster"
    prepare = f"""
    from copytaster.cli import run
    command = {[*training(tmp_path), str(path)]} + ["--seed"]
    run([*command, "0"])
    """
    draw = random.Random(0)
    with forks(prepare, "os._exit(run([*command, line.strip()]))") as fork:
        assert load(path).manifest["seed"] == 0
        start = time.perf_counter()
        assert fork(1, None) == 0
        whole = time.perf_counter() - start
        seed = 1
        for new in range(2, 9):
            status = fork(new, whole * draw.uniform(0.02, 1.1))
            found = load(path).manifest["seed"]
            assert found in (seed, new)
            assert found == new or status == signal.SIGKILL
            seed = found
        assert fork(99, None) == 0
        assert load(path).manifest["seed"] == 99


def test_who_comes_second_is_told(tmp_path, capfd):
    path = tmp_path / "m.copytaster"
    command = [*training(tmp_path), str(path)]
    save(MODEL, path)
    with reserved(path):
        assert run(command) == 1
        assert "is being written by another process" in capfd.readouterr().err
        assert path.read_bytes() == DATA
    assert run(command) == 0
    assert load(path).manifest["seed"] == 0


def test_two_trainings_of_one_model_do_not_mix(tmp_path):
    path = tmp_path / "m.copytaster"
    command = [sys.executable, "-m", "copytaster", *training(tmp_path), str(path), "--seed"]
    both = [subprocess.Popen([*command, seed], stderr=subprocess.PIPE, text=True) for seed in ("1", "2")]
    winners = []
    for seed, process in enumerate(both, 1):
        words = process.communicate(timeout=60)[1]
        assert ("Wrote" if process.returncode == 0 else "is being written by another process") in words
        winners += [seed] if process.returncode == 0 else []
    assert load(path).manifest["seed"] in winners


def test_training_says_when_it_cannot_write(tmp_path, capfd):
    path = tmp_path / "m.copytaster"
    command = training(tmp_path)
    save(MODEL, path)
    with no_room(1000):
        assert run([*command, str(path)]) == 1
    assert run([*command, str(tmp_path)]) == 1
    assert run([*command, str(tmp_path / "missing" / "m.copytaster")]) == 1
    errors = capfd.readouterr().err.splitlines()
    assert len(errors) == 3 and all(error.startswith("Error: ") for error in errors)
    assert path.read_bytes() == DATA
    assert sorted(os.listdir(tmp_path)) == ["m.copytaster", "quick.toml", "some.jsonl"]
