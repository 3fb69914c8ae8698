// Package user tests the restante tool as its users have it: as a process, with
// real gateways.
package user
