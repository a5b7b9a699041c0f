"""Unsubscribe tokens."""

from hypothesis import given
from hypothesis import strategies as st

from backend.users.links import UnsubscribeTokens

KEY = bytes(range(32))


@given(st.uuids())
def test_a_token_gives_its_user_back_and_nobody_elses_key_makes_one(user):
    token = UnsubscribeTokens(KEY).of(str(user))
    assert UnsubscribeTokens(KEY).read(token) == str(user)
    assert UnsubscribeTokens(bytes(32)).read(token) is None


@given(st.text(max_size=60))
def test_any_text_is_read_as_nobody(text):
    assert UnsubscribeTokens(KEY).read(text) is None


@given(st.uuids(), st.integers(0, 42), st.sampled_from("ABCxyz019-_"))
def test_a_changed_token_is_nobodys(user, place, letter):
    tokens = UnsubscribeTokens(KEY)
    token = tokens.of(str(user))
    changed = token[:place] + letter + token[place + 1 :]
    # The last character carries four bits that mean nothing.
    assert tokens.read(changed) in ({None, str(user)} if changed[:42] == token[:42] else {None})
