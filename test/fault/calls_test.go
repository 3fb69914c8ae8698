package fault

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/restante/restante/test/harness"
)

// inject makes system calls of the running gateway fail until the function that
// it returns is called. Where files are given, only calls on these fail.
func inject(t *testing.T, g *harness.Gateway, fault string, files ...string) (stop func()) {
	t.Helper()
	name, _, _ := strings.Cut(fault, ":")
	args := []string{"-f", "-o", os.DevNull, "-p", fmt.Sprint(g.PID()), "-e", "trace=" + name, "-e", "inject=" + fault}
	for _, f := range files {
		args = append(args, "-P", f)
	}
	cmd := exec.Command(harness.Need(t, "strace"), args...)
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(said)
	for lines.Scan() && !strings.Contains(lines.Text(), "attached") {
		t.Log(lines.Text())
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for lines.Scan() {
		}
	}()
	return func() {
		_ = cmd.Process.Signal(syscall.SIGINT) // it lets go of the gateway
		<-drained
		_ = cmd.Wait()
	}
}

// A callFault is system calls that fail while the gateway is fed.
type callFault struct {
	why     string
	fault   string // as strace has it
	file    string // which files, as a pattern below the data folder; all if empty
	how     string // the way in which an article is then sent
	want    string // how the answer starts
	latched bool   // nothing is taken from peers until a restart
	says    string // what the log must say
}

const readOnly = "the store is read-only until it is opened again"

func callFaults() []callFault {
	seg, index, queue := "segments/*/*.seg", "index/*.log", "queue/*.log"
	return []callFault{
		{"a sync fails", "fdatasync:error=EIO", "", takeThis, "400 ", true, readOnly},
		{"a sync fails, other command", "fdatasync:error=EIO", seg, ihave, "436 ", true, readOnly},
		{"a sync finds no room", "fdatasync:error=ENOSPC", seg, ihave, "436 ", true, readOnly},
		{"a write fails", "pwrite64:error=EIO", seg, ihave, "436 ", true, readOnly},
		{"a write finds no room", "pwrite64:error=ENOSPC", seg, ihave, "436 ", false, ""},
		{"a write finds no room, streaming", "pwrite64:error=ENOSPC", seg, takeThis, "400 ", false, ""},
		{"a write is over quota", "pwrite64:error=EDQUOT", seg, ihave, "436 ", false, ""},
		{"no room, and no way back", "pwrite64,ftruncate:error=ENOSPC", seg, ihave, "436 ", true, readOnly},
		{"the index can't be written, which an article does not wait for", "write:error=EIO", index, ihave, "235 ", true, readOnly},
		{"a sync of the queue fails", "fdatasync:error=EIO", queue, post, "441 ", false, ""},
		{"a write to the queue fails", "pwrite64:error=EIO", queue, post, "441 ", false, ""},
		{"no room in the queue", "pwrite64:error=ENOSPC", queue, post, "441 ", false, ""},
	}
}

// TestGateway_callsFail makes system calls of the gateway fail. Nothing is said
// to be taken that is not, reading goes on, and what was taken is there after a
// restart.
func TestGateway_callsFail(t *testing.T) {
	for _, c := range callFaults() {
		t.Run(c.why, func(t *testing.T) { c.test(t) })
	}
}

// saysSoon says whether the log holds words before long: what no answer waits for
// fails a moment later.
func saysSoon(g *harness.Gateway, words string) bool {
	for range int(patience / (100 * time.Millisecond)) {
		if g.HasLogged(words) {
			return true
		}
		time.Sleep(100 * time.Millisecond)
	}
	return false
}

func (c callFault) test(t *testing.T) {
	harness.Need(t, "strace")
	g := harness.Start(t, peer(), harness.Setting{Key: "disk_reserve", Value: "0"})
	var d diary
	for i, how := range []string{takeThis, ihave, post} {
		d.mustSend(t, g, how, fmt.Sprintf("before-%d", i))
	}
	d.check(t, g)
	files := c.files(t, g)
	stop := inject(t, g, c.fault, files...)
	said := sendOnce(t, g, c.how, "struck")
	if !strings.HasPrefix(said, c.want) || len(said) < len(c.want)+10 {
		t.Errorf("%s is answered %q, want %s and a sentence", c.how, said, c.want)
	}
	if taken(said) {
		d.note(c.how, "struck", said)
	}
	reads(t, g, d.letters())
	if c.says != "" && !saysSoon(g, c.says) {
		t.Errorf("the log does not say %q", c.says)
	}
	stop()
	if c.latched {
		if said := sendOnce(t, g, ihave, "latched"); !strings.HasPrefix(said, "436 ") {
			t.Errorf("afterwards IHAVE is answered %q, want 436", said)
		}
	} else { // it recovers by itself; the queue with its next file
		d.awaitTaken(t, g, c.how)
	}
	d.check(t, g)
	g.Restart()
	d.mustSend(t, g, takeThis, "after")
	d.mustSend(t, g, post, "after-post")
	d.check(t, g)
}

// files returns the files that a fault is for. The queue has a new one every
// second, and -P takes no pattern: all that will come within the test are named.
func (c callFault) files(t *testing.T, g *harness.Gateway) []string {
	t.Helper()
	if c.file == "" {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(g.Data, c.file))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files for %s: %v", c.file, err)
	}
	if strings.HasPrefix(c.file, "queue/") {
		last := atoi(strings.TrimSuffix(filepath.Base(files[len(files)-1]), ".log"))
		for n := range 100 {
			files = append(files, filepath.Join(g.Data, "queue", fmt.Sprintf("%d.log", last+n+1)))
		}
	}
	return files
}

// sendOnce sends one article over a connection of its own.
func sendOnce(t *testing.T, g *harness.Gateway, how, name string) string {
	t.Helper()
	c, err := dial(g)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.conn.Close() }()
	said, err := c.send(how, name)
	if err != nil {
		t.Fatalf("%s: %v", how, err)
	}
	return said
}

func (d *diary) mustSend(t *testing.T, g *harness.Gateway, how, name string) {
	t.Helper()
	said := sendOnce(t, g, how, name)
	if !taken(said) {
		t.Fatalf("%s is answered %q", how, said)
	}
	d.note(how, name, said)
}

// awaitTaken sends articles until one is taken.
func (d *diary) awaitTaken(t *testing.T, g *harness.Gateway, how string) {
	t.Helper()
	late := time.Now().Add(patience)
	for n := 0; ; n++ {
		name := fmt.Sprintf("again-%s-%d", strings.ToLower(how), n)
		said := sendOnce(t, g, how, name)
		if taken(said) {
			d.note(how, name, said)
			return
		}
		if time.Now().After(late) {
			t.Fatalf("%s is still answered %q", how, said)
		}
		time.Sleep(50 * time.Millisecond) // the next try of somebody who was told to come later
	}
}

// reads checks that articles are served now.
func reads(t *testing.T, g *harness.Gateway, letters []letter) {
	t.Helper()
	c, err := dial(g)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.conn.Close() }()
	for _, l := range letters {
		if err := c.awaitArticle(l); err != nil {
			t.Errorf("reading meanwhile: %s: %v", l.name, err)
		}
	}
}
