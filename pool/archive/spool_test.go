package archive_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/archive"
)

// A file is one of a spool: its names, and its text with LF.
type file struct {
	at   []string
	text string
}

// spooled is an article with these names that says in Xref where it lies.
func spooled(id string, at ...string) file {
	var groups []string
	xref := "news.example.org"
	for _, name := range at {
		groups = append(groups, strings.ReplaceAll(filepath.Dir(name), "/", "."))
		xref += " " + groups[len(groups)-1] + ":" + filepath.Base(name)
	}
	return file{at, fmt.Sprintf("Xref: %s\nMessage-ID: <%s@x>\nNewsgroups: %s\n\n.\n", xref, id, strings.Join(groups, ","))}
}

// makeSpool writes the files, and copies where a file has several names.
func makeSpool(t *testing.T, files []file, change func(string) string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		for _, name := range f.at {
			path := filepath.Join(dir, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(change(f.text)), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, time.Time{}, start()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func native(text string) string { return text }

// wire makes of a text what INN's wireformat has in its files.
func wire(text string) string {
	text = strings.ReplaceAll("\n"+text, "\n.", "\n..")[1:]
	return strings.ReplaceAll(text, "\n", "\r\n") + ".\r\n"
}

// places reads a spool, and says of each article where it comes to lie.
func places(t *testing.T, dir string, groups ...pool.Group) (out []string) {
	t.Helper()
	s, err := archive.OpenSpool(dir, groups, limit)
	if err != nil {
		t.Fatal(err)
	}
	for s.Left() > 0 {
		item, err := s.Next()
		if err != nil {
			out = append(out, err.Error())
			continue
		}
		if !item.Arrived.Equal(start()) {
			t.Errorf("arrived at %v, want %v", item.Arrived, start())
		}
		if !strings.HasSuffix(string(item.Text), "\r\n\r\n.\r\n") {
			t.Errorf("text is %q", item.Text)
		}
		line := pool.Xref("", item.At)
		if item.Lost > 0 {
			line += fmt.Sprintf(" lost %d", item.Lost)
		}
		out = append(out, strings.TrimSpace(line))
	}
	return out
}

func TestSpool_ascendsInEveryGroup(t *testing.T) {
	files := []file{
		spooled("1", "a/3"),
		spooled("2", "b/9"),
		spooled("3", "a/10", "b/11", "c/d/2"),
		spooled("4", "b/12", "a/20"),
		spooled("5", "c/d/1"),
		spooled("6", "a/100"),
	}
	want := []string{"a:3", "b:9", "c.d:1", "a:10 b:11 c.d:2", "b:12 a:20", "a:100"}
	for name, form := range map[string]func(string) string{"native": native, "wire": wire} {
		t.Run(name, func(t *testing.T) {
			dir := makeSpool(t, files, form)
			if diff := cmp.Diff(want, places(t, dir, "a", "b", "c.d", "nowhere")); diff != "" {
				t.Errorf("places (-want +got):\n%s", diff)
			}
		})
	}
	dir := makeSpool(t, files, native)
	if diff := cmp.Diff([]string{"b:9", "b:11", "b:12"}, places(t, dir, "b")); diff != "" {
		t.Errorf("places in b alone (-want +got):\n%s", diff)
	}
}

func TestSpool_findsTwinsWithoutXref(t *testing.T) {
	files := []file{
		spooled("1", "a/1"),
		{[]string{"a/2", "b/7"}, "Xref: other.example.com a:55 b:66\nMessage-ID: <2@x>\nNewsgroups: a, b,c\n\n.\n"},
		{[]string{"b/6"}, "Message-ID: <3@x>\nNewsgroups: b\n\n.\n"},
	}
	if diff := cmp.Diff([]string{"a:1", "b:6", "b:7 a:2"}, places(t, makeSpool(t, files, native), "a", "b", "c")); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
}

func TestSpool_oppositeOrdersLoseAPlace(t *testing.T) {
	files := []file{
		spooled("1", "a/1", "b/2"),
		spooled("2", "a/2", "b/1"),
		spooled("3", "b/3"),
	}
	got := places(t, makeSpool(t, files, native), "a", "b")
	if diff := cmp.Diff([]string{"b:1 lost 1", "a:1 b:2", "b:3"}, got); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
}

func TestSpool_refusesWhatIsNoArticle(t *testing.T) {
	dir := makeSpool(t, []file{spooled("1", "a/1"), spooled("2", "a/5")}, wire)
	for name, text := range map[string]string{"2": "", "3": "A: b\r\n\r\ncut of", "4": strings.Repeat("x", 2*limit) + "\n", "x": "no number", "007": "nor this"} {
		if err := os.WriteFile(filepath.Join(dir, "a", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("elsewhere", filepath.Join(dir, "a", "6")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "a", "7"), 0o700); err != nil {
		t.Fatal(err)
	}
	incomplete, large := "refused: The article's file is not complete", "refused: The article is larger than this server takes"
	if diff := cmp.Diff([]string{"a:1", incomplete, incomplete, large, "a:5", incomplete}, places(t, dir, "a")); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
}

func TestReadActive_leavesOutWhatIsInns(t *testing.T) {
	const text = "control 1 1 n\ncontrol.cancel 5 1 n\njunk 1 1 n\nto.peer 0 1 y\nmisc.test 0000000012 0000000003 y\n" +
		"misc.alias 0 1 =misc.test\nmisc.mod 7 1 m\nmisc.closed 3 4 x\nnot..a.name 1 1 y\nmisc.junked 1 1 j\n"
	got, unusable, err := archive.ReadActive(strings.NewReader(text))
	want := []archive.Active{{"misc.test", 12, false, 'y'}, {"misc.mod", 7, false, 'm'}, {"misc.closed", 3, true, 'n'}}
	if diff := cmp.Diff(want, got); diff != "" || unusable != 1 || err != nil {
		t.Errorf("%d unusable, %v (-want +got):\n%s", unusable, err, diff)
	}
	for _, bad := range []string{"misc.test 1 y\n", "misc.test x 1 y\n", "misc.test 2147483648 1 y\n", "a 1 1 y extra\n", "a 1 x y\n"} {
		if _, _, err := archive.ReadActive(strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%q: %v, want an error with its line", bad, err)
		}
	}
}

func TestReadNewsgroups_oneLineEach(t *testing.T) {
	got, err := archive.ReadNewsgroups(strings.NewReader("misc.test\t\tFor  testing\nmisc.b caf\xe9\x07!\nbare\n"))
	want := map[pool.Group]string{"misc.test": "For  testing", "misc.b": "caf\ufffd !"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func FuzzReadActive(f *testing.F) {
	f.Add("misc.test 0000000012 0000000003 y\nx 1 1 =y\n")
	f.Fuzz(func(t *testing.T, text string) {
		groups, _, err := archive.ReadActive(strings.NewReader(text))
		for _, g := range groups {
			if _, nameErr := pool.ParseGroup(string(g.Name)); nameErr != nil || g.High > pool.MaxNumber || err != nil {
				t.Errorf("%+v, %v", g, err)
			}
		}
	})
}

func FuzzParseXref(f *testing.F) {
	f.Add("news.example.org misc.test:12 misc.b:3")
	f.Fuzz(func(t *testing.T, value string) {
		server, at, ok := archive.ParseXref(value)
		if !ok {
			return
		}
		again, same, ok := archive.ParseXref(pool.Xref(server, at))
		if diff := cmp.Diff(at, same); diff != "" || !ok || again != server {
			t.Errorf("%q comes back as %q (-want +got):\n%s", value, again, diff)
		}
	})
}
