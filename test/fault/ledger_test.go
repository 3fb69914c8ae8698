package fault

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/disk"
	"github.com/restante/restante/pool/pooltest"
)

// groups are where the articles go.
func groups() []pool.Group { return []pool.Group{"a", "b"} }

// makeArticle makes an article whose octets, size and groups follow from its name.
func makeArticle(name string, epoch uint64) *pool.Article {
	seed := uint64(0)
	for _, c := range []byte(name) {
		seed = seed*31 + uint64(c)
	}
	r := rand.New(rand.NewPCG(seed, 1))
	var text strings.Builder
	text.WriteString("From: a@example.org\r\nSubject: " + name + "\r\nMessage-ID: " + string(pooltest.ID(name)) + "\r\n\r\n")
	lines := 1 + r.IntN(40)
	if r.IntN(16) == 0 { // it is written while others are synced
		lines += 1000 + r.IntN(2000)
	}
	for range lines {
		text.WriteString(strings.Repeat(string(rune('!'+r.IntN(90))), 1+r.IntN(70)) + "\r\n")
	}
	parsed, err := article.Parse([]byte(text.String()))
	if err != nil {
		panic(err)
	}
	a, err := parsed.File(groups()[:1+r.IntN(2)], time.Unix(1e9, 0), epoch)
	if err != nil {
		panic(err)
	}
	return a
}

// The letters of what a worker says.
const (
	filed       = "+" // name, epoch, locations: the article was acknowledged
	cancelling  = "~" // name: from here on it may be gone
	cancelled   = "-" // name: from here on it is
	remembered  = "r" // name: acknowledged as seen
	dropping    = ">" // epoch: from here on earlier ones may be gone
	dropped     = "<" // epoch: from here on they are
	expiring    = "x" // from here on any number may expire
	expired     = "e" // locations: the groups' low marks; from here on what is below is gone, and else nothing
	described   = "g" // a number that the description of the last group has at least
	failed      = "!" // an error
	opened      = "o" // the store is open
	noEpoch     = 0
	noLocations = ""
)

// A fate is what was promised of one article.
type fate struct {
	epoch uint64
	at    []pool.Location
	may   bool // be gone
	must  bool
}

// A ledger is all that a store has promised so far, be it to the worker or to
// whoever looked into it.
type ledger struct {
	mu         sync.Mutex // guards what follows
	fates      map[string]*fate
	numbers    map[pool.Location]string // whose each number is, for ever
	remembered map[string]bool
	lows       map[pool.Group]pool.Number // what is below has expired
	expiring   bool                       // and perhaps more
	described  int
	faults     []string // broken promises that showed at once
}

func newLedger() *ledger {
	return &ledger{fates: map[string]*fate{}, numbers: map[pool.Location]string{}, remembered: map[string]bool{}, lows: map[pool.Group]pool.Number{}}
}

// note takes one line that a worker said.
func (l *ledger) note(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := strings.Fields(line)
	switch f[0] {
	case filed:
		epoch, _ := strconv.ParseUint(f[2], 10, 64)
		l.file(f[1], epoch, parseLocations(f[3]))
	case cancelling:
		l.fates[f[1]].may = true
	case cancelled:
		l.fates[f[1]].must = true
	case remembered:
		l.remembered[f[1]] = true
	case dropping, dropped:
		epoch, _ := strconv.ParseUint(f[1], 10, 64)
		for _, fate := range l.fates {
			if fate.epoch != 0 && fate.epoch < epoch {
				fate.may = true
				fate.must = fate.must || f[0] == dropped
			}
		}
	case expiring:
		l.expiring = true
	case expired:
		for _, low := range parseLocations(f[1]) {
			l.raise(low.Group, low.Number)
		}
		l.expiring = false
	case described:
		l.described, _ = strconv.Atoi(f[1])
	}
}

// file notes an article that is promised from now on.
func (l *ledger) file(name string, epoch uint64, at []pool.Location) {
	if l.fates[name] == nil {
		l.fates[name] = &fate{epoch: epoch, at: at}
	}
	for _, place := range at {
		if other, taken := l.numbers[place]; taken && other != name {
			l.faults = append(l.faults, fmt.Sprintf("%v was given to %s and to %s", place, other, name))
		}
		l.numbers[place] = name
	}
}

func (l *ledger) raise(group pool.Group, low pool.Number) { l.lows[group] = max(l.lows[group], low) }

// left returns where an article still stands that was filed there.
func (l *ledger) left(at []pool.Location) []pool.Location {
	return slices.DeleteFunc(slices.Clone(at), func(place pool.Location) bool { return place.Number < l.lows[place.Group] })
}

func formatLocations(at []pool.Location) string {
	var out []string
	for _, l := range at {
		out = append(out, fmt.Sprintf("%s:%d", l.Group, l.Number))
	}
	return strings.Join(out, ",")
}

