"""The mail catcher as a process: mail in by SMTP, out by its API and page."""

import json
import smtplib
import subprocess
import sys
import urllib.error
import urllib.request
from email.message import EmailMessage
from pathlib import Path

import pytest

from deploy.embedded.mailcatcher.model import parse_search, summarise
from deploy.embedded.mailcatcher.storage import MESSAGE_BYTES_MAX, Mailbox
from deploy.embedded.spec import REPOSITORY
from deploy.tests.conftest import fill, wait_until


class Catcher:
    """A running catcher and what a test asks of it."""

    def __init__(self, folder: Path):
        ready = folder / "ready"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "deploy.embedded.mailcatcher", "--ready-file", str(ready)],
            cwd=REPOSITORY,
            env={
                "MAILCATCHER_HTTP_ADDR": "127.0.0.1:0",
                "MAILCATCHER_SMTP_ADDR": "127.0.0.1:0",
                "MAILCATCHER_FOLDER": str(folder / "mailbox"),
            },
        )
        wait_until(
            lambda: ready.exists() or self.process.poll() is not None, lambda: "the catcher's ready file"
        )
        said = json.loads(ready.read_bytes())
        self.http, (self.host, _, self.port) = said["http"], said["smtp"].rpartition(":")

    def send(self, message: EmailMessage, **arguments):
        with smtplib.SMTP(self.host, int(self.port), timeout=10) as client:
            return client.send_message(message, **arguments)

    def get(self, path: str, *, method: str = "GET", body: bytes | None = None, host: str | None = None):
        request = urllib.request.Request(f"http://{self.http}{path}", data=body, method=method)
        if host:
            request.add_header("Host", host)
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - always http
            return answer.read().decode(), answer.headers

    def json(self, path: str):
        return json.loads(self.get(path)[0])

    def end(self) -> None:
        self.process.terminate()
        assert self.process.wait(20) == 0


@pytest.fixture
def catcher(tmp_path):
    running = Catcher(tmp_path)
    yield running
    running.end()


def mail(to="ada@example.org", subject="Your code", text="Your code is 482913.", html=None) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Galaxy <no-reply@galaxy.test>"
    message["To"] = f"{to.partition('@')[0].capitalize()} <{to}>"
    message["Subject"] = subject
    message["Message-ID"] = "<one@galaxy.test>"
    message["List-Unsubscribe"] = "<https://galaxy.test/u>"
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    return message


def test_a_mail_is_found_by_its_recipient_as_mailpit_would_show_it(catcher):
    catcher.send(mail(html="<p>Your code is <b>482913</b></p>"))
    catcher.send(mail(to="bob@example.org", subject="Ход готов", text="Приходите играть."))
    found = catcher.json("/api/v1/search?query=to:ada@example.org")
    assert (found["total"], found["messages_count"], found["count"]) == (2, 1, 1)
    row = found["messages"][0]
    assert row["To"] == [{"Name": "Ada", "Address": "ada@example.org"}]
    assert row["From"] == {"Name": "Galaxy", "Address": "no-reply@galaxy.test"}
    assert row["Snippet"] == "Your code is 482913."
    assert row["Read"] is False
    whole = catcher.json(f"/api/v1/message/{row['ID']}")
    assert whole["Text"].strip() == "Your code is 482913."
    assert "<b>482913</b>" in whole["HTML"]
    assert whole["MessageID"] == "one@galaxy.test"
    assert whole["ReturnPath"] == "no-reply@galaxy.test"
    assert whole["ListUnsubscribe"]["Header"] == "<https://galaxy.test/u>"
    assert catcher.json("/api/v1/message/latest")["Subject"] == "Ход готов"
    assert catcher.json(f"/api/v1/message/{row['ID']}/headers")["Message-ID"] == ["<one@galaxy.test>"]
    assert "Subject: Your code" in catcher.get(f"/api/v1/message/{row['ID']}/raw")[0]
    assert catcher.json("/api/v1/info")["Unread"] == 0
    assert [m["Subject"] for m in catcher.json("/api/v1/messages?limit=1")["messages"]] == ["Ход готов"]


def test_a_recipient_of_the_envelope_alone_is_found_too(catcher):
    catcher.send(mail(), to_addrs=["hidden@example.org"])
    row = catcher.json("/api/v1/search?query=to:hidden@example.org")["messages"][0]
    assert row["Bcc"] == [{"Name": "", "Address": "hidden@example.org"}]


