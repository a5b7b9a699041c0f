"""Rendering: a template, a language and checked variables give subject, text and HTML."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jinja2
from markupsafe import escape

from mail.templates import catalog
from mail.templates.catalog import DEFAULT_LOCALE, EVERY_MAIL, LOCALES, TEMPLATES, Kind
from mail.templates.errors import BadVariables
from mail.templates.words import in_words, lines, no_link, one_line, plural

_LINK_PLACEHOLDER = "https://link.invalid/7f1c2a9e"
_KEPT_MAX = 256


@dataclass(frozen=True)
class Rendered:
    """What one mail says."""

    subject: str
    text: str
    html: str
    locale: str


def supported_locale(wanted: str) -> str:
    """Return the language a mail is written in for a wanted locale like `ru` or `ru-RU`."""
    language = wanted.replace("_", "-").partition("-")[0].lower()
    return language if language in LOCALES else DEFAULT_LOCALE


class Templates:
    """All templates, parsed once when built: a broken file stops the start, not a mail."""

    def __init__(self) -> None:
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("mail.templates", "files"),
            undefined=jinja2.StrictUndefined,
            autoescape=jinja2.select_autoescape(enabled_extensions=("html",), default=False),
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            extensions=[],
        )
        self._kept: OrderedDict[tuple[Any, ...], Rendered] = OrderedDict()
        self._files: dict[tuple[str, str], tuple[jinja2.Template, jinja2.Template]] = {}
        for locale in LOCALES:
            words = {
                "locale": locale,
                "plural": partial(_plural, locale),
                "in_words": partial(in_words, locale=locale),
            }
            for template_id in TEMPLATES:
                text, html = (
                    environment.get_template(f"{locale}/{template_id}.{kind}", globals=words)
                    for kind in ("txt", "html")
                )
                self._files[template_id, locale] = (text, html)

    def check(self, template_id: str, variables: Mapping[str, Any]) -> None:
        """Raise UnknownTemplate or BadVariables where `render` would."""
        catalog.check(template_id, variables)

    def knows(self, template_id: str) -> bool:
        """Tell whether there is a template of that name."""
        return template_id in TEMPLATES

    def render(
        self,
        template_id: str,
        locale: str,
        variables: Mapping[str, Any],
        unsubscribe_url: str = "",
        *,
        secret: bool = False,
    ) -> Rendered:
        """Render one mail. Raises UnknownTemplate or BadVariables.

        A turn that is ready is told to all players of a game in the same words: the last renderings are kept, but for the
        link that is everybody's own. `secret` ones are not.
        """
        checked = catalog.check(template_id, variables)
        # No template greets by name, so that one rendering serves all players; StrictUndefined guards this.
        del checked["display_name"]
        chosen = supported_locale(locale)
        placeholder = _LINK_PLACEHOLDER if unsubscribe_url else ""
        if secret:
            rendered = self._render(template_id, chosen, checked, placeholder)
        else:
            key = (template_id, chosen, placeholder, *checked.items())
            kept = self._kept.get(key)
            if kept is None:
                kept = self._kept[key] = self._render(template_id, chosen, checked, placeholder)
                if len(self._kept) > _KEPT_MAX:
                    self._kept.popitem(last=False)
            else:
                self._kept.move_to_end(key)
            rendered = kept
        if not unsubscribe_url:
            return rendered
        return replace(
            rendered,
            text=rendered.text.replace(placeholder, unsubscribe_url),
            html=rendered.html.replace(placeholder, str(escape(unsubscribe_url))),
        )

    def _render(
        self, template_id: str, chosen: str, checked: Mapping[str, Any], unsubscribe_url: str
    ) -> Rendered:
        declared = TEMPLATES[template_id]
        values = {name: _cleaned(declared, name, value) for name, value in checked.items()}
        text_template, html_template = self._files[template_id, chosen]
        try:
            whole = text_template.render(values, unsubscribe_url=unsubscribe_url)
            first, _, text = whole.partition("\n")
            subject = first.removeprefix("Subject: ").strip()
            html = html_template.render(values, unsubscribe_url=unsubscribe_url, subject=subject)
        except jinja2.UndefinedError as error:
            raise BadVariables(f"{template_id}: {error.message}") from error
        return Rendered(subject, text.lstrip("\n"), html, chosen)


def _plural(locale: str, count: int, *forms: str) -> str:
    return plural(count, locale, *forms)


def _cleaned(declared: Mapping[str, catalog.Variable], name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match (declared.get(name) or EVERY_MAIL[name]).kind:
        case Kind.NAME:
            return no_link(one_line(value))
        case Kind.TEXT:
            return lines(value)
        case _:
            return one_line(value)
