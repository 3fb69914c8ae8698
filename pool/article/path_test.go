package article_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/restante/restante/pool/article"
)

// RFC 5536, Section 3.1.5 and RFC 5537, Section 3.2.
func TestParsePath_readsTheWay(t *testing.T) {
	for _, c := range []struct {
		why, value, latest string
		passed, posted     bool // passed news.example
		bad                bool
	}{
		{"the RFC's own example", "foo.isp.example!.SEEN.isp.example!foo-news\r\n !.MISMATCH.2001:DB8:0:0:8:800:200C:417A!bar.isp.example\r\n !!news.example!barbaz!!baz.isp.example\r\n !.POSTED.dialup123.baz.isp.example!not-for-mail", "foo.isp.example", true, true, false},
		{"another case", "a!NEWS.Example!not-for-mail", "a", true, false, false},
		{"the tail entry is no server", "a!news.example", "a", false, false, false},
		{"behind POSTED", "a!.POSTED!news.example!not-for-mail", "a", false, true, false},
		{"POSTED in another case, with a host", "a!.posted.host!news.example!x", "a", false, true, false},
		{"in a diagnostic", "a!.MISMATCH.news.example!b!x", "a", false, false, false},
		{"part of a name", "xnews.example!news.example.x!x", "xnews.example", false, false, false},
		{"a tail entry alone", "not-for-mail", "", false, false, false},
		{"a diagnostic first", ".SEEN.x!a!b", "", false, false, false},
		{"verified", "news.example!!a!x", "news.example", true, false, false},
		{"no tail entry", "a!b!", "", false, false, true},
		{"nothing", "", "", false, false, true},
		{"a space in a name", "a b!c", "", false, false, true},
		{"beyond ASCII", "\xe4!c", "", false, false, true},
	} {
		p, err := article.ParsePath(c.value)
		if errors.Is(err, article.ErrPath) != c.bad || p.Latest() != c.latest || p.Passed("news.example") != c.passed || p.Posted() != c.posted {
			t.Errorf("%s: latest %q, passed %v, posted %v, %v", c.why, p.Latest(), p.Passed("news.example"), p.Posted(), err)
		}
	}
}

// RFC 5536, Section 3.1.1 and RFC 5322, Section 4.3.
func TestParseDate_zonesAndComments(t *testing.T) {
	want := time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, value := range []string{
		"Fri, 01 Mar 2024 12:00:00 +0000", "Fri, 1 Mar 2024 12:00:00 GMT", "1 Mar 2024 12:00 UT", "1 Mar 24 07:00:00 EST",
		"Fri, 01 Mar 2024 13:00:00 +0100 (CET)", "1 Mar 2024 05:00:00 -0700", "1 Mar 2024 05:00:00 pdt", "1 Mar 2024 12:00:00 Z", " 1 Mar 2024 12:00:00 XYZ ",
	} {
		if got, err := article.ParseDate(value); err != nil || value != "1 Mar 2024 05:00:00 pdt" && !got.Equal(want) {
			t.Errorf("%q: %v, %v", value, got, err)
		}
	}
	for _, value := range []string{"", "yesterday", "Fri, 31 Feb 2024 12:00:00 +0000", "2024-03-01T12:00:00Z", "(only a comment)", "1 Mar 2024"} {
		if got, err := article.ParseDate(value); !errors.Is(err, article.ErrDate) {
			t.Errorf("%q: %v, %v", value, got, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "at"), 0)
		if got, err := article.ParseDate(article.Date(at)); err != nil || !got.Equal(at) {
			t.Errorf("%v became %v, %v", at, got, err)
		}
	})
}

func TestPrepend_changesNoOtherOctet(t *testing.T) {
	long := strings.Repeat("x", 992)
	fits := long[:998-len("Path: ours!!")]
	for _, c := range []struct{ why, field, want string }{
		{"plain", "pATH: a!b", "pATH: ours!!a!b"},
		{"folded later", "Path: a\r\n\t!b\r\n !c", "Path: ours!!a\r\n\t!b\r\n !c"},
		{"folded at the start", "Path:\r\n  a!b", "Path: ours!!a!b"},
		{"too long for one line", "Path: " + long, "Path: ours\r\n !!" + long},
		{"as long as fits", "Path: " + fits, "Path: ours!!" + fits},
		{"an octet longer", "Path: " + fits + "x", "Path: ours\r\n !!" + fits + "x"},
	} {
		a := parse(t, "X: \x80", c.field, "Path: second", "", "body")
		if err := a.Prepend("Path", "ours", "!!"); err != nil {
			t.Errorf("%s: %v", c.why, err)
		}
		if got, want := string(a.Text()), "X: \x80\r\n"+c.want+"\r\nPath: second\r\n\r\nbody\r\n"; got != want {
			t.Errorf("%s:\n%q\nwant\n%q", c.why, got, want)
		}
		if _, err := article.Parse(a.Text()); err != nil {
			t.Errorf("%s: what came out is no article: %v", c.why, err)
		}
	}
	a := parse(t, "X: y", "", "body")
	if err := a.Prepend("X", "a\r\nB:", "c"); !errors.Is(err, article.ErrHeaderSyntax) || a.Get("X") != "y" {
		t.Errorf("a value brought in a field: %v", err)
	}
	if err := a.Prepend("X", long, long+long); !errors.Is(err, article.ErrLongLine) || a.Get("X") != "y" {
		t.Errorf("an endless line: %v", err)
	}
	if err := a.Prepend("Y", "a", "b"); err != nil || a.Get("Y") != "ab" || a.Count("y") != 1 || a.Count("z") != 0 {
		t.Errorf("a new field: %q, %v", a.Get("Y"), err)
	}
}
