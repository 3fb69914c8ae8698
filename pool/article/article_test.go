package article_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

func crlf(lines ...string) []byte { return []byte(strings.Join(lines, "\r\n") + "\r\n") }

func parse(t testing.TB, lines ...string) *article.Article {
	t.Helper()
	a, err := article.Parse(crlf(lines...))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return a
}

func TestParse_keepsEveryOctet(t *testing.T) {
	text := crlf(
		"PATH: a!b",
		"Subject:   three spaces, caf\xe9 \t",
		"References: <a@b>",
		"\t<c@d>",
		"    <e@f>",
		"Empty:",
		"Message-ID:",
		" <x@y>",
		"X-\x21odd~name: yes: no",
		"subject: second",
		"",
		"", ".", "..dots", strings.Repeat("long", 5000), "\x80\xff",
	)
	a, err := article.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(text), string(a.Text())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{
		"path": "a!b", "SUBJECT": "three spaces, caf\xe9", "References": "<a@b>\t<c@d>    <e@f>",
		"empty": "", "message-id": "<x@y>", "X-!odd~name": "yes: no", "absent": "",
	} {
		if got := a.Get(name); got != want {
			t.Errorf("Get(%q) = %q, want %q", name, got, want)
		}
	}
	if diff := cmp.Diff([]string{"three spaces, caf\xe9", "second"}, a.Values("Subject")); diff != "" {
		t.Errorf("Values (-want +got):\n%s", diff)
	}
	if !a.Has("EMPTY") || a.Has("absent") {
		t.Error("Has is wrong")
	}
	if f := a.Fields()[1]; f.Name() != "Subject" || f.Raw() != "   three spaces, caf\xe9 \t" {
		t.Errorf("field %q, %q", f.Name(), f.Raw())
	}
}

func TestParse_refuses(t *testing.T) {
	long := strings.Repeat("x", 990)
	for _, c := range []struct {
		why  string
		text string
		want error
	}{
		{"nothing", "", article.ErrNoHeader},
		{"no header", "\r\nbody\r\n", article.ErrNoHeader},
		{"no empty line", "A: b\r\n", article.ErrNoBody},
		{"NUL in the header", "A: \x00\r\n\r\nx\r\n", article.ErrBareLine},
		{"NUL in the body", "A: b\r\n\r\n\x00\r\n", article.ErrBareLine},
		{"bare LF", "A: b\r\n\r\nx\n.\r\n", article.ErrBareLine},
		{"LF at the very start", "\nA: b\r\n\r\nx\r\n", article.ErrBareLine},
		{"bare CR", "A: b\r\n\r\nx\r.\r\n", article.ErrBareLine},
		{"two CRs", "A: b\r\r\n\r\nx\r\n", article.ErrBareLine},
		{"no CRLF at the end", "A: b\r\n\r\nx", article.ErrBareLine},
		{"CR at the end", "A: b\r\n\r\nx\r\n\r", article.ErrBareLine},
		{"starts with a fold", " A: b\r\n\r\nx\r\n", article.ErrHeaderSyntax},
		{"no colon", "A b\r\n\r\nx\r\n", article.ErrHeaderSyntax},
		{"no name", ": b\r\n\r\nx\r\n", article.ErrHeaderSyntax},
		{"space in the name", "A : b\r\n\r\nx\r\n", article.ErrHeaderSyntax},
		{"8-bit name", "\xc3\xa4: b\r\n\r\nx\r\n", article.ErrHeaderSyntax},
		{"no space", "A:b\r\n\r\nx\r\n", article.ErrHeaderSyntax},
		{"a fold of white space only", "A: b\r\n \t\r\n c\r\n\r\nx\r\n", article.ErrHeaderSyntax},
		{"a line of 999 octets", "A: b" + long + "12345\r\n\r\nx\r\n", article.ErrLongLine},
		{"a fold of 999 octets", "A: b\r\n " + long + "12345678\r\n\r\nx\r\n", article.ErrLongLine},
	} {
		_, err := article.Parse([]byte(c.text))
		var refusal *pool.Refusal
		if !errors.Is(err, c.want) || !errors.As(err, &refusal) {
			t.Errorf("%s: %v, want a refusal for %v", c.why, err, c.want)
			continue
		}
		if s := refusal.Sentence; s == "" || len(s) > 400 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%s: sentence %q", c.why, s)
		}
	}
	if _, err := article.Parse([]byte("A: b" + long + "1234\r\n\r\nx\r\n")); err != nil {
		t.Errorf("a line of 998 octets: %v", err)
	}
}

