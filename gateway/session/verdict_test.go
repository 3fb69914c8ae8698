package session

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
)

// sentinels is every error that pool exports, by name.
func sentinels() map[string]error {
	return map[string]error{
		"ErrMessageID": pool.ErrMessageID, "ErrGroupName": pool.ErrGroupName, "ErrNoGroup": pool.ErrNoGroup, "ErrNotFound": pool.ErrNotFound,
		"ErrDuplicate": pool.ErrDuplicate, "ErrGroupFull": pool.ErrGroupFull, "ErrDiskFull": pool.ErrDiskFull, "ErrReadOnly": pool.ErrReadOnly,
		"ErrNumber": pool.ErrNumber, "ErrCorrupt": pool.ErrCorrupt, "ErrClosed": pool.ErrClosed,
	}
}

func TestVerdicts_coverThePool(t *testing.T) {
	tree, err := parser.ParseFile(token.NewFileSet(), "../../pool/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	known := sentinels()
	srv := New(newOptions(t))
	found := 0
	ast.Inspect(tree, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for _, name := range spec.Names {
			found++
			sentinel := known[name.Name]
			if sentinel == nil {
				t.Errorf("pool.%s is not in this test", name.Name)
				continue
			}
			v := srv.replyTo(fmt.Errorf("wrapped: %w", sentinel))
			if v.err == nil {
				t.Errorf("pool.%s has no reply", name.Name)
			}
			if v.ends == nil {
				if post := srv.replyTo(postError{sentinel}); post.Code != nntp.CodePostingRejected || post.post == "" {
					t.Errorf("pool.%s has no sentence for who posts: %v", name.Name, post.Reply)
				}
			}
		}
		return true
	})
	if found != len(known) {
		t.Errorf("%d errors in pool, %d in this test", found, len(known))
	}
}

func TestVerdicts_soundRows(t *testing.T) {
	seen := make(map[error]bool)
	for _, v := range verdictTable() {
		switch {
		case v.err == nil || seen[v.err]:
			t.Errorf("%v is in the table twice, or no error", v.err)
		case v.Code < 400 || v.Code > 599 || v.Text == "" || len(v.Text) > 200 || len(v.post) > 200:
			t.Errorf("%v: reply %v", v.err, v.Reply)
		case (v.Code == nntp.CodeUnavailable) != (v.ends != nil):
			t.Errorf("%v: 400 and the end of the session go together (RFC 3977, Section 3.2.1)", v.err)
		}
		seen[v.err] = true
	}
}

func TestVerdicts_unknownErrorSaysNothing(t *testing.T) {
	v := New(newOptions(t)).replyTo(errors.New("detail"))
	if v.err != nil || v.Code != nntp.CodeInternalFault || strings.Contains(v.Text, "detail") {
		t.Errorf("reply = %v", v.Reply)
	}
}
