// Package pooltest is the conformance suite of [pool.Store]: each sentence of
// the contract is a subtest, and every store passes all of them. It knows no
// store.
package pooltest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// Server is the server's name in Xref that the stores under test are to have.
const Server = "news.example.org"

// A Maker makes an empty store. The suite closes it.
type Maker func(testing.TB) pool.Store

// Test runs the suite against stores that open makes, each empty.
func Test(t *testing.T, open Maker) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) { c.test(t, begin(t, open)) })
	}
}

// A Reopener makes an empty store, and a function that ends the latest one
// without any warning or closes it, as the implementation likes, and opens what
// is there again.
type Reopener func(testing.TB) (s pool.Store, reopen func() pool.Store)

// TestDurable runs the sentences about stable storage.
func TestDurable(t *testing.T, open Reopener) {
	for _, c := range durableCases() {
		t.Run(c.name, func(t *testing.T) {
			s, reopen := open(t)
			r := &room{t: t, Store: s}
			t.Cleanup(func() { _ = r.Close() })
			c.test(t, r, func() { r.Store = reopen() })
		})
	}
}

type testCase struct {
	name string
	test func(*testing.T, *room)
}

func cases() []testCase {
	var all []testCase
	all = append(all, readingCases()...)
	all = append(all, lendingCases()...)
	all = append(all, linesCases()...)
	all = append(all, appendCases()...)
	all = append(all, numberCases()...)
	all = append(all, cancelCases()...)
	all = append(all, groupCases()...)
	all = append(all, expiryCases()...)
	all = append(all, keepCases()...)
	return append(all, lifeCases()...)
}

// A room is a store with what tests need around it.
type room struct {
	t testing.TB
	pool.Store
}

func begin(t testing.TB, open Maker) *room {
	s := open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return &room{t: t, Store: s}
}

// day is where the tests' time starts.
func day() time.Time { return time.Date(2024, 2, 29, 12, 0, 0, 123456789, time.UTC) }

// group makes groups.
func (r *room) group(names ...pool.Group) {
	r.t.Helper()
	for _, name := range names {
		info := pool.GroupInfo{Name: name, Description: "About " + string(name), Posting: pool.PostingAllowed, Created: day()}
		if err := r.SetGroup(r.t.Context(), info); err != nil {
			r.t.Fatalf("SetGroup(%s): %v", name, err)
		}
	}
}

// add files an article and returns its locations.
func (r *room) add(a *pool.Article) []pool.Location {
	r.t.Helper()
	at, err := r.Append(r.t.Context(), a)
	if err != nil {
		r.t.Fatalf("Append: %v", err)
	}
	return at
}

// fill files one article for each name in a group.
func (r *room) fill(g pool.Group, names ...string) {
	r.t.Helper()
	for _, name := range names {
		r.add(Article(r.t, name, g))
	}
}

// info returns a group's data.
func (r *room) info(g pool.Group) pool.GroupInfo {
	r.t.Helper()
	info, err := r.Group(r.t.Context(), g)
	if err != nil {
		r.t.Fatalf("Group(%s): %v", g, err)
	}
	return info
}

// marks returns a group's low and high water mark and its count.
func (r *room) marks(g pool.Group) [3]int {
	r.t.Helper()
	info := r.info(g)
	return [3]int{int(info.Low), int(info.High), info.Count}
}

// numbers returns what Scan yields, as numbers.
func (r *room) numbers(g pool.Group, rng pool.Range) []pool.Number {
	r.t.Helper()
	var out []pool.Number
	err := r.Scan(r.t.Context(), g, rng, func(n pool.Number, _ []byte) bool {
		out = append(out, n)
		return true
	})
	if err != nil {
		r.t.Fatalf("Scan(%s): %v", g, err)
	}
	return out
}

// since returns what Since yields, as names.
func (r *room) since(t time.Time) []string {
	r.t.Helper()
	var out []string
	err := r.Since(r.t.Context(), t, func(id pool.MessageID, _ []pool.Location) bool {
		out = append(out, strings.TrimSuffix(strings.TrimPrefix(string(id), "<"), "@example.org>"))
		return true
	})
	if err != nil {
		r.t.Fatalf("Since: %v", err)
	}
	return out
}

// ID is the message-id of the article that [Article] makes for a name.
func ID(name string) pool.MessageID { return pool.MessageID("<" + name + "@example.org>") }

// Article makes an article, arrived at a fixed time, with epoch 0. Its text
// depends on the name alone, and has in it what a store may get wrong: folds,
// octets above 127, lines that start with a dot.
func Article(t testing.TB, name string, groups ...pool.Group) *pool.Article {
	t.Helper()
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = string(g)
	}
	text := strings.Join([]string{
		"Path: not-for-mail",
		"From: \"J\xf6rg\" <j@example.org>", // Latin-1
		"Newsgroups: " + strings.Join(names, ","),
		"Subject: caf\u00e9\tand",
		"\tso on, " + name,
		"Date: Thu, 29 Feb 2024 12:00:00 +0000",
		"Message-ID: " + string(ID(name)),
		"References: <a@example.org>",
		" <b@example.org>",
		"Xref: elsewhere.example.com " + names[0] + ":77",
		"",
		".a line with a dot",
		".",
		"",
		"..",
		fmt.Sprintf("octets \x80\xff of %s", name),
		"",
	}, "\r\n")
	parsed, err := article.Parse([]byte(text))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	filed, err := parsed.File(groups, day(), 0)
	if err != nil {
		t.Fatalf("File: %v", err)
	}
	return filed
}

// arrived and inEpoch are [Article]s with another arrival or epoch.
func arrived(a *pool.Article, at time.Time) *pool.Article {
	a.Arrived = at
	return a
}

func inEpoch(a *pool.Article, epoch uint64) *pool.Article {
	a.Epoch = epoch
	return a
}

// wire is the octets that must come out for a single-group article.
func wire(a *pool.Article, xref string) string {
	return string(a.Head) + "Xref: " + xref + "\r\n\r\n" + string(a.Body) + ".\r\n"
}