func TestAdd_refusesInjection(t *testing.T) {
	a := article.New()
	for _, c := range [][2]string{
		{"A", "b\r\nC: d"},
		{"A", "b\nC: d"},
		{"A", "b\r"},
		{"A", "\x00"},
		{"A", ""},
		{"A", " \t "},
		{"A: b\r\nC", "d"},
		{"A b", "c"},
		{"", "c"},
		{"A:", "c"},
		{"\xe9", "c"},
	} {
		if err := errors.Join(a.Add(c[0], c[1])); !errors.Is(err, article.ErrHeaderSyntax) {
			t.Errorf("Add(%q, %q): %v, want ErrHeaderSyntax", c[0], c[1], err)
		}
		if err := a.Set(c[0], c[1]); !errors.Is(err, article.ErrHeaderSyntax) {
			t.Errorf("Set(%q, %q): %v, want ErrHeaderSyntax", c[0], c[1], err)
		}
	}
	for _, c := range [][2]string{{"A", strings.Repeat("x", 1000)}, {strings.Repeat("x", 998), "y"}} {
		if err := a.Add(c[0], c[1]); !errors.Is(err, article.ErrLongLine) {
			t.Errorf("Add: %v, want ErrLongLine", err)
		}
	}
	if len(a.Header()) != 0 {
		t.Errorf("header %q", a.Header())
	}
}

