package article

// Names are names of header fields that are looked for together.
type Names struct {
	list     []string
	byLength [][]int // places in list
}

// NewNames returns Names in that order. It keeps list.
func NewNames(list ...string) *Names {
	n := &Names{list: list}
	for i, name := range list {
		for len(n.byLength) <= len(name) {
			n.byLength = append(n.byLength, nil)
		}
		n.byLength[len(name)] = append(n.byLength[len(name)], i)
	}
	return n
}

// Found is what there is of one name: the first field, and how many.
type Found struct {
	Field
	Count int
}

// Find looks for many names in one go, in any case. found has a place for each of
// them, in their order, and must be zero.
func (a *Article) Find(n *Names, found []Found) {
	for i := range a.fields {
		f := &a.fields[i]
		if len(f.name) >= len(n.byLength) {
			continue
		}
		for _, at := range n.byLength[len(f.name)] {
			if !f.is(n.list[at]) {
				continue
			}
			if found[at].Count == 0 {
				found[at].Field = *f
			}
			found[at].Count++
			break
		}
	}
}
