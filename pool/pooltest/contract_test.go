package pooltest

import (
	"strings"
	"testing"
)

// contract is every sentence of the contracts in package pool, and the subtests
// that hold a store to it. A sentence without one says why.
func contract() []sentence {
	return []sentence{
		{"Reader: methods may be called at the same time", "Append_manyAtOnce Cancel_manyAtOnce", ""},
		{"Reader: they return ctx's error when it ends first", "Context_ended", ""},
		{"Groups: every group, sorted by name", "Groups_sortedByName", ""},
		{"Group: one group; ErrNoGroup", "Group_unknown SetGroup_new", ""},
		{"Scan: numbers in r, ascending, with their lines", "Scan_ascendingInRange Overview_line Overview_bytesAsSent", ""},
		{"Scan: until yield returns false", "Scan_stopsEarly", ""},
		{"Scan: the line is only valid during the call", "", "it allows, and promises nothing"},
		{"Scan: nothing is gathered; what is filed meanwhile may be left out", "Scan_callsBack", ""},
		{"Scan: ErrNoGroup", "Group_unknown RemoveGroup_hides", ""},
		{"ByNumber: one article; ErrNoGroup, ErrNotFound", "ByID_exactOctets ByNumber_errors", ""},
		{"ByNumber, ByID: ErrCorrupt", "", "needs damage: pool/disk, test/fault"},
		{"ByID: the article; ErrNotFound", "ByID_exactOctets ByID_emptyBody ByID_unknown", ""},
		{"Store: what was appended is there again", "Reopen_sameArticles Reopen_sameGroups Reopen_emptyBody", ""},
		{"Append: numbers, adds Xref, files", "Append_numbersFromOne ByID_exactOctets Append_sameGroupTwice Append_largeArticle", ""},
		{"Append: calls made at the same time share one sync", "Append_manyAtOnce", ""},
		{"Append: an article that brings numbers has those; gaps are never filled", "Append_keepsNumbers Append_keptNumbersAtOnce Reopen_keptNumbers", ""},
		{"Append: ErrDuplicate, be it expired; nothing changed, the same again", "Append_duplicate Append_sameIDAtOnce DropBefore_duplicatesStay", ""},
		{"Append: ErrNoGroup; nothing changed", "Append_unknownGroup", ""},
		{"Append: ErrGroupFull; nothing changed", "Append_groupFull Append_numberTooLarge", ""},
		{"Append: ErrNumber; nothing changed", "Append_numberGivenBefore", ""},
		{"Append, Cancel, Remember, Expire: ErrDiskFull, ErrReadOnly", "", "needs faults: pool/disk, test/fault"},
		{"Cancel: withdraws from all groups", "Cancel_removesFromAllGroups", ""},
		{"Cancel: numbers are not used again, the id stays seen", "Cancel_marksGoOn Cancel_staysSeen", ""},
		{"Cancel: nothing for what was withdrawn or has expired", "Cancel_twiceAndExpired", ""},
		{"Cancel: on stable storage", "Reopen_afterCancel Reopen_cancelledThenDropped", ""},
		{"Cancel: ErrNotFound", "Cancel_unknown", ""},
		{"Remember: counts as seen, without an article; ErrDuplicate", "Remember_isRefusedWhenItComes", ""},
		{"Remember: on stable storage", "Reopen_afterCancel", ""},
		{"Seen: ever appended or remembered, be it expired", "Seen_unknown Cancel_staysSeen DropBefore_duplicatesStay", ""},
		{"Seen: a store may be told to forget", "", "an ability of pool/disk, tested there"},
		{"Seen: touches no disk for an unknown id", "", "pool/disk's benchmarks count"},
		{"Since: from t on, in order of arrival, until false", "Since_orderOfArrival Since_locations", ""},
		{"SetGroup: makes or changes; what is taken and what is not", "SetGroup_new SetGroup_change SetGroup_badName", ""},
		{"SetGroup: goes on where it stopped; on stable storage", "RemoveGroup_keepsMarks Reopen_sameGroups", ""},
		{"RemoveGroup: hides, also in ByID and Since; ErrNoGroup", "RemoveGroup_hides", ""},
		{"RemoveGroup: SetGroup brings it back, no number twice", "RemoveGroup_keepsMarks", ""},
		{"DropBefore: which articles", "DropBefore_dropsOldEpochs DropBefore_appendAfterwards", ""},
		{"DropBefore: marks and message-ids stay", "DropBefore_marksGoOn DropBefore_duplicatesStay Reopen_afterDrop Reopen_everythingExpired", ""},
		{"Expire: the lowest numbers first, until within Keep", "Expire_byAge Expire_byCount Expire_byOctets", ""},
		{"Expire: groups that there are not are passed over; zero is no bound", "Expire_nothingToDo", ""},
		{"Expire: in no group any more has expired, the id stays seen", "Expire_crossposts Expire_idsStaySeen Expire_cancelledAndRemembered", ""},
		{"Expire: low marks never fall, no number comes back", "Expire_marksGoOn Expire_epochs", ""},
		{"Expire: on stable storage", "Reopen_afterExpire", ""},
		{"Keep: what is due to be kept keeps those behind it", "Expire_youngKeepsWhatFollows", ""},
		{"Close: calls under way finish; later ones return ErrClosed", "Close_thenErrClosed", ""},
		{"Begin: the first one gets the lower numbers; what Append would return", "Begin_numbersInOrder", ""},
		{"Begin: the article's memory may be used again afterwards", "Begin_letsGo", ""},
		{"Lend: as ByNumber and ByID; which errors", "Lend_sameAsRead Lend_errors Context_ended Close_thenErrClosed RemoveGroup_hides", ""},
		{"Lend: no octet of a damaged article", "", "needs damage: pool/disk"},
		{"WritePart: a part, in wire form, without terminator, also into an io.ReaderFrom", "Lend_sameAsRead", ""},
		{"WritePart: the article's octets, whatever expired since; once the store is closed", "Lend_staysWhatItWas Lend_staysBehindClose", ""},
		{"WritePart: w's error", "Lend_writersError", ""},
		{"WritePart: an error where octets can't be read any more", "", "needs damage: pool/disk"},
		{"Return: called once, after everything else", "", "an obligation of the caller"},
		{"ScanLines: as Scan, in lines that are ready", "ScanLines_sameAsScan ScanLines_afterRemovals ScanLines_errors ScanLines_stopsEarly Context_ended Close_thenErrClosed", ""},
		{"AppendLine: nothing in a line ends it", "ScanLines_oneLineEach", ""},
		{"SetHigher: the next number is the one behind; never lowered", "SetHigh_goesOnBehind", ""},
	}
}

// A sentence is one promise, the names of its subtests, or why there is none.
type sentence struct{ says, tests, without string }

// TestContract_isCovered holds the table against the suite: no subtest is named
// that is not there, none is there that no sentence names.
func TestContract_isCovered(t *testing.T) {
	there := make(map[string]bool)
	for _, c := range cases() {
		there[c.name] = false
	}
	for _, c := range durableCases() {
		there[c.name] = false
	}
	for _, s := range contract() {
		if (s.tests == "") != (s.without != "") {
			t.Errorf("%q has subtests and a reason for none, or neither", s.says)
		}
		for _, name := range strings.Fields(s.tests) {
			if _, known := there[name]; !known {
				t.Errorf("%q names %s, which is no subtest", s.says, name)
			}
			there[name] = true
		}
	}
	for name, named := range there {
		if !named {
			t.Errorf("%s is of no sentence", name)
		}
	}
}
