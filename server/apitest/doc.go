// Package apitest holds every answer of both planes against docs/openapi.yaml, in tests. A handler test sends its request
// through [Transport], or hands the pair to [Validate], and fails when the answer has a status, a header or a member that
// the document does not describe, or when the server took a request that the document calls invalid.
//
// [Log] is the log and the record store of a server under test: a real engine behind one mutex, records in memory.
//
// It is imported by tests only. Threads: everything may be used by any number of goroutines; the document is read once per
// process and never changed. It opens docs/openapi.yaml by walking up from the working directory to the module's root.
//
// It does not test behaviour: a 200 where a 409 belongs is the handler test's own business.
package apitest
