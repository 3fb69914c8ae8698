// Package mirror tests gateways that mirror each other's pools, as processes, over
// feeds, by pulling, and with other news servers between them.
package mirror
