//go:build !linux

package record

// Sync makes the octets and the size durable.
func (f osFile) Sync() error { return f.File.Sync() }
