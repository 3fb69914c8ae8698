// Package inn runs InterNetNews beside the gateway: innd for peers and nnrpd for
// newsreaders, from the files of an installed package, with every file of theirs
// in a folder of the test. No service of the system is touched.
//
// Its test sends the same dialogues (testdata/dialogues) to INN and to the
// gateway, which hold the same articles, and holds every difference against a
// table (testdata/differences) that says which rule decides it.
package inn
