// Package campaignfile turns a campaign file (or a namespace's policy) into what the engine decides by.
//
// A file is YAML or JSON; both are the same document, and a file whose first character is "{" is JSON. Parse reports
// all faults at once, each with a JSON pointer, a code, a message that names what is allowed, and the line and column
// where it stands. Whatever the file does not say gets the default that the field's table names; whatever this release
// cannot do is refused by name and never ignored, because a rule that is silently dropped gives prizes away.
//
// Everything that decides is an integer when it leaves this package: odds, limits, times in milliseconds, and the time
// zone as a list of offsets. So the engine needs neither floats nor time zone data, and a later release of the zone
// database cannot move a day's end under a running campaign.
//
// Threads: every function is pure and may be called by many goroutines; a File is not changed after Parse returns it.
//
// Not here: what depends on the live version is decided by the engine (stock_changed) or asked for by the control
// plane (Favourable, File.Unstated). Nothing here reads files, clocks or the environment, but for the zone database:
// the machine's, or the one that is compiled in where the machine has none.
package campaignfile
