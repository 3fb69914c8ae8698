package control_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/control"
	"github.com/restante/restante/pool/memory"
)

func parse(t *testing.T, header string) *article.Article {
	t.Helper()
	a, err := article.Parse([]byte(strings.ReplaceAll(header+"\n\nbody\n", "\n", "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// RFC 5537, Section 5.
func TestParse_requests(t *testing.T) {
	for _, c := range []struct {
		why, header string
		want        control.Request
		bad         bool
	}{
		{"an ordinary article", "Subject: x", control.Request{}, false},
		{"Subject: cmsg means nothing", "Subject: cmsg cancel <a@b>", control.Request{}, false},
		{"Also-Control means nothing", "Also-Control: cancel <a@b>", control.Request{}, false},
		{"a cancel", "Control: cancel <a@b>\nCancel-Key: sha256:x", control.Request{Verb: "cancel", Target: "<a@b>", Keys: "sha256:x"}, false},
		{"in capitals, with more space", "Control:  CANCEL   <a@b> ", control.Request{Verb: "cancel", Target: "<a@b>"}, false},
		{"a group's making", "Control: newgroup misc.x moderated", control.Request{Verb: "newgroup"}, false},
		{"an unknown verb", "Control: sing", control.Request{Verb: "sing"}, false},
		{"Supersedes", "Supersedes: <a@b>", control.Request{Target: "<a@b>"}, false},
		{"both, RFC 5536, Section 3.2.3", "Control: cancel <a@b>\nSupersedes: <a@b>", control.Request{}, true},
		{"two at once", "Control: cancel <a@b>\nControl: cancel <c@d>", control.Request{}, true},
		{"a cancel of nothing", "Control: cancel", control.Request{}, true},
		{"a cancel of two", "Control: cancel <a@b> <c@d>", control.Request{}, true},
		{"a cancel of no message-id", "Control: cancel a@b", control.Request{}, true},
		{"Supersedes no message-id", "Supersedes: a@b", control.Request{}, true},
		{"a verb that is no name", "Control: ../x", control.Request{}, true},
		{"a verb with a dot", "Control: a.b", control.Request{}, true},
	} {
		got, err := control.Parse(parse(t, c.header))
		if got != c.want || errors.Is(err, control.ErrSyntax) != c.bad {
			t.Errorf("%s: %+v, %v", c.why, got, err)
		}
	}
}

// RFC 8315, Sections 5.1 to 5.4, whose SHA-1 pair this server does not take.
func TestOpens_examplesOfTheRFC(t *testing.T) {
	const locks = "sha256:s/pmK/3grrz++29ce2/mQydzJuc7iqHn1nqcJiQTPMc=\r\n sha256:NSBTz7BfcQFTCen+U4lQ0VS8VIlZao2b8mxD/xJaaeE=\r\n" +
		" sha256:RrKLp7YCQc9T8HmgSbxwIDlnCDWsgy1awqtiDuhedRo= sha1:bNXHc6ohSmeHaRHHW56BIWZJt+4="
	const sha512Lock = "sha512:gzX6VtSHVi3iSPR778cnQzNAUd3/zCwJJ19mVFSZAxdZR0XuF8CPeYzX3OC6gVXc2hT2OYwdFUURZSChMwF8CQ=="
	for _, c := range []struct {
		why, keys, locks string
		want             bool
	}{
		{"5.1", "sha256:qv1VXHYiCGjkX/N1nhfYKcAeUn8bCVhrWhoKuBSnpMA=", locks, true},
		{"5.2", "sha256:yM0ep490Fzt83CLYYAytm3S2HasHhYG4LAeAlmuSEys=", locks, true},
		{"5.3", "sha256:sSkDke97Dh78/d+Diu1i3dQ2Fp/EMK3xE2GfEqZlvK8=", locks, true},
		{"5.3, obsolete scheme", "ShA1:aaaBBBcccDDDeeeFFF", locks, false},
		{"an unknown scheme is skipped, Section 2.2", "sha1:x md5:y sha256:sSkDke97Dh78/d+Diu1i3dQ2Fp/EMK3xE2GfEqZlvK8=", locks, true},
		{"comments are accepted, Section 2.2", "(a (b) \\) c)sha256:sSkDke97Dh78/d+Diu1i3dQ2Fp/EMK3xE2GfEqZlvK8=(d)", "(sha256:x) " + locks, true},
		{"schemes have no case", "SHA256:sSkDke97Dh78/d+Diu1i3dQ2Fp/EMK3xE2GfEqZlvK8=", locks, true},
		{"the lock itself is no key", "sha256:s/pmK/3grrz++29ce2/mQydzJuc7iqHn1nqcJiQTPMc=", locks, false},
		{"the key under another scheme", "sha512:sSkDke97Dh78/d+Diu1i3dQ2Fp/EMK3xE2GfEqZlvK8=", locks, false},
		{"a key in a comment", "(sha256:sSkDke97Dh78/d+Diu1i3dQ2Fp/EMK3xE2GfEqZlvK8=)", locks, false},
		{"nothing", "", "", false},
		{"an empty key", "sha256:", "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", false},
		{"sha512, of a key that is no base64, Section 6", "sha512:key", sha512Lock, true},
		{"sha512 of another key", "sha512:kez", sha512Lock, false},
	} {
		if got := control.Opens(c.keys, c.locks); got != c.want {
			t.Errorf("%s: %v, want %v", c.why, got, c.want)
		}
	}
}

func TestOpens_whatLockMade(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "a"))
		b := [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "b"))
		if !control.Opens(control.Key(a), control.Lock(b)+" "+control.Lock(a)) {
			t.Error("a key does not open its lock")
		}
		if a != b && control.Opens(control.Key(a), control.Lock(b)) {
			t.Error("a key opens another lock")
		}
	})
}

