"""Every code of the order catalogue, and what text and JSON may look like (rules, 20)."""

from typing import Any

import pytest

from engine.rules import turn
from engine.rules.model import Game, Tech
from engine.rules.orders.catalogue import CATALOGUE, schemas
from engine.rules.orders.reading import ORDERS_MAX, read_json, read_text
from engine.tests.builders import codes, design, game, group, home, planet, play, race, turned

HAUL = design(2, cargo=1, name="Haul", number=1)
GUN = design(0, 2, 3, 5, 0, name="Gun", number=2)
FREE = design(1, name="Free", number=3)


def scene(**options: Any) -> Game:
    """Group 1: empty haulers at home. 2: haulers with CAP. 3: guns. 4: haulers in hyperspace. 5: COL over planet 2."""
    groups = [
        group(HAUL, 10, number=1),
        group(HAUL, 2, number=2, goods="CAP", load=0.5),
        group(GUN, 3, number=3),
        group(HAUL, 4, number=4, destination=2, remaining=50.0, under_way=True),
        group(HAUL, 5, at=2, number=5, goods="COL", load=1.1),
        group(HAUL, 1, number=6, goods="MAT", load=1.1),
    ]
    planets = [
        home(1, 1000, 500, 10, product="DRIVE", materials=100, colonists=0.04),
        home(2, 500, 500, 10, owner=1, at=(50, 0), capital=30),
        planet(3, size=100, res=1, at=(90, 0)),
    ]
    players = [race(0, types=[HAUL, GUN, FREE], groups=groups, tech=Tech(2, 1, 1, 1)), race(1)]
    return game(planets, players, **options)


