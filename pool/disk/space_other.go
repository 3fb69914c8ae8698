//go:build !linux

package disk

import "errors"

// freeSpace isn't known on this system.
func freeSpace(string) (uint64, error) { return 0, errors.ErrUnsupported }
