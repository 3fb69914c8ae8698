package inn

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/restante/restante/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// TestServer_answersAsINN holds the gateway against the most used news server.
// A difference is fine where the table names the rule behind it. Every row of
// the table must still be true.
func TestServer_answersAsINN(t *testing.T) {
	now := time.Now().UTC()
	login := Login{Name: "alice", Password: harness.Passphrase(t)}
	fill := filler(now, map[string]string{"user": login.Name, "pass": login.Password})
	groups := newsgroups(now)
	inn := Start(t, append([]Group{{"misc.test", "Try things out", 'y', now}}, groups...), login)
	articles := fillINN(t, inn, fill)
	gateway := startGateway(t, groups, articles)
	sizesAreRight(t, gateway, articles)

	table := readTable(t)
	dialogues := readDialogues(t, fill)
	for _, found := range differences(t, dialogues, inn, gateway) {
		if !table.explains(found) {
			t.Errorf("a difference that the table does not know:\n%s", found)
		}
	}
	for _, row := range table {
		if row.met == 0 {
			t.Errorf("a difference that is none any more:\n%s", row.difference)
		}
	}
	t.Logf("%d dialogues, %d rows in the table", len(dialogues), len(table))
}

// atOnce is how many dialogues are held at the same time: nnrpd waits a little
// over each of them.
const atOnce = 8

// differences holds all dialogues with both servers, those that bring articles
// or log in one by one: a login takes a while on either, and nnrpd gives up on
// one that takes five seconds.
func differences(t *testing.T, dialogues []dialogue, inn *Server, gateway *harness.Gateway) []difference {
	t.Helper()
	found := make([][]difference, len(dialogues))
	var work errgroup.Group
	work.SetLimit(atOnce)
	for i, d := range dialogues {
		address, from := inn.Reader, ""
		if d.peer {
			address, from = inn.Transit, feeder
		}
		ask := func() error {
			theirs, err := talk("", address, d)
			if err != nil {
				return err
			}
			ours, err := talk(from, gateway.Address, d)
			found[i] = compare(d, theirs, ours)
			return err
		}
		if !d.brings && !d.logsIn() {
			work.Go(ask)
		} else if err := errors.Join(work.Wait(), ask()); err != nil {
			t.Fatal(err)
		}
	}
	if err := work.Wait(); err != nil {
		t.Fatal(err)
	}
	return slices.Concat(found...)
}

// A difference is one step of a dialogue that the servers answer otherwise.
type difference struct {
	dialogue, sent string
	inn, ours      string
}

// String writes a difference as the table has it.
func (d difference) String() string {
	return fmt.Sprintf("dialogue: %s\nsent: %s\ninn: %s\nours: %s\n", d.dialogue, d.sent, d.inn, d.ours)
}

// compare finds the differences between two servers' answers to a dialogue.
func compare(d dialogue, inn, ours []answer) []difference {
	sent := said(d, inn, ours)
	var found []difference
	for i := range max(len(inn), len(ours)) {
		theirs, own := answer{status: "(nothing)"}, answer{status: "(nothing)"}
		if i < len(inn) {
			theirs = inn[i]
		}
		if i < len(ours) {
			own = ours[i]
		}
		if later(inn, ours, i) {
			return append(found, difference{d.name, sent[min(i, len(sent)-1)], "(nothing)", tell(own, theirs)})
		}
		a, b := tell(theirs, own), tell(own, theirs)
		if a == b {
			continue
		}
		found = append(found, difference{d.name, sent[min(i, len(sent)-1)], a, b})
		if len(inn) != len(ours) && theirs.status != own.status {
			break // from here on they talk of different things
		}
	}
	return found
}

// later says whether INN left the answer at i out, and from then on says what
// the gateway says one answer later, until it hangs up.
func later(inn, ours []answer, i int) bool {
	if len(inn) != len(ours) || inn[len(inn)-1].status != hungUp || ours[len(ours)-1].status == hungUp {
		return false
	}
	return slices.EqualFunc(inn[i:len(inn)-1], ours[i+1:], func(a, b answer) bool { return a.status == b.status })
}

// said names what each answer answers.
func said(d dialogue, inn, ours []answer) []string {
	longer := inn
	if len(ours) > len(inn) {
		longer = ours
	}
	sent := []string{"(greeting)"}
	for _, s := range d.steps {
		sent = append(sent, s.raw)
		at := len(sent) - 1
		if at < len(longer) && longer[at].status[0] == '3' && s.block != nil && !s.blockAtOnce() {
			sent = append(sent, "(block)")
		}
	}
	return sent
}