REFUSALS = [
    ("% what", "E_UNKNOWN"),
    ("sned 1 #2", "E_UNKNOWN"),
    ("Please work", "E_UNKNOWN"),
    ("hello world", "E_UNKNOWN"),
    ("Zap 1", "E_UNKNOWN"),
    ("SEND 1 #2", "OK"),
    ("V 2", "E_UNSUPPORTED"),
    ("I 1 2", "E_UNSUPPORTED"),
    ("H 4", "E_UNSUPPORTED"),
    ("J 1 Home", "E_UNSUPPORTED"),
    ("D FLEET Home", "E_UNSUPPORTED"),
    ("B 1 FLEET", "E_UNSUPPORTED"),
    ("GIVE 1 Race1", "E_UNSUPPORTED"),
    ("SCIENCE Mix 1 1 1 1", "E_UNSUPPORTED"),
    ("VOTE Race1", "E_UNSUPPORTED"),
    ("A", "E_SYNTAX"),
    ("A Race1 too many words", "E_SYNTAX"),
    ("A Nobody", "E_RACE"),
    ("A Race0", "W_SELF"),
    ("A Race1", "OK"),
    ("peace race1", "OK"),
    ("W Nobody", "E_RACE"),
    ("W Race1", "OK"),
    ("B 99 1", "E_GROUP"),
    ("B 1 11", "E_TOO_MANY"),
    ("B 1 0", "E_COUNT"),
    ("B 1", "E_SYNTAX"),
    ("B 1 x", "E_SYNTAX"),
    ("B 1 4", "OK"),
    ("C " + "x" * 21, "E_NAME"),
    ("C a-b", "E_NAME"),
    ("C MAX", "E_RESERVED"),
    ("C test", "E_RESERVED"),
    ("C race1", "E_NAME_USED"),
    ("C Борг", "OK"),
    ('C "Star Folk"', "OK"),
    ("D New 1 0 0 0", "E_SYNTAX"),
    ("D New 1 0 0 0 x", "E_SYNTAX"),
    ("D New 0.5 0 0 0 0", "E_COMPONENT"),
    ("D New 1 1 0 0 0", "E_COMPONENT"),
    ("D New 1 0 1 0 0", "E_COMPONENT"),
    ("D New 1 1.5 1 0 0", "E_COMPONENT"),
    ("D New 0 0 0 0 0", "E_COMPONENT"),
    ("D New -1 0 0 0 0", "E_COMPONENT"),
    ("D New 1e99 0 0 0 0", "E_SYNTAX"),
    ("D haul 1 0 0 0 0", "E_NAME_USED"),
    ("D CAP 1 0 0 0 0", "E_RESERVED"),
    ("D New 1,0,0,0,1.5 ; commas separate too", "OK"),
    ("E Nothing", "E_TYPE"),
    ("E Haul", "E_IN_USE"),
    ("E Free", "OK"),
    ("G 99", "E_GROUP"),
    ("G 4", "E_HYPERSPACE"),
    ("G 5", "E_NOT_OWNER"),
    ("G 3", "W_CURRENT"),
    ("G 1 99", "W_COUNT"),
    ("G 1 0", "OK"),
    ("L 99 CAP", "E_GROUP"),
    ("L 1 GOLD", "E_CARGO_KIND"),
    ("L 3 MAT", "E_NO_BAY"),
    ("L 4 MAT", "E_HYPERSPACE"),
    ("L 6 MAT", "E_FULL"),
    ("L 2 MAT", "E_MIXED"),
    ("L 1 MAT AMOUNT 2", "E_ROOM"),
    ("L 1 MAT AMOUNT 0.001", "E_MIN_AMOUNT"),
    ("L 1 CAP", "E_NO_STOCK"),
    ("L 1 COL", "E_NO_STOCK"),
    ("L 1 COL 3 AMOUNT 1", "W_SHORT"),
    ("L 1 MAT 99", "W_COUNT"),
    ("L 5 COL", "E_FULL"),
    ("L 1 MAT 2 AMOUNT 0.5", "OK"),
    ("M 0 0 0.5", "E_MAP"),
    ("M 10 10 50", "OK"),
    ("N 9 Home", "E_PLANET"),
    ("N 2 Home", "E_NOT_OWNER"),
    ("N 1 " + "x" * 21, "E_NAME"),
    ("N 1 COL", "E_RESERVED"),
    ("N 1 3", "E_NAME_USED"),
    ("N 1 17", "E_NAME_USED"),
    ("N 1 two words", "E_SYNTAX"),
    ("N #1 Home", "OK"),
    ("O Nothing", "E_OPTION"),
    ("O NO", "E_OPTION"),
    ("O GPlus", "W_IGNORED"),
    ("O NO autounload", "OK"),
    ("P 9 CAP", "E_PLANET"),
    ("P 2 CAP", "E_NOT_OWNER"),
    ("P 1 Gold", "E_PRODUCT"),
    ("P 1 haul", "OK"),
    ("Q Race1", "E_RACE"),
    ("Q race0", "OK"),
    ("R 9 CAP 2", "E_PLANET"),
    ("R 2 CAP 1", "E_NOT_OWNER"),
    ("R 1 GOLD 2", "E_CARGO_KIND"),
    ("R 1 CAP 9", "E_PLANET"),
    ("R 1 EMP 2", "OK"),
    ("R 1 CAP", "OK"),
    ("S 99 2", "E_GROUP"),
    ("S 1 9", "E_PLANET"),
    ("S 3 2", "E_NO_DRIVE"),
    ("S 4 1", "E_HYPERSPACE"),
    ("S 1 2 -1", "W_COUNT"),
    ("S 1 2 99999999999999999999999999", "E_SYNTAX"),
    ("S MAX 2", "OK"),
    ("T Nothing New", "E_TYPE"),
    ("T Haul gun", "E_NAME_USED"),
    ("T Haul a!b", "E_NAME"),
    ("T Haul HAUL", "OK"),
    ("U 99", "E_GROUP"),
    ("U 1", "E_EMPTY"),
    ("U 2 AMOUNT 0.001", "E_MIN_AMOUNT"),
    ("U 2 AMOUNT 3", "W_SHORT"),
    ("U 2 99", "W_COUNT"),
    ("U 2 1 AMOUNT 0.2", "OK"),
    ("X 99", "E_GROUP"),
    ("X 4", "E_HYPERSPACE"),
    ("X 5", "E_FOREIGN"),
    ("X 1 99", "W_COUNT"),
    ("X 1 2", "OK"),
    ("= Nobody", "W_IGNORED"),
    ("Z whatever", "W_IGNORED"),
    ("@ Nobody\nhello\n@", "E_RACE"),
    ("@ Nobody Race1\nhello\n@", "E_RACE"),
    ("@ Race1\nhello", "W_UNTERMINATED"),
    ("@\nto all ; even this\n@", "OK"),
]


@pytest.mark.parametrize(("text", "code"), REFUSALS)
def test_an_order_gets_its_code(text, code):
    outcome = play(scene(), text)
    assert codes(outcome) == [code]
    (result,) = outcome.results[0]
    assert result.status == {"E": "error", "W": "warning", "O": "ok"}[code[0]] or code == "E_RACE"


def test_loading_from_and_landing_on_foreign_planets_follow_the_options():
    foreign = scene(foreign_colonists=False)
    assert codes(play(foreign, "U 5")) == ["E_FOREIGN"]
    assert codes(play(scene(), "U 5")) == ["OK"]
    assert codes(play(scene(), "U 5\nL 5 CAP")) == ["OK", "E_FOREIGN"]
    assert codes(play(scene(foreign_load=True), "U 5\nL 5 CAP")) == ["OK", "OK"]


