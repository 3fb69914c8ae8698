package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
	"github.com/rs/zerolog"
)

// Names in the store's folder.
const (
	lockFile    = "lock"
	groupsFile  = "groups"
	segmentsDir = "segments"
	historyDir  = "history"
	indexDir    = "index"
	indexNewDir = "index-new"
	doubtFile   = "index-doubted"
)

// ErrInUse is returned by [Open] when another process owns the folder.
var ErrInUse = errors.New("store is in use by another process")

// Options are what a store is opened with. Zero values stand for the defaults.
type Options struct {
	ServerName  string         // the server's name in Xref; must be there
	SegmentSize int64          // octets of a segment, passed by one batch at most; default 256 MiB
	Reserve     uint64         // octets that must stay free on the file system; default none
	Remember    time.Duration  // how long the message-ids of articles that are gone are remembered; default for ever
	IndexMemory int            // octets of memory that the index may use, roughly, and an eighth more for lines; default 64 MiB
	LockWait    time.Duration  // how long to try for the folder's lock; default 10 s
	Logger      zerolog.Logger // gets what an operator must know, and never names an article

	// Files is where everything but the lock lies; default the operating
	// system's. Tests put faults in its place. One that is also an [IndexStorer]
	// has the index too.
	Files record.FS

	// Free returns how many octets the file system that has a folder has left;
	// default [record.Free]. Tests put other figures in its place.
	Free func(dir string) (uint64, error)

	read func(octets int64) error // is told of each segment opened; an error ends opening
}

func (o Options) withDefaults() Options {
	if o.SegmentSize <= 0 {
		o.SegmentSize = 256 << 20
	}
	if o.IndexMemory <= 0 {
		o.IndexMemory = 64 << 20
	}
	if o.LockWait <= 0 {
		o.LockWait = 10 * time.Second
	}
	if o.Files == nil {
		o.Files = record.OS{}
	}
	if o.Free == nil {
		o.Free = record.Free
	}
	return o
}

// A Store is the embedded store. It starts no goroutine of its own; those of
// the index end with Close.
type Store struct {
	dir     string
	options Options
	files   record.FS
	lock    *flock.Flock
	index   *index
	seen    fingerprints
	recent  recent
	spare   spare

	lentFiles atomic.Int32 // articles that are lent as files

	stretches stretches
	making    sync.Pool                // of stretches
	batcher   *record.Batcher[*filing] // its turn is held by whatever writes

	// Only used under the batcher's turn.
	active      map[uint64]*segment // by epoch: where its articles are added
	lastSegment uint32
	lastGroup   uint32
	given       map[pool.Group]pool.Number // the last number of what is under way
	meta        []byte                     // to put a record's beginning together in

	underWay underWay
	rowsLost atomic.Pointer[error] // why the index lacks a batch, or will

	// Changed with mu held, by batches that are published and by what runs while
	// there is none of them ([record.Batcher.Alone]), which reads without mu.
	mu       sync.RWMutex
	groups   map[pool.Group]*group
	names    []pool.Group // the keys of groups, sorted
	byNumber map[uint32]*group
	segments map[uint32]*segment
	newest   uint32 // no segment has a higher number

	dead     graves          // history files there were at opening
	expiring sync.Mutex      // held while articles expire, whichever way
	unswept  map[uint32]bool // groups with rows below their floor; guarded by expiring
	removing sync.Mutex      // held by whatever takes articles out of the index, a step at a time

	grown      chan growth   // what Run may make room for
	largeSteps atomic.Bool   // the last batch was too large for that
	done       chan struct{} // closed by Close

	opened bool              // set at the end of Open
	turns  func(work func()) // for tests: calls what runs alone

	failed     atomic.Pointer[error] // why no more is written
	doubted    atomic.Bool           // the index must be built anew
	corrupt    atomic.Uint64         // reads that found damage
	badHistory atomic.Int64          // history files found damaged
	space      space
	salvaged   salvage // when the store was opened

	lifeMu sync.Mutex // guards closed
	closed bool
	calls  sync.WaitGroup // calls under way
}

var (
	_ pool.Store    = (*Store)(nil)
	_ pool.Beginner = (*Store)(nil)

	_ pool.SetHigher = (*Store)(nil)
	_ pool.Lender    = (*Store)(nil)
	_ pool.Liner     = (*Store)(nil)
)

