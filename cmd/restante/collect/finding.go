package collect

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/remote"
)

// What every [*Finding] is, and every [*Fault].
var (
	ErrServer = errors.New("a server lags, withholds mail, or changes it")
	ErrFault  = errors.New("a server could not be used")
)

// A Finding is what is wrong with what a server has of a gateway's pool. It is an
// error, for whoever takes the pool from there.
type Finding struct {
	Server  string `json:"server"`
	Gateway string `json:"gateway"`

	Swapped  int       `json:"swapped"`        // entries whose content is not what the gateway signed
	Lacking  int       `json:"lacking"`        // entries that manifests name and the server has not
	Mine     int       `json:"lacking_mine"`   // of them, are for this user
	Unlisted int       `json:"unlisted"`       // batches whose manifest the server has not
	Batches  uint64    `json:"batches"`        // at most so many batches are not there, nor their manifests
	Since    time.Time `json:"since,omitzero"` // what the gateway released since then is not there; zero: no such thing
}

// Wrong says whether there is something wrong at all.
func (f *Finding) Wrong() bool {
	return f.Swapped > 0 || f.Lacking > 0 || f.Unlisted > 0 || f.Batches > 0 || !f.Since.IsZero()
}

// Is makes a finding an [ErrServer].
func (f *Finding) Is(target error) bool { return target == ErrServer }

// Error implements error.
func (f *Finding) Error() string {
	var said []string
	say := func(wrong bool, format string, a ...any) {
		if wrong {
			said = append(said, fmt.Sprintf(format, a...))
		}
	}
	say(f.Swapped > 0, "%d entries are not what the gateway signed: the server changed them, and none was taken for mail", f.Swapped)
	say(f.Lacking > 0 && f.Mine == 0, "%d entries that the gateway published are not there, none of them for you", f.Lacking)
	say(f.Mine > 0, "%d entries that the gateway published are not there, and %d of them are for you", f.Lacking, f.Mine)
	say(f.Batches > 0, "up to %d batches are not there at all, nor the gateway's lists of what was in them, but later lists name the ones before", f.Batches)
	say(f.Unlisted > 0, "%d batches are without the gateway's list of what is in them, so nobody can tell whether they are whole", f.Unlisted)
	say(!f.Since.IsZero(), "the gateway has published more since %s, and the server has nothing of that", f.Since.UTC().Format(time.DateTime+" UTC"))
	return fmt.Sprintf("the server %s shows a wrong picture of the gateway %s: %s. It lags, or it withholds or changes mail. Take the pool from another server: name it under [fetch] in restante.toml, and run restante sync",
		f.Server, f.Gateway, strings.Join(said, "; "))
}

// A Fault is a server that could not be used.
type Fault struct {
	Server string
	Cause  error
}

// Error implements error.
func (f *Fault) Error() string {
	todo := "name another one under [fetch] in restante.toml"
	if errors.Is(f.Cause, remote.ErrTLS) {
		todo = "change security under [fetch] in restante.toml where the server has no TLS, or authority where its certificate is not of the system's, or name another server"
	}
	return fmt.Sprintf("the server %s, from which the pool is taken, could not be used to the end (%v). What came is kept, and the next restante sync goes on there. If it stays so, %s", f.Server, f.Cause, todo)
}

// theirs says whether an error is of the server's making, and not of this machine's.
func theirs(err error) bool {
	for _, e := range []error{
		remote.ErrDial, remote.ErrTLS, remote.ErrLogin, remote.ErrInClear, remote.ErrProtocol, remote.ErrLost,
		nntp.ErrBlockMalformed, nntp.ErrBlockTooLarge, ErrNoGroup,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	var refused *remote.Refused
	return errors.As(err, &refused)
}

// Is makes a fault an [ErrFault].
func (f *Fault) Is(target error) bool { return target == ErrFault }

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Cause }
