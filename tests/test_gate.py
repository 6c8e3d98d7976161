"""Gates: what holds passes, what falls short says by how much, what was not measured never passes."""

import contextlib
import os
import sys

import numpy as np
import pytest

from copytaster.compare import compare
from copytaster.errors import DataError, GateError, UsageError
from copytaster.gate import check_gates, paragraphs_short, read_gates, update_gates
from copytaster.labeled import Example
from copytaster.metrics import evaluate_examples

LABELS = ("reporting", "opinion", "call-to-action")
CONFUSION = [[80, 15, 5], [10, 46, 4], [6, 8, 46]]


def make_report(confusion=CONFUSION, labels=LABELS, by=("source",), draws=200):
    gold, predicted = (
        np.repeat(cells, np.ravel(confusion)) for cells in np.indices(np.shape(confusion)).reshape(2, -1)
    )
    examples = [
        Example(f"text {i}", labels[label], article=f"a{i % 40}", source="wire" if i % 2 else "blog")
        for i, label in enumerate(gold)
    ]
    proba = np.where(np.eye(len(labels))[predicted] == 1, 0.8, 0.2 / (len(labels) - 1))
    report = evaluate_examples(examples, labels, proba, by=by, draws=draws)
    report["data_digest"] = "d1"
    return report


@pytest.fixture(scope="module")
def report():
    return make_report()


@pytest.fixture
def check(tmp_path, report):
    def write_and_check(text, report=report):
        path = tmp_path / "gates.toml"
        path.write_text(text, encoding="utf-8")
        return check_gates(report, read_gates(path))

    return write_and_check


@pytest.fixture
def messages(check):
    return lambda text, **options: [c["message"] for c in check(text, **options) if not c["passed"]]


def test_what_holds_passes(check):
    checks = check(
        """
        data_digest = "d1"
        n = 200
        macro_f1 = 0.75
        accuracy = {min = 0.7, max = 0.9}
        opinion.f1 = 0.6
        call-to-action.recall = {min = 0.6, use = "lower"}
        call-to-action.support = 60
        calibration_error = {max = 0.2, use = "upper"}
        log_loss = 2
        [slice.source.wire]
        weighted_f1 = 0.5
        reporting.precision = 0.5
        """
    )
    assert [c["gate"] for c in checks if not c["passed"]] == []
    assert len(checks) == 12


def test_a_failure_names_metric_measured_required_and_paragraphs(messages):
    assert messages("call-to-action.recall = 0.8") == [
        "call-to-action.recall: 0.76667 measured, at least 0.8 required; off by 2 paragraphs"
    ]


def test_a_failure_knows_its_line(check, tmp_path):
    failure = check("# floors\nmacro_f1 = 0.1\n\n[opinion]\nrecall = 0.99\n")[1]
    assert (failure["file"], failure["line"]) == (str(tmp_path / "gates.toml"), 5)
    assert failure["gate"] == "opinion.recall"


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("call-to-action.recall = 0.8", 2),  # 46 + 2 of 60
        ("call-to-action.precision = 0.9", 4),  # 46 of 55 - 4
        ("accuracy = 0.8", 4),  # 172 + 4 of 220
        ("call-to-action.support = 64", 4),
        ("n = 221", 1),
        ("articles = 41", None),
        ("calibration_error = 0.01", 2),  # 0.8 - 172 / 220 is 0.0182; 0.0082 of 220 is 1.8
        ("brier = 0.1", None),
        ("reporting.recall = {max = 0.5}", None),
    ],
)
def test_how_many_paragraphs_a_figure_is_off(check, text, short):
    (failure,) = check(text)
    assert not failure["passed"]
    assert failure["paragraphs"] == short


def test_flipping_as_many_paragraphs_as_said_is_enough(report):
    target = 0.9
    flips = paragraphs_short(report, ("macro_f1",), target)
    assert flips is not None
    rows, columns = np.nonzero(~np.eye(3, dtype=bool))
    rng = np.random.default_rng(0)
    best = 0.0
    for _ in range(300):
        confusion = np.array(CONFUSION)
        for cell in rng.permutation(np.repeat(np.arange(6), confusion[rows, columns]))[: flips - 1]:
            confusion[rows[cell], columns[cell]] -= 1
            confusion[rows[cell], rows[cell]] += 1
        best = max(best, make_macro_f1(confusion))
    assert best < target


def make_macro_f1(confusion):
    hits = confusion.diagonal()
    return (2 * hits / (confusion.sum(axis=0) + confusion.sum(axis=1))).mean()


def test_a_floor_out_of_reach_has_no_count(report):
    assert paragraphs_short(report, ("macro_f1",), 1.01) is None


