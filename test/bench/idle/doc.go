// Package idle measures what a connection costs a gateway that does nothing but
// wait for its next command. The gateway is the real program, run as its
// operators run it and left alone; what it has in memory is read from outside.
package idle
