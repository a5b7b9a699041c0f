"""The end of a turn: leaving, idleness, elimination, victory (rules, 16)."""

from dataclasses import replace

from engine.rules.draft import Draft, News
from engine.rules.exact import ordered_sum
from engine.rules.model import CAPITAL, Game, RaceStatus
from engine.rules.numbers import production_points


def end_turn(draft: Draft) -> None:
    """Step 19: who leaves, who is out, who has won."""
    for race in draft.acting:
        if race in draft.quitting:
            _remove(draft, race, RaceStatus.QUIT, "has left the game")
        elif _idles_too_long(draft, race):
            _remove(draft, race, RaceStatus.ELIMINATED, "has been silent for too long and is no more")
    for race in draft.acting:
        if draft.races[race].status.plays and not _has_anything(draft, race):
            draft.change(race, status=RaceStatus.ELIMINATED, computer_level=None)
            draft.news.append(News(None, "race_eliminated", f"{draft.races[race].name} has been eliminated."))
    _warn_the_silent(draft)
    _judge(draft)


def score(game: Game, race: int) -> float:
    """Return the race's total production, by which races are ranked."""
    own = [planet for planet in game.planets if planet.owner == race]
    return production_points(
        ordered_sum(planet.industry for planet in own), ordered_sum(planet.population for planet in own)
    )


def _idles_too_long(draft: Draft, race: int) -> bool:
    options = draft.options
    missed = draft.races[race].missed_turns
    if not options.drop_idle or missed == 0:
        return False
    if draft.turn == 1 and options.idle_first_turn:
        return True
    if not any(planet.owner == race for planet in draft.planets):
        return True
    return missed >= (options.idle_early if draft.turn <= options.idle_early_until else options.idle_late)


def _warn_the_silent(draft: Draft) -> None:
    if not draft.options.drop_idle:
        return
    for race in draft.acting:
        missed = draft.races[race].missed_turns
        if missed and draft.races[race].status.plays:
            early = draft.turn < draft.options.idle_early_until
            limit = draft.options.idle_early if early else draft.options.idle_late
            text = f"No orders came for this turn; {missed} missed in a row. At {limit} your race is removed."
            draft.news.append(News(race, "orders_missed", text))


def _has_anything(draft: Draft, race: int) -> bool:
    return len(draft.groups[race]) > 0 or any(planet.owner == race for planet in draft.planets)


def _remove(draft: Draft, race: int, status: RaceStatus, what: str) -> None:
    """Take a race out: its ships vanish, its planets are empty and unowned."""
    for planet in tuple(draft.planets):
        if planet.owner == race:
            draft.put(
                replace(
                    planet,
                    owner=None,
                    population=0.0,
                    industry=0.0,
                    capital=0.0,
                    materials=0.0,
                    colonists=0.0,
                    product=CAPITAL,
                    progress=0.0,
                    routes=(),
                )
            )
    book = draft.groups[race]
    for position, group in draft.own_groups(race):
        book[position] = replace(group, ships=0)
    book.merge()
    draft.change(race, status=status, computer_level=None)
    draft.news.append(News(None, f"race_{status}", f"{draft.races[race].name} {what}."))


def _judge(draft: Draft) -> None:
    living = [race.id for race in draft.races if race.status.plays]
    last_turn = draft.options.max_turns is not None and draft.turn >= draft.options.max_turns
    if not living:
        _finish(draft, None)
    elif len(living) == 1 and len(draft.races) > 1:
        _finish(draft, living[0])
    elif last_turn:
        game = draft.close()
        scores = {race: score(game, race) for race in living}
        best = max(scores.values())
        leaders = [race for race in living if scores[race] == best]
        _finish(draft, leaders[0] if len(leaders) == 1 else None)


def _finish(draft: Draft, winner: int | None) -> None:
    draft.game = replace(draft.game, finished=True, winner=winner)
    text = (
        "The game has ended."
        if winner is None
        else f"The game has ended; {draft.races[winner].name} has won."
    )
    draft.news.append(News(None, "game_finished", text))
