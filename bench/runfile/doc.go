// Package runfile is the document that a load test leaves behind: run.json, and the histograms of its seconds as .hlog.
//
// One form serves every scenario: where it ran ([Environment]), what was asked ([Option]), what came of it second by second
// ([Second]) and as a whole ([Latency], [Outcome], [Prize], [Figure]), whether drawd was right ([Verdict]) and whether what
// was expected came true ([Expectation]). docs/bench-run.schema.json is its published schema; a test makes the schema from
// this package's types and their comments and compares.
//
// # Compatibility
//
// Members are only ever added. A reader refuses a schema_version above its own and ignores nothing: a member it does not
// know is an error, because a figure that is silently dropped is a wrong figure.
//
// # Comparison
//
// [Compare] holds two sets of runs against each other. Each run is one sample of each of its metrics; a figure with pairs
// brings its pairs as samples. Two sets are told apart by the Mann–Whitney U test, runs made in turn by Wilcoxon's signed
// ranks; both are exact for small sets without ties. Percentiles are never averaged: those of several runs are compared as
// samples, and histograms are merged by adding counts.
//
// # Units
//
// Units stand last in a name: _us, _per_second, _bytes. A share is between 0 and 1. Times are UTC.
//
// # Threads
//
// Nothing here is shared between goroutines.
package runfile