func parseLocations(text string) []pool.Location {
	var out []pool.Location
	for one := range strings.SplitSeq(text, ",") {
		group, number, _ := strings.Cut(one, ":")
		n, _ := strconv.ParseUint(number, 10, 32)
		out = append(out, pool.Location{Group: pool.Group(group), Number: pool.Number(n)})
	}
	return out
}

// filed returns how many articles were promised.
func (l *ledger) filed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.fates)
}

// check compares a store with what it has promised, and returns what is wrong.
// What it sees there is promised from now on.
func (l *ledger) check(t testing.TB, s *disk.Store) []string {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	c := checker{t: t, l: l, s: s, wrong: slices.Clone(l.faults)}
	listed, err := s.Groups(t.Context())
	if err != nil {
		c.say("Groups: %v", err)
	}
	for _, info := range listed {
		if l.expiring { // it was interrupted: how far it came shows now
			l.raise(info.Name, info.Low)
		}
	}
	l.expiring = false
	for name, f := range l.fates {
		c.fate(name, f)
	}
	for name := range l.remembered {
		if seen, err := s.Seen(t.Context(), pooltest.ID(name)); !seen || err != nil {
			c.say("remembered %s is not seen: %v", name, err)
		}
	}
	for _, info := range listed {
		c.group(info)
	}
	if l.described > 0 && (len(listed) < len(groups()) || atoi(listed[len(groups())-1].Description) < l.described) {
		c.say("a group, or its description, is lost: %v", listed)
	}
	c.wrong = append(c.wrong, l.faults...)
	slices.Sort(c.wrong)
	return slices.Compact(c.wrong)
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

type checker struct {
	t     testing.TB
	l     *ledger
	s     *disk.Store
	wrong []string
}

func (c *checker) say(format string, args ...any) {
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}

// fate checks one article that was promised.
func (c *checker) fate(name string, f *fate) {
	got, err := c.s.ByID(c.t.Context(), pooltest.ID(name))
	left := c.l.left(f.at)
	if len(left) == 0 {
		f.may, f.must = true, true
	}
	switch {
	case errors.Is(err, pool.ErrNotFound) && f.may:
		if seen, err := c.s.Seen(c.t.Context(), pooltest.ID(name)); !seen || err != nil {
			c.say("%s is gone, and not seen: %v", name, err)
		}
		f.must = true // and stays so
	case err != nil:
		c.say("%s is lost: %v", name, err)
	case f.must:
		c.say("%s is back", name)
	case !slices.Equal(got.Locations, left):
		c.say("%s stands at %v, and should at %v of %v", name, got.Locations, left, f.at)
	default:
		c.whole(name, got, f.at)
	}
}

// whole checks that an article has the octets that its name and the places ask
// for that it was given.
func (c *checker) whole(name string, got *pool.Stored, at []pool.Location) {
	want := article.Render(makeArticle(name, got.Epoch), pooltest.Server, at)
	if string(got.Wire) != string(want.Wire) || string(got.Overview) != string(want.Overview) || got.HeadSize != want.HeadSize {
		c.say("%s has wrong octets", name)
	}
}

// group checks that all there is in a group is whole, promised or not.
func (c *checker) group(info pool.GroupInfo) {
	count := 0
	err := c.s.Scan(c.t.Context(), info.Name, pool.All, func(n pool.Number, line []byte) bool {
		count++
		name, _, _ := strings.Cut(string(line), "\t")
		a, err := c.s.ByNumber(c.t.Context(), info.Name, n)
		if err != nil || a.ID != pooltest.ID(name) || string(a.Overview) != string(line) {
			c.say("%s %d, %s: %v", info.Name, n, name, err)
			return true
		}
		c.l.file(name, a.Epoch, given(a))
		c.whole(name, a, c.l.fates[name].at)
		if n < info.Low || n > info.High {
			c.say("%s %d is not between %d and %d", info.Name, n, info.Low, info.High)
		}
		return true
	})
	if err != nil || count != info.Count {
		c.say("%s has %d articles, and says %d: %v", info.Name, count, info.Count, err)
	}
	for place, name := range c.l.numbers {
		if place.Group == info.Name && place.Number > info.High {
			c.say("%s ends at %d, and %s has %d", info.Name, info.High, name, place.Number)
		}
	}
}

// given returns the places that an article was given, of which some may have
// expired before anybody saw it.
func given(a *pool.Stored) []pool.Location {
	xref, _ := article.HeaderField(a.Head(), "Xref")
	_, places, _ := strings.Cut(xref, " ")
	return parseLocations(strings.ReplaceAll(places, " ", ","))
}

// newest returns the last epoch that anything was filed in.
func (l *ledger) newest() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := uint64(1)
	for _, f := range l.fates {
		out = max(out, f.epoch)
	}
	return min(out, math.MaxUint32)
}
