//go:build !linux

package record

import "errors"

// Free isn't known on this system.
func Free(string) (uint64, error) { return 0, errors.ErrUnsupported }
