// Package newsreader drives the newsreaders that people use through a whole
// gateway: they list groups, log in, read, post, follow up and find their
// private mail, and what they show is what counts. Readers for a terminal run
// in a real one. The package holds tests only.
package newsreader
