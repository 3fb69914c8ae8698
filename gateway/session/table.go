package session

// commandTable is every command there is. CAPABILITIES, HELP and the checks
// before a command runs are all made from it.
func commandTable() []command {
	var all []command
	for _, part := range [][]command{sessionCommands(), readingCommands(), headerCommands(), listCommands(), newsCommands(), transitCommands(), pickupCommands()} {
		all = append(all, part...)
	}
	return all
}

type needs = []func(*session) error

func reader() capability              { return capability{label: "READER"} }
func list(argument string) capability { return capability{label: "LIST", argument: argument} }

func restante(argument string) capability {
	return capability{label: "X-RESTANTE", argument: argument}
}

func sessionCommands() []command {
	return []command{
		{name: "CAPABILITIES", syntax: "[keyword]", run: (*session).capabilities, max: 1, rfc: "RFC 3977, Section 5.2"},
		{name: "HELP", run: (*session).help, rfc: "RFC 3977, Section 7.2", capability: reader()},
		{name: "MODE READER", run: (*session).modeReader, rfc: "RFC 3977, Section 5.3", capability: reader()},
		{name: "DATE", run: (*session).date, rfc: "RFC 3977, Section 7.1", capability: reader()},
		{name: "QUIT", run: (*session).quit, rfc: "RFC 3977, Section 5.4"},
		{
			name: "AUTHINFO USER", syntax: "handle", run: (*session).authinfoUser, min: 1, max: 1,
			needs: needs{loggedOut, uncompressed, mayLogin}, rfc: "RFC 4643, Section 2.3", capability: capability{"AUTHINFO", "USER"},
		},
		{
			name: "AUTHINFO PASS", syntax: "passphrase", run: (*session).authinfoPass, min: 1, max: unlimited,
			needs: needs{loggedOut, uncompressed, mayLogin}, rfc: "RFC 4643, Section 2.3",
		},
		{
			name: "AUTHINFO SASL", syntax: "mechanism [initial-response]", run: (*session).authinfoSASL, min: 1, max: 2, longest: maxSASLLine,
			needs: needs{loggedOut, uncompressed}, rfc: "RFC 4643, Section 2.4", capability: capability{"AUTHINFO", "SASL"},
			offered: needs{mayLogin}, also: []offer{{capability{"SASL", "PLAIN"}, needs{keepsMechanisms}}},
		},
		{
			name: "STARTTLS", run: (*session).startTLS,
			needs: needs{plain, uncompressed, loggedOut, canTLS}, rfc: "RFC 4642, Section 2.2", capability: capability{label: "STARTTLS"},
		},
		{
			name: "COMPRESS", syntax: "DEFLATE", run: (*session).compress, min: 1, max: 1,
			rfc: "RFC 8054, Section 2.2", capability: capability{"COMPRESS", "DEFLATE"}, offered: needs{uncompressed, mayCompress},
		},
		{
			name: "POST", run: (*session).post,
			needs: needs{mayPost}, rfc: "RFC 3977, Section 6.3.1", capability: capability{label: "POST"},
		},
	}
}

func readingCommands() []command {
	const which = "[message-id|number]"
	return []command{
		{name: "GROUP", syntax: "group", run: (*session).selectGroup, min: 1, max: 1, rfc: "RFC 3977, Section 6.1.1", capability: reader()},
		{name: "LISTGROUP", syntax: "[group [range]]", run: (*session).listGroup, max: 2, rfc: "RFC 3977, Section 6.1.2", capability: reader()},
		{name: "NEXT", run: (*session).next, needs: needs{groupSelected}, rfc: "RFC 3977, Section 6.1.4", capability: reader()},
		{name: "LAST", run: (*session).last, needs: needs{groupSelected}, rfc: "RFC 3977, Section 6.1.3", capability: reader()},
		{name: "ARTICLE", syntax: which, run: (*session).article, max: 1, rfc: "RFC 3977, Section 6.2.1", capability: reader()},
		{name: "HEAD", syntax: which, run: (*session).head, max: 1, rfc: "RFC 3977, Section 6.2.2", capability: reader()},
		{name: "BODY", syntax: which, run: (*session).body, max: 1, rfc: "RFC 3977, Section 6.2.3", capability: reader()},
		{name: "STAT", syntax: which, run: (*session).stat, max: 1, rfc: "RFC 3977, Section 6.2.4", capability: reader()},
	}
}

func headerCommands() []command {
	const which = "[message-id|range]"
	return []command{
		{name: "OVER", syntax: which, run: (*session).over, max: 1, rfc: "RFC 3977, Section 8.3", capability: capability{"OVER", "MSGID"}},
		{name: "XOVER", syntax: "[range]", run: (*session).xover, max: 1, rfc: "RFC 2980, Section 2.8"},
		{name: "HDR", syntax: "field " + which, run: (*session).hdr, min: 1, max: 2, rfc: "RFC 3977, Section 8.5", capability: capability{label: "HDR"}},
		{name: "XHDR", syntax: "field " + which, run: (*session).xhdr, min: 1, max: 2, rfc: "RFC 2980, Section 2.6"},
		{name: "XPAT", syntax: "field message-id|range pattern", run: (*session).xpat, min: 3, max: unlimited, rfc: "RFC 2980, Section 2.9"},
	}
}