def test_no_war_in_the_peace_period():
    assert codes(play(scene(peace_turns=1), "W Race1")) == ["E_PEACE"]
    assert codes(play(turned(scene(peace_turns=1)), "W Race1")) == ["OK"]


def test_upgrading_needs_industry():
    assert codes(play(scene(), "G 1 1\nG 1 9")) == ["OK", "OK"]
    poor = game([home(1, 1, 0, 1, 10)], [race(types=[HAUL], groups=[group(HAUL, 2)], tech=Tech(2, 2, 2, 2))])
    assert codes(play(poor, "G 1")) == ["E_NO_INDUSTRY"]


def test_a_departing_group_cannot_be_upgraded_but_may_be_sent_elsewhere():
    outcome = play(scene(), "S 1 2\nS 1 3\nG 1")
    assert codes(outcome) == ["OK", "OK", "E_HYPERSPACE"]
    assert {each.destination for each in outcome.game.races[0].groups if each.ships == 10} == {3}


def test_sending_ships_to_where_they_are_calls_them_back():
    after = turned(scene(), "S 1 2\nS 1 1")
    assert any(each.ships >= 10 and each.destination is None for each in after.races[0].groups)


def test_a_remainder_too_small_to_be_a_load_is_landed_with_the_rest():
    ships = group(HAUL, 2, goods="MAT", load=0.505)
    owner = race(types=[HAUL], groups=[ships], off=["AutoUnload"])
    after = turned(game([home(1, 0, 0, 0, 10, product="DRIVE")], [owner]), "U 1 AMOUNT 0.5")
    assert after.planets[0].materials == 1.01
    assert [(each.goods, each.load) for each in after.races[0].groups] == [(None, 0.0)]


def test_t33_scrapping_lands_cargo_and_material():
    kind = design(10, 2, 5, 5, 4, name="Ship")
    ships = group(kind, 6, goods="CAP", load=2.0)
    after = turned(
        game(
            [home(1, 0, 0, 0, 10, product="DRIVE")], [race(types=[kind], groups=[ships], off=["AutoUnload"])]
        ),
        "X 1 2",
    )
    assert (after.planets[0].capital, after.planets[0].materials) == (4.0, 53.0)
    assert [each.ships for each in after.races[0].groups] == [4]


def test_names_change_only_at_the_end_of_the_orders():
    outcome = play(scene(), "N 1 Eden\nP Eden CAP\nT Haul Mule\nP 1 Mule\nP 1 Haul\nC Elves\nQ Elves")
    assert codes(outcome) == ["OK", "E_PLANET", "OK", "E_PRODUCT", "OK", "OK", "E_RACE"]
    after = outcome.game
    assert (after.planets[0].name, after.races[0].name) == ("Eden", "Elves")
    assert [each.name for each in after.races[0].types] == ["Mule", "Gun", "Free"]


def test_messages_arrive_with_their_sender():
    outcome = play(scene(), "@ race1\nMeet me ; at 3\n@\nP 1 CAP", "@\nHello all\n@")
    assert codes(outcome) == ["OK", "OK"]
    assert [(letter.sender, letter.to, letter.text) for letter in outcome.letters] == [
        (0, (1,), "Meet me ; at 3"),
        (1, (), "Hello all"),
    ]


def test_line_numbers_are_those_of_the_text():
    outcome = play(scene(), "; a comment\n\nP 1 CAP ; fine\n@\nline\n@\nX 99\n")
    assert [result.line for result in outcome.results[0]] == [3, 4, 7]


def test_orders_beyond_the_limit_are_refused_as_one():
    lines = read_text("P 1 CAP\n" * (ORDERS_MAX + 5))
    assert len(lines) == ORDERS_MAX + 1
    assert [line.refusal.code for line in lines if line.refusal] == ["E_LIMIT"]
    assert len(read_json([{"op": "quit"}] * (ORDERS_MAX + 5))) == ORDERS_MAX + 1


def test_types_and_messages_have_a_limit():
    assert codes(play(scene(), "\n".join(f"D New{i} 1 0 0 0 0" for i in range(499))))[-2:] == ["E_LIMIT"] * 2
    assert codes(play(scene(), "@\nx\n@\n" * 101))[-1] == "E_LIMIT"
    assert codes(play(scene(), "@\n" + "x" * 10_001 + "\n@")) == ["E_LIMIT"]