def test_mail_is_deleted_by_id_by_search_and_all_at_once(catcher):
    for name in ("ada", "bob", "eve"):
        catcher.send(mail(to=f"{name}@example.org"))
    first = catcher.json("/api/v1/messages")["messages"][0]["ID"]
    catcher.get("/api/v1/messages", method="DELETE", body=json.dumps({"IDs": [first]}).encode())
    catcher.get("/api/v1/search?query=to:ada", method="DELETE")
    assert [m["To"][0]["Address"] for m in catcher.json("/api/v1/messages")["messages"]] == [
        "bob@example.org"
    ]
    catcher.get("/api/v1/messages", method="DELETE")
    assert catcher.json("/api/v1/messages")["total"] == 0
    with pytest.raises(urllib.error.HTTPError, match="404"):
        catcher.get(f"/api/v1/message/{first}")


def test_mail_survives_a_kill_of_the_catcher(tmp_path):
    before = Catcher(tmp_path)
    before.send(mail())
    before.process.kill()
    before.process.wait()
    (tmp_path / "ready").unlink()
    (tmp_path / "mailbox" / "cut-short.eml").write_bytes(b"From: ")
    (tmp_path / "mailbox" / "broken.json").write_text('{"id": ')
    after = Catcher(tmp_path)
    assert [m["Subject"] for m in after.json("/api/v1/messages")["messages"]] == ["Your code"]
    after.end()


def test_a_mail_that_is_too_large_is_refused_for_good(catcher):
    with pytest.raises((smtplib.SMTPSenderRefused, smtplib.SMTPDataError)) as refusal:
        catcher.send(mail(text="x" * (MESSAGE_BYTES_MAX + 1)))
    assert refusal.value.smtp_code == 552


def test_a_full_disk_asks_the_sender_to_try_again_and_takes_the_mail_later(tiny_disk):
    disk = tiny_disk(4)
    catcher = Catcher(disk)
    fill(disk / "filler")
    with pytest.raises(smtplib.SMTPDataError) as refusal:
        catcher.send(mail())
    assert refusal.value.smtp_code == 452
    (disk / "filler").unlink()
    catcher.send(mail(subject="The second try"))
    assert [m["Subject"] for m in catcher.json("/api/v1/messages")["messages"]] == ["The second try"]
    catcher.end()


def test_the_page_shows_mail_without_running_any_of_it(catcher):
    attack = "<script>alert(1)</script><img src=https://evil.example/pixel>"
    catcher.send(mail(subject=attack, text=attack, html=f"<p>hello</p>{attack}"))
    row = catcher.json("/api/v1/messages")["messages"][0]
    for path in ("/", f"/message/{row['ID']}"):
        page, headers = catcher.get(path)
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page
        assert "default-src 'none'" in headers["Content-Security-Policy"]
    html, headers = catcher.get(f"/message/{row['ID']}/html")
    assert "<p>hello</p>" in html
    assert "sandbox" in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "allow-scripts" not in headers["Content-Security-Policy"]
    page, _ = catcher.get(f"/message/{row['ID']}")
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page


def test_the_page_offers_the_code_of_a_sign_in_mail(catcher):
    catcher.send(mail())
    page, _ = catcher.get("/")
    assert 'data-copy="482913"' in page


def test_a_foreign_name_for_this_machine_reads_nothing(catcher):
    with pytest.raises(urllib.error.HTTPError, match="400"):
        catcher.get("/api/v1/messages", host="evil.example")


def test_the_oldest_mail_goes_where_a_bound_is_reached(tmp_path):
    mailbox = Mailbox(tmp_path, messages_max=3, total_bytes_max=10_000)
    for number in range(5):
        mailbox.add(f"Subject: {number}\n\nhello".encode(), return_path="", recipients=())
    assert [summary.subject for summary in mailbox.list()] == ["4", "3", "2"]
    mailbox.add(b"Subject: large\n\n" + b"x" * 9_970, return_path="", recipients=())
    assert [summary.subject for summary in mailbox.list()] == ["large"]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no header at all",
        b"Subject: =?utf-8?q?=ff?=\nTo: <<<\nContent-Type: text/plain; charset=klingon\n\n\xff\xfe",
        b"Content-Type: multipart/mixed\n\nno boundary",
        b"From: a@b\nContent-Transfer-Encoding: base64\n\n!!!!",
    ],
)
def test_mangled_mail_is_caught_all_the_same(tmp_path, raw):
    mailbox = Mailbox(tmp_path)
    kept = mailbox.add(raw, return_path="a@b", recipients=("c@d",))
    assert mailbox.raw(kept) == raw
    assert mailbox.list(parse_search("to:c@d")) == [kept]


def test_a_search_takes_fields_words_and_phrases():
    kept = summarise(
        mail(subject="Turn 7 is ready").as_bytes(),
        id="1",
        created="",
        return_path="x@y",
        recipients=("z@example.org",),
    )
    for query in ('subject:"turn 7"', "from:galaxy to:ada", "ready", "to:z@example.org", ""):
        assert kept.matches(parse_search(query)), query
    for query in ("subject:bob", "to:no-reply", "from:ada@", 'subject:"7 turn"'):
        assert not kept.matches(parse_search(query)), query
