// Package idle measures what a connection costs a server that does nothing but
// wait for its next command.
package idle
