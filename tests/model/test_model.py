"""Random worlds, faults and edits (history.py). KEYBRICKS_HISTORIES says how many (default 2000; 10,000 on demand), KEYBRICKS_SEED
where the random numbers begin; a failure prints the seed of its world and everything that was done in it. Printed with -s: how often each row
of the truth table was there before a run, and each fault acted."""

import collections
import concurrent.futures
import os

import history

HISTORIES = int(os.environ.get("KEYBRICKS_HISTORIES", "2000"))
SEED = int(os.environ.get("KEYBRICKS_SEED", "1"))
A_WORLD = 20  # histories in one world


def world(seed):
    histories = history.Histories(seed)
    try:
        histories.run(A_WORLD)
    except history.Wrong as wrong:
        return seed, histories.seen, str(wrong)
    except Exception as error:  # pylint: disable=broad-except
        return seed, histories.seen, "\n".join([repr(error), *histories.steps])
    return seed, histories.seen, None


def test_histories_converge_and_nothing_wrong_is_ever_done():
    worlds = max(1, HISTORIES // A_WORLD)
    seen, wrong = collections.Counter(), []
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        for seed, counts, why in pool.map(world, range(SEED, SEED + worlds)):
            seen += counts
            if why:
                wrong.append(f"KEYBRICKS_SEED={seed} KEYBRICKS_HISTORIES={A_WORLD}\n{why}")
    shown = sorted((str(what), count) for what, count in seen.items())
    print(f"seeds {SEED}..{SEED + worlds - 1}: " + ", ".join(f"{what} {count}" for what, count in shown))
    assert not wrong, f"{len(wrong)} worlds\n\n" + "\n\n".join(wrong[:3])
    assert seen["histories"] == worlds * A_WORLD
    if seen["histories"] >= 500:  # each row of the truth table and each fault in 1 % of them
        missing = [what for what in history.ROWS + history.KINDS if seen[what] * 100 < seen["histories"]]
        assert not missing, f"too rare: {missing}\n{dict(seen)}"
    if worlds >= 40:  # from nothing to as much as was promised
        assert all(seen[size] for size in ("0 groups", "40 groups", "0 people", "60 people")), dict(seen)
