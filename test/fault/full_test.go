package fault

import (
	"errors"
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

// mount puts a new ext4 file system of so many MiB under a folder until the
// test ends. Only root may, and where nobody may the test can't run.
func mount(t *testing.T, size int64) string {
	t.Helper()
	work := t.TempDir()
	image, folder := filepath.Join(work, "image"), filepath.Join(work, "disk")
	f, err := os.Create(image)
	if err == nil {
		err = errors.Join(f.Truncate(size<<20), f.Close(), os.Mkdir(folder, 0o700))
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(harness.Need(t, "mkfs.ext4"), "-q", "-m", "0", image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v: %s", err, out)
	}
	if out, err := exec.Command(harness.Need(t, "mount"), "-o", "loop", image, folder).CombinedOutput(); err != nil {
		harness.Lacking(t, fmt.Sprintf("no file system can be mounted here: %v: %s", err, out))
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", folder).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return folder
}

// fill writes a file until nothing more fits, and returns its path.
func fill(t *testing.T, folder string) string {
	t.Helper()
	f, err := os.Create(filepath.Join(folder, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size > 0; {
		_, err = f.Write(make([]byte, size))
		if err == nil {
			err = f.Sync()
		}
		if errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// TestGateway_diskFull fills a small disk to the last octet under the gateway.
// What comes is refused with a clear text, reading goes on, and once there is
// room the gateway takes articles again without a restart.
func TestGateway_diskFull(t *testing.T) {
	const size, reserve = 96, 8 // MiB
	for name, c := range map[string]struct {
		reserve int
		byFeed  bool // the articles themselves fill it up to the reserve
	}{
		"byOthers": {reserve, false},
		"byFeed":   {reserve * 8, true},
	} {
		t.Run(name, func(t *testing.T) {
			disk := mount(t, size)
			g := harness.Start(t, peer(), harness.Setting{Key: "disk_reserve", Value: fmt.Sprint(c.reserve << 20)})
			move(t, g, filepath.Join(disk, "data"))
			var d diary
			for i, how := range []string{takeThis, ihave, post} {
				d.mustSend(t, g, how, fmt.Sprintf("before-%d", i))
			}
			d.check(t, g)
			var filler string
			if c.byFeed {
				filler = filepath.Join(disk, "half")
				half(t, filler, disk, int64(c.reserve+4)<<20)
				d.feedUntilFull(t, g)
			} else {
				filler = fill(t, disk)
			}
			for how, code := range map[string]string{takeThis: "400 ", ihave: "436 ", post: "441 "} {
				said := sendOnce(t, g, how, "too-much-"+strings.ToLower(how))
				if !strings.HasPrefix(said, code) || !strings.Contains(said, "try again later") {
					t.Errorf("%s is answered %q, want %sand a clear text", how, said, code)
				}
			}
			d.check(t, g)
			time.Sleep(2 * time.Second) // batches are tried meanwhile, and the index tidies up
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
			for _, how := range []string{takeThis, ihave, post} {
				d.awaitTaken(t, g, how)
			}
			d.check(t, g)
			if g.HasLogged(readOnly) {
				t.Error("the store became read-only")
			}
			g.Restart()
			d.check(t, g)
		})
	}
}

// move moves the gateway's data, so that all but these lies elsewhere.
func move(t *testing.T, g *harness.Gateway, to string) {
	t.Helper()
	g.Stop()
	if err := errors.Join(os.CopyFS(to, os.DirFS(g.Data)), os.RemoveAll(g.Data), os.Symlink(to, g.Data)); err != nil {
		t.Fatal(err)
	}
	g.Restart()
}

// half makes a file that leaves so many octets free.
func half(t *testing.T, path, disk string, leave int64) {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(disk, &st); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err == nil {
		err = errors.Join(syscall.Fallocate(int(f.Fd()), 0, 0, int64(st.Bavail)*st.Bsize-leave), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// feedUntilFull sends articles until they are refused.
func (d *diary) feedUntilFull(t *testing.T, g *harness.Gateway) {
	t.Helper()
	c, err := dial(g)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.conn.Close() }()
	for n := range 100_000 {
		name := fmt.Sprintf("fill-%d", n)
		said, err := c.send(ihave, name)
		switch {
		case err != nil:
			t.Fatal(err)
		case !taken(said):
			return
		case n%100 == 0: // enough to look at
			d.note(ihave, name, said)
		}
	}
	t.Fatal("the disk does not get full")
}