def test_the_tolerance_forgives_that_many_paragraphs(check):
    (passed,) = check("tolerance = 2\ncall-to-action.recall = 0.8")
    assert passed["passed"]
    assert passed["message"].endswith("off by 2 paragraphs, which the tolerance allows")
    assert not check("tolerance = 1\ncall-to-action.recall = 0.8")[0]["passed"]
    assert not check("tolerance = 9\nn = 221")[0]["passed"]
    assert not check("tolerance = 9\ncall-to-actoin.recall = 0.1")[0]["passed"]


def test_use_chooses_the_end_of_the_interval(check, report):
    low, high = report["intervals"]["macro_f1"]
    lower, upper = check(f'macro_f1 = {{min = {low + 0.001}, use = "lower", max = {high - 0.001}}}')
    assert not lower["passed"]
    assert lower["measured"] == pytest.approx(low)
    assert "(lower bound)" in lower["message"]
    assert "about" in lower["message"]
    assert upper["passed"]
    (over,) = check(f'macro_f1 = {{max = {high - 0.001}, use = "upper"}}')
    assert not over["passed"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("macro_f2 = 0.1", "no such metric"),
        ("macro_f2 = {min = 0.1}", "no label or metric 'macro_f2'"),
        ("call-to-actoin.recall = 0.1", "no label or metric 'call-to-actoin'"),
        ("opinion.accuracy = 0.1", "no score 'accuracy'"),
        ("[slice.source.radio]\nmacro_f1 = 0.1", "no paragraph has the source 'radio'"),
        ("[slice.topic.war]\nmacro_f1 = 0.1", "not broken down by topic"),
        ("[baseline]\nmacro_f1 = {max_drop = 0.1}", "no baseline"),
        ('n = {min = 1, use = "lower"}', "a count has no interval"),
        ('data_digest = "d2"', "the labelled data changed"),
    ],
)
def test_what_was_not_measured_never_passes(messages, text, reason):
    (message,) = messages(text)
    assert reason in message


def test_a_report_without_a_digest_fails_a_pinned_one(messages):
    report = make_report(draws=0)
    del report["data_digest"]
    assert "none measured" in messages('data_digest = "d1"', report=report)[0]


def test_no_interval_never_passes(messages):
    assert (
        "there is no interval"
        in messages('macro_f1 = {min = 0.1, use = "lower"}', report=make_report(draws=0))[0]
    )


def test_an_absent_label_fails_itself_and_the_averages(messages):
    report = make_report([[9, 1, 0], [1, 9, 0], [0, 0, 0]])
    assert (
        "no paragraph is labelled call-to-action" in messages("call-to-action.recall = 0", report=report)[0]
    )
    assert (
        "no paragraph is labelled call-to-action" in messages("call-to-action.support = 0", report=report)[0]
    )
    assert "name it in absent" in messages("macro_f1 = 0", report=report)[0]
    assert messages('absent = ["call-to-action"]\nmacro_f1 = 0.5\naccuracy = 0.5', report=report) == []
    assert messages('absent = ["call-to-action"]\ncall-to-action.f1 = 0', report=report)
    assert messages('absent = ["opinion"]\nmacro_f1 = 0', report=report)


def test_a_slice_may_name_its_absent_labels(messages):
    report = make_report([[9, 1, 0], [1, 9, 0], [0, 0, 1]])
    (wire, blog) = (report["slices"]["source"][name]["absent"] for name in ("wire", "blog"))
    assert (wire, blog) == (["call-to-action"], [])
    assert messages("[slice.source.wire]\nmacro_f1 = 0.1", report=report)
    assert messages('[slice.source.wire]\nabsent = ["call-to-action"]\nmacro_f1 = 0.1', report=report) == []


def test_labels_may_be_any_text(messages):
    labels = ("a.b", 'say "no"', "été", "=1")
    report = make_report((np.eye(4, dtype=int) * 9).tolist(), labels)
    text = '"a.b".recall = 1\n\'say "no"\'.recall = 1\n"été".f1 = 1\n"=1".f1 = 1\n'
    assert messages(text, report=report) == []
    assert "a" in messages("a.f1 = 1", report=report)[0]


