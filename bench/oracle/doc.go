// Package oracle is the judge of a load test. It is shown the records feed of a campaign, every answer that a client
// acknowledged, and the books, and says whether drawd kept its promises.
//
// It shares no code with the engine beyond types: windows are counted with package time, odds with an exact binomial
// tail, stock by adding up. The rules are those of the campaign file that the test published.
//
// # What is judged
//
//	seq        dense, unique, ascending in log order
//	time       log time never goes back; draws only between start and end
//	stock      no win beyond what was available; stock_after, the books and the wins agree
//	outcome    a win gives the natural prize or its fallback; a miss has a cause, and the cause is true
//	word       the word names the recorded natural prize
//	cap        no user above a limit, recounted per user and window; the recorded counters agree
//	number     each user's draws are numbered without a gap
//	key        one key, one outcome
//	lost       every acknowledged draw is in the feed, with the same id, user, outcome and prize
//	extra      no draw in the feed that no request asked for (where the test was alone)
//	changed    an answer repeated later has the same bytes (told by the caller)
//	odds       natural prizes within seven sigma of their weights, by the exact binomial tail
//	effect     a denial says "effect": "none" (told by the caller)
//	books      the parts of a pool add up to its total, which nobody changed
//	units      what a pool has held and issued is what holds, confirmations and takes that were acknowledged add up to
//	denial     nobody was told "exhausted" while something was left
//
// # Threads and memory
//
// A Judge belongs to one goroutine. It keeps about 40 bytes for each user and each draw, and nothing on disk.
//
// # What it does not do
//
// Caps by device or address and aggregate caps of the namespace cannot be recounted from records; NotJudged names them.
// The order of two answers in real time is not judged here.
package oracle
