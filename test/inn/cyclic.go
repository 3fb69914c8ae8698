package inn

import (
	"os"
	"path/filepath"
	"testing"
)

// Sizes of a cyclic server's buffers in octets. The one of articles begins anew
// when it is full; the one of overviews takes no more.
const (
	articlesBuffer  = 512 << 20
	overviewsBuffer = 256 << 20
)

// cyclicFiles have all articles go to one buffer. INN counts in KiB.
func cyclicFiles() map[string]string {
	return map[string]string{
		"etc/storage.conf": "method cnfs {\n\tnewsgroups: *\n\tclass: 0\n\toptions: ALL\n}\n",
		"etc/cycbuff.conf": "cycbuff:ONE:FOLDER/spool/articles/one:524288\n" +
			"metacycbuff:ALL:ONE\ncycbuffupdate:25\nrefreshinterval:30\n",
		"etc/buffindexed.conf": "0:FOLDER/spool/overview/zero:262144\n",
	}
}

// StartCyclic is [StartBuffered] with articles in CNFS and overviews in
// buffindexed: INN's way for those who take a full feed. The buffers' blocks
// are all written beforehand, as INN's manual would have it.
func StartCyclic(t testing.TB, groups []Group, login Login) *Server {
	t.Helper()
	s := prepare(t, groups, login, setup{overview: "buffindexed", files: cyclicFiles()})
	s.zeros("spool/articles/one", articlesBuffer)
	s.zeros("spool/overview/zero", overviewsBuffer)
	s.run("makedbz", "-i", "-o", "-s", "500000")
	s.start()
	return s
}

// zeros makes a file of zeros for INN's user, and waits until it is on the disk:
// nothing of it is to be written while the server is measured.
func (s *Server) zeros(name string, size int64) {
	s.t.Helper()
	path := filepath.Join(s.folder, name)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	chunk := make([]byte, 1<<20)
	for left := size; left > 0 && err == nil; left -= int64(len(chunk)) {
		_, err = f.Write(chunk)
	}
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil && s.owner != nil {
		err = os.Chown(path, int(s.owner.Credential.Uid), int(s.owner.Credential.Gid))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}
