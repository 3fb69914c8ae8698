package lying

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// By default no entry is asked for by its name, so that the server can't tell which
// is hers; --fetch-matching asks for hers alone, says so, and is not fooled either.
func (w *world) matching(t *testing.T) {
	w.pool.tell(honest)
	all := w.known.Copy(t)
	if _, _, code := synchronise(t, all); code != 0 || len(w.pool.byName()) > 0 {
		t.Errorf("exit code %d, and %d articles were asked for by name", code, len(w.pool.byName()))
	}
	w.pool.tell(honest)
	own := w.known.Copy(t)
	_, said, code := own.Try("sync", "--fetch-matching")
	if code != 0 || !strings.Contains(said, "tells the server which entries are one person's") || inbox(own) != 1 {
		t.Errorf("exit code %d, %d messages\n%s", code, inbox(own), said)
	}
	if ids := w.pool.byName(); !slices.Equal(ids, []string{w.mine}) {
		t.Errorf("%d articles were asked for, want hers alone", len(ids))
	}
	if r, said, code := synchronise(t, own); code != 0 || len(r.Findings) > 0 { // what was not asked for is not missed
		t.Errorf("afterwards: %d\n%s", code, said)
	}

	w.pool.tell(drop(func(id string, _ uint64) bool { return id == w.mine }))
	own = w.known.Copy(t)
	set(t, own, w.settings("", w.pool.address, soon))
	_, said, code = own.Try("sync", "--fetch-matching")
	if code != 8 || !strings.Contains(said, "1 entries that the gateway published are not there, and 1 of them are for you") {
		t.Errorf("hers is dropped: exit code %d\n%s", code, said)
	}
	w.pool.tell(honest)
}

// restante watch runs its command for new mail and tells it a number, and nothing
// else of the mail; what is wrong is said once.
func (w *world) watching(t *testing.T) {
	u := w.known.Copy(t)
	told := filepath.Join(u.Home, "told")
	c := u.Command(t.Context(), "watch", "--every", "200ms", "--exec", "env | grep ^RESTANTE_NEW >> "+told)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	await := func(done func() bool) {
		t.Helper()
		for end := time.Now().Add(3 * time.Minute); !done(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Error("it does not come")
				return
			}
		}
	}
	await(func() bool { text, _ := os.ReadFile(told); return len(text) > 0 })
	w.home.tell(func(r *reply) { r.line, r.block, r.silent = "", "", true })
	for range 3 {
		await(func() bool { return w.home.count() > 0 })
		w.home.tell(func(r *reply) { r.line, r.block, r.silent = "", "", true })
	}
	w.home.tell(honest)
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("it did not stop cleanly: %v", err)
	}
	if text, _ := os.ReadFile(told); string(text) != "RESTANTE_NEW=1\n" {
		t.Errorf("the command was told %q", text)
	}
	if n := strings.Count(said.String(), "can't be reached"); n != 1 || strings.Contains(said.String(), words) {
		t.Errorf("said %d times:\n%s", n, said.String())
	}
}

// From the words of her key alone what the pool still has comes back.
func (w *world) restored(t *testing.T) {
	u := w.known.Copy(t)
	c := u.Command(t.Context(), "init", "--words", "--profile", "again")
	c.Stdin = strings.NewReader(u.Run("backup"))
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text := w.settings("", w.pool.address, never)
	if err := os.WriteFile(filepath.Join(u.Home, "profiles", "again", "restante.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, said, code := u.Try("sync", "--profile", "again")
	if code != 0 || said != "" || !strings.HasPrefix(out, "1 new, ") {
		t.Errorf("exit code %d\n%s%s", code, out, said)
	}
	if got := u.Run("read", "1", "--profile", "again"); !strings.Contains(got, words) {
		t.Errorf("another message:\n%s", got)
	}
}
