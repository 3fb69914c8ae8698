// Package erase runs what handles long-lived keys so that the machine forgets
// its traces, as far as Go can: registers and stacks at once, and what it
// allocated once nothing refers to it any more and a garbage collection has
// passed. That takes a program built with GOEXPERIMENT=runtimesecret, on Linux on
// amd64 or arm64; any other one runs the same code and erases nothing. It refuses
// to know what a key is.
package erase