def test_baseline_gates_bound_the_drop(messages):
    report, better = make_report(), make_report([[90, 8, 2], [5, 52, 3], [3, 4, 53]])
    report["comparison"] = compare(report, better, draws=200)
    drop = better["macro_f1"] - report["macro_f1"]
    assert messages(f"[baseline]\nmacro_f1 = {{max_drop = {drop + 0.001}}}", report=report) == []
    (message,) = messages("[baseline]\nmacro_f1 = {max_drop = 0.02}", report=report)
    assert message.startswith(
        f"baseline.macro_f1: {drop:.5f} measured, a drop of at most 0.02 required; off by"
    )
    assert messages(f'[baseline]\nmacro_f1 = {{max_drop = {drop + 0.001}, use = "lower"}}', report=report)
    assert messages("[baseline]\nopinion.recall = {max_drop = 0.01}", report=report)
    assert messages("[baseline]\nlog_loss = {max_rise = 0.01}", report=report)
    assert "not compared" in messages("[baseline]\nn = {max_drop = 1}", report=report)[0]


def test_a_baseline_that_shares_little_never_passes(messages):
    report = make_report()
    other = {**report, "predictions": report["predictions"][:20]}
    report["comparison"] = compare(report, other, draws=20)
    assert "shares only 20 of 220" in messages("[baseline]\naccuracy = {max_drop = 1}", report=report)[0]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("macro_f1 = ", "is not TOML"),
        ("", "holds no gate"),
        ("[baseline]\n", "holds no gate"),
        ("[slice.source.wire]\nabsent = []", "slice.source.wire: holds no gate"),
        ("[slice.source]\n", "slice.source: holds no gate"),
        ("[opinion]\n", "opinion: holds no gate"),
        ("macro_f1 = {}", "give min or max"),
        ('macro_f1 = {use = "lower"}', "give min or max"),
        ("macro_f1 = {mim = 0.8}", "unknown key 'mim'"),
        ('macro_f1 = {min = 0.8, use = "lowr"}', 'use must be "point"'),
        ('macro_f1 = "0.8"', "finite number"),
        ("macro_f1 = true", "finite number"),
        ("macro_f1 = nan", "finite number"),
        ("macro_f1 = {min = -inf}", "finite number"),
        ("macro_f1 = [0.8]", "finite number"),
        ("macro_f1.recall = 0.8", "unknown key 'recall'"),
        ("a.b.recall = 0.8", "unknown key 'recall'"),
        ("macro_f1 = {max_drop = 0.1}", "unknown key 'max_drop'"),
        ("[baseline]\nmacro_f1 = {min = 0.1}", "unknown key 'min'"),
        ("[baseline]\nlog_loss = {max_drop = 0.1}", "unknown key 'max_drop'"),
        ("baseline = 3", "baseline: must be a table"),
        ("slice = 3", "slice: must hold tables"),
        ("slice.source.wire = 0.8", "slice: must hold tables"),
        ("tolerance = 1.5\nn = 1", "tolerance: must be a whole number"),
        ("tolerance = -1\nn = 1", "tolerance: must be a whole number"),
        ("data_digest = 5", "data_digest: must be a string"),
        ('absent = "opinion"\nn = 1', "absent: must be a list"),
    ],
)
def test_a_malformed_file_is_a_usage_error(check, text, fault):
    with pytest.raises(UsageError) as caught:
        check(text)
    assert fault in str(caught.value)


def test_all_faults_are_named_at_once(check):
    with pytest.raises(UsageError) as caught:
        check('macro_f1 = "x"\naccuracy = {mim = 1}\n')
    assert "macro_f1" in str(caught.value)
    assert "mim" in str(caught.value)


def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_gates(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"\xe9 = 1")
    with pytest.raises(UsageError, match="cannot be read"):
        read_gates(tmp_path / "latin.toml")


@pytest.mark.skipif(sys.version_info >= (3, 11), reason="the standard library reads TOML")
def test_python_3_10_without_tomli_says_what_to_install(check, monkeypatch):
    monkeypatch.setitem(sys.modules, "tomli", None)
    with pytest.raises(UsageError, match="pip install tomli"):
        check("n = 1")


def test_the_fields_to_break_down_by(tmp_path):
    path = tmp_path / "gates.toml"
    path.write_text("n = 1\n[slice.source.a]\nn = 1\n[slice.kind.b]\nn = 1\n[slice.source.c]\nn = 1\n")
    assert read_gates(path).fields == ("source", "kind")


GATES = """# Floors of the project
data_digest = "d0"  # pinned

macro_f1 = 0.70  # agreed in spring
call-to-action.recall = {min = 0.60, use = "lower"}
calibration_error = {max = 0.5}
opinion.support = 50

[slice.source.wire]
accuracy = 0.1

[baseline]
macro_f1 = {max_drop = 0.02}
"""


