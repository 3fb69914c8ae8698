// Package fault proves that the store loses nothing: it kills the process, lets
// the power fail, breaks octets, fails system calls and fills the disk, and
// compares what is left with what was acknowledged. docs/reliability.md has the
// table of all faults, and how to repeat them in full counts.
package fault
