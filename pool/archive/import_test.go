package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/archive"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/memory"
)

const server = "news.example.org"

// newStore returns a store with these groups.
func newStore(t *testing.T, groups ...pool.Group) *memory.Store {
	t.Helper()
	s := memory.New(server)
	for _, g := range groups {
		if err := s.SetGroup(t.Context(), pool.GroupInfo{Name: g, Posting: pool.PostingAllowed}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// importer files what parses.
func importer(s pool.Store) *archive.Importer {
	return &archive.Importer{
		Store: s,
		Check: func(_ context.Context, text []byte, in []pool.Group, arrived time.Time) (*pool.Article, error) {
			a, err := article.Parse(text)
			if err != nil {
				return nil, err
			}
			if len(in) == 0 {
				if in, err = a.Newsgroups(); err != nil {
					return nil, err
				}
			}
			return a.File(in, arrived, 0)
		},
		Reason: func(error) string { return "refused" },
	}
}

// a text of the article with this name.
func text(name, groups string) string {
	return fmt.Sprintf("Message-ID: <%s@x>\r\nNewsgroups: %s\r\nSubject: %s\r\n\r\nFrom here\r\n.\r\n\xff\r\n", name, groups, name)
}

func TestImporter_countsWhatBecameOfEach(t *testing.T) {
	s := newStore(t, "a", "b")
	mbox := pack(t, forms()[0], []string{text("1", "a"), text("2", "a,b"), text("1", "b"), "no header\r\n", lined(strings.Repeat("x", limit))})
	for _, want := range []archive.Counts{
		{Read: 5, Filed: 2, Duplicate: 1, Refused: map[string]int{"refused": 1, "too_large": 1}},
		{Read: 5, Filed: 0, Duplicate: 3, Refused: map[string]int{"refused": 1, "too_large": 1}}, // once more
	} {
		got, err := importer(s).Run(t.Context(), archive.NewMbox(bytes.NewReader(mbox), limit))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	got, err := s.ByNumber(t.Context(), "b", 1)
	if err != nil || !got.Arrived.Equal(start().Add(time.Second)) {
		t.Errorf("b:1 is %v, %v", got, err)
	}
}

// What can't be read is not called malformed.
func TestImporter_namesWhatCannotBeRead(t *testing.T) {
	dir := makeSpool(t, []file{spooled("1", "a/1"), spooled("2", "a/2"), spooled(strings.Repeat("x", 3*limit), "a/3")}, native)
	if err := os.Truncate(filepath.Join(dir, "a", "2"), 20); err != nil {
		t.Fatal(err)
	}
	src, err := archive.OpenSpool(dir, []pool.Group{"a"}, limit)
	if err != nil {
		t.Fatal(err)
	}
	got, err := importer(newStore(t, "a")).Run(t.Context(), src)
	want := map[string]int{"incomplete": 1, "too_large": 1}
	if diff := cmp.Diff(want, got.Refused); diff != "" || err != nil || got.Filed != 1 {
		t.Errorf("%+v, %v (-want +got):\n%s", got, err, diff)
	}
}

func TestImporter_keepsNumbers(t *testing.T) {
	s := newStore(t, "a", "b")
	dir := makeSpool(t, []file{spooled("1", "a/7", "b/3"), spooled("2", "a/9")}, native)
	for range 2 { // and again
		src, err := archive.OpenSpool(dir, []pool.Group{"a", "b"}, limit)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := importer(s).Run(t.Context(), src); err != nil {
			t.Fatal(err)
		}
	}
	for at, id := range map[pool.Location]pool.MessageID{{Group: "a", Number: 7}: "<1@x>", {Group: "b", Number: 3}: "<1@x>", {Group: "a", Number: 9}: "<2@x>"} {
		if got, err := s.ByNumber(t.Context(), at.Group, at.Number); err != nil || got.ID != id {
			t.Errorf("%v: %v", at, err)
		}
	}
	late, err := archive.OpenSpool(makeSpool(t, []file{spooled("3", "a/8")}, native), []pool.Group{"a"}, limit)
	if err != nil {
		t.Fatal(err)
	}
	got, err := importer(s).Run(t.Context(), late)
	if diff := cmp.Diff(archive.Counts{Read: 1, Refused: map[string]int{archive.NumberTaken: 1}}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestExporter_intoAnotherStore takes all of a store through each form, with
// its numbers.
func TestExporter_intoAnotherStore(t *testing.T) {
	s := newStore(t, "a", "b", "hidden")
	for i, groups := range []string{"a", "a,b", "hidden", "b", "a", "b,hidden"} {
		filed, err := importer(s).Check(t.Context(), []byte(text(fmt.Sprint(i), groups)), nil, start().Add(time.Duration(i)*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Append(t.Context(), filed); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(s.Cancel(t.Context(), "<0@x>"), s.RemoveGroup(t.Context(), "hidden")); err != nil {
		t.Fatal(err)
	}
	for _, f := range forms() {
		t.Run(f.name, func(t *testing.T) {
			var packed bytes.Buffer
			w := f.write(&packed)
			e := archive.Exporter{Store: s, Wanted: func(g pool.Group) bool { return true }}
			counts, err := e.Run(t.Context(), w)
			if err := errors.Join(err, w.Flush()); err != nil || counts != (archive.Exported{Written: 4}) {
				t.Fatalf("%+v, %v", counts, err)
			}
			for _, secret := range []string{"<0@x>", "<2@x>"} {
				if bytes.Contains(packed.Bytes(), []byte("Message-ID: "+secret)) {
					t.Errorf("%s came out", secret)
				}
			}
			into := newStore(t, "a", "b")
			i := importer(into)
			i.Check = func(ctx context.Context, text []byte, in []pool.Group, arrived time.Time) (*pool.Article, error) {
				filed, err := importer(into).Check(ctx, text, in, arrived)
				if err == nil && filed.Groups[len(filed.Groups)-1] == "hidden" {
					filed.Groups = filed.Groups[:len(filed.Groups)-1]
				}
				return filed, err
			}
			i.Xref = server
			if got, err := i.Run(t.Context(), f.read(&packed, limit)); err != nil || got.Filed != 4 {
				t.Fatalf("%+v, %v", got, err)
			}
			same(t, s, into, "a", "b")
		})
	}
}

// same checks that two stores hold the same articles under the same numbers.
// Xref is not compared: what it says of hidden groups is gone.
func same(t *testing.T, want, got pool.Store, groups ...pool.Group) {
	t.Helper()
	for _, g := range groups {
		for n := pool.Number(1); n < 10; n++ {
			a, errA := want.ByNumber(t.Context(), g, n)
			b, errB := got.ByNumber(t.Context(), g, n)
			if !errors.Is(errB, errA) && !errors.Is(errA, errB) {
				t.Errorf("%s:%d: %v, want %v", g, n, errB, errA)
			} else if errA == nil && (a.ID != b.ID || !bytes.Equal(a.Body(), b.Body())) {
				t.Errorf("%s:%d is another article", g, n)
			}
		}
	}
}

// A broken source fails behind its first article.
type broken struct{ given bool }

var errBroken = errors.New("broken")

func (b *broken) Next() (archive.Item, error) {
	if b.given {
		return archive.Item{}, errBroken
	}
	b.given = true
	return archive.Item{Text: []byte(text("1", "a"))}, nil
}

func TestImporter_failureLeavesCountsThatHold(t *testing.T) {
	s := newStore(t, "a")
	got, err := importer(s).Run(t.Context(), &broken{})
	if !errors.Is(err, errBroken) || got.Filed != 1 {
		t.Errorf("a broken source: %+v, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got, err = importer(s).Run(t.Context(), &broken{})
	if !errors.Is(err, pool.ErrClosed) || got.Filed != 0 || got.Read != 0 {
		t.Errorf("a closed store: %+v, %v", got, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := importer(s).Run(ended, &broken{}); !errors.Is(err, context.Canceled) || got.Read != 0 {
		t.Errorf("an ended context: %+v, %v", got, err)
	}
}
