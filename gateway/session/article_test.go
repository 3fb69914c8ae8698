package session

import (
	"strconv"
	"testing"
)

func TestArticle_answers(t *testing.T) {
	const header = "~From: "
	play(t, []dialogue{
		{"by number, which becomes current; the body is dot-stuffed", []string{
			"> GROUP misc.test", "~211 ", "> BODY 3", "222 3 <3@x>", "body of 3", "..dot", ".", "> STAT", "223 3 <3@x>",
		}},
		{"by message-id: number 0, the pointer stays, no group needed", []string{
			"> BODY <4@x>", "222 0 <4@x>", "body of 4", "..dot", ".",
			"> GROUP misc.test", "~211 ", "> STAT <4@x>", "223 0 <4@x>", "> STAT", "~223 1 ",
		}},
		{"whole", []string{
			"> ARTICLE <1@x>", "220 0 <1@x>", header, "~Newsgroups: ", "~Subject: ", "~Date: ", "~Message-ID: ", "~X-Empty:",
			"Xref: news.example misc.test:1", "", "body of 1", "..dot", ".",
		}},
		{"head", []string{
			"> GROUP misc.test", "~211 ", "> HEAD", "221 1 <1@x>", header, "~Newsgroups: ", "~Subject: ", "~Date: ", "~Message-ID: ", "~X-Empty:",
			"Xref: news.example misc.test:1", ".",
		}},
		{"412, 423, 430", []string{
			"> ARTICLE", "~412 ", "> ARTICLE 1", "~412 ", "> ARTICLE <no@x>", "~430 ",
			"> GROUP misc.test", "~211 ", "> ARTICLE 2", "~423 ", "> STAT 0", "~423 ", "> STAT 4294967297", "~423 ", "> BODY 9999999999999999", "~423 ",
			"> STAT", "~223 1 ",
		}},
		{"arguments", []string{
			"> GROUP misc.test", "~211 ", "> ARTICLE x", "~501 ", "> ARTICLE 1-2", "~501 ", "> ARTICLE <>", "~501 ", "> ARTICLE <a b>", "~501 ",
			"> ARTICLE 1 2", "~501 ", "> STAT <a", "~501 ",
		}},
	}, nil)
}

func TestOver_answers(t *testing.T) {
	const one = "1\tabout 1\tA <a@example.com>\tFri, 01 Mar 2024 12:00:00 +0000\t<1@x>\t\t"
	play(t, []dialogue{
		{"a range", []string{"> GROUP misc.test", "~211 ", "> OVER 1-3", "~224 ", "~" + one, "~3\tabout 3\tA <a@example.com>\tFri, 01 Mar 2024 12:00:00 +0000\t<3@x>\t<1@x> <2@x>\t", "."}},
		{"the current article", []string{"> GROUP misc.test", "~211 ", "> OVER", "~224 ", "~" + one, ".", "> XOVER", "~224 ", "~" + one, "."}},
		{"by message-id, without a group: number 0", []string{"> OVER <1@x>", "~224 ", "~0" + one[1:], ".", "> OVER <no@x>", "~430 "}},
		{"nothing in range: 423 to OVER, an empty list to XOVER", []string{
			"> GROUP misc.test", "~211 ", "> OVER 2", "~423 ", "> OVER 3-1", "~423 ", "> OVER 5-", "~423 ",
			"> XOVER 2", "~224 ", ".", "> XOVER 0-0", "~224 ", ".", "> XOVER 5-", "~224 ", ".",
		}},
		{"no group, no article", []string{
			"> OVER", "~412 ", "> XOVER", "~412 ", "> OVER 1-2", "~412 ", "> XOVER 1-2", "~412 ", "> GROUP misc.empty", "~211 ", "> OVER", "~420 ",
		}},
		{"arguments", []string{"> OVER 1 2", "~501 ", "> OVER x", "~501 ", "> XOVER -", "~501 "}},
	}, nil)
}

