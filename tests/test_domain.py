"""Out of domain: what a model trained on written English articles says of other text.

Nothing here was used to make the detector: sentences, code and tables in `tests/domain` are other ones than
those in `copytaster/foreign`, and the articles are held out.
"""

import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from copytaster.artifact import load, save
from copytaster.domain import CLASSES, PAIR_BITS, READ, SIGNS, TOKEN_BITS, Domain
from copytaster.features import FORMS
from copytaster.fit import Config, featuriser, fit
from copytaster.fit_domain import fit_domain
from copytaster.labeled import Example, read_labeled, select

ROOT = Path(__file__).resolve().parent
EXAMPLES = read_labeled([ROOT.parent / "labeled" / "written"])
LATIN = """
arma virumque cano troiae qui primus ab oris italiam fato profugus laviniaque venit litora multum
ille et terris iactatus alto vi superum saevae memorem iunonis ob iram quousque tandem abutere
catilina patientia nostra quam diu etiam furor iste tuus nos eludet
"""


def cases(name, between):
    """Return the texts of a file, and each with the one after it."""
    texts = [
        text for text in (ROOT / "domain" / f"{name}.txt").read_text("utf-8").split(between) if text.strip()
    ]
    joint = "\n" if "\n\n" in between else " "
    return texts + [joint.join(pair) for pair in pairwise(texts)]


def share_outside(domain, texts):
    return float((domain.familiarity(featuriser()(texts)) < 0.5).mean())


def train(texts, articles):
    return fit_domain(texts, articles, featuriser())


@pytest.fixture(scope="module")
def held_out():
    return [example.text for example in select(EXAMPLES, "test")]


@pytest.fixture(scope="module")
def domain():
    chosen = select(EXAMPLES, "train")
    return train([e.text for e in chosen], [e.article for e in chosen])


@pytest.mark.parametrize(
    ("name", "between"), [("spanish", "\n"), ("german", "\n"), ("code", "\n\n"), ("tables", "\n\n")]
)
def test_other_languages_code_and_tables_lie_outside(domain, name, between):
    assert share_outside(domain, cases(name, between)) >= 0.95


def test_filler_lies_outside(domain):
    draw = random.Random(1)
    texts = [
        " ".join(draw.choices(LATIN.split(), k=draw.randint(8, 60))).capitalize() + "." for _ in range(100)
    ]
    assert share_outside(domain, texts) >= 0.95


def test_shuffled_paragraphs_lie_outside(domain, held_out):
    draw = random.Random(1)
    words = [text.split() for text in held_out if len(text.split()) >= 15]
    assert share_outside(domain, [" ".join(draw.sample(some, len(some))) for some in words]) >= 0.95


def test_articles_lie_inside(domain, held_out):
    assert share_outside(domain, held_out) <= 0.02


@pytest.mark.parametrize(
    "text",
    ["", " ", "42", "Sign now!", "Contact: Jane Doe, 555-0199", "Buy milk",
     "Mrs. Okonkwo, Llanfairpwll", "Read more: https://www.example.org/petition", "ATTENTION ALL STUDENTS",
     "3. **Join the Friends of the Mill** at friendsofthemill.example, or give $10 towards the roof.",
     "- **Write** to the board: post@county.example, with *Torvik* in the subject line",
     "Where: the town hall"],
)  # fmt: skip
def test_little_text_is_given_the_benefit_of_the_doubt(text):
    assert share_outside(load().domain, [text]) == 0


@pytest.mark.parametrize(
    "text",
    ["Министр отрицал, что подписал это соглашение, и обещал показать все письма.", "ab3f9 " * 40,
     "市長は昨日の会議で新しい計画について説明し、質問には答えなかった。住民は反対している。"],
)  # fmt: skip
def test_other_scripts_and_noise_lie_outside(domain, text):
    assert share_outside(domain, [text]) == 1


def test_a_model_of_another_language_knows_that_language():
    draw = random.Random(1)
    german = cases("german", "\n")[:50]
    texts = [" ".join(draw.sample(german, 3)) for _ in range(300)]
    domain = train(texts, [str(i // 4) for i in range(300)])
    assert share_outside(domain, texts) <= 0.02
    assert share_outside(domain, cases("spanish", "\n")) >= 0.9
    assert share_outside(domain, [e.text for e in EXAMPLES[:200]]) >= 0.9


def test_a_few_texts_in_a_stray_language_do_not_bring_it_in():
    german = cases("german", "\n")
    strays = [" ".join(german[i : i + 4]) for i in range(0, 20, 4)]
    chosen = select(EXAMPLES, "train")
    domain = train(
        [*strays, *(e.text for e in chosen)],
        [*(f"stray {i}" for i in range(5)), *(e.article for e in chosen)],
    )
    assert share_outside(domain, german[20:50]) >= 0.9


@pytest.mark.parametrize(
    "texts", [["Sign now.", "The council met."], ["", ""], ["one " * 50] * 30, ["\x00", "\ud800", "."]]
)
def test_any_training_set_gives_a_detector(texts):
    domain = train(texts, [str(i) for i in range(len(texts))])
    share = domain.familiarity(featuriser()([*texts, "Hello", "", "x = [1, 2, 3];"]))
    assert ((share >= 0) & (share <= 1)).all()


def test_the_same_texts_give_the_same_detector():
    chosen = EXAMPLES[:200]
    one, other = (train([e.text for e in chosen], [e.article for e in chosen]) for _ in range(2))
    for name in ("words", "pairs", "order", "weights"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


def test_familiarity_does_not_depend_on_the_batch(domain, held_out):
    texts = [*held_out[:60], "", "word " * 20_000, "el perro de la casa"]
    whole = domain.familiarity(featuriser()(texts))
    assert whole.tolist() == [domain.familiarity(featuriser()([text]))[0] for text in texts]


def test_counters_hold_the_longest_text():
    order = np.full((CLASSES**2, 2), -127, np.int8)
    weights = np.zeros((len(SIGNS) + 1, 1))
    weights[SIGNS.index("order")] = 2.0**-10
    empty = Domain(
        np.zeros(1 << TOKEN_BITS - 1, np.uint8), np.zeros(1 << PAIR_BITS - 3, np.uint8), order, weights
    )
    evidence = -127 / 16 * READ / np.sqrt(READ)
    assert empty.familiarity(featuriser()(["x " * 30_000]))[0] == pytest.approx(
        1 / (1 + np.exp(evidence * 2.0**-10))
    )


def test_fitted_models_carry_it_through_a_file(tmp_path):
    few = [
        Example(text=e.text, label=e.label, article=e.article) for e in EXAMPLES[:300]
    ]  # enough for both labels
    model = fit(few, config=Config(iterations=3, folds=2))
    save(model, tmp_path / "m.copytaster")
    read = load(tmp_path / "m.copytaster")
    texts = [*cases("german", "\n")[:40], *(e.text for e in few[:40])]
    assert np.array_equal(read.in_domain(texts), model.in_domain(texts))
    contrasts, familiar = read.assess(texts)
    assert np.array_equal(contrasts, read.decision_function(texts))
    assert familiar[:40].mean() < 0.5 < familiar[40:].mean()
    assert len(set(SIGNS)) == len(SIGNS) == 5 + len(FORMS)
