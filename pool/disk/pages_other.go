//go:build !unix

package disk

func makeSlots(n int) (slots []uint64, pages []byte) { return make([]uint64, n), nil }

func freePages([]byte) {}
