// Package arch holds the house to its plan: which rooms there are, and that
// every import runs downward (docs/architecture.md).
package arch
