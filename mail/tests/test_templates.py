"""Every template in every language; strict variables; nothing that breaks out of its place."""

import email
import email.policy
import re
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.smtp.message import Letter, build_message
from mail.templates.catalog import LOCALES, TEMPLATES, Kind, Variable
from mail.templates.errors import BadVariables, UnknownTemplate
from mail.templates.renderer import Templates, supported_locale
from mail.templates.words import in_words, lines, no_link, one_line, plural

TEMPLATES_OBJECT = Templates()
SAMPLES: dict[Kind, Any] = {
    Kind.NAME: "Sol & <Terra>",
    Kind.LABEL: "1.0.0",
    Kind.TEXT: "first line\nsecond line",
    Kind.NUMBER: 7,
    Kind.INSTANT: "2030-01-02T18:00:00.000Z",
    Kind.URL: "https://galaxy.test/out?token=t&x=1",
}


GAME_ID, INVITE_ID = "01900000-0000-7000-8000-0000deadbeef", "01900000-0000-7000-8000-00000000cafe"
LONG_IDS = {
    template_id: {
        name: value
        for name, value in {"game_id": GAME_ID, "invite_id": INVITE_ID}.items()
        if name in TEMPLATES[template_id]
    }
    for template_id in TEMPLATES
}


def variables_of(template_id: str) -> dict[str, Any]:
    return {name: SAMPLES[variable.kind] for name, variable in TEMPLATES[template_id].items()}


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("template_id", TEMPLATES)
def test_every_template_says_all_it_is_given_in_text_and_html(template_id: str, locale: str):
    given_variables = variables_of(template_id)
    mail = TEMPLATES_OBJECT.render(template_id, locale, given_variables, "https://galaxy.test/off?a=1&b=2")
    assert mail.subject
    assert "\n" not in mail.subject
    assert mail.locale == locale
    assert f'lang="{locale}"' in mail.html
    assert "https://galaxy.test/off?a=1&b=2" in mail.text
    assert 'href="https://galaxy.test/off?a=1&amp;b=2"' in mail.html
    assert "<Terra>" not in mail.html
    for name, variable in TEMPLATES[template_id].items():
        if variable.kind is Kind.URL:
            assert SAMPLES[Kind.URL] in mail.text, name
            assert SAMPLES[Kind.URL].replace("&", "&amp;") in mail.html, name
        if variable.kind is Kind.NAME:
            assert "Sol & <Terra>" in mail.text, name
            assert "Sol &amp; &lt;Terra&gt;" in mail.html, name
    assert re.search(r"\{[{%]", mail.text + mail.html) is None
    assert "None" not in mail.text + mail.html


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("template_id", TEMPLATES)
def test_what_may_be_null_may_be_null(template_id: str, locale: str):
    nullable = {
        name: None if variable.nullable else SAMPLES[variable.kind]
        for name, variable in TEMPLATES[template_id].items()
    }
    mail = TEMPLATES_OBJECT.render(template_id, locale, nullable)
    assert "None" not in mail.subject + mail.text + mail.html
    assert "off?" not in mail.text


@pytest.mark.parametrize("template_id", TEMPLATES)
def test_russian_mail_is_russian(template_id: str):
    mail = TEMPLATES_OBJECT.render(template_id, "ru-RU", variables_of(template_id))
    words = re.findall(r"[А-Яа-яё]{3,}", mail.text)
    assert len(words) > 8
    without_commands = re.sub(r"^ {4}galaxy .*$|\bgalaxy [a-z-]+", "", mail.text, flags=re.MULTILINE)
    assert not re.search(r"\b(the|your|game|turn)\b", without_commands.lower())


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("template_id", sorted(set(TEMPLATES) - {"admin.alert"}))
def test_every_mail_to_a_player_says_which_command_comes_next(template_id: str, locale: str):
    """There is no page to link to: what a reader can do is a command, and one that exists."""
    page = (Path(__file__).parents[2] / "client" / "README.md").read_text()
    known = set(
        re.findall(r"`([a-z-]+)`", page[page.index("## The command") : page.index("A first evening")])
    )
    given_variables = {**variables_of(template_id), **LONG_IDS.get(template_id, {})}
    mail = TEMPLATES_OBJECT.render(template_id, locale, given_variables)
    shown = re.sub(r"<[^>]+>", "", mail.html)
    for said in (mail.text, shown):
        commands = re.findall(r"\bgalaxy ([a-z-]+)", said)
        assert commands
        assert set(commands) <= known


@pytest.mark.parametrize("template_id", [name for name in TEMPLATES if "game_id" in TEMPLATES[name]])
def test_names_that_people_chose_never_stand_in_a_command(template_id: str):
    """A line that is meant to be pasted into a shell holds words of ours alone: of a game, the end of its id."""
    named = {
        name: "$(rm -rf ~)" if variable.kind is Kind.NAME else SAMPLES[variable.kind]
        for name, variable in TEMPLATES[template_id].items()
    }
    for locale in LOCALES:
        mail = TEMPLATES_OBJECT.render(template_id, locale, {**named, **LONG_IDS.get(template_id, {})})
        for line in re.findall(r"^ {4}(galaxy .*)$", mail.text, re.MULTILINE):
            words_of_ours = r"galaxy [a-z]+( [0-9a-f-]+| RACE| РАСА)?( --[a-z]+( [0-9a-f-]+| NAME| ИМЯ)?)?"
            assert re.fullmatch(words_of_ours, line), line


