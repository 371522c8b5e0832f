// Package drawd is drawd inside another Go program: the lottery and stock authority of the daemon, without HTTP, as a value.
//
//	db, err := drawd.Open(drawd.Options{Dir: "drawd-data"}) // Options{} keeps everything in memory
//	…
//	wheel, err := db.Publish(ctx, file)
//	out, err := wheel.Draw(ctx, drawd.DrawRequest{User: "u1", Key: "order-1"})
//
// # What is the same as in the daemon
//
// All that decides. A command is one step: idempotency, caps, odds, stock and record happen together or not at all, in the
// order of the daemon's ladder, by the same package engine. A draw that was decided under a key is answered again under that
// key, never drawn again. A denial consumes nothing.
//
// # The two modes
//
// With Options.Dir a DB is one durable node, as `drawd serve` is: every call returns after its entry is synced. Calls of many
// goroutines become one entry (group commit), so throughput comes from goroutines. The daemon can open the directory later,
// and the other way round; one process at a time ([ErrInUse]). A disk that fails ends the process: see Options.OnFatal.
//
// Without Dir goroutines decide at once, in memory, under the engine's own locks, and nothing outlives the process. The newest
// Options.RecordBytes of records are kept, for replays and for [DB.Records].
//
// # Threads
//
// Everything may be called by any number of goroutines. A DB has no package state: a process may have many. No lock is held
// while something is written or waited for.
//
// # Context, and what an error says
//
// Every error of a call is an [*Error] or wraps one, and says in Effect what became of the call. A context that has ended
// before the command was sent refuses it with effect none. After that nothing takes it back: the call returns
// [ErrUnknownOutcome] with the key under which to ask again.
//
// # Time
//
// Log time comes from Options.Clock and never goes back. A DB brings starts, ends, releases and expiries about by itself, with
// one timer; with Options.Stepped it does so only in calls, and in [DB.Tick], for clocks that a test moves (package drawdtest).
//
// # What operators do
//
// A program that embeds drawd operates it too: [DB.Void] and [DB.VoidHold], [Campaign.Award], [DB.MoveAward], [Campaign.ImportCodes],
// [DB.PutOnList], [Campaign.DrawRaffle], [DB.Switch], [DB.PublishAt]. All of it is recorded, with Options.Actor.
//
// # What it does not do
//
// Several nodes, namespaces beside the default one: run the daemon. It does not rate-limit, and it has no metrics of its own. Left
// out because a library has one caller, whom nobody has to be told apart from or protected against:
//
//   - API keys, their scopes, and tickets: those prove to a server who asks. A host that calls Draw has checked it. Attributes that a
//     campaign takes from tickets only cannot be stated here.
//   - Approvals, and defensive versions, which are approved beforehand: they need a second person with a key of his own. A policy
//     with approvals is refused; on a directory that the daemon gave one, what needs approval is ErrConflict.
//   - Breaking the glass: without approvals a switch is turned on at once.
//   - Drafts and documents: a host has its files.
package drawd
