// Package clients lets the test suites of client libraries loose on a gateway, as
// their authors wrote them.
package clients
