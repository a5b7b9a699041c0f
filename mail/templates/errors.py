"""Errors of the templates room.

TemplateRefusal
├── UnknownTemplate      no template of that name
└── BadVariables         a variable is missing, unknown, or of the wrong kind
"""


class TemplateRefusal(Exception):
    """A mail that cannot be rendered, now or later; the text never quotes a value."""


class UnknownTemplate(TemplateRefusal):
    """There is no template of that name."""


class BadVariables(TemplateRefusal):
    """A variable is missing, unknown, or of the wrong kind."""
