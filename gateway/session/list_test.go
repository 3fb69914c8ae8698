package session

import (
	"testing"

	"github.com/restante/restante/pool"
)

func TestList_answers(t *testing.T) {
	play(t, []dialogue{
		{"a bare LIST is LIST ACTIVE, with the mailbox's groups before the login", []string{
			"> LIST", "~215 ", "misc.empty 0 1 y", "misc.gone 1 2 y", "misc.test 4 1 y", "restante.inbox 0 1 y", "restante.sent 0 1 n", ".",
		}},
		{"a wildmat", []string{"> list active misc.*,!*.gone", "~215 ", "misc.empty 0 1 y", "misc.test 4 1 y", ".", "> LIST ACTIVE none", "~215 ", "."}},
		{"a wildmat with what it may not hold, RFC 3977, Section 4.1", []string{"> LIST ACTIVE misc.[a-z]*", "~501 ", `> LIST ACTIVE misc\*`, "~501 "}},
		{"counts, RFC 6048, Section 2.2", []string{"> LIST COUNTS misc.*", "~215 ", "misc.empty 0 1 0 y", "misc.gone 1 2 0 y", "misc.test 4 1 3 y", "."}},
		{"descriptions", []string{"> LIST NEWSGROUPS *.test,*.inbox", "~215 ", "misc.test\tAbout misc.test", "restante.inbox\tYour mail", "."}},
		{"times", []string{"> LIST ACTIVE.TIMES", "~215 ", "misc.empty 1577836800 news.example", "misc.gone 1609459200 news.example", "misc.test 1640995200 news.example", "."}},
		{"headers", []string{"> LIST HEADERS", "~215 ", ":", ":bytes", ":lines", ".", "> LIST HEADERS range", "~215 ", ":", ":bytes", ":lines", ".", "> LIST HEADERS x", "~501 "}},
		{"message of the day, subscriptions", []string{
			"> LIST MOTD", "~215 ", "Hello", ".", "> LIST SUBSCRIPTIONS", "~215 ", "misc.test", "misc.empty", ".", "> LIST SUBSCRIPTIONS *.test", "~215 ", "misc.test", ".",
		}},
		{"known and not kept: 503; unknown: 501, RFC 3977, Section 7.6.1.2", []string{
			"> LIST DISTRIB.PATS", "~503 ", "> LIST DISTRIBUTIONS", "~503 ", "> LIST MODERATORS", "~503 ", "> LIST EXTENSIONS", "~503 ", "> LIST NONSENSE", "~501 ",
			"> LIST MOTD x", "~501 ", "> LIST OVERVIEW.FMT x", "~501 ",
		}},
		{"Bytes: and Lines: for those who never heard of CAPABILITIES", []string{
			"> LIST OVERVIEW.FMT", "~215 ", "Subject:", "From:", "Date:", "Message-ID:", "References:", "Bytes:", "Lines:", "Xref:full", ".",
			"> CAPABILITIES", "~101 ", "VERSION 2", "IMPLEMENTATION Restante 1.2",
			"READER", "AUTHINFO USER SASL", "SASL PLAIN", "POST", "OVER MSGID", "HDR",
			"LIST ACTIVE ACTIVE.TIMES COUNTS HEADERS MOTD NEWSGROUPS OVERVIEW.FMT SUBSCRIPTIONS", "NEWNEWS", ".",
			"> LIST OVERVIEW.FMT", "~215 ", "Subject:", "From:", "Date:", "Message-ID:", "References:", ":bytes", ":lines", "Xref:full", ".",
		}},
	}, nil)
}

func TestList_whatIsNotKept(t *testing.T) {
	play(t, []dialogue{{"nor announced", []string{
		"> LIST MOTD", "~503 ", "> LIST SUBSCRIPTIONS", "~503 ",
		"> CAPABILITIES", "~101 ", "VERSION 2", "~IMPLEMENTATION ", "READER", "AUTHINFO USER SASL", "SASL PLAIN", "POST", "OVER MSGID", "HDR",
		"LIST ACTIVE ACTIVE.TIMES COUNTS HEADERS NEWSGROUPS OVERVIEW.FMT", "NEWNEWS", ".",
	}}}, func(o *Options) { o.MOTD, o.Lists = nil, Lists{} })
}

func TestNewGroups_answers(t *testing.T) {
	play(t, []dialogue{
		{"those since then", []string{"> NEWGROUPS 20210101 000000 GMT", "~231 ", "misc.gone 1 2 y", "misc.test 4 1 y", "."}},
		{"six digits", []string{"> NEWGROUPS 211231 235959 gmt", "~231 ", "misc.test 4 1 y", "."}},
		{"in the server's own time", []string{"> NEWGROUPS 20300101 000000", "~231 ", "."}},
		{"wrong ones", []string{"> NEWGROUPS 20211301 000000 GMT", "~501 ", "> NEWGROUPS 20210101", "~501 ", "> NEWGROUPS 20210101 000000 UTC", "~501 "}},
	}, nil)
}

func TestNewNews_answers(t *testing.T) {
	play(t, []dialogue{
		{"by arrival", []string{"> NEWNEWS * 20240303 120000 GMT", "~230 ", "<3@x>", "<4@x>", ".", "> NEWNEWS misc.* 20240304 000000 GMT", "~230 ", "<4@x>", "."}},
		{"groups by wildmat", []string{"> NEWNEWS *,!misc.test 20000101 000000 GMT", "~230 ", "."}},
		{"the mailbox's too, once it is open", []string{
			"> AUTHINFO USER a", "~381 ", "> AUTHINFO PASS b", "~281 ", "> NEWNEWS *.inbox 20240101 000000 GMT", "~230 ", "<i@x>", ".",
			"> NEWNEWS *.inbox 20240401 000000 GMT", "~230 ", ".",
		}},
		{"wrong ones", []string{"> NEWNEWS [ 20240303 120000", "~501 ", "> NEWNEWS * 20240303", "~501 ", "> NEWNEWS * 2024 12", "~501 "}},
	}, nil)
}

func TestNewNews_notKnown(t *testing.T) {
	play(t, []dialogue{{"a store that knows no arrivals", []string{
		"> NEWNEWS * 20240303 120000 GMT", "~503 ",
		"> CAPABILITIES", "~101 ", "VERSION 2", "~IMPL", "READER", "~AUTHINFO", "~SASL", "POST", "OVER MSGID", "HDR", "~LIST ", ".",
	}}}, func(o *Options) { o.Store = struct{ pool.Reader }{o.Store} })
}
