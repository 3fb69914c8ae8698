package lying

import (
	"fmt"
	"strings"
	"testing"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/test/harness"
)

// serverLies are lies of the server that the pool is taken from.
func serverLies() []*lieCase {
	return []*lieCase{
		{
			name: "drops the user's entry", code: 8, kind: "server", misses: true, elsewise: true,
			pool: func(_ *testing.T, w *world) lie { return drop(func(id string, _ uint64) bool { return id == w.mine }) },
			says: "1 entries that the gateway published are not there, and 1 of them are for you",
			check: func(t *testing.T, r *report) {
				if f := r.Findings[0]; f.Lacking != 1 || f.Mine != 1 || f.Batches != 0 || f.Swapped != 0 {
					t.Errorf("%+v", f)
				}
			},
		},
		{
			name: "drops others' entries", code: 8, kind: "server", misses: true, mail: 1,
			pool: func(_ *testing.T, w *world) lie {
				return drop(func(id string, batch uint64) bool {
					return batch == w.batch && strings.HasPrefix(id, "<") && id != w.mine && id[1] != 'm'
				})
			},
			says: "entries that the gateway published are not there, none of them for you",
		},
		{
			name: "drops a batch with its manifest", code: 8, kind: "server", misses: true, elsewise: true,
			pool: func(_ *testing.T, w *world) lie {
				return drop(func(_ string, batch uint64) bool { return batch == w.batch })
			},
			says: "up to 1 batches are not there at all, nor the gateway's lists of what was in them",
			check: func(t *testing.T, r *report) {
				if f := r.Findings[0]; f.Batches != 1 || f.Lacking != 0 || f.Unlisted != 0 {
					t.Errorf("%+v", f)
				}
			},
		},
		{
			name: "drops a manifest alone", code: 8, kind: "server", misses: true, mail: 1,
			pool: func(_ *testing.T, w *world) lie {
				return drop(func(id string, batch uint64) bool { return batch == w.batch && strings.HasPrefix(id, "<m.") })
			},
			says: "1 batches are without the gateway's list of what is in them",
		},
		{
			name: "puts another body into the user's entry", code: 8, kind: "server", misses: true, elsewise: true,
			pool: swapBodies,
			says: "1 entries are not what the gateway signed: the server changed them, and none was taken for mail",
			check: func(t *testing.T, r *report) {
				if f := r.Findings[0]; f.Swapped != 1 {
					t.Errorf("%+v", f)
				}
			},
		},
		{
			name: "changes the Date of the user's entry", code: 8, kind: "server", misses: true, elsewise: true,
			pool: func(_ *testing.T, w *world) lie {
				return alter(w.mine, func(text string) string {
					before, after, _ := strings.Cut(text, "\r\nDate: ")
					date, after, _ := strings.Cut(after, "\r\n")
					return before + "\r\nDate: " + strings.Replace(date, " 20", " 19", 1) + "\r\n" + after
				})
			},
			says: "1 entries are not what the gateway signed",
		},
		{
			name: "breaks off half-way, having dropped the user's entry", code: 3, kind: "fault", misses: true, elsewise: true,
			before: func(t *testing.T, w *world, _ *harness.User) { w.grow(t, 350) },
			pool: func(_ *testing.T, w *world) lie {
				return both(breakOff(w.mine, 300), drop(func(id string, _ uint64) bool { return id == w.mine }))
			},
			says: "could not be used to the end (the connection broke off). What came is kept, and the next restante sync goes on there",
			verify: func(t *testing.T, w *world, u *harness.User) {
				w.pool.tell(honest)
				if r, said, code := synchronise(t, u); code != 8 || len(r.Findings) != 1 || r.Findings[0].Mine != 1 {
					t.Errorf("the entry that was passed over before is forgotten: %d %+v\n%s", code, r, said)
				}
			},
		},
		{
			name: "stops in the middle of an article", code: 3, kind: "fault",
			pool: func(_ *testing.T, w *world) lie {
				return func(r *reply) {
					if strings.HasPrefix(r.command, "ARTICLE") && len(r.block) > 20000 {
						r.block, r.silent = r.block[:10000], true
					}
				}
			},
			says: "could not be used to the end",
			verify: func(t *testing.T, w *world, u *harness.User) {
				w.pool.tell(honest)
				if r, said, code := synchronise(t, u); code != 0 || len(r.New) != 1 {
					t.Errorf("it does not go on: %d %+v\n%s", code, r, said)
				}
			},
		},
		{
			name: "says that it has nothing", code: 8, kind: "server", misses: true, fresh: true, elsewise: true,
			pool: func(*testing.T, *world) lie { return groups("211 0 0 0") },
			says: "the gateway has published more since",
		},
		{
			name: "says that nothing new came", code: 8, kind: "server", misses: true,
			pool: func(*testing.T, *world) lie { return groups("211 0 0 0") },
			says: "the gateway has published more since",
		},
		{
			name: "has no manifests", code: 8, kind: "server", misses: true, mail: 1,
			pool: func(*testing.T, *world) lie {
				return func(r *reply) {
					if r.command == "GROUP restante.manifest" {
						r.line = "411 no such group"
					}
				}
			},
			says: "are without the gateway's list of what is in them, so nobody can tell whether they are whole",
		},
		{
			name: "does not carry the pool", code: 7, kind: "fault",
			pool: func(*testing.T, *world) lie {
				return func(r *reply) {
					if strings.HasPrefix(r.command, "GROUP restante.") {
						r.line = "411 no such group"
					}
				}
			},
			says: "it does not carry the pool",
		},
		{
			name: "answers nonsense", code: 3, kind: "fault",
			pool: func(*testing.T, *world) lie {
				return func(r *reply) {
					if strings.HasPrefix(r.command, "GROUP restante.pool") {
						r.line = "211 many more than that"
					}
				}
			},
			says: "the server's answer can't be understood",
		},
	}
}

