// Package access decides who may do what: API keys with scopes, per-key request rates, and the rules of a node that has
// no key yet. Both planes ask it, so it knows neither of their HTTP libraries: it takes bytes and addresses.
//
// A key is a document "key/<id>" of the namespace it belongs to; the document holds the SHA-256 of the secret and never
// the secret. A key of the namespace "default" that holds the scope admin is an operator's: it may choose any namespace
// with the header Drawd-Namespace. Every other key stays in its own namespace.
//
// Until the first key exists only loopback peers are served, and only directly: a request that came through a proxy, from
// a page of another origin or under a foreign host name is refused, because then "loopback" says nothing about who asks.
//
// Threads: a [Gate] is used by any number of goroutines. Check reads an immutable snapshot of all keys through one
// atomic pointer and allocates nothing. Every [Options].RefreshEvery one of the callers asks the source whether documents
// have changed, and rebuilds the snapshot if so; the others go on with the old one. The node that changes a key calls
// Refresh before it answers, so the change holds there at once; elsewhere it holds within RefreshEvery. This works the
// same after a restart and on a node that only follows.
//
// What is not known here, a key, a namespace, a campaign, a pool, is looked for once more after [Options].Settle, before anybody is
// told that it does not exist. Only that may wait: whoever asks for what is known never does.
//
// Lock order: the Gate's own mutex, taken by rebuilds only, then whatever the engine takes for Documents.
//
// Durability: none of its own; keys are engine state. Request rates are node-local and start full after a restart.
//
// It does not read HTTP messages, does not write answers and does not know which path needs which scope.
package access