@pytest.mark.parametrize(
    ("verb", "hint"),
    [
        ("sned", "did you mean send (S)?"),
        ("prodcue", "did you mean produce (P)?"),
        ("VOET", "did you mean vote?"),
        ("qwxyzzy" * 9, "an order is a letter or a whole word."),
    ],
)
def test_a_typing_slip_in_a_verb_is_no_other_order_and_a_near_one_is_named(verb, hint):
    (line,) = read_text(f"{verb} 1 2")
    assert line.refusal is not None
    assert (line.order, line.refusal.code) == (None, "E_UNKNOWN")
    assert line.refusal.message.endswith(hint)
    assert len(line.refusal.message) < 100


JSON_REFUSALS = [
    (5, "E_SYNTAX"),
    ({}, "E_SYNTAX"),
    ({"op": "claim", "planet": "2"}, "E_UNSUPPORTED"),
    ({"op": "frobnicate"}, "E_UNKNOWN"),
    ({"op": "send", "group": 1}, "E_SYNTAX"),
    ({"op": "send", "group": "one", "planet": "2"}, "E_SYNTAX"),
    ({"op": "send", "group": True, "planet": "2"}, "E_SYNTAX"),
    ({"op": "send", "group": 0, "planet": "2"}, "E_SYNTAX"),
    ({"op": "send", "group": 1, "planet": ""}, "E_SYNTAX"),
    ({"op": "send", "group": 1, "planet": "2", "speed": 9}, "E_SYNTAX"),
    ({"op": "send", "group": 1, "planet": "2", "count": 10**30}, "E_SYNTAX"),
    ({"op": "send", "group": 1, "planet": "2", "count": 1.5}, "E_SYNTAX"),
    ({"op": "load", "group": 1, "goods": "MAT", "amount": float("nan")}, "E_SYNTAX"),
    ({"op": "load", "group": 1, "goods": "MAT", "amount": float("inf")}, "E_SYNTAX"),
    ({"op": "load", "group": 1, "goods": "MAT", "amount": 10**400}, "E_SYNTAX"),
    ({"op": "message", "text": "x" * 10_001}, "E_LIMIT"),
    ({"op": "message", "races": "Race1", "text": "x"}, "E_SYNTAX"),
    ({"op": "message", "races": ["Race1"], "text": "x"}, "OK"),
    ({"op": "option", "name": "AutoUnload", "on": False}, "OK"),
    ({"op": "call", "name": "Star Folk"}, "OK"),
    ({"op": "send", "group": "MAX", "planet": "2", "count": None}, "OK"),
]


@pytest.mark.parametrize(("order", "code"), JSON_REFUSALS)
def test_a_json_order_gets_its_code(order, code):
    outcome = turn.take_turn(scene(), {0: read_json([order])})
    assert [result.code for result in outcome.results[0]] == [code]


HOSTILE = [
    '""',
    '"',
    ",,,;",
    "\x00",
    "D " + "9" * 5000 + " 1 1 1 1 1",
    "S 1 " + "²³",
    "S ² 2",
    "D x nan 0 0 0 0",
    "D x inf 0 0 0 0",
    "M -1e308 1e308 1e308",
    "N 1 \u202egnihton",
    "C İıẞß",
    "@" * 100,
    "P #-1 CAP",
    "P #99999999999999999999 CAP",
    "P # CAP",
    "\u2028P 1 CAP",
    "O NO NO",
    "L 1 CAP AMOUNT",
    "AMOUNT AMOUNT AMOUNT",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_gets_results_and_breaks_nothing(text):
    outcome = play(scene(), text)
    assert all(result.code for result in outcome.results[0])
    assert outcome.game.planets[0].product == scene().planets[0].product or "P 1 CAP" in text


def test_deeply_nested_json_orders_are_refused():
    nested: Any = []
    for _ in range(900):
        nested = [nested]
    lines = read_json([nested, {"op": "send", "group": nested, "planet": nested}, {"op": nested}])
    assert [line.refusal.code for line in lines if line.refusal] == ["E_SYNTAX"] * 3


def test_a_megabyte_of_orders_is_read_in_reasonable_time():
    text = "S 1 2 1\n" * (1024 * 1024 // 8)
    assert len(codes(play(scene(), text))) == ORDERS_MAX + 1


def test_the_catalogue_offers_nothing_that_is_refused_as_a_later_chapter():
    assert not {"claim", "intercept", "recall", "join", "give", "science", "vote"} & set(schemas())
    assert len({spec.op for spec in CATALOGUE}) == len({spec.letter for spec in CATALOGUE}) == len(CATALOGUE)
