// Package mailbox keeps one user's mail on her own machine: messages under
// numbers that stay, contacts, what gateways have blinded for her, the
// directories she has seen, and what is still to be posted. It owns one file,
// everything in which is sealed, and who may have it open.
//
// It refuses to know the network, and how a message is made or opened.
//
// # The file
//
// The file mail.log is one of package record. A record's payload is
//
//	nonce    24 octets  random
//	sealed   XChaCha20-Poly1305 with a key of the seed's (identity.LocalKey);
//	         additional data: "restante mail v1", 0x00, and the record's offset in 8 octets
//
// and what is sealed is the length of a JSON text in four octets, the text, and
// octets that belong to it: a message's article, a fragment's content, an article
// to be posted. The offset keeps records from being put in another order, or taken
// from another place. Each record is one thing that happened; what holds now
// follows from all of them. So a record is there or not, whenever the process or
// the power ends: no other file need agree with it. Whoever can write the file can
// put an older copy in its place, and the lengths of records show.
//
// When the mail is opened and most of the file says nothing any more, what still
// holds is written to mail.log.new, synced, and put in its place.
package mailbox