// tell writes an answer for the table: the status and, where the other one has
// other lines, those that it lacks.
func tell(a, other answer) string {
	var text strings.Builder
	text.WriteString(a.status)
	if a.multi && !other.multi {
		fmt.Fprintf(&text, " and %d lines", len(a.lines))
	}
	if !a.multi || !other.multi || slices.Equal(a.lines, other.lines) {
		return text.String()
	}
	left := slices.Clone(other.lines)
	var more []string
	for _, l := range a.lines {
		if at := slices.Index(left, l); at >= 0 {
			left = slices.Delete(left, at, at+1)
			continue
		}
		more = append(more, quote(l))
	}
	switch {
	case len(more) > 0:
		fmt.Fprintf(&text, " %s", strings.Join(more, " "))
	case len(left) > 0:
		text.WriteString(" and no more")
	default:
		at := 0
		for a.lines[at] == other.lines[at] {
			at++
		}
		fmt.Fprintf(&text, " %s first", quote(a.lines[at]))
	}
	return text.String()
}

// dated is a date of the articles, which depends on the day of the test.
var dated = regexp.MustCompile(`\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000`)

func quote(line string) string {
	quoted := dated.ReplaceAllString(fmt.Sprintf("%q", line), "DATE")
	const enough = 200
	if len(quoted) > enough {
		quoted = quoted[:enough] + "..."
	}
	return quoted
}

// A row is a difference with the reason for it.
type row struct {
	difference
	rfc, why string
	met      int // how often it was seen
}

type table []*row

// readTable reads the table of differences: paragraphs of "key: value" lines.
// A dialogue may be a pattern, for what differs the same way in many of them.
func readTable(t *testing.T) table {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "differences.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var rows table
	for paragraph := range strings.SplitSeq(string(text), "\n\n") {
		r := new(row)
		for line := range strings.SplitSeq(strings.Trim(paragraph, "\n"), "\n") {
			key, value, _ := strings.Cut(line, ": ")
			field := map[string]*string{
				"dialogue": &r.dialogue, "sent": &r.sent, "inn": &r.inn, "ours": &r.ours, "rfc": &r.rfc, "why": &r.why,
			}[key]
			if field == nil && !strings.HasPrefix(line, "#") && line != "" {
				t.Fatalf("the table has a strange line: %q", line)
			}
			if field != nil {
				*field = value
			}
		}
		if *r == (row{}) {
			continue // comments alone
		}
		if r.dialogue == "" || r.inn == "" || r.ours == "" || r.rfc == "" || r.why == "" {
			t.Fatalf("a row of the table lacks something:\n%s", r)
		}
		rows = append(rows, r)
	}
	return rows
}

// explains says whether a row tells of the difference.
func (rows table) explains(d difference) bool {
	for _, r := range rows {
		named, err := filepath.Match(r.dialogue, d.dialogue)
		if err == nil && named && (r.sent == "" || r.sent == d.sent) && r.inn == d.inn && r.ours == d.ours {
			r.met++
			return true
		}
	}
	return false
}

func TestCompare_findsWhatDiffers(t *testing.T) {
	list := func(lines ...string) answer { return answer{status: "215", lines: lines, multi: true} }
	d := dialogue{name: "n", steps: []step{{raw: "LIST"}, {raw: "POST", block: []string{"."}}, {raw: "QUIT"}}}
	inn := []answer{{status: "200"}, list("a", "b"), {status: "340"}, {status: "240"}, {status: "205"}}
	for _, test := range []struct {
		ours []answer
		want []difference
	}{
		{inn, nil},
		{[]answer{{status: "201"}, list("a", "b"), {status: "340"}, {status: "441"}, {status: "205"}}, []difference{
			{"n", "(greeting)", "200", "201"}, {"n", "(block)", "240", "441"},
		}},
		{[]answer{{status: "200"}, list("a", "c"), {status: "440"}, {status: "205"}}, []difference{
			{"n", "LIST", `215 "b"`, `215 "c"`}, {"n", "POST", "340", "440"},
		}},
		{[]answer{{status: "200"}, list("b", "a"), {status: "340"}, {status: "240"}, {status: hungUp}}, []difference{
			{"n", "LIST", `215 "a" first`, `215 "b" first`}, {"n", "QUIT", "205", hungUp},
		}},
		{[]answer{{status: "200"}, {status: "503"}, {status: "340"}, {status: "240"}, {status: "205"}}, []difference{
			{"n", "LIST", "215 and 2 lines", "503"},
		}},
	} {
		got := compare(d, inn, test.ours)
		if !slices.Equal(got, test.want) {
			t.Errorf("got  %q\nwant %q", got, test.want)
		}
	}
}
