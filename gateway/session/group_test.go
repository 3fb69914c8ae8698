package session

import (
	"fmt"
	"testing"
)

func TestGroup_answers(t *testing.T) {
	play(t, []dialogue{
		{"first article becomes current, RFC 3977, Section 6.1.1.2", []string{
			"> GROUP misc.test", "211 3 1 4 misc.test", "> STAT", "223 1 <1@x>",
		}},
		{"a group that never had an article", []string{"> GROUP misc.empty", "211 0 1 0 misc.empty", "> STAT", "~420 "}},
		{"a group whose articles are gone", []string{"> GROUP misc.gone", "211 0 2 1 misc.gone", "> STAT", "~420 "}},
		{"a failed GROUP changes nothing", []string{
			"> GROUP misc.test", "~211 ", "> NEXT", "223 3 <3@x>",
			"> GROUP no.such", "~411 ", "> GROUP no..name", "~411 ", "> GROUP restante.inbox", "~480 ",
			"> STAT", "223 3 <3@x>",
		}},
		{"keywords in any case, TABs between words", []string{"> gRoUp\t \tmisc.test ", "211 3 1 4 misc.test"}},
		{"arguments", []string{"> GROUP", "~501 ", "> GROUP a b", "~501 "}},
	}, nil)
}

func TestListGroup_answers(t *testing.T) {
	play(t, []dialogue{
		{"of the selected group", []string{
			"> LISTGROUP", "~412 ", "> GROUP misc.test", "~211 ", "> LISTGROUP", "211 3 1 4 misc.test list follows", "1", "3", "4", ".",
		}},
		{"a range", []string{"> LISTGROUP misc.test 2-3", "~211 3 1 4 ", "3", "."}},
		{"an open range", []string{"> LISTGROUP misc.test 4-", "~211 ", "4", "."}},
		{"a reversed range is empty, and the pointer moves, RFC 3977, Section 6.1.2.2", []string{
			"> GROUP misc.test", "~211 ", "> NEXT", "~223 3 ", "> LISTGROUP misc.test 9-2", "211 3 1 4 misc.test list follows", ".",
			"> STAT", "~223 1 ",
		}},
		{"numbers beyond any article", []string{"> LISTGROUP misc.test 4294967297-9999999999999999", "~211 ", "."}},
		{"an empty group", []string{"> LISTGROUP misc.empty", "~211 0 1 0 ", "."}},
		{"wrong ones", []string{"> LISTGROUP misc.test x", "~501 ", "> LISTGROUP no.such", "~411 ", "> STAT", "~412 "}},
	}, nil)
}

// RFC 3977, Sections 6.1.3 and 6.1.4, with erratum 2003.
func TestNext_andLast(t *testing.T) {
	play(t, []dialogue{
		{"412 comes before 420", []string{"> NEXT", "~412 ", "> LAST", "~412 "}},
		{"420 comes before 421 and 422", []string{"> GROUP misc.empty", "~211 ", "> NEXT", "~420 ", "> LAST", "~420 "}},
		{"over a gap and back", []string{
			"> GROUP misc.test", "~211 ", "> NEXT", "223 3 <3@x>", "> NEXT", "223 4 <4@x>", "> LAST", "223 3 <3@x>", "> LAST", "223 1 <1@x>",
		}},
		{"a failure leaves the state alone", []string{
			"> GROUP misc.test", "~211 ", "> LAST", "~422 ", "> STAT", "~223 1 ", "> STAT 4", "~223 4 ", "> NEXT", "~421 ", "> STAT", "~223 4 ",
		}},
		{"arguments", []string{"> NEXT 1", "~501 "}},
	}, nil)
}

func TestLast_overAWideGap(t *testing.T) {
	opts := newOptions(t)
	store := newStore(t)
	carry(t, store, "misc.wide", arrival)
	file(t, store, "misc.wide", "<a@wide>", "", 0, 10)
	for i := range 40 {
		file(t, store, "misc.wide", fmt.Sprintf("<%d@wide>", i), "", 1, 10)
	}
	file(t, store, "misc.wide", "<z@wide>", "", 0, 10)
	if err := store.DropBefore(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	opts.Store = store
	c := dial(t, opts)
	c.talk("> GROUP misc.wide", "211 2 1 42 misc.wide", "> STAT 42", "223 42 <z@wide>", "> LAST", "223 1 <a@wide>")
}
