package article

import (
	"slices"
	"strings"

	"github.com/restante/restante/pool"
)

// An Article is one article, its header fields in order. The zero value and
// [New] are an article without any. It isn't safe for use from several
// goroutines while one changes it.
type Article struct {
	fields []Field
	body   pool.Checked
	header int // octets that were read as header
}

// New returns an article without header and body, to be filled by
// [Article.Add] and [Article.SetBody].
func New() *Article { return new(Article) }

// spareHeader is the most octets of a header whose memory Reset keeps. Few articles
// have more.
const spareHeader = 4 << 10

// Reset takes everything out of the article, and keeps memory for [Article.Read]. What
// it keeps may hold on to the fields that were read, but not to the body.
func (a *Article) Reset() {
	if a.header > spareHeader {
		a.fields = nil
	}
	a.fields, a.body, a.header = a.fields[:0], pool.Checked{}, 0
}

// Fields returns the header fields in order. The slice is a copy.
func (a *Article) Fields() []Field { return slices.Clone(a.fields) }

// Has says whether there is a header field of that name, in any case.
func (a *Article) Has(name string) bool { return a.index(name) >= 0 }

// Get returns the body of the first header field of that name, in any case:
// unfolded and trimmed, or "" when there is none.
func (a *Article) Get(name string) string {
	if i := a.index(name); i >= 0 {
		return a.fields[i].Value()
	}
	return ""
}

// Values returns the bodies of all header fields of that name in order,
// unfolded and trimmed.
func (a *Article) Values(name string) []string {
	var out []string
	for i := range a.fields {
		if f := &a.fields[i]; f.is(name) {
			out = append(out, f.Value())
		}
	}
	return out
}

// Add adds a header field at the end of the header, folded at white space where
// its line would pass 998 octets. It refuses a name that is none, and a value
// that is empty or holds CR, LF or NUL, so that no value can bring in a field
// of its own.
func (a *Article) Add(name, value string) error {
	f, err := newField(name, value)
	if err != nil {
		return err
	}
	a.fields = append(a.fields, f)
	return nil
}

// Set gives the header field of that name a new value, at the place of the
// first one, and removes further ones. Where there is none it adds one. It
// refuses what [Article.Add] refuses, and changes nothing then.
func (a *Article) Set(name, value string) error {
	f, err := newField(name, value)
	if err != nil {
		return err
	}
	i := a.index(name)
	if i < 0 {
		a.fields = append(a.fields, f)
		return nil
	}
	a.fields[i] = f
	rest := slices.DeleteFunc(a.fields[i+1:], named(name))
	a.fields = a.fields[:i+1+len(rest)]
	return nil
}

// Prepend puts head and tail in front of the body of the first header field of
// that name, and changes no other octet: folds stay where they were. Where the
// line would pass 998 octets it is broken between head and tail. It refuses what
// [Article.Add] refuses, and changes nothing then; where there is no such field
// it adds one of head and tail alone.
func (a *Article) Prepend(name, head, tail string) error {
	i := a.index(name)
	if i < 0 {
		return a.Add(name, head+tail)
	}
	if head == "" || strings.ContainsAny(head+tail, "\r\n\x00") {
		return refuseHeader()
	}
	f := &a.fields[i]
	start, rest := f.line[:f.colon+len(":")], f.line[f.colon+len(":"):]
	for rest != "" && isFold(rest[0]) {
		rest = rest[1:]
	}
	if rest == "" { // it was empty
		rest = "\r\n"
	}
	first := len(tail) + strings.IndexByte(rest, '\r')
	broken := ""
	if len(start)+len(" ")+len(head)+first > maxHeaderLine {
		broken = "\r\n "
	}
	if first+len(" ") > maxHeaderLine || len(start)+len(" ")+len(head) > maxHeaderLine {
		return refuseLongLine()
	}
	f.line = start + " " + head + broken + tail + rest
	return nil
}

// Count returns how many header fields of that name there are, in any case.
func (a *Article) Count(name string) int {
	n := 0
	for i := range a.fields {
		if a.fields[i].is(name) {
			n++
		}
	}
	return n
}

// Del removes every header field of that name.
func (a *Article) Del(name string) { a.fields = slices.DeleteFunc(a.fields, named(name)) }

// Body returns the body's lines, each ended by CRLF. It must not be changed.
func (a *Article) Body() []byte { return a.body.Text }

// SetBody takes lines, each ended by CRLF, as the body and keeps them: they
// must not be changed afterwards. It refuses an empty body, NUL, bare CR and
// bare LF.
func (a *Article) SetBody(lines []byte) error {
	if len(lines) == 0 {
		return refuseNoBody()
	}
	body, err := Check(lines)
	if err != nil {
		return err
	}
	a.body = body
	return nil
}

// Header returns the header's lines, each ended by CRLF, without the empty line.
func (a *Article) Header() []byte { return a.appendHeader(nil, "") }

// Text returns the whole article: header, empty line, body.
func (a *Article) Text() []byte {
	out := a.appendHeader(make([]byte, 0, a.Size()), "")
	return append(append(out, "\r\n"...), a.body.Text...)
}

// Size returns how many octets Text has.
func (a *Article) Size() int {
	size := len("\r\n") + len(a.body.Text)
	for i := range a.fields {
		size += len(a.fields[i].line)
	}
	return size
}

// appendHeader appends the lines of all fields but those of one name.
func (a *Article) appendHeader(dst []byte, without string) []byte {
	dst = slices.Grow(dst, a.Size()-len(a.body.Text))
	for i := range a.fields {
		if f := &a.fields[i]; !f.is(without) {
			dst = append(dst, f.line...)
		}
	}
	return dst
}

// index returns where the first field of that name is, or -1.
func (a *Article) index(name string) int {
	mark := markOf(name)
	for i := range a.fields {
		if f := &a.fields[i]; f.mark == mark && f.named(name) {
			return i
		}
	}
	return -1
}

func named(name string) func(Field) bool {
	return func(f Field) bool { return f.is(name) }
}

func newField(name, value string) (Field, error) {
	value = strings.Trim(value, " \t")
	if !validName(name) || value == "" || strings.ContainsAny(value, "\r\n\x00") {
		return Field{}, refuseHeader()
	}
	raw, ok := fold(name, value)
	if !ok {
		return Field{}, refuseLongLine()
	}
	f, _ := fieldOf(name + ":" + raw + "\r\n")
	return f, nil
}
