package campaignfile

import "github.com/drawd/drawd/engine"

// Bounds of the source itself. What a campaign may hold is bounded in package engine.
const (
	// maxSource bounds a file: it travels in one document.
	maxSource = engine.MaxDocumentBytes
	// maxDepth bounds nesting. A campaign file needs 5.
	maxDepth = 16
	// maxIndent bounds the column of the first token of a line, and with it how deep block nesting can go before the
	// parser, which recurses, has seen it.
	maxIndent = 256
	// maxTokens bounds the work of the parser; the largest real file (256 prizes with every field) has about 20 000.
	maxTokens = 60_000
	// maxFaults bounds a report. More than that is another kind of file.
	maxFaults = 100

	maxLanguages   = 32
	maxTitleBytes  = 512 // of one language
	maxSlot        = 999
	maxBoost       = 1_000_000_000 // ppm: a thousand times
	maxCards       = 1 << 31       // of one amount in a deck of amounts
	maxUnits       = 1 << 20       // of one win; the engine's own bound
	maxValue       = 1 << 53       // minor units; the largest integer every JSON reader keeps
	maxPatternText = 256           // bytes of user_pattern
	// maxExpectedUsers bounds the memory that publishing one file can ask for. More users come as they arrive.
	maxExpectedUsers = engine.DefaultMaxUsers
	maxPolicyUsers   = 1_000_000_000
	maxPolicyKeys    = 10_000_000_000
)
