package archive

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// A Spool reads the articles of INN's traditional spool, with their numbers, and
// so that in each newsgroup the numbers ascend.
//
// An article in several newsgroups comes once. Where else it lies is told by its
// Xref, or where that does not name its own place, by the files of the same
// Message-ID in the newsgroups that it names. Should two articles be in
// opposite orders in two newsgroups, which innd does not do, then one of them
// loses its place in one ([Item.Lost]).
type Spool struct {
	dir    string
	max    int
	groups []*spooled
	byName map[pool.Group]*spooled
	left   int // files
}

// A spooled is one newsgroup's folder.
type spooled struct {
	name pool.Group
	left []pool.Number // ascending
	head *Item         // of left[0], once it was read and had to wait
	ids  map[pool.MessageID]pool.Number
}

// OpenSpool lists the files of some newsgroups below a folder. A newsgroup
// without a folder has no articles. An article of more than maximum octets is
// refused.
func OpenSpool(dir string, groups []pool.Group, maximum int) (*Spool, error) {
	if _, err := os.ReadDir(dir); err != nil {
		return nil, err
	}
	s := &Spool{dir: dir, max: maximum, byName: make(map[pool.Group]*spooled)}
	for _, name := range groups {
		g := &spooled{name: name}
		entries, err := os.ReadDir(s.folder(name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			n, err := strconv.ParseUint(e.Name(), 10, 31)
			if err == nil && n > 0 && strconv.FormatUint(n, 10) == e.Name() && !e.IsDir() {
				g.left = append(g.left, pool.Number(n))
			}
		}
		slices.Sort(g.left)
		s.left += len(g.left)
		s.groups, s.byName[name] = append(s.groups, g), g
	}
	return s, nil
}

// Left returns how many files are still to come; an article has one in each of
// its newsgroups.
func (s *Spool) Left() int { return s.left }

func (s *Spool) folder(name pool.Group) string {
	return filepath.Join(s.dir, strings.ReplaceAll(string(name), ".", string(filepath.Separator)))
}

// Next implements [Source].
func (s *Spool) Next() (Item, error) {
	for len(s.groups) > 0 && len(s.groups[0].left) == 0 {
		s.groups = s.groups[1:]
	}
	if len(s.groups) == 0 {
		return Item{}, io.EOF
	}
	g := s.groups[0]
	asked := map[*spooled]bool{g: true}
	for {
		item, err := s.first(g)
		if err != nil {
			return Item{}, err
		}
		before := s.before(item, asked)
		if before == nil {
			return s.take(item), nil
		}
		g.head = &item
		g, asked[before] = before, true
	}
}

// first returns a newsgroup's next article, at the places where it still lies.
func (s *Spool) first(g *spooled) (Item, error) {
	if g.head != nil {
		item := *g.head
		item.At = slices.DeleteFunc(item.At, func(l pool.Location) bool { return !s.lies(l) })
		return item, nil
	}
	item, err := s.read(g, g.left[0])
	var refusal *pool.Refusal
	if errors.As(err, &refusal) {
		s.drop(pool.Location{Group: g.name, Number: g.left[0]})
	}
	return item, err
}

// lies says whether a file is still to come.
func (s *Spool) lies(l pool.Location) bool {
	g := s.byName[l.Group]
	if g == nil {
		return false
	}
	_, there := slices.BinarySearch(g.left, l.Number)
	return there
}

// drop takes a file off, and says whether it was the next one.
func (s *Spool) drop(l pool.Location) bool {
	g := s.byName[l.Group]
	s.left--
	if g.left[0] == l.Number {
		g.left, g.head = g.left[1:], nil
		return true
	}
	at, _ := slices.BinarySearch(g.left, l.Number)
	g.left = slices.Delete(g.left, at, at+1)
	return false
}

// before returns a newsgroup that has articles to come before this one, if it
// was not asked yet.
func (s *Spool) before(item Item, asked map[*spooled]bool) *spooled {
	for _, l := range item.At {
		if g := s.byName[l.Group]; !asked[g] && g.left[0] < l.Number {
			return g
		}
	}
	return nil
}

// take takes an article's files off, and from it the numbers that are not the
// next ones.
func (s *Spool) take(item Item) Item {
	kept := make([]pool.Location, 0, len(item.At))
	for _, l := range item.At {
		if s.drop(l) {
			kept = append(kept, l)
		} else {
			item.Lost++
		}
	}
	item.At = kept
	return item
}

// read reads a file and says where else its article lies.
func (s *Spool) read(g *spooled, n pool.Number) (Item, error) {
	f, err := os.Open(filepath.Join(s.folder(g.name), strconv.FormatUint(uint64(n), 10)))
	if errors.Is(err, fs.ErrNotExist) { // a link to nowhere
		return Item{}, refuseIncomplete()
	} else if err != nil {
		return Item{}, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	info, err := f.Stat()
	if err != nil {
		return Item{}, err
	}
	if !info.Mode().IsRegular() {
		return Item{}, refuseIncomplete()
	}
	if info.Size() > 2*int64(s.max) { // dot-stuffing may double it
		return Item{}, refuseLarge()
	}
	raw, err := io.ReadAll(f)
	if err != nil {
		return Item{}, err
	}
	text, err := fromSpool(raw)
	if err != nil {
		return Item{}, err
	}
	if len(text) > s.max {
		return Item{}, refuseLarge()
	}
	return Item{Text: text, Arrived: info.ModTime(), At: s.places(text, pool.Location{Group: g.name, Number: n})}, nil
}

// fromSpool makes an article's text of what a file holds: the wire form, or the
// text with LF.
func fromSpool(raw []byte) ([]byte, error) {
	first, _, _ := bytes.Cut(raw, []byte{'\n'})
	if !bytes.HasSuffix(first, []byte{'\r'}) {
		if len(raw) == 0 || raw[len(raw)-1] != '\n' {
			return nil, refuseIncomplete()
		}
		return toCRLF(raw), nil
	}
	lines, ok := bytes.CutSuffix(raw, []byte("\r\n.\r\n"))
	if !ok {
		return nil, refuseIncomplete()
	}
	return article.Unstuff(raw[:len(lines)+len("\r\n")]), nil
}

// places returns where an article lies: at the place given, and at others of
// which files are left.
func (s *Spool) places(text []byte, own pool.Location) []pool.Location {
	head := article.Stuff(header(text))
	value, _ := article.HeaderField(head, "Xref")
	_, at, ok := ParseXref(value)
	if !ok || !slices.Contains(at, own) {
		at = append(s.twins(head, own.Group), own)
	}
	var out []pool.Location
	for _, l := range at {
		twice := slices.ContainsFunc(out, func(o pool.Location) bool { return o.Group == l.Group })
		if !twice && s.lies(l) {
			out = append(out, l)
		}
	}
	return out
}

// twins finds the files of the same Message-ID in the other newsgroups that a
// header names. It reads all headers there, once.
func (s *Spool) twins(head []byte, own pool.Group) []pool.Location {
	id, _ := article.HeaderField(head, "Message-ID")
	names, _ := article.HeaderField(head, "Newsgroups")
	var out []pool.Location
	for name := range strings.SplitSeq(names, ",") {
		g := s.byName[pool.Group(strings.TrimSpace(name))]
		if g == nil || g.name == own {
			continue
		}
		if g.ids == nil {
			s.index(g)
		}
		if n, ok := g.ids[pool.MessageID(id)]; ok {
			out = append(out, pool.Location{Group: g.name, Number: n})
		}
	}
	return out
}

// index reads the Message-IDs of a newsgroup. What can't be read is told when
// its turn comes.
func (s *Spool) index(g *spooled) {
	g.ids = make(map[pool.MessageID]pool.Number)
	for _, n := range g.left {
		f, err := os.Open(filepath.Join(s.folder(g.name), strconv.FormatUint(uint64(n), 10)))
		if err != nil {
			continue
		}
		start, err := io.ReadAll(io.LimitReader(f, bufferSize))
		if err == nil {
			id, _ := article.HeaderField(article.Stuff(header(toCRLF(start))), "Message-ID")
			g.ids[pool.MessageID(id)] = n
		}
		_ = f.Close() // nothing was written
	}
}

// header returns a text's header lines.
func header(text []byte) []byte {
	if end := bytes.Index(text, []byte("\r\n\r\n")); end >= 0 {
		return text[:end+len("\r\n")]
	}
	return text
}

// ParseXref reads the body of an Xref header field (RFC 5536, Section 3.2.14),
// and says whether it is one.
func ParseXref(value string) (server string, at []pool.Location, ok bool) {
	f := strings.Fields(value)
	if len(f) < 2 {
		return "", nil, false
	}
	for _, location := range f[1:] {
		i := strings.LastIndexByte(location, ':')
		if i < 0 {
			return "", nil, false
		}
		name, err := pool.ParseGroup(location[:i])
		n, numErr := strconv.ParseUint(location[i+1:], 10, 31)
		if err != nil || numErr != nil || n == 0 {
			return "", nil, false
		}
		at = append(at, pool.Location{Group: name, Number: pool.Number(n)})
	}
	return f[0], at, true
}
