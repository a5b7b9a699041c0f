"""Figures of the mail service against a bare SMTP client on the same relay, measured in one run on one machine."""
