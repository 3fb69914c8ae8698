package session

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restante/restante/pool"
)

// A library lends every article as a file.
type library struct {
	pool.Reader
	t testing.TB
}

type fileLoan struct {
	*pool.Stored
	file *os.File
}

func (l library) LendByNumber(ctx context.Context, name pool.Group, n pool.Number) (pool.Loan, error) {
	return l.onFile(l.ByNumber(ctx, name, n))
}

func (l library) LendByID(ctx context.Context, id pool.MessageID) (pool.Loan, error) {
	return l.onFile(l.ByID(ctx, id))
}

func (l library) onFile(a *pool.Stored, err error) (pool.Loan, error) {
	if err != nil {
		return nil, err
	}
	f, err := os.Create(filepath.Join(l.t.TempDir(), "article"))
	if err == nil {
		_, err = f.Write(a.Wire)
	}
	return fileLoan{a, f}, err
}

func (l fileLoan) ID() pool.MessageID { return l.Stored.ID }

func (l fileLoan) WritePart(w io.Writer, part pool.Part) error {
	from, to := part.Bounds(len(l.Wire), l.HeadSize)
	if _, err := l.file.Seek(int64(from), io.SeekStart); err != nil {
		return err
	}
	_, err := io.Copy(w, io.LimitReader(l.file, int64(to-from)))
	return err
}

func (l fileLoan) Return() { _ = l.file.Close() }

// long is the body of the article that withLibrary adds, larger than any buffer.
func long() string {
	return strings.Repeat("Some seventy octets a line is what people write.\r\n", 4000)
}

func withLibrary(t testing.TB, opts *Options) {
	store := newStore(t)
	a := &pool.Article{ID: "<big@x>", Groups: []pool.Group{"misc.test"}, Head: []byte("Subject: big\r\n"), Body: []byte(long())}
	if _, err := store.Append(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	opts.Store = library{store, t}
}

// readBig asks for all parts of the big article.
func (c *client) readBig() {
	c.t.Helper()
	const header = "Subject: big\r\nXref: news.example misc.test:5\r\n"
	for command, want := range map[string]string{
		"ARTICLE <big@x>": "220 0 <big@x>\r\n" + header + "\r\n" + long(),
		"HEAD <big@x>":    "221 0 <big@x>\r\n" + header,
		"BODY <big@x>":    "222 0 <big@x>\r\n" + long(),
	} {
		c.send(command + "\r\n")
		want += ".\r\n"
		got := make([]byte, len(want))
		if _, err := io.ReadFull(c.r, got); err != nil || string(got) != want {
			c.t.Errorf("%s: other octets, or %v", command, err)
		}
	}
	c.talk("> DATE", "~111 ") // the next answer is in its place
}

func TestArticle_file(t *testing.T) {
	for name, layer := range map[string]func(*client){
		"plain":      func(*client) {},
		"compressed": (*client).compress,
		"TLS": func(c *client) {
			c.talk("> STARTTLS", "~382 ")
			c.handshake(trusting())
		},
	} {
		t.Run(name, func(t *testing.T) {
			opts := compressionOptions(t)
			withTLS(t)(&opts)
			withLibrary(t, &opts)
			c := dial(t, opts)
			layer(c)
			c.readBig()
		})
	}
}

// A sendfile is a connection that takes files itself, as one of TCP does: what
// it could not write it has not read.
type sendfile struct {
	net.Conn
	used *int
}

func (s sendfile) ReadFrom(r io.Reader) (n int64, err error) {
	*s.used++
	section := r.(*io.LimitedReader)
	var buf [1000]byte
	for section.N > 0 {
		got, err := section.Read(buf[:])
		if err != nil {
			return n, err
		}
		written, err := s.Write(buf[:got])
		n += int64(written)
		if left := got - written; left > 0 {
			_, _ = section.R.(io.Seeker).Seek(-int64(left), io.SeekCurrent)
			section.N += int64(left)
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// A file that a connection sends itself goes out under the same deadlines as
// everything else.
func TestArticle_fileSlowly(t *testing.T) {
	for name, tt := range map[string]struct {
		octets int
		want   error
	}{
		"healthy": {4096, nil},
		"slow":    {50, ErrSlow},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := newOptions(t)
				withLibrary(t, &opts)
				opts.Limits = Limits{Idle: 10 * time.Minute, Window: 3 * time.Minute, Rate: 100}
				used := 0
				c := connect(t, opts, func(conn net.Conn) net.Conn { return sendfile{conn, &used} })
				c.expect("~20")
				c.send("BODY <big@x>\r\n")
				var got bytes.Buffer
				for chunk := make([]byte, tt.octets); !strings.HasSuffix(got.String(), "\r\n.\r\n"); {
					time.Sleep(20 * time.Second)
					n, err := io.ReadFull(c.r, chunk[:min(tt.octets, len("222 0 <big@x>\r\n")+len(long())+len(".\r\n")-got.Len())])
					got.Write(chunk[:n])
					if err != nil {
						break
					}
				}
				if tt.want == nil {
					if got.String() != "222 0 <big@x>\r\n"+long()+".\r\n" {
						t.Error("other octets")
					}
					c.talk("> QUIT", "~205 ")
				}
				c.outcome(tt.want)
				if used < 2 {
					t.Errorf("the connection was handed the file %d times", used)
				}
			})
		})
	}
}
