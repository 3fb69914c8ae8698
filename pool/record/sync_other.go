//go:build !linux

package record

// Sync makes the octets and the size durable.
func (f osFile) Sync() error { return f.File.Sync() }

// Start does nothing: only Linux can be told.
func (osFile) Start(int64, int64) error { return nil }
