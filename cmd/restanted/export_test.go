package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCreate_keepsNothingThatIsNotComplete(t *testing.T) {
	name := filepath.Join(t.TempDir(), "articles.mbox")
	for _, becomes := range []error{errors.New("the disk is full"), nil} {
		out, end, err := create(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write([]byte("From ")); err != nil {
			t.Fatal(err)
		}
		if err := end(becomes); !errors.Is(err, becomes) {
			t.Errorf("got %v, want %v", err, becomes)
		}
		if _, err := os.Stat(name); (err == nil) != (becomes == nil) {
			t.Errorf("after %v: %v", becomes, err)
		}
	}
	if _, _, err := create(name, nil); err == nil {
		t.Error("a file that is there is written over")
	}
}

func TestExport_interrupted(t *testing.T) {
	t.Chdir(t.TempDir())
	var said bytes.Buffer
	for _, words := range []string{"init --domain gw.example", "import mbox -"} {
		if err := run(t.Context(), strings.Fields(words), strings.NewReader(""), &said, &said); err != nil {
			t.Fatalf("%v: %s", err, said.String())
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := run(ctx, []string{"export", "mbox", "articles.mbox"}, strings.NewReader(""), &said, &said)
	if err == nil || err.Error() != "interrupted: the archive is not complete" {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat("articles.mbox"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
}