@pytest.mark.parametrize("template_id", TEMPLATES)
def test_variables_are_strict(template_id: str):
    whole = variables_of(template_id)
    for name in whole:
        with pytest.raises(BadVariables, match=name):
            TEMPLATES_OBJECT.render(template_id, "en", {k: v for k, v in whole.items() if k != name})
        with pytest.raises(BadVariables, match=name):
            TEMPLATES_OBJECT.render(template_id, "en", {**whole, name: ["wrong"]})
    with pytest.raises(BadVariables, match="surplus"):
        TEMPLATES_OBJECT.render(template_id, "en", {**whole, "surplus": 1})


def test_an_unknown_template_is_refused():
    with pytest.raises(UnknownTemplate):
        TEMPLATES_OBJECT.render("no.such", "en", {})


def test_a_template_that_asks_for_what_is_not_declared_cannot_be_rendered():
    broken = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string("{{ missing }}")  # noqa: S701 - text
    with pytest.raises(jinja2.UndefinedError):
        broken.render()


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://x.test/\r\nBcc: a@b.c",
        'https://x.test/"onclick=',
        "http:///x",
        "ftp://x",
    ],
)
def test_links_are_web_addresses(url: str):
    with pytest.raises(BadVariables, match="sign_out_url"):
        TEMPLATES_OBJECT.render(
            "account.new_device", "en", {**variables_of("account.new_device"), "sign_out_url": url}
        )


@given(st.text(max_size=200))
def test_no_name_breaks_out_of_the_headers_or_the_page(name: str):
    rendered = TEMPLATES_OBJECT.render("game.started", "en", {"game_id": "g", "game_name": name})
    letter = Letter(
        "01900000-0000-7000-8000-000000000001",
        "ada@example.test",
        rendered.subject,
        rendered.text,
        rendered.html,
        "en",
        datetime(2030, 1, 1, tzinfo=UTC),
        "https://galaxy.test/off",
    )
    raw = build_message(letter, "Galaxy <galaxy@mail.test>")
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert mail.keys() == [
        *("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Language"),
        *(
            "Auto-Submitted",
            "X-Auto-Response-Suppress",
            "List-Unsubscribe",
            "List-Unsubscribe-Post",
            "Content-Type",
        ),
    ]
    assert mail["To"] == "ada@example.test"
    assert not mail.defects
    text, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert text.get_content().replace("\r\n", "\n").rstrip("\n") == rendered.text.rstrip("\n")
    assert html.get_content().replace("\r\n", "\n").rstrip("\n") == rendered.html.rstrip("\n")
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    "text",
    [
        "evil.example",
        "http://evil.example/x",
        "a@evil.example",
        "www.evil.example",
        "evil\u3002com",
        "evil\uff0ecom",
        "evil\uff61com",
        "www\u2024evil\u2024com",
        "http\uff1a//evil",
        "a\uff20evil",
        "\U0001f4a9.la",
    ],
)
def test_a_name_cannot_pose_as_a_link(text: str):
    shown = no_link(text)
    assert text not in shown
    assert shown.replace("\u2060", "") == text


def test_no_character_that_stands_for_a_point_a_colon_or_an_at_is_forgotten():
    for character in map(chr, range(0x110000)):
        if set(unicodedata.normalize("NFKC", character)) & set(".:@\u3002"):
            assert no_link(f"a{character}b") == f"a{character}\u2060b", hex(ord(character))


def test_control_and_direction_characters_are_taken_out():
    assert one_line("a\r\nb\x00c\u202ed\u061ce\u200ef\u200fg") == "a b c d e f g"
    assert lines("a\n\u200fb\u061cc") == "a\n b c"


@pytest.mark.parametrize(
    ("count", "wanted"),
    [(1, "минуту"), (2, "минуты"), (5, "минут"), (11, "минут"), (21, "минуту"), (112, "минут")],
)
def test_russian_numbers_take_their_forms(count: int, wanted: str):
    assert plural(count, "ru", "минуту", "минуты", "минут") == wanted


def test_instants_are_written_in_the_readers_language_and_zone():
    assert (
        in_words("2030-01-02T18:00:00.000Z", "en", "Europe/Berlin")
        == "Wednesday, 2 January 2030, 19:00 (Europe/Berlin)"
    )
    assert in_words("2030-01-02T18:00:00+00:00", "ru", "No/Where") == "среда, 2 января 2030, 18:00 (UTC)"


@pytest.mark.parametrize(
    ("wanted", "got"), [("ru", "ru"), ("ru-RU", "ru"), ("EN_us", "en"), ("tlh", "en"), ("", "en")]
)
def test_languages_fall_back_to_english(wanted: str, got: str):
    assert supported_locale(wanted) == got


def test_every_kind_of_variable_has_a_sample():
    used = {variable.kind for declared in TEMPLATES.values() for variable in declared.values()}
    assert used <= set(SAMPLES)
    assert Variable(Kind.NAME) == Variable(Kind.NAME, nullable=False, optional=False)
