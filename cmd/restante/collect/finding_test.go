package collect

import (
	"strings"
	"testing"

	"github.com/restante/restante/gateway/remote"
)

// Without TLS another server helps less than the right setting.
func TestFault_saysWhatToDo(t *testing.T) {
	for cause, want := range map[error]string{
		remote.ErrTLS:  "change security under [fetch] in restante.toml",
		remote.ErrLost: "If it stays so, name another one under [fetch] in restante.toml",
	} {
		if got := (&Fault{Server: "news.example:563", Cause: cause}).Error(); !strings.Contains(got, want) {
			t.Errorf("%v: %q", cause, got)
		}
	}
}
