"""The bytes of a mail: what is encoded once for all readers is read alike by each."""

import email
import email.policy
import re
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from mail.smtp import message
from mail.smtp.message import Letter, build_message


@given(
    st.text(max_size=200),
    st.text(max_size=200),
    st.text("abc&='?/:.", max_size=120).map("https://galaxy.test/".__add__),
    st.booleans(),
)
def test_a_link_of_ones_own_stands_where_it_was_put(before: str, after: str, link: str, secret: bool):
    text = f"{before}{link}{after}"
    letter = Letter(
        *(
            "01900000-0000-7000-8000-000000000001",
            "ada@example.test",
            "s",
            text,
            text.replace("&", "&amp;"),
            "en",
        ),
        datetime(2030, 1, 1, tzinfo=UTC),
        link,
        secret,
    )
    raw = build_message(letter, "a@b.test")
    body = email.message_from_bytes(raw, policy=email.policy.default).get_body(("plain",))
    assert body is not None
    read = body.get_payload(decode=True)
    assert isinstance(read, bytes)
    assert read.decode().rstrip("\r\n") == re.sub(r"\r\n|\r|\n", "\r\n", text).rstrip("\r\n")
    lines = raw.split(b"\r\n")
    assert b"\n" not in b"".join(lines)
    begin = lines.index(b"")
    assert max(map(len, lines[begin:])) <= 76, "RFC 2045, sections 6.7 and 6.8"


def test_nothing_of_a_secret_mail_stays_in_memory():
    letter = Letter(
        *("d", "ada@example.test", "424242 is the code", "424242 text", "<p>424242 html</p>", "en"),
        datetime(2030, 1, 1, tzinfo=UTC),
        secret=True,
    )
    kept = [memory for memory in vars(message).values() if hasattr(memory, "cache_info")]
    build_message(letter, "a@b.test")
    before = [memory.cache_info().currsize for memory in kept]
    build_message(replace(letter, text="535353", subject="535353", html="535353"), "a@b.test")
    assert [memory.cache_info().currsize for memory in kept] == before
    assert len(kept) == 5


def test_a_message_is_the_same_bytes_each_time():
    letter = Letter(
        "d", "ada@example.test", "s", ".dot\n..dots", "<p>.</p>", "en", datetime(2030, 1, 1, tzinfo=UTC)
    )
    assert build_message(letter, "a@b.test") == build_message(letter, "a@b.test")
