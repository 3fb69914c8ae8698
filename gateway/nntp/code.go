package nntp

// A Code is a three-digit response code (RFC 3977, Section 3.2).
type Code int

// Codes that any command may answer with (RFC 3977, Section 3.2.1).
const (
	CodeUnavailable     Code = 400 // the connection closes
	CodeInternalFault   Code = 403
	CodeUnknownCommand  Code = 500
	CodeSyntax          Code = 501
	CodeNotPermitted    Code = 502
	CodeNotSupported    Code = 503
	CodeEncodingError   Code = 504
	CodeLoginRequired   Code = 480
	CodePrivacyRequired Code = 483
)

// Codes of the session (RFC 3977, Sections 5 and 7).
const (
	CodeHelp           Code = 100
	CodeCapabilities   Code = 101
	CodeDate           Code = 111
	CodePostingAllowed Code = 200
	CodeNoPosting      Code = 201
	CodeBye            Code = 205
)

// Codes of groups, articles and lists (RFC 3977, Sections 6 to 8).
const (
	CodeGroup         Code = 211
	CodeList          Code = 215
	CodeArticle       Code = 220
	CodeHead          Code = 221
	CodeBody          Code = 222
	CodeStat          Code = 223
	CodeOverview      Code = 224
	CodeHeaders       Code = 225
	CodeNewNews       Code = 230
	CodeNewGroups     Code = 231
	CodeNoSuchGroup   Code = 411
	CodeNoGroup       Code = 412
	CodeNoCurrent     Code = 420
	CodeNoNext        Code = 421
	CodeNoPrevious    Code = 422
	CodeNoSuchNumber  Code = 423
	CodeNoSuchArticle Code = 430
)

// CodeLegacyHeaders opens the answer of XHDR and XPAT (RFC 2980, Sections 2.6
// and 2.9).
const CodeLegacyHeaders Code = 221

// Codes of posting (RFC 3977, Section 6.3.1).
const (
	CodePosted          Code = 240
	CodeSendPost        Code = 340
	CodePostingDenied   Code = 440
	CodePostingRejected Code = 441
)

// Codes of authentication (RFC 4643, Section 2.3).
const (
	CodeLoggedIn         Code = 281
	CodePasswordRequired Code = 381
	CodeLoginFailed      Code = 481
	CodeLoginSequence    Code = 482
)

// Codes of transit (RFC 3977, Section 6.3.2).
const (
	CodeTransferred       Code = 235
	CodeSendTransfer      Code = 335
	CodeTransferNotWanted Code = 435
	CodeTransferLater     Code = 436
	CodeTransferRejected  Code = 437
)

// Codes of streaming (RFC 4644, Section 4). The message-id follows each but the
// first.
const (
	CodeStreaming      Code = 203
	CodeStreamSend     Code = 238
	CodeStreamTaken    Code = 239
	CodeStreamLater    Code = 431
	CodeStreamUnwanted Code = 438
	CodeStreamRejected Code = 439
)

// CodeContinueLogin goes on with a SASL exchange (RFC 4643, Section 2.4).
const CodeContinueLogin Code = 383

// Codes of the layers below the commands: TLS (RFC 4642, Section 2.2) and
// compression (RFC 8054, Section 2.2).
const (
	CodeCompressed Code = 206
	CodeStartTLS   Code = 382
	CodeNoTLS      Code = 580
)

// Codes of pickup by command, from the range for private use (RFC 3977, Section
// 3.2; docs/protocol.md, section 10).
const (
	CodeKeys        Code = 290
	CodeEvaluations Code = 291
	CodeEntries     Code = 292
	CodeNoEpoch     Code = 490
	CodeNotSealed   Code = 491
)
