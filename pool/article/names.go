package article

// Names are names of header fields that are looked for together.
type Names struct {
	byLength [][]sought
}

// A sought is one name that is looked for.
type sought struct {
	name string
	mark int
	at   int // its place in the order of the names
}

// NewNames returns Names in that order.
func NewNames(list ...string) *Names {
	n := new(Names)
	for i, name := range list {
		for len(n.byLength) <= len(name) {
			n.byLength = append(n.byLength, nil)
		}
		n.byLength[len(name)] = append(n.byLength[len(name)], sought{name, markOf(name), i})
	}
	return n
}

// Found is what there is of one name: the first field, and how many. It is valid
// until the article is changed.
type Found struct {
	field *Field
	Count int
}

// Value is the body of the first field, unfolded and trimmed, or "".
func (f Found) Value() string {
	if f.field == nil {
		return ""
	}
	return f.field.Value()
}

// Find looks for many names in one go, in any case. found has a place for each of
// them, in their order, and must be zero.
func (a *Article) Find(n *Names, found []Found) {
	for i := range a.fields {
		f := &a.fields[i]
		if f.colon >= len(n.byLength) {
			continue
		}
		for _, s := range n.byLength[f.colon] {
			if f.mark != s.mark || !f.named(s.name) {
				continue
			}
			if found[s.at].Count == 0 {
				found[s.at].field = f
			}
			found[s.at].Count++
			break
		}
	}
}