func store(t *testing.T, groups ...pool.Group) *memory.Store {
	t.Helper()
	s := memory.New("gw.example")
	for _, g := range groups {
		if err := s.SetGroup(t.Context(), pool.GroupInfo{Name: g, Posting: pool.PostingAllowed}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// RFC 5537, Section 3.7.
func TestGroup_controlMessagesHaveTheirOwn(t *testing.T) {
	r := control.Request{Verb: "cancel"}
	for _, c := range []struct {
		carried []pool.Group
		want    pool.Group
	}{
		{[]pool.Group{"control", "control.cancel", "misc.test"}, "control.cancel"},
		{[]pool.Group{"control", "control.newgroup"}, "control"},
		{[]pool.Group{"misc.test"}, ""},
	} {
		if got, err := r.Group(t.Context(), store(t, c.carried...)); got != c.want || err != nil {
			t.Errorf("carrying %v: %q, %v; want %q", c.carried, got, err, c.want)
		}
	}
}

// RFC 8315, Section 3.5.
func TestObey_onlyWithTheKey(t *testing.T) {
	key := [32]byte{1}
	for _, c := range []struct {
		why, header string
		request     control.Request
		want        bool
	}{
		{"the key fits", "Cancel-Lock: " + control.Lock(key) + "\n", control.Request{Target: "<a@b>", Keys: control.Key(key)}, true},
		{"another key", "Cancel-Lock: " + control.Lock(key) + "\n", control.Request{Target: "<a@b>", Keys: control.Key([32]byte{2})}, false},
		{"no key", "Cancel-Lock: " + control.Lock(key) + "\n", control.Request{Target: "<a@b>"}, false},
		{"no lock", "", control.Request{Target: "<a@b>", Keys: control.Key(key)}, false},
		{"another target", "Cancel-Lock: " + control.Lock(key) + "\n", control.Request{Target: "<c@d>", Keys: control.Key(key)}, false},
		{"no target", "Cancel-Lock: " + control.Lock(key) + "\n", control.Request{Keys: control.Key(key)}, false},
	} {
		s := store(t, "misc.test")
		filed, err := parse(t, "Message-ID: <a@b>\n"+c.header+"Subject: x").File([]pool.Group{"misc.test"}, time.Now(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Append(t.Context(), filed); err != nil {
			t.Fatal(err)
		}
		for range 2 { // again, as after a crash
			if got, err := c.request.Obey(t.Context(), s); got != c.want || err != nil {
				t.Errorf("%s: %v, %v; want %v", c.why, got, err, c.want)
			}
		}
		if _, err := s.ByID(t.Context(), "<a@b>"); errors.Is(err, pool.ErrNotFound) != c.want {
			t.Errorf("%s: afterwards %v", c.why, err)
		}
	}
}

func FuzzOpens(f *testing.F) {
	f.Add("sha256:x", "sha256:y")
	f.Add("((\\", "sha512:")
	f.Fuzz(func(t *testing.T, keys, locks string) {
		if control.Opens(keys, locks) && (keys == "" || locks == "") {
			t.Error("nothing opens something")
		}
	})
}
