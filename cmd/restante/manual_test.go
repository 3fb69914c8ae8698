package main

import (
	"testing"

	"github.com/restante/restante/cmd/manual/manualtest"
)

func TestManual_isComplete(t *testing.T) { manualtest.Complete(t, program(), "1") }
