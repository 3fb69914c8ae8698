// Package attack tries what an adversary would: each test plays one against a
// running gateway, and fails when the adversary succeeds, or when the same
// search done with the secret finds nothing, since then it could not fail.
package attack
