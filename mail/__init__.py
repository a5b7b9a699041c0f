"""The mail service: takes delivery commands from a stream and hands mails to an SMTP relay, each at least once.

A repeat is possible only where nobody can know whether the relay took a mail over; its copies share one Message-ID.
"""
