package inn

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A dialogue is a script of one connection. In its file it starts with
// "== name"; the lines that follow are what is sent:
//
//	GROUP diff.plain     a command, whose reply is awaited
//	& STAT 1             a command that is sent together with the next one
//	| Subject: hello     a line of the block that belongs to the command before
//	"GROUP\tdiff.plain"  a line as Go quotes strings (also behind "&" and "|")
//	#                    nothing: a comment
//
// A block is sent, dot-stuffed not at all, once the command's reply asks for
// it; that of TAKETHIS at once. The line with the terminating dot is written
// out.
type dialogue struct {
	name   string // file/name
	peer   bool   // it is for the server's side that peers talk to
	brings bool   // it may bring articles
	steps  []step
}

type step struct {
	raw     string // as the file has it
	command string
	block   []string // lines without CRLF
	joined  bool     // sent together with the next
}

// blockAtOnce says whether the command's block does not wait for a reply (RFC
// 4644, Section 2.5).
func (s step) blockAtOnce() bool { return strings.EqualFold(verb(s.command), "TAKETHIS") }

// logsIn says whether a password is tried in the dialogue.
func (d dialogue) logsIn() bool {
	return slices.ContainsFunc(d.steps, func(s step) bool { return verb(s.command) == "AUTHINFO" })
}

func (s step) blockText() string {
	if s.block == nil {
		return ""
	}
	return strings.Join(s.block, "\r\n") + "\r\n"
}

func verb(command string) string {
	word, _, _ := strings.Cut(strings.TrimLeft(command, " \t"), " ")
	return strings.ToUpper(word)
}

// readDialogues reads every file of dialogues. Those of files whose name starts
// with "peer" are for the peers' side. They and those of "post" come last, as
// they bring articles.
func readDialogues(t *testing.T, fill func(string) string) []dialogue {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "dialogues", "*.txt"))
	if err != nil || len(paths) == 0 {
		t.Fatal("no dialogues", err)
	}
	slices.SortStableFunc(paths, func(a, b string) int { return cmp.Compare(brings(a), brings(b)) })
	var all []dialogue
	seen := map[string]bool{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file := strings.TrimSuffix(filepath.Base(path), ".txt")
		for i, line := range strings.Split(string(text), "\n") {
			where := fmt.Sprintf("%s:%d", path, i+1)
			if name, ok := strings.CutPrefix(line, "== "); ok {
				name = file + "/" + name
				if seen[name] {
					t.Fatalf("%s: the second dialogue of that name", where)
				}
				seen[name] = true
				all = append(all, dialogue{name: name, peer: strings.HasPrefix(file, "peer"), brings: brings(path) > 0})
				continue
			}
			if line == "" || line[0] == '#' {
				continue
			}
			if len(all) == 0 {
				t.Fatalf("%s: a line before the first dialogue", where)
			}
			if err := all[len(all)-1].add(line, fill); err != nil {
				t.Fatalf("%s: %v", where, err)
			}
		}
	}
	return all
}

// brings ranks the files whose dialogues bring articles behind those that don't.
func brings(path string) int {
	name := filepath.Base(path)
	if strings.HasPrefix(name, "post") || strings.HasPrefix(name, "peer") {
		return 1
	}
	return 0
}

// add takes one line of a script.
func (d *dialogue) add(line string, fill func(string) string) error {
	if line[0] == '|' {
		if len(d.steps) == 0 {
			return fmt.Errorf("a block without a command")
		}
		text, err := unquote(fill(strings.TrimPrefix(line[1:], " ")))
		last := &d.steps[len(d.steps)-1]
		last.block = append(last.block, text)
		return err
	}
	raw, joined := strings.CutPrefix(line, "& ")
	text, err := unquote(fill(raw))
	d.steps = append(d.steps, step{raw: raw, command: text, joined: joined})
	return err
}

func unquote(s string) (string, error) {
	if !strings.HasPrefix(s, `"`) {
		return s, nil
	}
	return strconv.Unquote(s)
}

// placeholder is what the text of dialogues and articles may leave open, with
// an amount that is added: {day-1}, {x300}.
var placeholder = regexp.MustCompile(`\{([a-z0-9]*[a-z])([-+]?[0-9]+)?\}`)

// filler fills placeholders in:
//
//	{day-1}    yesterday as NEWNEWS has it, with the century; {short-1} without
//	{date-3}   a Date of three hours ago
//	{x300}     the letter x 300 times
//	{user}     what words say, for all others
func filler(now time.Time, words map[string]string) func(string) string {
	return func(text string) string {
		return placeholder.ReplaceAllStringFunc(text, func(found string) string {
			parts := placeholder.FindStringSubmatch(found)
			amount, _ := strconv.Atoi(parts[2])
			switch parts[1] {
			case "day":
				return now.AddDate(0, 0, amount).Format("20060102")
			case "short":
				return now.AddDate(0, 0, amount).Format("060102")
			case "date":
				return now.Add(time.Duration(amount) * time.Hour).Format(time.RFC1123Z)
			case "x":
				return strings.Repeat("x", amount)
			}
			if word, ok := words[parts[1]]; ok {
				return word
			}
			return found
		})
	}
}

func TestFiller_fillsIn(t *testing.T) {
	fill := filler(time.Date(2026, 1, 1, 2, 0, 0, 0, time.UTC), map[string]string{"user": "alice"})
	got := fill("{day} {day-1} {short+1} {x3} {user} {other} {date-3}")
	if want := "20260101 20251231 260102 xxx alice {other} Wed, 31 Dec 2025 23:00:00 +0000"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
