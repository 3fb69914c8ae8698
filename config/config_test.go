package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTemplate_saysTheDefaults(t *testing.T) {
	want := Default("gw.example")
	text, err := Template(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	want.Groups = []Group{{Name: "restante.cards", Description: "Contact cards: follow up in restante.reply to write to their owner", Posting: "y"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTemplate_namesEveryKeyUnderAComment(t *testing.T) {
	text, err := Template(Default("gw.example"))
	if err != nil {
		t.Fatal(err)
	}
	where := positions(text)
	lines := strings.Split(string(text), "\n")
	for _, key := range knownKeys(reflect.TypeFor[Config](), "") {
		at, ok := where[strings.Replace(key, "group.", "group.0.", 1)]
		if key == "group" {
			at, ok = where["group.0"]
		}
		if !ok && inAnExample(string(text), key) {
			continue
		}
		if !ok {
			t.Errorf("%s is not in the file", key)
			continue
		}
		inGroup := strings.HasPrefix(key, "group.")
		isTable := strings.HasPrefix(lines[at.Line-1], "[")
		if above := lines[at.Line-2]; !inGroup && !isTable && !strings.HasPrefix(above, "# ") {
			t.Errorf("%s has no comment above it", key)
		}
	}
}

// inAnExample says whether a key is in the file as a comment, in the table that
// it belongs to.
func inAnExample(text, key string) bool {
	table, name := "", key
	if dot := strings.LastIndexByte(key, '.'); dot >= 0 {
		table, name = key[:dot], key[dot+1:]
	}
	if table == "" || strings.Contains(text, "["+key+"]") {
		return strings.Contains(text, "["+key+"]")
	}
	at := strings.Index(text, "["+table+"]")
	if at < 0 {
		return false
	}
	rest, _, _ := strings.Cut(text[at:], "\n\n")
	return regexp.MustCompile(`(?m)^# ` + regexp.QuoteMeta(name) + ` *= `).MatchString(rest)
}

func TestParse_feeding(t *testing.T) {
	c, err := Parse([]byte(`domain = "gw.example"
[[group]]
name = "misc.mod"
posting = "m"
moderator = "mod@example.org"
[[distribution]]
name = "de"
description = "Germany"
groups = "de.*"
weight = 3
[[peer]]
name = "news.example.net"
addresses = ["192.0.2.7", "2001:db8::1/32"]
certificate = "SHA256:` + strings.Repeat("ab", 32) + `"
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Peer{{
		Name: "news.example.net", Addresses: []string{"192.0.2.7", "2001:db8::1/32"},
		Certificate: "SHA256:" + strings.Repeat("ab", 32), Groups: "*", Path: "news.example.net",
	}}
	if diff := cmp.Diff(want, c.Peers); diff != "" {
		t.Error(diff)
	}
	for text, want := range map[string]string{"192.0.2.7": "192.0.2.7/32", "2001:db8::1/32": "2001:db8::/32", "::ffff:192.0.2.7": "192.0.2.7/32"} {
		if got, err := ParsePrefix(text); err != nil || got.String() != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

func TestParse_tellsWhereAndWhat(t *testing.T) {
	const head = "domain = \"gw.example\"\n"
	tests := []struct{ name, text, want string }{
		{"no domain", "data = \"x\"\n", `domain: missing: write domain = "news.example.org", the name that goes into every address here`},
		{"unknown key, near", head + "[pool]\nbatchsize = 3\n", "line 3, column 1: pool.batchsize: there is no such key; did you mean pool.batch_size?"},
		{"unknown key in the wrong table", head + "[pool]\nnntp = \"x\"\n", "line 3, column 1: pool.nntp: there is no such key; did you mean listen.nntp?"},
		{"unknown key, far from all", head + "zzzzzzzzzzzzz = 3\n", "line 2, column 1: zzzzzzzzzzzzz: there is no such key"},
		{"wrong type", head + "[pool]\nbatch_size = \"eight\"\n", "line 3, column 14: "},
		{"not a duration", head + "[pool]\nepoch_length = \"a week\"\n", `line 3, column 16: `},
		{"syntax", head + "[pool\n", "line 2, column 6: "},
		{"epoch no multiple", head + "[pool]\n  epoch_length = \"301s\"\n", "line 3, column 3: pool.epoch_length: must be a multiple of pool.batch_interval (5m0s), so that each batch lies in one epoch"},
		{"policy", head + "[login]\nplaintext = \"yes\"\n", `line 3, column 1: login.plaintext: unknown: write "never", "loopback" or "always"`},
		{"built-in group", head + "[[group]]\nname = \"restante.inbox\"\n", `line 3, column 1: group.0.name: the gateway fills this group itself: choose a name outside "restante.*"`},
		{"group twice", head + "[[group]]\nname = \"a.b\"\n[[group]]\nname = \"a.b\"\n", "line 5, column 1: group.1.name: written twice: remove one of the two [[group]] tables"},
		{"group without a name", head + "[[group]]\ndescription = \"x\"\n", `line 2, column 3: group.0: has no name: write name = "misc.test"`},
		{"two at once", "domain = \"GW\"\n[listen]\nnntp = \"here\"\n", "line 1, column 1: domain: not a domain: write a host name in lower case, like \"news.example.org\"\nline 3, column 1: listen.nntp: not an address with a port"},
		{"backlog beyond the epoch", head + "[pool]\nepoch_length = \"1h\"\n", "limits.backlog: 288 batches are longer than pool.epoch_length: write 12 or less"},
		{"not a number", head + "[login]\nmin_bits = nan\n", "line 3, column 1: login.min_bits: NaN is out of bounds"},
		{"pool in a group with another use", head + "[pool]\ngroup = \"restante.reply\"\n", "line 3, column 1: pool.group: the gateway has another use for that group"},
		{"a moderated group without a moderator", head + "[[group]]\nname = \"a.b\"\nposting = \"m\"\n", "group.0.moderator: write the moderator's token"},
		{"a moderator of an open group", head + "[[group]]\nname = \"a.b\"\nmoderator = \"a@b.example\"\n", "line 4, column 1: group.0.moderator: only a group"},
		{"a peer without marks", head + "[[peer]]\nname = \"a.b\"\n", "line 2, column 3: peer.0: nobody would be this peer"},
		{"a peer's address", head + "[[peer]]\nname = \"a.b\"\naddresses = [\"x\"]\n", "line 4, column 1: peer.0.addresses: not an address or network"},
		{"a peer's certificate", head + "[[peer]]\nname = \"a.b\"\ncertificate = \"sha256:ab\"\n", "line 4, column 1: peer.0.certificate: write "},
		{"a peer's name in Path", head + "[[peer]]\nname = \"a!b\"\naddresses = [\"::1\"]\n", "peer.0.path: not a name in Path"},
		{"a peer's groups", head + "[[peer]]\nname = \"a.b\"\naddresses = [\"::1\"]\ngroups = \"[a]\"\n", "line 5, column 1: peer.0.groups: not a wildmat"},
		{"a distribution's name", head + "[[distribution]]\nname = \"all\"\ndescription = \"x\"\n", "line 2, column 3: distribution.0: has no usable name"},
		{"a distribution that says nothing", head + "[[distribution]]\nname = \"de\"\n", "distribution.0.description: write one line"},
		{"a cutoff too short", head + "[limits]\ncutoff = \"24h\"\n", "line 3, column 1: limits.cutoff: too short"},
		{"certificate without its key", head + "[tls]\ncertificate = \"c.pem\"\n", `line 3, column 1: tls.certificate: its private key is missing: write key = "FILE" below it`},
		{"key without its certificate", head + "[tls]\nkey = \"k.pem\"\n", `line 3, column 1: tls.key: its certificate is missing`},
		{"files and ACME", head + "[tls]\nacme = true\nkey = \"k.pem\"\ncertificate = \"c.pem\"\n", `line 3, column 1: tls.acme: the certificate comes from files or over ACME`},
		{"TLS without a certificate", head + "[listen]\nnntps = \":563\"\n", `line 3, column 1: listen.nntps: TLS needs a certificate: set tls.certificate and tls.key, or tls.acme`},
		{"no address for TLS", head + "[listen]\nnntps = \"563\"\n", `line 3, column 1: listen.nntps: not an address with a port: write one like ":563", or "" for none`},
		{"no address for ACME", head + "[tls]\nacme = true\nacme_listen = \"443\"\n", `line 4, column 1: tls.acme_listen: not an address with a port`},
		{"no authority", head + "[tls]\nacme = true\nacme_directory = \"example.org\"\n", `line 4, column 1: tls.acme_directory: not an address: write one like`},
		{"no range of addresses", head + "[limits]\nexempt = [\"10.0.0.1\"]\n", `line 3, column 1: limits.exempt: not all are ranges of addresses: write ones like "192.0.2.0/24"`},
		{"no time for the rate", head + "[limits]\nrate_window = \"0s\"\n", `line 3, column 1: limits.rate_window: too short: write at least "1s"; usual is "3m"`},
		{"negative limit", head + "[limits]\nerrors = -1\n", `line 3, column 1: limits.errors: -1 is out of bounds`},
		{"life beyond one octet", head + "[pool]\ntoken_life = 300\n", "line 3, column 1: pool.token_life: 300 is out of bounds: write a number from 1 to 127"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.text))
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want problems", err)
			}
			if !strings.HasPrefix(problems.Error(), tt.want) {
				t.Errorf("got\n%s\nwant\n%s", problems, tt.want)
			}
		})
	}
}

func TestParse_defaultsWhatIsLeftOut(t *testing.T) {
	got, err := Parse([]byte("domain = \"gw.example\"\n[pool]\nbatch_interval = \"2s\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := Default("gw.example")
	want.Pool.BatchInterval = Duration(2 * time.Second)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDuration_readsWhatPeopleWrite(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30d": 720 * time.Hour, "1d12h": 36 * time.Hour, "0d": 0, "7d1m30s": 168*time.Hour + 90*time.Second,
		"168h": 168 * time.Hour, "1h30m": 90 * time.Minute, "0s": 0, "0": 0, "-5m": -5 * time.Minute,
	} {
		var got Duration
		if err := got.UnmarshalText([]byte(text)); err != nil || time.Duration(got) != want {
			t.Errorf("%q is read as %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "d", "5", "1.5d", "-1d", "1d-1h", "1d24h", "1d1d", "99999999d", "1h1d", "5 days", "1d "} {
		got := Duration(77)
		if err := got.UnmarshalText([]byte(text)); err == nil || got != 77 {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

// A number without a unit must not be taken for nanoseconds, wherever it stands.
func TestParse_lengthsWithoutAUnit(t *testing.T) {
	_, err := Parse([]byte("domain = \"gw.example\"\n[expire]\nage = 720\n[limits]\nidle = 600\ncutoff = \"240h\"\n" +
		"[[group]]\nname = \"a\"\n[[group]]\nname = \"b\"\nexpire_age = 5\n[[group]]\nname = \"c\"\nexpire_age = 0\n" +
		"[[peer]]\nname = \"p\"\n[peer.feed]\naddress = \"p.example:119\"\ndelay = 5\n"))
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatalf("got %v, want problems", err)
	}
	var got []string
	for _, p := range problems {
		got = append(got, fmt.Sprint(p.Line, " ", p.Key))
		if p.Message != errDuration.Error() {
			t.Errorf("%s: %s", p.Key, p.Message)
		}
	}
	want := []string{"3 expire.age", "5 limits.idle", "11 group.1.expire_age", "19 peer.0.feed.delay"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDuration_writesAsPeopleDo(t *testing.T) {
	for want, d := range map[string]time.Duration{"168h": 168 * time.Hour, "5m": 5 * time.Minute, "2s": 2 * time.Second, "1h30m": 90 * time.Minute, "1m30s": 90 * time.Second} {
		if got := Duration(d).String(); got != want {
			t.Errorf("%v is written %q, want %q", d, got, want)
		}
	}
}

func TestLoad_filesLieBesideTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "restanted.toml")
	text := "domain = \"gw.example\"\n[tls]\ncertificate = \"c.pem\"\nkey = \"/etc/k.pem\"\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if c.Data != filepath.Join(dir, "data") || c.TLS.Certificate != filepath.Join(dir, "c.pem") || c.TLS.Key != "/etc/k.pem" {
		t.Errorf("paths are %q, %q and %q", c.Data, c.TLS.Certificate, c.TLS.Key)
	}
}

func TestNeedRestart(t *testing.T) {
	old := Default("gw.example")
	now := old
	if keys := NeedRestart(old, now); len(keys) > 0 {
		t.Errorf("nothing changed, but %v", keys)
	}
	now.Limits.Idle, now.Limits.Exempt, now.TLS.Key, now.Groups = 1, nil, "x", []Group{{Name: "a.b"}}
	if keys := NeedRestart(old, now); len(keys) > 0 {
		t.Errorf("a reload takes all of that, but %v", keys)
	}
	now.Groups = []Group{{Name: "a.b", Posting: "m", Moderator: "x@y.example"}}
	now.Data, now.Pool.BatchSize, now.TLS.ACME, now.Limits.Logins = "x", 99, true, 99
	if diff := cmp.Diff([]string{"data", "tls.acme", "pool.batch_size", "limits.logins"}, NeedRestart(old, now)); diff != "" {
		t.Error(diff)
	}
}

// What a reload takes is said in the file, at the key.
func TestTemplate_saysWhatAReloadTakes(t *testing.T) {
	text, err := Template(Default("gw.example"))
	if err != nil {
		t.Fatal(err)
	}
	where := positions(text)
	lines := strings.Split(string(text), "\n")
	var look func(of reflect.Type, prefix string)
	look = func(of reflect.Type, prefix string) {
		for field := range of.Fields() {
			key := prefix + field.Tag.Get("toml")
			if field.Type.Kind() == reflect.Struct {
				look(field.Type, key+".")
				continue
			}
			at, ok := where[key]
			if key == "group" {
				at, ok = where["group.0"]
			}
			if !ok && strings.Contains(string(text), "# [["+key+"]]") {
				continue // an example, which a reload does not take
			} else if !ok {
				t.Errorf("%s is not in the file", key)
				continue
			}
			said := false
			for i := at.Line - 2; i >= 0 && strings.HasPrefix(lines[i], "#"); i-- {
				said = said || strings.Contains(lines[i], "(reload")
			}
			if said != (field.Tag.Get("reload") == "yes") {
				t.Errorf("%s: the file says that a reload takes it: %v", key, said)
			}
		}
	}
	look(reflect.TypeFor[Config](), "")
}

func TestParse_peersThatAreFed(t *testing.T) {
	c, err := Parse([]byte("domain = \"gw.example\"\n[[peer]]\nname = \"a.example\"\n[peer.feed]\naddress = \"a.example:563\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := &Feed{Address: "a.example:563", Security: "tls", Groups: "*,!control,!control.*", Connections: 1, Window: 64}
	if diff := cmp.Diff(want, c.Peers[0].Feed); diff != "" {
		t.Error(diff)
	}
	for line, sentence := range map[string]string{
		`address = "a.example"`:                                                    "not an address with a port",
		"address = \"a.example:119\"\nsecurity = \"ssl\"":                          `unknown: write "tls", "starttls" or "none"`,
		"address = \"a.example:119\"\nuser = \"me\"":                               "has no password",
		"address = \"a.example:119\"\nsecurity = \"none\"\nauthority = \"ca.pem\"": "does nothing without TLS",
		"address = \"a.example:119\"\ngroups = \"!@a\"":                            "not a wildmat",
		"address = \"a.example:119\"\nwindow = 5000":                               "out of bounds",
		"address = \"a.example:119\"\ndelay = \"-1s\"":                             "is negative",
		"address = \"a.example:119\"\nconections = 2":                              "did you mean peer.feed.connections?",
	} {
		_, err := Parse([]byte("domain = \"gw.example\"\n[[peer]]\nname = \"a.example\"\n[peer.feed]\n" + line + "\n"))
		if err == nil || !strings.Contains(err.Error(), sentence) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestParse_expiry(t *testing.T) {
	c, err := Parse([]byte("domain = \"gw.example\"\n[expire]\nage = \"720h\"\noctets = 5\n" +
		"[[group]]\nname = \"a\"\n[[group]]\nname = \"b\"\nexpire_age = \"0s\"\nexpire_articles = 7\n"))
	if err != nil {
		t.Fatal(err)
	}
	month := Duration(720 * time.Hour)
	for i, want := range []Expire{{Age: month, Octets: 5}, {Articles: 7, Octets: 5}} {
		if diff := cmp.Diff(want, c.Keep(c.Groups[i])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.Groups[i].Name, diff)
		}
	}
	_, err = Parse([]byte("domain = \"gw.example\"\n[expire]\nage = \"-1h\"\n[[group]]\nname = \"a\"\nexpire_articles = -1\n"))
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 2 || problems[0].Line != 3 || problems[1].Line != 6 {
		t.Errorf("got %v, want problems in lines 3 and 6", err)
	}
}
