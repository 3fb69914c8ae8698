// Package article reads, checks and builds Usenet articles (RFC 5536), octet
// for octet: what isn't changed comes out as it went in, folds and 8-bit header
// fields included (RFC 3977, Section 3.6).
//
// An article's text is its lines, each ended by CRLF: header, empty line, body.
// It is neither dot-stuffed nor terminated; the wire form (RFC 3977, Section
// 3.1.1) is made by [Article.File] and [Render].
//
// The package knows the form of articles and nothing of what a server wants in
// them: which fields must be there, which groups exist, or how old a date may be.
package article
