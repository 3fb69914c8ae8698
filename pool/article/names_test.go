package article_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/restante/restante/pool/article"
)

// Find says of each name what Count and Get do.
func TestFind_asOneByOne(t *testing.T) {
	list := []string{"Date", "From", "Path", "X", "Message-ID", "Cancel-Key"}
	names := article.NewNames(list...)
	rapid.Check(t, func(t *rapid.T) {
		a := article.New()
		for range rapid.IntRange(0, 12).Draw(t, "fields") {
			name := rapid.SampledFrom([]string{"Date", "DATE", "from", "pAth", "Data", "X", "x", "Y", "message-id", "Cancel-Lock", "Cancel-Key-Or-Not"}).Draw(t, "name")
			if err := a.Add(name, rapid.StringMatching("[a-z]{1,8}").Draw(t, "value")); err != nil {
				t.Fatal(err)
			}
		}
		found := make([]article.Found, len(list))
		a.Find(names, found)
		for i, f := range found {
			if f.Count != a.Count(list[i]) || f.Value() != a.Get(list[i]) {
				t.Errorf("%s: %d, %q; want %d, %q", list[i], f.Count, f.Value(), a.Count(list[i]), a.Get(list[i]))
			}
		}
	})
}
