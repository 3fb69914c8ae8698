package article

import "strings"

// A Field is one header field. Only [Parse], [Article.Add] and [Article.Set]
// make one.
type Field struct {
	line  string // the whole of it, with folds and CRLFs
	colon int    // where its name ends
	mark  int    // of its name
}

// fieldOf makes a field of its line. It returns false where none begins with a name
// and a colon, or something stands right behind that: RFC 5536, Section 2.2 wants a
// space. A field that begins with a fold, as some newsreaders send a long one, has
// it on its next line.
func fieldOf(line string) (Field, bool) {
	colon := nameSize(line)
	if colon == 0 || line[colon] != ':' || !isSpace(line[colon+1]) && line[colon+1] != '\r' {
		return Field{}, false
	}
	return Field{line: line, colon: colon, mark: markOf(line[:colon])}, true
}

// markOf is a number that names have in common only where they are as long, and
// where their first and last letters are the same in any case. Most names are told
// apart by it.
func markOf(name string) int {
	if name == "" {
		return 0
	}
	return len(name)<<16 | int(name[0]|0x20)<<8 | int(name[len(name)-1]|0x20)
}

// is says whether the field has that name, in any case.
func (f *Field) is(name string) bool { return f.mark == markOf(name) && f.named(name) }

// named is is for a name of the same mark.
func (f *Field) named(name string) bool { return f.Name() == name || strings.EqualFold(f.Name(), name) }

// Name returns the field's name as it was spelled.
func (f *Field) Name() string { return f.line[:f.colon] }

// Raw returns the octets between the colon and the field's last CRLF, folds
// included.
func (f *Field) Raw() string { return f.line[f.colon+1 : len(f.line)-len("\r\n")] }

// Value returns the field's body, unfolded and trimmed.
func (f *Field) Value() string { return unfold(f.Raw()) }

// unfold removes each CRLF (RFC 5322, Section 2.2.3) and the white space at
// both ends.
func unfold(raw string) string {
	if strings.IndexByte(raw, '\r') >= 0 {
		raw = strings.ReplaceAll(raw, "\r\n", "")
	}
	return trimSpace(raw)
}

// trimSpace removes spaces and tabs at both ends.
func trimSpace(s string) string { return trim(s, isSpace) }

// trimFolds is trimSpace for where folds may be too.
func trimFolds(s string) string { return trim(s, isFold) }

// trim removes octets at both ends. strings.Trim would make a set of them first, each
// time.
func trim(s string, is func(byte) bool) string {
	for s != "" && is(s[0]) {
		s = s[1:]
	}
	for s != "" && is(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }
func isFold(c byte) bool  { return isSpace(c) || c == '\r' || c == '\n' }

// Flatten turns the raw body of a header field into what OVER and HDR send:
// unfolded, without the first space, and with each TAB, CR, LF and NUL that is
// left turned into one space. Further white space stays at both ends (RFC 3977,
// Sections 8.3.2 and 8.5.2).
func Flatten(raw string) string {
	if !holdsBreak(raw) {
		return strings.TrimPrefix(raw, " ")
	}
	value := strings.TrimPrefix(strings.ReplaceAll(raw, "\r\n", ""), " ")
	if !holdsBreak(value) {
		return value
	}
	out := []byte(value) // octet by octet: the value need not be UTF-8
	for i, c := range out {
		if isBreak(c) {
			out[i] = ' '
		}
	}
	return string(out)
}

// holdsBreak says whether an octet of s is one of isBreak. Four searches for one octet
// each are several times as fast as one for any of four.
func holdsBreak(s string) bool {
	return strings.IndexByte(s, '\t') >= 0 || strings.IndexByte(s, '\r') >= 0 ||
		strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, 0) >= 0
}

// isBreak says whether an octet would end a field of an overview line, or the
// line.
func isBreak(c byte) bool { return c == '\t' || c == '\r' || c == '\n' || c == 0 }

// maxHeaderLine is the longest header line in octets, without CRLF (RFC 5322,
// Section 2.1.1). Body lines have no limit of their own: only the size of the
// whole article bounds them.
const maxHeaderLine = 998

// validName says whether s may name a header field: printable US-ASCII but for
// the colon (RFC 5322, Section 2.2).
func validName(s string) bool { return s != "" && nameSize(s) == len(s) }

// nameSize returns how many octets in front of s may be a field's name.
func nameSize(s string) int {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == ':' {
			return i
		}
	}
	return len(s)
}

// fold makes the raw body of a field from a value in one line, broken before
// white space where a line would pass the limit. It fails when there is no
// place to break.
func fold(name, value string) (string, bool) {
	room := maxHeaderLine - len(name) - len(": ")
	if room <= 0 {
		return "", false
	}
	var out strings.Builder
	out.WriteByte(' ')
	for len(value) > room {
		cut := strings.LastIndexAny(value[:room+1], " \t")
		if cut <= 0 || strings.Trim(value[:cut], " \t") == "" {
			return "", false
		}
		out.WriteString(value[:cut])
		out.WriteString("\r\n")
		value, room = value[cut:], maxHeaderLine
	}
	out.WriteString(value)
	return out.String(), true
}
