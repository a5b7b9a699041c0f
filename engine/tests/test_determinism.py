"""Golden turns: the same bits on every machine, Python and thread."""

import ast
import json
import subprocess
import sys
import threading
from pathlib import Path

import gmpy2  # type: ignore[import-untyped]  # the wheel carries no stubs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import determinism
from engine.rules import exact, save, turn
from engine.rules.streams import Purpose, Stream
from engine.tests.conftest import ROOT

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())
RULES = sorted((ROOT / "engine" / "rules").rglob("*.py"))


def test_twenty_scripted_turns_have_the_golden_hashes():
    assert determinism.run() == GOLDEN


def test_the_script_plays_a_lively_game():
    game = determinism.scripted_game()
    errors = 0
    for _ in range(determinism.TURNS):
        outcome = turn.take_turn(game, {race: determinism.orders(game, race) for race in range(2)})
        errors += sum(result.status == "error" for results in outcome.results.values() for result in results)
        game = outcome.game
    assert errors <= 5
    assert all(race.groups for race in game.races if race.id != 1)
    assert sum(planet.owner is not None for planet in game.planets) > 20


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "0"},
        {"PYTHONHASHSEED": "12345"},
        {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX,-FMA,-FMA4,-SSE4_2"},
    ],
    ids=["hash-seed-0", "hash-seed-12345", "no-vector-units"],
)
def test_neither_hash_order_nor_processor_features_change_a_bit(environment):
    command = [sys.executable, "-m", "engine.determinism"]
    environment = {**environment, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=60, check=True)
    assert json.loads(done.stdout) == GOLDEN


def test_another_thread_rounds_the_same():
    results = []
    worker = threading.Thread(target=lambda: results.append(determinism.run()))
    worker.start()
    worker.join(timeout=60)
    assert results == [GOLDEN]


@given(st.floats(1e-6, 1e6), st.floats(-30.0, 30.0))
def test_exact_functions_are_rounded_to_the_nearest_double(positive, any_sign):
    """Compared with 400 bits of precision, rounded once to a double."""
    fine = gmpy2.context(precision=400)
    assert exact.power(8.0, any_sign / 30.0) == float(fine.pow(8.0, any_sign / 30.0))
    assert exact.sine(any_sign) == float(fine.sin(any_sign))
    assert exact.cosine(any_sign) == float(fine.cos(any_sign))
    assert exact.cube_root(positive) == float(fine.cbrt(positive))
    assert exact.log4(positive) == float(fine.log2(positive) / 2)


def test_sums_are_added_in_order_without_compensation():
    assert exact.ordered_sum([1.0, 1e100, 1.0, -1e100]) == 0.0


def test_a_stream_is_fixed_by_seed_turn_purpose_and_key():
    first = [Stream("seed", 1, Purpose.ORDER).uniform() for _ in range(2)]
    assert first[0] == first[1]
    others = [
        Stream("seed", 2, Purpose.ORDER),
        Stream("seed", 1, Purpose.GALAXY),
        Stream("seed", 1, Purpose.ORDER, "key"),
        Stream("other", 1, Purpose.ORDER),
    ]
    assert len({first[0], *(stream.uniform() for stream in others)}) == 5
    many = Stream("seed", 1, Purpose.ORDER)
    drawn = [many.uniform() for _ in range(10_000)]
    assert all(0.0 <= each < 1.0 for each in drawn)
    assert 0.48 < sum(drawn) / len(drawn) < 0.52


def test_a_save_is_canonical_json_that_reads_back():
    game = determinism.scripted_game()
    data = save.dump(game)
    assert save.dump(save.load(data)) == data
    assert json.dumps(json.loads(data), separators=(",", ":")).encode() == data


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_the_rules_call_nothing_whose_bits_depend_on_the_machine(path):
    """`sum` over floats, libm transcendentals, clocks, disks and global randomness are not for the rules."""
    tree = ast.parse(path.read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert (
        not {"random", "time", "datetime", "os", "io", "socket", "pathlib", "numpy", "secrets", "uuid"}
        & imported
    )
    allowed = {"floor", "sqrt", "isfinite", "isqrt", "inf", "pi", "fsum", "ceil"}
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "math"
    }
    assert used <= allowed
    assert path.stem == "exact" or "gmpy2" not in imported
    powers = [node for node in ast.walk(tree) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)]
    assert all(isinstance(node.right, ast.Constant) and isinstance(node.right.value, int) for node in powers)
    sums = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"sum", "hash", "id"}
    ]
    for node in sums:  # counting truths is the one use of `sum` that has no float in it
        assert isinstance(node.args[0], ast.GeneratorExp)
        assert isinstance(node.args[0].elt, ast.Compare)
