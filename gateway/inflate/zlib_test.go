package inflate

// zlibStreams is the commands as zlib compresses them, by the way in which each
// was flushed: in hex, one piece for each command.
func zlibStreams() map[string][]string {
	return map[string][]string{
		"Z_SYNC_FLUSH, level 0":    {"001100eeff47524f5550206d6973632e746573740d0a000000ffff", "001100eeff47524f5550206d6973632e746573740d0a000000ffff", "000600f9ff444154450d0a000000ffff"},
		"Z_SYNC_FLUSH, level 6":    {"720ff20f0d50c8cd2c4ed62b492d2ee1e502000000ffff", "72471700000000ffff", "72710c71e5e502000000ffff"},
		"Z_PARTIAL_FLUSH, level 0": {"001100eeff47524f5550206d6973632e746573740d0a02", "001100eeff47524f5550206d6973632e746573740d0a02", "000600f9ff444154450d0a02"},
		"Z_PARTIAL_FLUSH, level 6": {"720ff20f0d50c8cd2c4ed62b492d2ee1e50208", "207774018000", "72710c71e5e50208"},
		"Z_FULL_FLUSH, level 0":    {"001100eeff47524f5550206d6973632e746573740d0a000000ffff", "001100eeff47524f5550206d6973632e746573740d0a000000ffff", "000600f9ff444154450d0a000000ffff"},
		"Z_FULL_FLUSH, level 6":    {"720ff20f0d50c8cd2c4ed62b492d2ee1e502000000ffff", "720ff20f0d50c8cd2c4ed62b492d2ee1e502000000ffff", "72710c71e5e502000000ffff"},
	}
}
