//go:build unix

package disk

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// leastPages is the size, in octets, from which on slots get pages of their own.
const leastPages = 4 << 10

// makeSlots returns n slots, and the pages that they lie in when they are many.
func makeSlots(n int) (slots []uint64, pages []byte) {
	size := n * int(unsafe.Sizeof(uint64(0)))
	if size < leastPages {
		return make([]uint64, n), nil
	}
	pages, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil { // the heap may still have some
		return make([]uint64, n), nil
	}
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(pages))), n), pages
}

// freePages gives pages back. No slot may lead there any more.
func freePages(pages []byte) {
	if pages != nil {
		_ = unix.Munmap(pages) // can't fail for pages that Mmap gave
	}
}
