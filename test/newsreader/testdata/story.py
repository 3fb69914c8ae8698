"""Alice and Bob write to each other with nntplib.

usage: story.py HOST PORT ALICE-PASSPHRASE BOB-PASSPHRASE
"""

import nntplib
import sys
import time
from email import message_from_bytes, policy

HOST, PORT, ALICE, BOB = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
PATIENCE = 180  # seconds until the next batches have left

SUBJECT = "Postlagernd für Ærøskøbing"
ENCODED = "=?utf-8?q?Postlagernd_f=C3=BCr_=C3=86r=C3=B8sk=C3=B8bing?="
CARD = "Ich sammle Briefe, die niemand abgeholt hat: ünzustellbar."
REPLY = "The violin is under the third stair."
BACK = "What did she play on it?"


def connect(handle=None, passphrase=None):
    return nntplib.NNTP(HOST, PORT, user=handle, password=passphrase,
                        readermode=True, usenetrc=False, timeout=PATIENCE)


def must(error, code, call, *args):
    """The server refuses a call with that code, and says why in a sentence."""
    try:
        call(*args)
    except error as e:
        assert e.response.startswith(code + " "), e.response
        assert len(e.response) > len(code) + 10, e.response
        return e.response
    raise AssertionError(f"{call.__name__}{args} was not refused")


def await_article(s, group, words):
    """Wait until an article of a group says words: its number, and itself."""
    late = time.monotonic() + PATIENCE
    while time.monotonic() < late:
        _, count, first, last, _ = s.group(group)
        if count:
            for number, _ in s.over((first, last))[1]:
                m = message_from_bytes(b"\r\n".join(s.article(str(number))[1].lines), policy=policy.default)
                if words in m.get_content():
                    return number, m
        time.sleep(0.1)
    raise AssertionError(f"nothing came to {group}")


def post(s, *lines):
    answer = s.post([line.encode() for line in lines])
    assert answer.startswith("240 "), answer
    return answer[answer.index("<"):]


def greeting_and_groups():
    s = connect()
    assert s.getwelcome().startswith("200 "), s.getwelcome()
    can = s.getcapabilities()
    assert "READER" in can and "POST" in can and "AUTHINFO" in can, can
    groups = {g.group: g.flag for g in s.list()[1]}
    for group, flag in (("restante.cards", "y"), ("restante.reply", "y"), ("restante.inbox", "y"),
                        ("restante.sent", "n"), ("restante.pool", "n"), ("misc.test", "y")):
        assert groups.get(group) == flag, groups
    assert s.descriptions("restante.inbox")[1]["restante.inbox"]
    must(nntplib.NNTPTemporaryError, "480", s.group, "restante.inbox")
    must(nntplib.NNTPTemporaryError, "411", s.group, "no.such.group")
    s.quit()


def alice_posts():
    s = connect("alice", ALICE)
    token = post(s, "From: Alice Liddell <alice@home.example>", "Newsgroups: restante.cards",
                 f"Subject: {ENCODED}", "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
                 "Content-Transfer-Encoding: 8bit", "User-Agent: TellTale/1.0", "Organization: Wonderland",
                 "", CARD, ".a line that starts with a dot")
    s.quit()
    return token


def bob_replies(token):
    s = connect("bob", BOB)
    number, card = await_article(s, "restante.cards", CARD)
    assert card["Subject"] == SUBJECT, card["Subject"]
    assert card["Message-ID"] == token
    assert card["From"] == "Anonymous <nobody@gw.example>", card["From"]
    assert card["Followup-To"] == "restante.reply"
    assert ".a line that starts with a dot" in card.get_content()
    whole = card.as_string()
    for trace in ("Alice", "home.example", "TellTale", "Wonderland"):
        assert trace not in whole, trace

    # What a newsreader learns before it opens the article.
    (_, fields), = s.over((number, number))[1]
    assert nntplib.decode_header(fields["subject"]) == SUBJECT, fields
    assert fields["message-id"] == token and fields["references"] == "", fields
    assert int(fields[":bytes"]) > 0 and int(fields[":lines"]) == 2, fields
    assert s.xhdr("message-id", f"{number}-{number}")[1] == [(str(number), token)]
    assert s.stat(token)[2] == token

    post(s, "From: Bob Marley <bob@work.example>", "Newsgroups: restante.reply",
         f"Subject: Re: {ENCODED}", f"References: {token}", "", REPLY)
    s.quit()


def alice_answers():
    s = connect("alice", ALICE)
    _, mail = await_article(s, "restante.inbox", REPLY)
    assert mail["Subject"] == "Re: " + SUBJECT, mail["Subject"]
    assert mail["From"] == "Anonymous <nobody@gw.example>", mail["From"]
    assert mail["Followup-To"] == "restante.reply"
    assert "Bob" not in mail.as_string()
    _, receipt = await_article(s, "restante.sent", CARD)
    assert receipt["Restante-Destination"] == "restante.cards", receipt.as_string()
    assert receipt["Restante-Digest"].startswith("sha-256="), receipt.as_string()
    post(s, "From: alice@home.example", "Newsgroups: restante.reply", f"Subject: Re: {ENCODED}",
         f"References: {mail['References']} {mail['Message-ID']}", "", BACK)
    s.quit()


def bob_reads():
    s = connect("bob", BOB)
    _, mail = await_article(s, "restante.inbox", BACK)
    assert mail["From"] == "Anonymous <nobody@gw.example>", mail["From"]
    s.quit()
    # The same handle with another passphrase is somebody else.
    s = connect("bob", ALICE)
    _, count, first, last, _ = s.group("restante.inbox")
    assert (count, first, last) == (0, 1, 0), (count, first, last)
    must(nntplib.NNTPTemporaryError, "430", s.article, mail["Message-ID"])
    s.quit()


def raw_octets():
    """What is in no charset that anybody declared comes back octet for octet."""
    s = connect()
    subject, body = "raw für".encode("utf-8"), b"Latin \xe4\xf6\xfc, and \xff"
    answer = s.post([b"From: a@b.example", b"Newsgroups: misc.test", b"Subject: " + subject, b"", body])
    name = answer[answer.index("<"):]
    late = time.monotonic() + PATIENCE
    while True:
        try:
            lines = s.article(name)[1].lines
            break
        except nntplib.NNTPTemporaryError as e:
            assert e.response.startswith("430 ") and time.monotonic() < late, e.response
            time.sleep(0.1)
    assert b"Subject: " + subject in lines and lines[-1] == body, lines
    assert s.xhdr("subject", name)[1] == [f"{name} {subject.decode()}"], s.xhdr("subject", name)
    s.quit()


def refusals():
    s = connect()
    plain = post(s, "From: a@b.example", "Newsgroups: misc.test", "Subject: no login", "", "Hello.")
    said = must(nntplib.NNTPTemporaryError, "441", s.post,
                [b"From: a@b.example", b"Newsgroups: restante.reply", b"Subject: Re: no login",
                 b"References: " + plain.encode(), b"", b"Hello back."])
    assert "posted without a login" in said, said
    must(nntplib.NNTPTemporaryError, "481", s.login, "alice", "password", False)
    s.quit()


greeting_and_groups()
bob_replies(alice_posts())
alice_answers()
bob_reads()
raw_octets()
refusals()
