package privacy

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/restante/restante/test/harness"
)

// A volume is a file system of its own, whose every block can be read: what was
// deleted, and its journal, besides what its files hold.
type volume struct {
	image string // path of the file that it lies in
	mount string
}

// newVolume mounts a new ext4 and makes it the place of the test's temporary
// folders. Where that is not allowed the test ends.
func newVolume(t *testing.T) volume {
	t.Helper()
	mkfs := harness.Need(t, "mkfs.ext4")
	mount := harness.Need(t, "mount")
	folder, err := os.MkdirTemp("", "restante-volume-") //nolint:usetesting // that one is to be in the volume
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	v := volume{filepath.Join(folder, "image"), filepath.Join(folder, "mount")}
	const size = 256 << 20
	err = errors.Join(os.Mkdir(v.mount, 0o700), os.WriteFile(v.image, nil, 0o600), os.Truncate(v.image, size))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(mkfs, "-q", v.image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v\n%s", err, out)
	}
	if out, err := exec.Command(mount, "-o", "loop", v.image, v.mount).CombinedOutput(); err != nil {
		harness.Lacking(t, "a file system can't be mounted here: "+string(out))
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(v.mount, 0); err != nil {
			t.Error(err)
			_ = syscall.Unmount(v.mount, unix.MNT_DETACH)
		}
	})
	t.Setenv("TMPDIR", v.mount)
	return v
}

// raw reads every block of the volume, all that was written being in it.
func (v volume) raw(t *testing.T) []place {
	t.Helper()
	dir, err := os.Open(v.mount)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		t.Fatal(err)
	}
	octets, err := os.ReadFile(v.image)
	if err != nil {
		t.Fatal(err)
	}
	return []place{{"the raw disk", written(octets)}}
}

// written leaves out the pages that hold nothing but zeros, which most of a
// process and of a disk do.
func written(octets []byte) []byte {
	const page = 4096
	var empty [page]byte
	var out []byte
	for ; len(octets) > page; octets = octets[page:] {
		if !bytes.Equal(octets[:page], empty[:]) {
			out = append(out, octets[:page]...)
		}
	}
	return append(out, octets...)
}
