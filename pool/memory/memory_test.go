package memory_test

import (
	"testing"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/memory"
	"github.com/restante/restante/pool/pooltest"
)

func TestStore_conforms(t *testing.T) {
	pooltest.Test(t, func(testing.TB) pool.Store { return memory.New(pooltest.Server) })
}