func listCommands() []command {
	return []command{
		{name: "LIST ACTIVE", syntax: "[wildmat]", run: (*session).listActive, max: 1, bare: true, rfc: "RFC 3977, Section 7.6.3", capability: list("ACTIVE")},
		{name: "LIST ACTIVE.TIMES", syntax: "[wildmat]", run: (*session).listTimes, max: 1, rfc: "RFC 3977, Section 7.6.4", capability: list("ACTIVE.TIMES")},
		{name: "LIST COUNTS", syntax: "[wildmat]", run: (*session).listCounts, max: 1, rfc: "RFC 6048, Section 2.2", capability: list("COUNTS")},
		{name: "LIST DISTRIB.PATS", run: (*session).listDistribPats, needs: needs{keepsDistribPats}, rfc: "RFC 3977, Section 7.6.5", capability: list("DISTRIB.PATS")},
		{name: "LIST DISTRIBUTIONS", run: (*session).listDistributions, needs: needs{keepsDistributions}, rfc: "RFC 6048, Section 2.3", capability: list("DISTRIBUTIONS")},
		{name: "LIST EXTENSIONS", run: (*session).listNone, rfc: "RFC 3977, Section 7.6.1"},
		{name: "LIST HEADERS", syntax: "[MSGID|RANGE]", run: (*session).listHeaders, max: 1, rfc: "RFC 3977, Section 8.6", capability: list("HEADERS")},
		{name: "LIST MODERATORS", run: (*session).listModerators, needs: needs{keepsModerators}, rfc: "RFC 6048, Section 2.4", capability: list("MODERATORS")},
		{name: "LIST MOTD", run: (*session).listMOTD, needs: needs{keepsMOTD}, rfc: "RFC 6048, Section 2.5", capability: list("MOTD")},
		{name: "LIST NEWSGROUPS", syntax: "[wildmat]", run: (*session).listNewsgroups, max: 1, rfc: "RFC 3977, Section 7.6.6", capability: list("NEWSGROUPS")},
		{name: "LIST OVERVIEW.FMT", run: (*session).listOverviewFmt, rfc: "RFC 3977, Section 8.4", capability: list("OVERVIEW.FMT")},
		{
			name: "LIST SUBSCRIPTIONS", syntax: "[wildmat]", run: (*session).listSubscriptions, max: 1,
			needs: needs{keepsSubscriptions}, rfc: "RFC 6048, Section 2.6", capability: list("SUBSCRIPTIONS"),
		},
	}
}

func newsCommands() []command {
	return []command{
		{name: "NEWGROUPS", syntax: "date time [GMT]", run: (*session).newGroups, min: 2, max: 3, rfc: "RFC 3977, Section 7.3", capability: reader()},
		{
			name: "NEWNEWS", syntax: "wildmat date time [GMT]", run: (*session).newNews, min: 3, max: 4,
			needs: needs{knowsArrivals}, rfc: "RFC 3977, Section 7.4", capability: capability{label: "NEWNEWS"},
		},
	}
}

func transitCommands() []command {
	streaming := capability{label: "STREAMING"}
	return []command{
		{
			name: "IHAVE", syntax: "message-id", run: (*session).ihave, min: 1, max: 1,
			needs: needs{mayFeed}, rfc: "RFC 3977, Section 6.3.2", capability: capability{label: "IHAVE"},
		},
		{name: "MODE STREAM", run: (*session).modeStream, needs: needs{mayFeed}, rfc: "RFC 4644, Section 2.3", capability: streaming},
		{
			name: "CHECK", syntax: "message-id", run: (*session).check, min: 1, max: 1, streams: true,
			needs: needs{mayFeed}, rfc: "RFC 4644, Section 2.4", capability: streaming,
		},
		{
			name: "TAKETHIS", syntax: "message-id", run: (*session).takeThis, min: 1, max: 1, block: true, streams: true,
			needs: needs{mayFeed}, rfc: "RFC 4644, Section 2.5", capability: streaming,
		},
	}
}

func pickupCommands() []command {
	const rfc = "docs/protocol.md, section 10"
	return []command{
		{
			name: "XPICKUP", syntax: "sealed-id", run: (*session).xpickup, min: 1, max: 1,
			needs: needs{picksUp, mayShowSealed}, rfc: rfc, capability: restante("PICKUP"),
		},
		{
			name: "XBLIND", syntax: "epoch element[,element...]", run: (*session).xblind, min: 2, max: 2,
			needs: needs{picksUp}, rfc: rfc, capability: restante("BLIND"),
		},
		{name: "XKEYS", run: (*session).xkeys, needs: needs{picksUp}, rfc: rfc, capability: restante("KEYS")},
	}
}