def test_pinning_raises_floors_and_keeps_everything_else(tmp_path, report):
    path = tmp_path / "gates.toml"
    path.write_text(GATES, encoding="utf-8")
    changes = update_gates(path, report)
    pinned = path.read_text(encoding="utf-8")
    floor = np.floor(report["macro_f1"] * 1e4) / 1e4
    assert f"macro_f1: at least {floor:g}, was 0.7" in changes
    assert len(changes) == 6
    assert f"macro_f1 = {floor:g}  # agreed in spring" in pinned
    assert 'data_digest = "d1"  # pinned' in pinned
    assert "opinion.support = 60" in pinned
    assert "macro_f1 = {max_drop = 0.02}" in pinned
    assert len(pinned.splitlines()) == len(GATES.splitlines())
    checks = check_gates(report, read_gates(path))
    assert [c["gate"] for c in checks if not c["passed"]] == ["baseline.macro_f1"]
    assert update_gates(path, report) == []


def test_pinning_refuses_to_lower_a_floor_or_raise_a_ceiling(tmp_path, report):
    path = tmp_path / "gates.toml"
    text = "macro_f1 = 0.95\nbrier = 0.01\naccuracy = 0.1\n"
    path.write_text(text)
    with pytest.raises(GateError) as caught:
        update_gates(path, report)
    assert "macro_f1" in str(caught.value)
    assert "brier" in str(caught.value)
    assert caught.value.exit_code == 3
    assert path.read_text() == text
    assert len(update_gates(path, report, allow_lower=True)) == 3
    assert all(c["passed"] for c in check_gates(report, read_gates(path)))


def test_pinning_never_loosens_what_passes(tmp_path, report):
    path = tmp_path / "gates.toml"
    exact = report["macro_f1"]
    path.write_text(f"macro_f1 = {exact!r}\n")
    assert update_gates(path, report, allow_lower=True) == []
    text = "tolerance = 2\ncall-to-action.recall = 0.8\n"
    path.write_text(text)
    assert update_gates(path, report, allow_lower=True) == []
    assert path.read_text() == text


@pytest.mark.parametrize(
    "text", ["macro_f2 = 0.1", "[slice.source.radio]\nmacro_f1 = 0.1", 'data_digest = "x"']
)
def test_pinning_needs_every_figure(tmp_path, text):
    report = make_report(draws=0)
    del report["data_digest"]
    path = tmp_path / "gates.toml"
    path.write_text(text)
    with pytest.raises(GateError, match="left as it is"):
        update_gates(path, report, allow_lower=True)


@pytest.mark.parametrize(
    "text",
    [
        "[opinion]\nrecall = {use = 'lower', min = 0.1}\n",
        "[opinion.recall]\nmin = 0.1\nuse = 'lower'\n",
        "[ opinion ]\r\nrecall.min = 0.1 # low\r\nrecall.max = 1.0\r\n",
        "opinion = {recall = 0.1, f1 = {min = 1e-1}}\n",
        '"opinion".recall = +1_0e-2\n',
    ],
)
def test_pinning_understands_toml_written_in_other_ways(tmp_path, report, text):
    path = tmp_path / "gates.toml"
    path.write_bytes(text.encode())
    before = read_gates(path)
    try:
        update_gates(path, report)
    except UsageError as error:
        assert "a line of its own" in str(error)  # rather than a wrong number
        assert path.read_bytes() == text.encode()
        return
    after = read_gates(path)
    assert [g.key for g in after.gates] == [g.key for g in before.gates]
    assert after.gates[0].limit > before.gates[0].limit
    assert path.read_bytes().count(b"\r") == text.count("\r")


def test_pinning_replaces_the_file_in_one_step(tmp_path, report, monkeypatch):
    path = tmp_path / "gates.toml"
    path.write_text(GATES)
    path.chmod(0o640)
    link = tmp_path / "link.toml"
    link.symlink_to(path)

    def fail(*args):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(DataError, match="disk full"):
            update_gates(link, report)
    assert path.read_text() == GATES
    update_gates(link, report)
    assert path.read_text() != GATES
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(tmp_path)) == ["gates.toml", "link.toml"]


@pytest.mark.parametrize(
    "text",
    ["\0", "[[slice]]\nx = 1", "slice.a.b.c.d.e = 1", "x = 2020-01-01", "'' = 1", "x.'' = 1", "n = 1e400"],
)
def test_odd_files_never_pass(check, text):
    with contextlib.suppress(UsageError):
        assert not all(c["passed"] for c in check(text))


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no /dev/zero on this system")
def test_a_file_without_an_end_is_refused():
    with pytest.raises(UsageError, match=r"^/dev/zero cannot be read: more than 1,048,576 bytes$"):
        read_gates("/dev/zero")
