package inn

import (
	"cmp"
	"context"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/restante/restante/test/harness"
)

// Domain is the name of the server: that of the gateways under test, so that
// Path and Xref are the same.
const Domain = harness.Domain

// A Group is a newsgroup that the server starts with.
type Group struct {
	Name        string
	Description string // none: not in LIST NEWSGROUPS
	Posting     byte   // y, n or m
	Created     time.Time
}

// A Login is the one account that the server knows.
type Login struct{ Name, Password string }

// A Server is an InterNetNews that runs as processes of its own. Its methods
// are called by the goroutine of its test.
type Server struct {
	Transit string // host:port of innd, which takes 127.0.0.1 for a peer
	Reader  string // host:port of nnrpd
	PIDs    []int  // of both; nnrpd has a child for each reader

	t      testing.TB
	folder string
	bin    string
	owner  *syscall.SysProcAttr // innd refuses to run as root
}

// patience is how long the server may take to start or to stop.
const patience = 3 * time.Minute

// Start starts a server on free ports and returns once both answer. The end of
// the test stops it. Where INN is not installed the test is skipped, or fails
// with CI=true in the environment.
func Start(t testing.TB, groups []Group, login Login) *Server {
	t.Helper()
	s := prepare(t, groups, login, setup{conf: atOnceConf})
	s.run("makedbz", "-i", "-o", "-s", "1000") // the history's index
	s.start()
	return s
}

// StartBuffered is Start for whoever measures the server: it writes as late as
// INN does by default. The history's index is made for 500,000 articles: INN's
// default, for ten million, costs it ten times the CPU time for the first tens
// of thousands, until all of the file was touched once.
func StartBuffered(t testing.TB, groups []Group, login Login) *Server {
	t.Helper()
	s := prepare(t, groups, login, setup{})
	s.run("makedbz", "-i", "-o", "-s", "500000")
	s.start()
	return s
}

// StartFeeding is Start for a server that feeds others through innfeed.
func StartFeeding(t testing.TB, groups []Group, login Login, to ...Downstream) *Server {
	t.Helper()
	s := prepare(t, groups, login, setup{conf: atOnceConf, to: to})
	t.Cleanup(s.endInnfeed)
	s.run("makedbz", "-i", "-o", "-s", "1000")
	s.start()
	return s
}

// A setup is what tells one server from another.
type setup struct {
	overview string            // how overviews are kept, tradindexed by default
	conf     string            // added to inn.conf
	files    map[string]string // more files, or others, by their names in the server's folder
	to       []Downstream
}

// prepare makes all the files.
func prepare(t testing.TB, groups []Group, login Login, how setup) *Server {
	t.Helper()
	s := &Server{t: t, bin: installed(t)}
	s.makeFolder()
	s.Transit, s.Reader = harness.FreeAddress(t), harness.FreeAddress(t)
	s.configure(groups, login, how)
	return s
}

func (s *Server) start() {
	s.t.Helper()
	// innd first: it waits for the posts that nnrpd hands on.
	s.serve(s.Transit, "innd", "-d", "-f")
	host, port, _ := net.SplitHostPort(s.Reader)
	s.serve(s.Reader, "nnrpd", "-D", "-f", "-4", host, "-p", port)
}

// installed returns the folder of INN's programs.
func installed(t testing.TB) string {
	t.Helper()
	folders := []string{"/usr/lib/news/bin", "/usr/libexec/news", "/usr/local/news/bin"}
	if path, err := exec.LookPath("nnrpd"); err == nil {
		folders = append([]string{filepath.Dir(path)}, folders...)
	}
	for _, folder := range folders {
		if _, err := os.Stat(filepath.Join(folder, "nnrpd")); err == nil {
			return folder
		}
	}
	harness.Lacking(t, "InterNetNews is not installed")
	return ""
}

// makeFolder makes the folder of all of INN's files, removed after the test.
func (s *Server) makeFolder() {
	s.t.Helper()
	var err error
	// Not the test's own folder, into which no other user may look.
	if s.folder, err = os.MkdirTemp("", "inn-"); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := os.RemoveAll(s.folder); err != nil {
			s.t.Error(err)
		}
	})
	for _, name := range []string{
		"etc/filter", "spool/innfeed", "db", "run", "log", "http", "tmp", "spool/articles", "spool/overview",
		"spool/outgoing", "spool/archive", "spool/incoming/tmp", "spool/incoming/bad",
	} {
		if err := os.MkdirAll(filepath.Join(s.folder, name), 0o700); err != nil {
			s.t.Fatal(err)
		}
	}
}