// Open opens the store in a folder, which it makes when there is none. It
// returns [ErrInUse] when another process has it open, and [pool.ErrCorrupt]
// when the groups file is missing or damaged: then numbers could be given
// twice, so that it needs a human being.
func Open(dir string, options Options) (*Store, error) {
	if options.ServerName == "" {
		return nil, errors.New("the store needs the server's name")
	}
	options = options.withDefaults()
	s := &Store{
		dir: dir, options: options, files: options.Files,
		active:   make(map[uint64]*segment),
		grown:    make(chan growth, 1),
		done:     make(chan struct{}),
		given:    make(map[pool.Group]pool.Number),
		groups:   make(map[pool.Group]*group),
		byNumber: make(map[uint32]*group),
		segments: make(map[uint32]*segment),
		unswept:  make(map[uint32]bool),
		seen:     newFingerprints(),

		stretches: stretches{room: options.IndexMemory / 8},
	}
	s.batcher = record.NewBatcher(s.begin)
	if err := s.makeFolders(); err != nil {
		return nil, err
	}
	if err := s.takeLock(); err != nil {
		return nil, err
	}
	if err := s.restore(); err != nil {
		return nil, errors.Join(err, s.closeFiles())
	}
	s.opened = true
	return s, nil
}

func (s *Store) makeFolders() error {
	var err error
	for _, d := range []string{"", segmentsDir, historyDir} {
		folder := filepath.Join(s.dir, d)
		if err := s.files.MkdirAll(folder); err != nil {
			return err
		}
		// A name that is seen now must last, and a killed process may have left
		// it unsynced: what follows relies on it.
		err = errors.Join(err, s.files.SyncDir(filepath.Dir(folder)), s.files.SyncDir(folder))
	}
	return err
}

// takeLock waits a while: after a crash the old process may not be gone yet.
func (s *Store) takeLock() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.options.LockWait)
	defer cancel()
	s.lock = flock.New(filepath.Join(s.dir, lockFile), flock.SetPermissions(0o600))
	_, err := s.lock.TryLockContext(ctx, 20*time.Millisecond)
	if errors.Is(err, context.DeadlineExceeded) {
		return ErrInUse
	}
	return err
}

// enter counts a call in; its end is leave.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.lifeMu.Lock()
	defer s.lifeMu.Unlock()
	if s.closed {
		return pool.ErrClosed
	}
	s.calls.Add(1)
	return nil
}

func (s *Store) leave() { s.calls.Done() }

// Close implements [pool.Store].
func (s *Store) Close() error {
	s.lifeMu.Lock()
	again := s.closed
	if !again {
		close(s.done)
	}
	s.closed = true
	s.lifeMu.Unlock()
	s.calls.Wait()
	if again {
		return nil
	}
	var err error
	if s.writable() == nil {
		err = errors.Join(s.saveGroups(s.allGroups()), s.index.sync())
	}
	return errors.Join(err, s.closeFiles())
}

// closeFiles closes all that is open, the lock last.
func (s *Store) closeFiles() error {
	s.seen.free()
	var err error
	if s.index != nil {
		err = s.index.close()
	}
	for _, g := range s.segments {
		err = errors.Join(err, g.close())
	}
	return errors.Join(err, s.lock.Close())
}

// alone calls f under the batcher's turn, with nothing on its way into the store.
// Nobody files anything meanwhile, so what f does must be bounded.
func (s *Store) alone(f func()) {
	s.settle() // or what f does to the index would wait for more
	s.batcher.Alone(func() {
		if s.turns != nil {
			s.turns(f)
			return
		}
		f()
	})
}

// writable returns why the store takes no writes, or nil.
func (s *Store) writable() error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// latch makes the store take no more writes after one that failed, except when
// there merely was no space. It returns the error that the write's caller gets.
func (s *Store) latch(err error) error {
	if errors.Is(err, pool.ErrDiskFull) {
		s.found(false)
		return err
	}
	if !errors.Is(err, pool.ErrReadOnly) {
		err = fmt.Errorf("%w: %w", pool.ErrReadOnly, err)
	}
	if s.failed.CompareAndSwap(nil, &err) {
		s.options.Logger.Error().Err(err).Msg("a write failed: the store is read-only until it is opened again")
	}
	return err
}

// settle puts what is staged for the index into its database. A failure ends all
// writing: a later checkpoint would hide what is not there.
func (s *Store) settle() {
	if err := s.index.settle(); err != nil {
		s.doubt(err)
		_ = s.latch(err)
	}
}

// doubt notes that the index must be built anew when the store is opened next.
func (s *Store) doubt(err error) {
	if !errors.Is(err, errDoubt) || s.doubted.Swap(true) {
		return
	}
	s.options.Logger.Error().Err(err).Msg("the index is damaged: it will be built anew when the store is opened next")
	f, _, err := s.files.OpenFile(filepath.Join(s.dir, doubtFile), os.O_RDWR|os.O_CREATE)
	if err == nil {
		err = errors.Join(f.Sync(), f.Close(), s.files.SyncDir(s.dir))
	}
	if err != nil {
		s.options.Logger.Error().Err(err).Msg("can't note that the index is damaged")
	}
}