// about is which article an answer holds: its Message-ID, and the batch of its Date.
func about(r *reply) (id string, batch uint64) {
	if !strings.HasPrefix(r.command, "ARTICLE") || !strings.HasPrefix(r.line, "220") {
		return "", 0
	}
	head, _, _ := strings.Cut(r.block, "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		switch name, value, _ := strings.Cut(line, ": "); name {
		case "Message-ID":
			id = value
		case "Date":
			batch = batchOf(value)
		}
	}
	return id, batch
}

// drop says of articles that they are not there.
func drop(which func(id string, batch uint64) bool) lie {
	return func(r *reply) {
		if id, batch := about(r); id != "" && which(id, batch) {
			r.line, r.block = "423 no such article", ""
		}
	}
}

// alter changes one article.
func alter(which string, change func(string) string) lie {
	return func(r *reply) {
		if id, _ := about(r); id == which {
			r.block = change(r.block)
		}
	}
}

// swapBodies puts the body of the entry that came last into the user's.
func swapBodies(_ *testing.T, w *world) lie {
	last := ""
	return func(r *reply) {
		id, _ := about(r)
		if id == "" || strings.HasPrefix(id, "<m.") || strings.HasPrefix(id, "<k.") {
			return
		}
		head, body, _ := strings.Cut(r.block, "\r\n\r\n")
		if id == w.mine {
			r.block = head + "\r\n\r\n" + last
			return
		}
		last = body
	}
}

// groups says the same of every group.
func groups(line string) lie {
	return func(r *reply) {
		if name, ok := strings.CutPrefix(r.command, "GROUP "); ok {
			r.line = line + " " + name
		}
	}
}

// breakOff ends the connection so many articles after one.
func breakOff(which string, after int) lie {
	seen := 0
	return func(r *reply) {
		if id, _ := about(r); id == which || seen > 0 && id != "" {
			seen++
			r.silent = seen > after
		}
	}
}

func both(one, two lie) lie {
	return func(r *reply) {
		one(r)
		two(r)
	}
}

// twoAccounts is another manifest of the message's batch, signed by the gateway.
func twoAccounts(t *testing.T, w *world) lie {
	return alter(fmt.Sprintf("<m.%d@%s>", w.batch, domain), func(text string) string {
		head, signed, _ := strings.Cut(text, "\r\n\r\n")
		body, _, _ := strings.Cut(strings.ReplaceAll(signed, "\r\n", "\n"), "\n\n")
		m, err := note.ParseManifest(body + "\n")
		if err != nil {
			t.Error(err)
			return text
		}
		m.Previous[0] ^= 1
		again, err := note.Sign(m.Text(), w.signer)
		if err != nil {
			t.Error(err)
		}
		return head + "\r\n\r\n" + strings.ReplaceAll(string(again), "\n", "\r\n") + ".\r\n"
	})
}