func TestHdr_answers(t *testing.T) {
	play(t, []dialogue{
		{"from the overview", []string{"> GROUP misc.test", "~211 ", "> HDR subject 3-", "~225 ", "3 about 3", "4 about 4", "."}},
		{"an absent header still has a line, RFC 3977, Section 8.5.2", []string{
			"> GROUP misc.test", "~211 ", "> HDR X-Twice 1-", "~225 ", "1 ", "3 one", "4 ", ".", "> HDR References 1", "~225 ", "1 ", ".",
		}},
		{"unfolded, TABs as spaces", []string{"> HDR X-Folded <3@x>", "~225 ", "0 a b c", ".", "> HDR References <3@x>", "~225 ", "0 <1@x> <2@x>", "."}},
		{"8-bit headers as they are, RFC 3977, Section 3.6", []string{"> HDR X-Eight <4@x>", "~225 ", "0 caf\xe9", "."}},
		{"metadata are computed, headers are not", []string{
			"> GROUP misc.test", "~211 ", "> HDR :lines 4", "~225 ", "4 2", ".", "> HDR Lines 4", "~225 ", "4 99", ".", "> XHDR lines 4", "~221 ", "4 2", ".",
		}},
		{"Xref without its name", []string{"> HDR Xref <1@x>", "~225 ", "0 news.example misc.test:1", ".", "> GROUP misc.test", "~211 ", "> HDR xref", "~225 ", "1 news.example misc.test:1", "."}},
		{"XHDR: 221, the message-id, (none)", []string{
			"> XHDR Subject <1@x>", "~221 ", "<1@x> about 1", ".", "> GROUP misc.test", "~211 ", "> XHDR X-Twice 1-3", "~221 ", "1 (none)", "3 one", ".",
			"> XHDR X-Empty 1", "~221 ", "1 ", ".",
		}},
		{"nothing in range: 423 to HDR, an empty list to XHDR", []string{
			"> GROUP misc.test", "~211 ", "> HDR subject 2", "~423 ", "> HDR subject 4-3", "~423 ", "> XHDR subject 2", "~221 ", ".", "> XHDR from 9-", "~221 ", ".",
		}},
		{"refusals", []string{
			"> HDR subject", "~412 ", "> XHDR subject 1-", "~412 ", "> XPAT subject 1- *", "~412 ", "> HDR subject <no@x>", "~430 ",
			"> HDR :nothing <1@x>", "~503 ", "> HDR : <1@x>", "~501 ", "> HDR :a:b <1@x>", "~501 ", "> HDR sub:ject <1@x>", "~501 ", "> HDR", "~501 ", "> XPAT subject 1-", "~501 ",
			"> GROUP misc.empty", "~211 ", "> HDR subject", "~420 ",
		}},
		{"XPAT", []string{
			"> GROUP misc.test", "~211 ", "> XPAT subject 1- *[13]", "~221 ", "1 about 1", "3 about 3", ".",
			"> XPAT subject 1- about 4", "~221 ", "4 about 4", ".", "> XPAT x-twice 1- *", "~221 ", "3 one", ".",
			"> XPAT subject <1@x> *1", "~221 ", "<1@x> about 1", ".", "> XPAT subject 1- nothing", "~221 ", ".", "> XPAT subject 1- [", "~501 ",
		}},
	}, nil)
}

// More articles than are looked at before those that must be are read.
func TestHdr_manyArticles(t *testing.T) {
	opts := newOptions(t)
	store := newStore(t)
	carry(t, store, "misc.many", arrival)
	const many = 3*window + 5
	for i := range many {
		file(t, store, "misc.many", "<"+string(rune('a'+i%26))+number(i)+"@many>", "X-Number: "+number(i)+"\r\n", 0, 10)
	}
	opts.Store = store
	c := dial(t, opts)
	c.talk("> GROUP misc.many", "~211 ", "> HDR X-Number 1-", "~225 ")
	for i := range many {
		c.expect(number(i+1) + " " + number(i))
	}
	c.expect(".")
}

func number(i int) string { return strconv.Itoa(i) }
