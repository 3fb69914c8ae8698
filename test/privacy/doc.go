// Package privacy takes what a gateway leaves behind, its disk, its log and the
// public pool, and looks for anything that tells whose mail is whose.
package privacy
