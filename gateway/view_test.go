package gateway

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/gateway/peer"
	"github.com/restante/restante/pool/disk"
)

// TestView_saysOnlyFixedWords holds every label and name against the form of a
// word and the lists that the program has of them: no value of anybody's gets
// in.
func TestView_saysOnlyFixedWords(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		settings := newSettings(t)
		settings.Peers = []peer.Peer{{Name: "news.example.net"}, {Name: "192.0.2.7"}} // names as operators give them
		g := opened(t, settings)
		word := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
		vocabulary := map[string][]string{"reason": peer.Reasons(), "peer": {"peer_1", "peer_2"}}
		for _, f := range g.figures() {
			if !word.MatchString(f.Name) || f.Help == "" || f.Counter != strings.HasSuffix(f.Name, "_total") {
				t.Errorf("figure %q, counter %v: %q", f.Name, f.Counter, f.Help)
			}
			if f.Label != "" && (vocabulary[f.Label] == nil || !slices.Equal(f.Values, vocabulary[f.Label])) {
				t.Errorf("figure %s has label %q with values %v", f.Name, f.Label, f.Values)
			}
			for _, v := range f.Values {
				if !word.MatchString(v) {
					t.Errorf("label value %q", v)
				}
			}
			// What must not be counted at all: see package admin.
			for _, never := range []string{"deposit", "post", "login", "pickup", "receipt", "queue", "cpu", "resident", "session"} {
				if strings.Contains(f.Name, never) {
					t.Errorf("there is a figure %s", f.Name)
				}
			}
		}
		for _, c := range g.conditions() {
			if !word.MatchString(c.Name) || strings.Count(c.Sentence, ". ") == 0 {
				t.Errorf("condition %q says %q, which does not say what to do", c.Name, c.Sentence)
			}
		}
	})
}

// trouble returns the names of the conditions that hold.
func (g *Gateway) trouble(t *testing.T, now time.Time) []string {
	t.Helper()
	var names []string
	for _, c := range g.conditions() {
		if c.Holds(t.Context(), now) {
			names = append(names, c.Name)
		}
	}
	return names
}

func TestView_conditionsComeAndGo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSettings(t)
		s.DiskReserve = 1
		g := opened(t, s)
		if err := g.round(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		want := func(why string, names ...string) {
			t.Helper()
			if got := g.trouble(t, time.Now()); !slices.Equal(got, names) {
				t.Errorf("%s: %v, want %v", why, got, names)
			}
		}
		want("a new gateway")
		g.noteFault()
		want("a post was refused", "posts_refused")
		time.Sleep(lately)
		want("nothing was released for a while", "batches_overdue")
		if got := g.trouble(t, time.Now().Add(-time.Hour)); !slices.Contains(got, "clock_back") {
			t.Errorf("an hour back: %v", got)
		}
		if err := g.round(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		want("all is well again")
		g.queueSize = 0
		g.health = func() disk.Health {
			return disk.Health{ReadOnly: true, DiskFull: true, IndexDoubted: true, CorruptReads: 1, HistoryDamaged: 1, Quarantined: 1}
		}
		want("the store is in a bad way", "store_read_only", "disk_reserve", "index_doubted", "bad_records", "history_damaged", "quarantine", "queue_full")
	})
}
