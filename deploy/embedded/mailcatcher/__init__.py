"""The mail catcher: takes every mail by SMTP, delivers none, and shows them on a page and through an API.

The API is shaped like Mailpit's, so that the same tests and habits work against either. Messages are kept in files and
survive a restart; their number and size are bounded, the oldest go first.
"""
