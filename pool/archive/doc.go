// Package archive reads and writes articles in the forms that other programs
// keep them in, and moves them between such an archive and a store. It owns
// those forms, octet for octet, and refuses to know what makes an article
// welcome: who imports brings the check.
//
// # mbox
//
// The form is mboxrd. Before each article stands a line
//
//	From news Thu Nov 26 11:29:11 2026
//
// with the time at which it arrived, in UTC; behind each article stands an empty
// line. Lines end with LF. A line of the article that is "From " behind any
// number of ">" gets one ">" more. Since an article's lines end with CRLF and it
// has no other CR or LF, what is written is read back octet for octet. Whatever
// else makes mbox files may end lines with CRLF; a "From " line counts only
// behind an empty line or at the start.
//
// # rnews
//
// Each article stands behind a line "#! rnews N": N octets follow, lines ended by
// LF. A batch that begins with "#! cunbatch", "#! gunbatch" or "#! zunbatch" and
// goes on in gzip, or with "#! bunbatch" in bzip2, is read too. The form has no
// time of arrival.
//
// # tradspool
//
// INN's traditional spool: an article is the file misc/test/123, in as many
// folders as it has newsgroups, in wire form (CRLF, dot-stuffed, terminated) or
// with LF. It arrived when the file was written last. The file active has each
// newsgroup's water marks.
package archive
