"""Near-duplicate names: model/near.c against near_model.py, and the table of pairs against both.

The pairs also go through the matching of the program itself: tests/unit/plan/test_near.c.
"""

import json
import os
import pathlib
import random
import subprocess
import unicodedata

import near_model
import pytest

SEED = int(os.environ.get("KEYBRICKS_SEED", "20261124"))
PAIRS = list(near_model.pairs(pathlib.Path(__file__).parents[1] / "data/identity/pairs.tsv"))


def c_folds(names):
    """What model/near.c makes of each; None where it has no answer."""
    lines = [json.dumps({"fold": names[i:i + 4000]}, ensure_ascii=False) + "\n" for i in range(0, len(names), 4000)]
    done = subprocess.run([os.environ["KEYBRICKS_DESIRED_DRIVER"]], input="".join(lines), stdout=subprocess.PIPE, text=True,
                          encoding="utf-8", check=True, timeout=120)
    return [fold for line in done.stdout.split("\n") if line for fold in json.loads(line)["folds"]]


def lower(name):
    return name.translate({c: c + 32 for c in range(65, 91)})


def verdict(one, other):
    if lower(one) == lower(other):
        return "same"
    return "near" if near_model.fold(one) and near_model.fold(one) == near_model.fold(other) else "different"


@pytest.mark.parametrize("expected,one,other,about", PAIRS, ids=[about for *_, about in PAIRS])
def test_pairs(expected, one, other, about):
    assert verdict(one, other) == verdict(other, one) == expected


def test_the_table_is_large_enough():
    kinds = [expected for expected, *_ in PAIRS]
    assert len(kinds) >= 60 and all(kinds.count(kind) >= least for kind, least in (("same", 5), ("near", 50), ("different", 15)))
    assert len({about for *_, about in PAIRS}) == len(PAIRS) == len({(one, other) for _, one, other, _ in PAIRS})


def test_every_character():
    """All that Unicode has given a meaning, one by one."""
    names = [chr(c) for c in range(1, 0x110000) if unicodedata.category(chr(c)) not in ("Cs", "Cn", "Co")]
    assert len(names) > 140_000
    wrong = [(hex(ord(name)), fold, near_model.fold(name)) for name, fold in zip(names, c_folds(names), strict=True)
             if fold != near_model.fold(name)]
    assert not wrong, f"{len(wrong)}: {wrong[:10]}"


def random_name(rnd):
    pieces = []
    for _ in range(rnd.choice([1, 2, 4, 8, 30])):
        match rnd.randrange(6):
            case 0: pieces.append(rnd.choice(PAIRS)[rnd.choice([1, 2])])
            case 1: pieces.append(chr(rnd.randrange(0x300, 0x370)))  # marks
            case 2: pieces.append(rnd.choice("rnvvijIJ \u0345\u0307\u0323\u0301\u034f\u200b\u0130\u0131"))
            case 3: pieces.append(chr(rnd.choice([rnd.randrange(32, 0x3000), rnd.randrange(0xa000, 0xd7ff), rnd.randrange(0xf900, 0x20000)])))
            case 4: pieces.append(unicodedata.normalize(rnd.choice(["NFC", "NFD", "NFKC", "NFKD"]), rnd.choice(PAIRS)[1]))
            case _: pieces.append(chr(rnd.randrange(32, 127)) * rnd.choice([1, 1, 2, 40]))
    return "".join(c for c in "".join(pieces) if unicodedata.category(c) not in ("Cs", "Cn", "Co"))


def test_random_names():
    """Folding agrees with the reference, changes nothing the second time, and no normal form of a name escapes it."""
    rnd = random.Random(SEED)
    names = [random_name(rnd) for _ in range(6000)]
    forms = [unicodedata.normalize(rnd.choice(["NFC", "NFD", "NFKC", "NFKD"]), name) for name in names]
    folds, of_forms = c_folds(names), c_folds(forms)
    for name, fold, form, of_form in zip(names, folds, forms, of_forms, strict=True):
        assert fold == near_model.fold(name), ascii(name)
        assert of_form == near_model.fold(form), ascii(form)
    again = [fold for fold in folds if fold and len(fold.encode()) <= 512]
    assert c_folds(again) == again
    assert sum(fold is None for fold in folds) * 100 >= len(folds)