// configure writes INN's configuration and first data, and gives all of it to
// the user that INN runs as: news where the test is root's, and otherwise its
// own.
func (s *Server) configure(groups []Group, login Login, how setup) {
	s.t.Helper()
	me, err := user.Current()
	if err != nil {
		s.t.Fatal(err)
	}
	if me.Uid == "0" {
		if me, err = user.Lookup("news"); err != nil {
			harness.Lacking(s.t, "there is no user news")
		}
	}
	uid, gid := number(s.t, me.Uid), number(s.t, me.Gid)
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		s.t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(s.Transit)
	for name, text := range files(groups, login, how, strings.NewReplacer(
		"FOLDER", s.folder, "BIN", s.bin, "USER", me.Username, "GROUP", group.Name, "PORT", port, "DOMAIN", Domain,
		"OVERVIEW", cmp.Or(how.overview, "tradindexed"),
	)) {
		mode := fs.FileMode(0o600)
		if strings.HasPrefix(text, "#!") {
			mode = 0o700
		}
		if err := os.WriteFile(filepath.Join(s.folder, name), []byte(text), mode); err != nil {
			s.t.Fatal(err)
		}
	}
	if os.Getuid() != 0 {
		return
	}
	s.owner = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	err = filepath.WalkDir(s.folder, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, gid)
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func number(t testing.TB, digits string) int {
	t.Helper()
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// command is a program of INN's, not started yet.
func (s *Server) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...)
	c.Dir = filepath.Join(s.folder, "db")
	c.Env = append(os.Environ(), "INNCONF="+filepath.Join(s.folder, "etc", "inn.conf"), "TZ=UTC")
	c.SysProcAttr = s.owner
	return c
}

// run runs a program that ends by itself.
func (s *Server) run(name string, args ...string) {
	s.t.Helper()
	if out, err := s.command(s.t.Context(), name, args...).CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// Cancel removes an article.
func (s *Server) Cancel(id string) {
	s.t.Helper()
	s.run("ctlinnd", "-s", "-t", "30", "cancel", id)
}

// Expire tidies up after articles were cancelled: water marks and counts are
// right again.
func (s *Server) Expire() {
	s.t.Helper()
	s.run("expireover")
	s.run("ctlinnd", "-s", "-t", "30", "renumber", "")
}

// serve starts a program that listens on address, and stops it after the test.
func (s *Server) serve(address, name string, args ...string) {
	s.t.Helper()
	log, err := os.Create(filepath.Join(s.folder, "log", name+".out"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = log.Close() }() // the process has its own
	process := s.command(context.Background(), name, args...)
	process.Stdout, process.Stderr = log, log
	if err := process.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.PIDs = append(s.PIDs, process.Process.Pid)
	var failure error
	ended := make(chan struct{})
	go func() {
		failure = process.Wait()
		close(ended)
	}()
	s.t.Cleanup(func() {
		select {
		case <-ended: // nnrpd would go on, and spool what is posted
			s.t.Errorf("%s ended by itself: %v", name, failure)
		default:
			s.stop(process.Process, address, ended)
		}
	})
	for late := time.Now().Add(patience); !answers(address); {
		select {
		case <-ended:
			text, _ := os.ReadFile(log.Name())
			s.t.Fatalf("%s does not start: %v\n%s", name, failure, text)
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(late) {
			s.t.Fatalf("%s does not answer", name)
		}
	}
}

// endInnfeed ends innfeed, which outlives innd for a while.
func (s *Server) endInnfeed() {
	text, err := os.ReadFile(filepath.Join(s.folder, "run", "innfeed.pid"))
	if err != nil {
		return // it has ended by itself
	}
	pid := number(s.t, strings.TrimSpace(string(text)))
	for late := time.Now().Add(patience); syscall.Kill(pid, syscall.SIGTERM) == nil; {
		if time.Now().After(late) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			s.t.Error("innfeed had to be killed")
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// answers says whether a server greets.
func answers(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	var code [1]byte
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, err = conn.Read(code[:])
	return err == nil && code[0] == '2'
}

// stop ends a process of the server. Told to stop, innd does so when it next
// wakes up, so it is knocked at.
func (s *Server) stop(process *os.Process, address string, ended <-chan struct{}) {
	_ = process.Signal(syscall.SIGTERM)
	for late := time.Now().Add(patience); time.Now().Before(late); {
		if conn, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			_ = conn.Close()
		}
		select {
		case <-ended:
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
	_ = process.Kill()
	<-ended
	s.t.Error("INN had to be killed")
}
