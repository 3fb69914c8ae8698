// Package seen writes down what the functions of a patched gateway are given and
// return: every octet string and text, however deep in a value. It is built into
// gateways of tests alone.
package seen

import (
	"bufio"
	"encoding/binary"
	"hash/maphash"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds on the walk through one value.
const (
	maxDepth = 8
	maxNodes = 1 << 16
)

// places are the goroutines that are told apart, by the function that they run.
var places = map[string]string{
	"gateway/session.(*session)": "session",
	"gateway/intake.(*Desk)":     "intake",
}

// ends is the function with whose end one submission is done with.
const ends = "office.TakeSealed"

var (
	mu     sync.Mutex
	out    *bufio.Writer
	seed   = maphash.MakeSeed()
	before = map[string]map[uint64]bool{} // what was written down of a place
	labels sync.Map                       // of program counters
)

// file is where all of it goes: beside the configuration.
func file() *bufio.Writer {
	at := slices.Index(os.Args, "--config")
	f, err := os.OpenFile(os.Args[at+1]+".seen", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	w := bufio.NewWriterSize(f, 1<<16)
	go func() {
		for {
			time.Sleep(100 * time.Millisecond)
			mu.Lock()
			if err := w.Flush(); err != nil {
				panic(err)
			}
			mu.Unlock()
		}
	}()
	return w
}

// Note writes down values of a function: what it was given, or what it returns.
func Note(function string, returns bool, values ...any) {
	if slices.Index(os.Args, "--config") < 0 {
		return // a command that serves nobody
	}
	w := walk{place: place(), function: function}
	for _, v := range values {
		w.value(reflect.ValueOf(v), 0)
	}
	mu.Lock()
	defer mu.Unlock()
	if out == nil {
		out = file()
	}
	known := before[w.place]
	if known == nil {
		known = make(map[uint64]bool)
		before[w.place] = known
	}
	for _, octets := range w.found {
		sum := maphash.Bytes(seed, octets)
		if known[sum] {
			continue
		}
		known[sum] = true
		record(w.place, function, octets)
	}
	if returns && function == ends && w.place == "intake" {
		record(w.place, "END", nil)
		clear(known)
	}
}

// record writes one record: three strings, each behind its length.
func record(place, function string, octets []byte) {
	for _, s := range [][]byte{[]byte(place), []byte(function), octets} {
		var size [4]byte
		binary.BigEndian.PutUint32(size[:], uint32(len(s)))
		out.Write(size[:])
		out.Write(s)
	}
}

// place names the goroutine.
func place() string {
	var pcs [64]uintptr
	n := runtime.Callers(3, pcs[:])
	for _, pc := range pcs[:n] {
		label, ok := labels.Load(pc)
		if !ok {
			label = ""
			for frames := runtime.CallersFrames([]uintptr{pc}); ; {
				frame, more := frames.Next()
				for name, place := range places {
					if strings.Contains(frame.Function, name) {
						label = place
					}
				}
				if !more {
					break
				}
			}
			labels.Store(pc, label)
		}
		if label != "" {
			return label.(string)
		}
	}
	return "other"
}

type walk struct {
	place, function string
	found           [][]byte
	nodes           int
}

func (w *walk) add(octets []byte) {
	const shortest = 8 // what is shorter tells nothing that could be looked for
	if len(octets) >= shortest {
		w.found = append(w.found, octets)
	}
}

func (w *walk) value(v reflect.Value, depth int) {
	w.nodes++
	if !v.IsValid() || depth > maxDepth || w.nodes > maxNodes || lives(v.Type()) {
		return
	}
	switch v.Kind() {
	case reflect.String:
		w.add([]byte(v.String()))
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			w.add(slices.Clone(v.Bytes()))
			return
		}
		w.elements(v, depth)
	case reflect.Array:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			w.elements(v, depth)
			return
		}
		octets := make([]byte, v.Len())
		for i := range octets {
			octets[i] = byte(v.Index(i).Uint())
		}
		w.add(octets)
	case reflect.Struct:
		for i := range v.NumField() {
			w.value(v.Field(i), depth+1)
		}
	case reflect.Pointer, reflect.Interface:
		w.value(v.Elem(), depth+1)
	}
}

func (w *walk) elements(v reflect.Value, depth int) {
	switch v.Type().Elem().Kind() {
	case reflect.Bool, reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint32, reflect.Uint64:
		return
	}
	for i := range v.Len() {
		w.value(v.Index(i), depth+1)
	}
}

var living sync.Map // by type

// lives says whether a type is not a value, but something at work, into which
// nobody else may look: it has locks, channels or functions, or is not of this
// module.
func lives(t reflect.Type) bool {
	if known, ok := living.Load(t); ok {
		return known.(bool)
	}
	is := false
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.Map, reflect.UnsafePointer:
		is = true
	case reflect.Struct:
		is = !strings.HasPrefix(t.PkgPath(), "github.com/restante/") && t.PkgPath() != ""
		for i := 0; i < t.NumField() && !is; i++ {
			f := t.Field(i).Type
			is = f.Kind() == reflect.Chan || f.Kind() == reflect.Func || strings.HasPrefix(f.PkgPath(), "sync") || f.PkgPath() == "net"
		}
	}
	living.Store(t, is)
	return is
}
