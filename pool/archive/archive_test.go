package archive_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/archive"
)

// limit is the largest article that the tests' readers take.
const limit = 1 << 16

// A form is one of those that are written and read.
type form struct {
	name    string
	hasTime bool
	write   func(io.Writer) interface {
		archive.Sink
		Flush() error
	}
	read func(io.Reader, int) archive.Source
}

func forms() []form {
	type writer = interface {
		archive.Sink
		Flush() error
	}
	return []form{
		{
			"mbox", true,
			func(w io.Writer) writer { return archive.NewMboxWriter(w) },
			func(r io.Reader, n int) archive.Source { return archive.NewMbox(r, n) },
		},
		{
			"rnews", false,
			func(w io.Writer) writer { return archive.NewRnewsWriter(w) },
			func(r io.Reader, n int) archive.Source { return archive.NewRnews(r, n) },
		},
	}
}

// pack writes articles, a second apart.
func pack(t testing.TB, f form, texts []string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := f.write(&out)
	for i, text := range texts {
		if err := w.Put([]byte(text), start().Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func start() time.Time { return time.Date(2026, 11, 5, 9, 8, 7, 0, time.UTC) }

// all reads a source to its end. Refused articles are "refused".
func all(src archive.Source) (texts []string, times []time.Time, err error) {
	for {
		item, err := src.Next()
		var refusal *pool.Refusal
		switch {
		case errors.Is(err, io.EOF):
			return texts, times, nil
		case errors.As(err, &refusal):
			texts, times = append(texts, "refused"), append(times, time.Time{})
		case err != nil:
			return texts, times, err
		default:
			texts, times = append(texts, string(item.Text)), append(times, item.Arrived)
		}
	}
}

// lined is a text with a body of these lines.
func lined(lines ...string) string {
	return "Subject: caf\xe9\r\n\tfolded\r\n\r\n" + strings.Join(append(lines, ""), "\r\n")
}

func TestForms_comeBackOctetForOctet(t *testing.T) {
	texts := []string{
		lined("one line"),
		"Subject: no body\r\n\r\n",
		lined(""),
		lined("", ""),
		lined("ends with empty lines", "", "", ""),
		lined("From a line of the text", "", "From after an empty one", ">From quoted", ">>From twice", ">From", "From", "> From"),
		lined(".", "..", ".a", "", "."),
		lined("octets \x80\xff\xfe", "\t", " "),
		lined("#! rnews 12", "#! rnews"),
		lined(strings.Repeat("x", 5000), strings.Repeat("From ", 3000)),
	}
	for _, f := range forms() {
		t.Run(f.name, func(t *testing.T) {
			got, times, err := all(f.read(bytes.NewReader(pack(t, f, texts)), 1<<20))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(texts, got); diff != "" {
				t.Errorf("articles (-written +read):\n%s", diff)
			}
			for i, at := range times {
				want := start().Add(time.Duration(i) * time.Second)
				if f.hasTime && !at.Equal(want) || !f.hasTime && !at.IsZero() {
					t.Errorf("article %d arrived at %v", i, at)
				}
			}
		})
	}
}

func TestForms_anyArticles(t *testing.T) {
	line := rapid.OneOf(
		rapid.SampledFrom([]string{"", "", ".", "..", "From ", "From me", ">From ", ">>From you", "#! rnews 3", ">"}),
		rapid.StringMatching(`[ -~\x80-\xff]{0,40}`),
	)
	for _, f := range forms() {
		t.Run(f.name, rapid.MakeCheck(func(rt *rapid.T) {
			var texts []string
			for range rapid.IntRange(0, 5).Draw(rt, "articles") {
				texts = append(texts, "A: b\r\n\r\n"+strings.Join(append(rapid.SliceOf(line).Draw(rt, "body"), ""), "\r\n"))
			}
			got, _, err := all(f.read(bytes.NewReader(pack(t, f, texts)), 1<<20))
			if diff := cmp.Diff(texts, got); diff != "" || err != nil {
				rt.Errorf("%v, articles (-written +read):\n%s", err, diff)
			}
		}))
	}
}

func TestForms_largeArticlesAreRefusedAlone(t *testing.T) {
	texts := []string{lined("first"), lined(strings.Repeat("x", limit)), lined("From", strings.Repeat("y\r\n", limit)), lined("last")}
	for _, f := range forms() {
		t.Run(f.name, func(t *testing.T) {
			got, _, err := all(f.read(bytes.NewReader(pack(t, f, texts)), limit))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{texts[0], "refused", "refused", texts[3]}, got); diff != "" {
				t.Errorf("articles (-want +got):\n%s", diff)
			}
		})
	}
}

func TestForms_damageSaysWhere(t *testing.T) {
	for _, c := range []struct {
		why, text string
		read      func(io.Reader, int) archive.Source
		offset    int64
		before    int
	}{
		{"no mbox", "\n\nSubject: x\n\ny\n", forms()[0].read, 2, 0},
		{"no batch", "Subject: x\n\ny\n", forms()[1].read, 0, 0},
		{"another line than announced", "#! rnews 8\nA: b\n\nx\n\n#! rnews", forms()[1].read, 19, 1},
		{"cut short", "#! rnews 80\nA: b\n\nx\n", forms()[1].read, 20, 0},
		{"a size that is none", "#! rnews -3\n", forms()[1].read, 0, 0},
		{"no gzip", "#! gunbatch\nplain", forms()[1].read, 12, 0},
		{"compress", "#! cunbatch\n\x1f\x9d\x90", forms()[1].read, 12, 0},
	} {
		texts, _, err := all(c.read(strings.NewReader(c.text), limit))
		var damage *archive.Damage
		if !errors.As(err, &damage) || damage.Offset != c.offset || len(texts) != c.before {
			t.Errorf("%s: %d articles, then %v; want %d and damage at octet %d", c.why, len(texts), err, c.before, c.offset)
		}
	}
}

func FuzzMbox(f *testing.F) {
	f.Add([]byte("From news Thu Nov 26 11:29:11 2026\nA: b\n\n>From x\n\nFrom y\r\n\r\n"))
	f.Add([]byte("From \n\n\n\nFrom \nx"))
	f.Fuzz(func(t *testing.T, text []byte) { readAgain(t, forms()[0], text) })
}

func FuzzRnews(f *testing.F) {
	f.Add([]byte("#! rnews 8\nA: b\n\nx\n#! rnews 3\r\na\r\n"))
	f.Add([]byte("#! cunbatch\n\x1f\x8b\x08\x00"))
	f.Fuzz(func(t *testing.T, text []byte) { readAgain(t, forms()[1], text) })
}

// readAgain reads what may be an archive, and checks that what came out of it
// as an article comes out of an archive of our own again.
func readAgain(t *testing.T, f form, text []byte) {
	t.Helper()
	texts, _, _ := all(f.read(bytes.NewReader(text), limit))
	var whole []string
	for _, x := range texts {
		if len(x) > limit {
			t.Fatalf("an article of %d octets came out, more than %d", len(x), limit)
		}
		if strings.HasSuffix(x, "\r\n") && !strings.Contains(strings.ReplaceAll(x, "\r\n", ""), "\r") {
			whole = append(whole, x)
		}
	}
	again, _, err := all(f.read(bytes.NewReader(pack(t, f, whole)), 2*limit))
	if err != nil || strings.Join(again, "\x00") != strings.Join(whole, "\x00") {
		t.Errorf("%d articles came back as %d: %v", len(whole), len(again), err)
	}
}
