package peer

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/memory"
)

func TestDesk_admitsFromAnArchive(t *testing.T) {
	store := memory.New("gw.example")
	for name, posting := range map[pool.Group]pool.Posting{"a": 'y', "b": 'y', "mod": 'm', "control": 'n'} {
		if err := store.SetGroup(t.Context(), pool.GroupInfo{Name: name, Posting: posting}); err != nil {
			t.Fatal(err)
		}
	}
	desk := New(Options{Domain: "gw.example", Store: store, Own: []pool.Group{"restante.pool"}})
	for _, c := range []struct {
		why    string
		change []string // pairs of what is replaced
		in     []pool.Group
		want   []pool.Group
		reason error
	}{
		{"as old as it is", nil, nil, []pool.Group{"a"}, nil},
		{"where it lies", nil, []pool.Group{"b"}, []pool.Group{"b"}, nil},
		{"our name in Path, our domain in its id", []string{"x!", "gw.example!", "@x", "@gw.example"}, nil, []pool.Group{"a"}, nil},
		{"of its groups the carried and wanted ones", []string{"groups: a", "groups: a,b,nowhere"}, nil, []pool.Group{"a", "b"}, nil},
		{"none carried", []string{"groups: a", "groups: nowhere"}, nil, nil, Unwanted},
		{"moderated, not approved", []string{"groups: a", "groups: mod"}, nil, nil, Unapproved},
		{"one of ours", []string{"groups: a", "groups: a,Restante.pool"}, nil, nil, OwnGroup},
		{"lies in one of ours", nil, []pool.Group{"restante.pool"}, nil, OwnGroup},
		{"a manifest to come", []string{"<1@x", "<m.77@gw.example"}, nil, nil, OwnID},
		{"a directory to come", []string{"<1@x", "<k.7.1@GW.example"}, nil, nil, OwnID},
		{"no Subject", []string{"Subject: s\r\n", ""}, nil, nil, Field},
		{"tomorrow's morrow", []string{"2001", "2999"}, nil, nil, TooNew},
		{"a control message", []string{"Subject: s", "Subject: s\r\nControl: cancel <2@x>"}, nil, []pool.Group{"control"}, nil},
		{"a malformed one", []string{"Subject: s", "Subject: s\r\nControl: cancel two"}, nil, nil, Control},
	} {
		text := "Path: x!not-for-mail\r\nFrom: a@x\r\nNewsgroups: a\r\nSubject: s\r\n" +
			"Date: Thu, 01 Nov 2001 00:00:00 +0000\r\nMessage-ID: <1@x>\r\n\r\n.\r\n"
		text = strings.NewReplacer(c.change...).Replace(text)
		got, err := desk.Admit(t.Context(), []byte(text), c.in, func(pool.Group) bool { return true }, time.Unix(7, 0))
		if !errors.Is(err, c.reason) || (err == nil) != (c.reason == nil) {
			t.Errorf("%s: %v, want %v", c.why, err, c.reason)
			continue
		}
		if err != nil {
			if name := ReasonOf(err); name != c.reason.Error() {
				t.Errorf("%s: the reason is called %s, want %v", c.why, name, c.reason)
			}
			continue
		}
		if diff := cmp.Diff(c.want, got.Groups); diff != "" || !got.Arrived.Equal(time.Unix(7, 0)) {
			t.Errorf("%s: arrived %v, groups (-want +got):\n%s", c.why, got.Arrived, diff)
		}
	}
	none := func(pool.Group) bool { return false }
	text := "Path: x\r\nFrom: a@x\r\nNewsgroups: a\r\nSubject: s\r\nDate: Thu, 01 Nov 2001 00:00:00 +0000\r\nMessage-ID: <1@x>\r\n\r\n"
	if _, err := desk.Admit(t.Context(), []byte(text), nil, none, time.Now()); !errors.Is(err, Unwanted) {
		t.Errorf("nothing wanted: %v, want Unwanted", err)
	}
}
