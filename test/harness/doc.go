// Package harness runs a whole gateway for tests: the real program, built from
// this tree, with a configuration, a data folder and a log of its own, on a
// free port of this machine. It knows what a person could do to a gateway, such
// as start it, stop it or pull its plug, and nothing of how one works inside.
package harness