func TestAdd_whatItBuildsCanBeParsed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := article.New()
		name := rapid.StringMatching(`[!-9;-~]{1,20}`)
		words := rapid.SliceOfN(rapid.StringMatching(`[!-~é]{1,300}`), 1, 12)
		space := rapid.SampledFrom([]string{" ", "\t", "  ", " \t "})
		var want [][2]string
		for range rapid.IntRange(1, 5).Draw(t, "fields") {
			f := [2]string{name.Draw(t, "name"), strings.Join(words.Draw(t, "words"), space.Draw(t, "space"))}
			if err := a.Add(f[0], f[1]); err != nil {
				t.Fatal(err)
			}
			want = append(want, f)
		}
		if err := a.SetBody([]byte("x\r\n")); err != nil {
			t.Fatal(err)
		}
		again, err := article.Parse(a.Text())
		if err != nil {
			t.Fatal(err)
		}
		var got [][2]string
		for _, f := range again.Fields() {
			got = append(got, [2]string{f.Name(), f.Value()})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestSet_replacesInPlace(t *testing.T) {
	a := parse(t, "A: 1", "B: 2", "a: 3", "C: 4", "", "x")
	for _, c := range [][2]string{{"a", "new"}, {"D", "added"}} {
		if err := a.Set(c[0], c[1]); err != nil {
			t.Fatal(err)
		}
	}
	a.Del("b")
	if diff := cmp.Diff(string(crlf("a: new", "C: 4", "D: added")), string(a.Header())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSetBody_refuses(t *testing.T) {
	for text, want := range map[string]error{
		"": article.ErrNoBody, "x": article.ErrBareLine, "a\nb\r\n": article.ErrBareLine, "\x00\r\n": article.ErrBareLine,
	} {
		if err := article.New().SetBody([]byte(text)); !errors.Is(err, want) {
			t.Errorf("SetBody(%q): %v, want %v", text, err, want)
		}
	}
}

func TestReferences_mended(t *testing.T) {
	a := parse(t,
		"References: <a@b> (comment) <c",
		" @d>, nonsense <>",
		"\t<e\xff@f><g@h> <open <i@j> <k@",
		"",
		"x")
	if diff := cmp.Diff([]pool.MessageID{"<a@b>", "<c@d>", "<g@h>", "<i@j>"}, a.References()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestThread_keepsTheFirstAndTheLastSeven(t *testing.T) {
	ids := []pool.MessageID{"<0@x>", "<1@x>", "<2@x>", "<3@x>", "<4@x>", "<5@x>", "<6@x>", "<7@x>", "<8@x>"}
	if got := article.Thread(ids); got != "<0@x> <2@x> <3@x> <4@x> <5@x> <6@x> <7@x> <8@x>" {
		t.Errorf("of nine: %q", got)
	}
	if got := article.Thread(ids[:8]); strings.Count(got, " ") != 7 || ids[1] != "<1@x>" {
		t.Errorf("of eight: %q, and %v is left", got, ids)
	}
	if got := article.Thread(nil); got != "" {
		t.Errorf("of none: %q", got)
	}
}

func TestParent_isTheLastThingNamedOrNothing(t *testing.T) {
	for _, c := range []struct {
		why   string
		lines []string
		want  pool.MessageID
		ok    bool
	}{
		{"the last reference", []string{"References: <a@b> <c@d>", "In-Reply-To: <e@f>"}, "<c@d>", true},
		{"folded within", []string{"References: <a@b> <c", " @d>"}, "<c@d>", true},
		{"no References", []string{"In-Reply-To: <e@f>"}, "<e@f>", true},
		{"neither", []string{"A: b"}, "", false},
		{"empty References", []string{"References:", "In-Reply-To: <e@f>"}, "<e@f>", true},
		{"the last one cut off", []string{"References: <a@b> <c@d"}, "", true},
		{"the last one not ASCII", []string{"References: <a@b> <c\xe9@d>"}, "", true},
		{"the last one too long", []string{"References: <a@b> <" + strings.Repeat("c", 249) + ">"}, "", true},
		{"something behind it", []string{"References: <a@b> (yours)"}, "", true},
		{"none, and In-Reply-To is not tried", []string{"References: a@b", "In-Reply-To: <e@f>"}, "", true},
	} {
		a := parse(t, append(c.lines, "", "x")...)
		if got, ok := a.Parent(); got != c.want || ok != c.ok {
			t.Errorf("%s: Parent %q, %v, want %q, %v", c.why, got, ok, c.want, c.ok)
		}
	}
}

func TestNewsgroups_split(t *testing.T) {
	got, err := parse(t, "Newsgroups: a.b,c , a.b,", "\td", "", "x").Newsgroups()
	if diff := cmp.Diff([]pool.Group{"a.b", "c", "d"}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for line, want := range map[string]error{
		"A: b": article.ErrNoGroups, "Newsgroups: ": article.ErrNoGroups,
		"Newsgroups: a,,b": pool.ErrGroupName, "Newsgroups: a b": pool.ErrGroupName,
	} {
		if _, err := parse(t, line, "", "x").Newsgroups(); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", line, err, want)
		}
	}
}

func TestFile_refuses(t *testing.T) {
	if _, err := parse(t, "A: b", "", "x").File([]pool.Group{"a"}, time.Now(), 0); !errors.Is(err, pool.ErrMessageID) {
		t.Errorf("no message-id: %v", err)
	}
	if _, err := parse(t, "Message-ID: <a@b>", "", "x").File(nil, time.Now(), 0); !errors.Is(err, article.ErrNoGroups) {
		t.Errorf("no groups: %v", err)
	}
}

// RFC 3977, Section 3.6: the body may be empty.
func TestFile_emptyBody(t *testing.T) {
	a := parse(t, "Message-ID: <a@b>", "")
	filed, err := a.File([]pool.Group{"a"}, time.Now(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(a.Text()); got != "Message-ID: <a@b>\r\n\r\n" || len(filed.Body) != 0 {
		t.Errorf("became %q with the body %q", got, filed.Body)
	}
	if o := filed.Overview; o.Lines != 0 || o.Bytes != len(a.Text()) {
		t.Errorf("counted as %d lines, %d octets", o.Lines, o.Bytes)
	}
}

func TestFile_wireForm(t *testing.T) {
	a := parse(t, ".odd: name", "XREF: other a:1", "Message-ID: <a@b>", "", ".", "x", "..")
	filed, err := a.File([]pool.Group{"a"}, time.Now(), 3)
	if err != nil {
		t.Fatal(err)
	}
	stored := article.Render(filed, "s", []pool.Location{{Group: "a", Number: 7}})
	want := string(crlf("..odd: name", "Message-ID: <a@b>", "Xref: s a:7", "", "..", "x", "...", "."))
	if diff := cmp.Diff(want, string(stored.Wire)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, ok := article.HeaderField(stored.Head(), ".ODD"); !ok || got != "name" {
		t.Errorf("HeaderField: %q, %v", got, ok)
	}
	if diff := cmp.Diff(string(crlf("..", "x", "...")), string(stored.Body())); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

func TestFlatten_keepsFurtherWhiteSpace(t *testing.T) {
	for raw, want := range map[string]string{
		" plain": "plain", "tight": "tight", "": "", " ": "",
		"   three before and two behind  ": "  three before and two behind  ",
		"\tTAB":                            " TAB", "\r\n folded at once": "folded at once", " a\r\n\tb\r\n c": "a b c", " a\x00b\rc": "a b c",
	} {
		if got := article.Flatten(raw); got != want {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	}
}

func TestHeaderField_ofAHead(t *testing.T) {
	head := crlf("A: 1", "B: two", "\tfolds\t", " here", "b: second", "Last: x")
	for name, want := range map[string]string{"a": "1", "B": "two\tfolds\t here", "LAST": "x"} {
		if got, ok := article.HeaderField(head, name); got != want || !ok {
			t.Errorf("%s: %q, %v; want %q", name, got, ok, want)
		}
	}
	if raw, ok := article.RawField(head, "b"); raw != " two\r\n\tfolds\t\r\n here" || !ok || article.Flatten(raw) != "two folds  here" {
		t.Errorf("raw %q, %v", raw, ok)
	}
	for _, name := range []string{"", "two", "L", "folds", "absent"} {
		if got, ok := article.HeaderField(head, name); ok {
			t.Errorf("%q: %q", name, got)
		}
	}
}

// The line stays short whatever the header holds, the ends of References stay,
// and no character is cut in two.
func TestFile_overviewStaysShort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit, times := rapid.StringMatching(`[a-zé漢\t ]{0,30}`), rapid.IntRange(0, 100)
		long := rapid.Custom(func(t *rapid.T) string { return strings.Repeat(unit.Draw(t, "unit"), times.Draw(t, "times")) })
		refs := rapid.SliceOfN(rapid.StringMatching(`<[a-z]{1,200}@[a-z]{1,40}>`), 0, 40).Draw(t, "references")
		group := rapid.StringMatching(`[a-z]{1,200}`)
		a := article.New()
		for name, value := range map[string]string{
			"Subject": long.Draw(t, "subject"), "From": long.Draw(t, "from"), "Date": long.Draw(t, "date"),
			"Message-ID": "<" + strings.Repeat("m", 246) + "@d>", "References": strings.Join(refs, " "),
		} {
			_ = a.Add(name, value) // what can't be folded is left out
		}
		if err := a.Set("Message-ID", "<x@"+strings.Repeat("m", 246)+">"); err != nil {
			t.Fatal(err)
		}
		if err := a.SetBody([]byte("x\r\n")); err != nil {
			t.Fatal(err)
		}
		var at []pool.Location
		var groups []pool.Group
		for range rapid.IntRange(1, 12).Draw(t, "groups") {
			g := pool.Group(group.Draw(t, "group"))
			groups, at = append(groups, g), append(at, pool.Location{Group: g, Number: pool.MaxNumber})
		}
		filed, err := a.File(groups, time.Now(), 0)
		if err != nil {
			t.Fatal(err)
		}
		line := article.Render(filed, "news.example.org", at).Overview
		if len(line)+len("2147483647\t\r\n") > pool.MaxOverviewLine {
			t.Fatalf("line of %d octets", len(line))
		}
		if !utf8.Valid(line) || bytes.Count(line, []byte{'\t'}) != 7 {
			t.Errorf("line %q", line)
		}
		if len(groups) == 1 && len(refs) > 0 {
			checkReferences(t, string(bytes.Split(line, []byte{'\t'})[4]), refs)
		}
	})
}

func checkReferences(t *rapid.T, got string, refs []string) {
	kept := strings.Fields(got)
	if len(kept) == 0 {
		t.Fatal("no reference is left")
	}
	if kept[len(kept)-1] != refs[len(refs)-1] {
		t.Errorf("the last reference is lost")
	}
	if len(kept) > 1 && kept[0] != refs[0] {
		t.Errorf("the first reference is lost")
	}
	tail := kept[1:]
	if diff := cmp.Diff(refs[len(refs)-len(tail):], tail); diff != "" {
		t.Errorf("not trimmed from the middle (-want +got):\n%s", diff)
	}
}

func TestFile_cutsLatin1(t *testing.T) {
	a := parse(t, "Subject: "+strings.Repeat("\xe9", 900), "Message-ID: <a@b>", "", "x")
	filed, err := a.File([]pool.Group{"a"}, time.Now(), 0)
	if err != nil || filed.Overview.Subject != strings.Repeat("\xe9", 500) {
		t.Errorf("subject of %d octets, %v", len(filed.Overview.Subject), err)
	}
}

func TestStuff_lines(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a\r\n": "a\r\n", ".\r\n": "..\r\n", "..\r\n.a\r\n": "...\r\n..a\r\n", "a.\r\n\r\n.": "a.\r\n\r\n..",
	} {
		if got := string(article.Stuff([]byte(text))); got != want {
			t.Errorf("Stuff(%q) = %q, want %q", text, got, want)
		}
		if got := string(article.Unstuff([]byte(want))); got != text {
			t.Errorf("Unstuff(%q) = %q, want %q", want, got, text)
		}
	}
}

// checkUsedAgain reads text into an article that was another one, and files it into
// one too: that must come to the same, or fail.
func checkUsedAgain(t *testing.T, text []byte, want *pool.Article) {
	t.Helper()
	a := parse(t, ".Message-ID: <z@z>", "Message-ID: <y@y>", "Xref: x", "References: <a@b>", "", ".", "z", "")
	filed, err := a.File([]pool.Group{"z"}, time.Unix(1, 0), 1)
	if err != nil {
		t.Fatal(err)
	}
	checked, err := article.Check(text)
	if err != nil {
		t.Fatal(err)
	}
	a.Reset()
	if err := a.Read(checked); err != nil || !bytes.Equal(a.Text(), text) {
		t.Errorf("%q became %q, %v", text, a.Text(), err)
	}
	if err := a.FileAs(filed, []pool.Group{"a"}, time.Time{}, 0); err != nil {
		filed = nil
	}
	if diff := cmp.Diff(want, filed); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(crlf("A: b", "", "x"))
	f.Add(crlf("References: <a@", " b>", "Newsgroups: a,b", "Message-ID: <a@b>", "", ".", "x"))
	f.Add([]byte("A:\r\n b\r\n\r\n\x80\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := article.Parse(text)
		if err != nil {
			var refusal *pool.Refusal
			if !errors.As(err, &refusal) {
				t.Errorf("%v is no refusal", err)
			}
			return
		}
		if !bytes.Equal(a.Text(), text) {
			t.Errorf("%q became %q", text, a.Text())
		}
		filed, err := a.File([]pool.Group{"a"}, time.Time{}, 0)
		checkUsedAgain(t, text, filed)
		if err != nil {
			return
		}
		stored := article.Render(filed, "s", []pool.Location{{Group: "a", Number: 1}})
		if bytes.Contains(stored.Wire[:len(stored.Wire)-3], []byte("\r\n.\r\n")) {
			t.Errorf("terminator inside %q", stored.Wire)
		}
		if len(stored.Overview) > pool.MaxOverviewLine || bytes.ContainsAny(stored.Overview, "\r\n\x00") ||
			bytes.Count(stored.Overview, []byte{'\t'}) != 7 {
			t.Errorf("overview %q", stored.Overview)
		}
	})
}

func FuzzStuff(f *testing.F) {
	f.Add([]byte(".\r\n..\r\na\r\n"))
	f.Add([]byte("no line end"))
	f.Fuzz(func(t *testing.T, text []byte) {
		wire := article.Stuff(text)
		if !bytes.Equal(article.Unstuff(wire), text) {
			t.Errorf("%q became %q", text, wire)
		}
		for line := range bytes.Lines(wire) {
			if line[0] == '.' && (len(line) < 2 || line[1] != '.') {
				t.Errorf("line %q in %q", line, wire)
			}
		}
	})
}

func FuzzReferences(f *testing.F) {
	f.Add("<a@b> <c@\td>")
	f.Add("<<a@b>>")
	f.Fuzz(func(t *testing.T, value string) {
		a, err := article.Parse([]byte("References: " + value + "\r\n\r\nx\r\n"))
		if err != nil {
			return
		}
		for _, id := range a.References() {
			if _, err := pool.ParseMessageID(string(id)); err != nil {
				t.Errorf("%q is no message-id", id)
			}
		}
	})
}

func BenchmarkStuff(b *testing.B) {
	text := bytes.Repeat([]byte(strings.Repeat("x", 76)+"\r\n"), 10_000)
	text = append(text, ".\r\n"...)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		article.Stuff(text)
	}
}
