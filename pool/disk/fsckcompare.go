package disk

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/restante/restante/pool"
)

// compare checks that the index has nothing that the segments have not: what it
// has of them was counted, so the counts must be equal. It notes which numbers
// lead into damage.
func (c *checker) compare(ctx context.Context) error {
	if c.index == nil || c.groupsLost { // without groups nothing in it can be told
		return nil
	}
	if err := c.index.readAll(ctx.Err); err != nil {
		return err
	}
	c.missing()
	var want segmentResult
	for _, res := range c.results {
		want.WithdrawalsInIndex += res.WithdrawalsInIndex
		want.Rows += res.Rows
		want.Arrivals += res.Arrivals
	}
	got, counts, err := c.count(ctx)
	if err != nil {
		return err
	}
	astray := max(got.WithdrawalsInIndex-want.WithdrawalsInIndex, 0) + max(got.Arrivals-want.Arrivals, 0) + max(got.Rows-want.Rows, 0)
	if astray > 0 {
		c.report.problem("The index has %d entries that no readable record stands behind.", astray)
	}
	for _, g := range c.groups {
		if m, ok := c.marks[g.id]; ok && m.count != counts[g.id] {
			c.report.problem("Group %s is said to hold %d articles and holds %d.", g.info.Name, m.count, counts[g.id])
		}
	}
	for _, g := range c.groups {
		if numbers := c.lost[g.id]; len(numbers) > 0 {
			c.report.problem("Group %s has lost %d articles: %s.", g.info.Name, len(numbers), ranges(numbers, 20))
		}
	}
	return nil
}

// missing tells of segments that the index knows and that are not there.
func (c *checker) missing() {
	for _, n := range slices.Sorted(maps.Keys(c.checkpoints)) {
		if c.results[n] == nil && !c.buried(n) {
			c.report.problem("Segment %d of epoch %d is missing.", n, c.checkpoints[n].epoch)
		}
	}
}

// count counts what is in the index.
func (c *checker) count(ctx context.Context) (got segmentResult, rows map[uint32]int, err error) {
	for _, p := range c.withdrawn {
		if !c.buried(p.segment) {
			got.WithdrawalsInIndex++
		}
	}
	err = c.index.eachOf('t', func(key, _ []byte) (bool, error) {
		if !c.buried(arrivalSegment(key)) {
			got.Arrivals++
		}
		return true, ctx.Err()
	})
	if err != nil {
		return got, nil, err
	}
	floors := make(map[uint32]pool.Number)
	for _, g := range c.groups {
		floors[g.id] = g.floor
	}
	rows = make(map[uint32]int)
	err = c.index.eachOf('n', func(key, row []byte) (bool, error) {
		if len(key) != 9 {
			return false, errDoubt
		}
		id, n := groupOf(key), numberOf(key)
		rows[id]++
		in := cursor{rest: row}
		p := in.place()
		if n < floors[id] || c.buried(p.segment) { // a crash came before it was taken out
			return true, ctx.Err()
		}
		got.Rows++
		if c.damaged(p) {
			c.lost[id] = append(c.lost[id], n)
		}
		return true, ctx.Err()
	})
	return got, rows, err
}

// buried says whether a segment was given up. A crash may have come before the
// index was told.
func (c *checker) buried(number uint32) bool {
	at, ok := c.checkpoints[number]
	return ok && c.dead.has(at.epoch, number)
}

// damaged says whether a record stands where octets are bad, or none are.
func (c *checker) damaged(p place) bool {
	res := c.results[p.segment]
	if res == nil || p.end() > res.End {
		return true
	}
	for _, gap := range res.Bad {
		if p.offset < gap.To && p.end() > gap.From {
			return true
		}
	}
	return false
}

// ranges writes ascending numbers as people do: 1-3, 7. It writes so many ranges at most.
func ranges(numbers []pool.Number, most int) string {
	var out []string
	for len(numbers) > 0 {
		n := 1
		for n < len(numbers) && numbers[n] == numbers[n-1]+1 {
			n++
		}
		if n == 1 {
			out = append(out, fmt.Sprint(numbers[0]))
		} else {
			out = append(out, fmt.Sprintf("%d-%d", numbers[0], numbers[n-1]))
		}
		numbers = numbers[n:]
	}
	if len(out) > most {
		out = append(slices.Clone(out[:most]), fmt.Sprintf("and %d more ranges", len(out)-most))
	}
	return strings.Join(out, ", ")
}
