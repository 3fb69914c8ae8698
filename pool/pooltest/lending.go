package pooltest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/pool"
)

func lendingCases() []testCase {
	return []testCase{
		{"Lend_sameAsRead", testLendSame},
		{"Lend_errors", testLendErrors},
		{"Lend_summaryAsItStands", testLendSummary},
		{"Lend_staysWhatItWas", testLendStays},
		{"Lend_staysBehindClose", testLendBehindClose},
		{"Lend_writersError", testLendWritersError},
	}
}

// parts are those of an article, in the order of [pool.Whole].
func parts() []pool.Part { return []pool.Part{pool.Whole, pool.HeadPart, pool.BodyPart} }

// lendable files a small and a large article in group a, and returns their names.
func (r *room) lendable() []string {
	r.t.Helper()
	r.group("a")
	r.fill("a", "small")
	large := Article(r.t, "large", "a")
	large.Body = slices.Repeat([]byte("0123456789abcdef\r\n"), 15_000)
	r.add(inEpoch(large, 7))
	return []string{"small", "large"}
}

// lend lends an article by its message-id.
func (r *room) lend(name string) pool.Loan {
	r.t.Helper()
	loan, err := pool.LendByID(r.t.Context(), r.Store, ID(name))
	if err != nil {
		r.t.Fatalf("LendByID(%s): %v", name, err)
	}
	return loan
}

// A taker takes what is written as a connection does, which may be handed files.
type taker struct{ bytes.Buffer }

func (t *taker) ReadFrom(from io.Reader) (int64, error) { return t.Buffer.ReadFrom(from) }

// written returns a part of what was lent, by either of two ways that must not
// differ.
func (r *room) written(loan pool.Loan, part pool.Part) string {
	r.t.Helper()
	var taken taker
	var plain bytes.Buffer
	err := errors.Join(loan.WritePart(&taken, part), loan.WritePart(struct{ io.Writer }{&plain}, part))
	if err != nil {
		r.t.Fatalf("WritePart: %v", err)
	}
	if !bytes.Equal(taken.Bytes(), plain.Bytes()) {
		r.t.Error("an io.ReaderFrom gets other octets")
	}
	return plain.String()
}

func (r *room) read(name string) *pool.Stored {
	r.t.Helper()
	a, err := r.ByID(r.t.Context(), ID(name))
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// wanted is the parts of an article as ByID reads it.
func (r *room) wanted(name string) []string {
	r.t.Helper()
	a := r.read(name)
	return []string{string(a.Wire[:len(a.Wire)-len(".\r\n")]), string(a.Head()), string(a.Body())}
}

func testLendSame(t *testing.T, r *room) {
	for i, name := range r.lendable() {
		want := r.wanted(name)
		byNumber, err := pool.LendByNumber(t.Context(), r.Store, "a", pool.Number(i+1))
		if err != nil {
			t.Fatal(err)
		}
		for _, loan := range []pool.Loan{r.lend(name), byNumber} {
			if loan.ID() != ID(name) {
				t.Errorf("%s: another message-id", name)
			}
			if diff := cmp.Diff(r.read(name).Summary(), loan.Summary()); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
			for _, part := range parts() {
				if r.written(loan, part) != want[part] {
					t.Errorf("%s: part %d is not as ByID reads it", name, part)
				}
			}
			loan.Return()
		}
	}
}

func testLendErrors(t *testing.T, r *room) {
	r.group("a", "b")
	r.fill("a", "x")
	for _, n := range []pool.Number{0, 2, pool.MaxNumber} {
		if _, err := pool.LendByNumber(t.Context(), r.Store, "a", n); !errors.Is(err, pool.ErrNotFound) {
			t.Errorf("LendByNumber(%d): %v, want ErrNotFound", n, err)
		}
	}
	if _, err := pool.LendByNumber(t.Context(), r.Store, "b", 1); !errors.Is(err, pool.ErrNotFound) {
		t.Errorf("LendByNumber in another group: %v, want ErrNotFound", err)
	}
	if _, err := pool.LendByNumber(t.Context(), r.Store, "c", 1); !errors.Is(err, pool.ErrNoGroup) {
		t.Errorf("LendByNumber: %v, want ErrNoGroup", err)
	}
	if err := r.Cancel(t.Context(), ID("x")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"x", "y"} {
		if _, err := pool.LendByID(t.Context(), r.Store, ID(name)); !errors.Is(err, pool.ErrNotFound) {
			t.Errorf("LendByID(%s): %v, want ErrNotFound", name, err)
		}
	}
}

// A loan tells where its article lies now, and not where it did when it was lent.
func testLendSummary(t *testing.T, r *room) {
	r.group("a", "b")
	r.add(Article(t, "x", "a", "b"))
	loan := r.lend("x")
	defer loan.Return()
	if err := r.RemoveGroup(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r.read("x").Summary(), loan.Summary()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What is lent stays what it was, whatever becomes of the article, and of the
// memory that it may be in.
func testLendStays(t *testing.T, r *room) {
	names := r.lendable()
	for why, end := range map[string]func(context.Context) error{
		"dropped":   func(ctx context.Context) error { return r.DropBefore(ctx, 9) },
		"withdrawn": func(ctx context.Context) error { return r.Cancel(ctx, ID("small")) },
		"expired": func(ctx context.Context) error {
			return r.Expire(ctx, map[pool.Group]pool.Keep{"a": {Articles: 1}})
		},
	} {
		var loans []pool.Loan
		var want [][]string
		for _, name := range names {
			if _, err := r.ByID(t.Context(), ID(name)); err == nil {
				loans, want = append(loans, r.lend(name)), append(want, r.wanted(name))
			}
		}
		if err := end(t.Context()); err != nil {
			t.Fatalf("%s: %v", why, err)
		}
		r.fill("a", "after-it-was-"+why)
		r.lend("after-it-was-" + why).Return()
		for i, loan := range loans {
			for _, part := range parts() {
				if r.written(loan, part) != want[i][part] {
					t.Errorf("%s: part %d of a loan has changed", why, part)
				}
			}
			loan.Return()
		}
	}
}

func testLendBehindClose(t *testing.T, r *room) {
	names := r.lendable()
	var loans []pool.Loan
	var want []string
	for _, name := range names {
		loans, want = append(loans, r.lend(name)), append(want, r.wanted(name)[pool.Whole])
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for i, loan := range loans {
		if r.written(loan, pool.Whole) != want[i] {
			t.Errorf("%s: the loan has changed", names[i])
		}
		loan.Return()
	}
}

// A full takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortBuffer }

func testLendWritersError(t *testing.T, r *room) {
	for _, name := range r.lendable() {
		loan := r.lend(name)
		if err := loan.WritePart(full{}, pool.Whole); !errors.Is(err, io.ErrShortBuffer) {
			t.Errorf("%s: %v, want the writer's error", name, err)
		}
		loan.Return()
	}
}
