package bench

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/drawd/drawd/bench/load"
)

// How a client behaves whose request is refused or whose connection breaks.
const (
	maxAttempts   = 200 // before a request is left alone
	maxBackoff    = 500 * time.Millisecond
	afterCut      = time.Millisecond // before a request whose connection broke is sent again
	maxOddAnswers = 5                // kept in words
)

// patience is how a client asks again.
type patience struct {
	policy   string // "jitter": exponential with full jitter; "none": at once, again and again
	attempts int    // before a request is left alone
}

// drawLoad sends unary draws and notes the answers: one loop's part of them.
type drawLoad struct {
	journal  *journal
	template *template
	user     func(id uint32) uint32
	watch    *restartWatch
	rng      *rand.Rand
	patience patience
	share    share

	progress progress
	byPrize  []uint64    // wins so far, in the order of the campaign file
	codes    []codeCount // of refusals, final ones
	shed     []codeCount // of refusals after which the request was sent again
	replayed uint64      // first answers that were replays: the draw was decided before its answer got lost
	effects  uint64      // denials whose effect is not "none"
	odd      []string    // answers that nobody expected
}

// progress is what others may look at while the loop works.
type progress struct {
	wins, misses, denied, refused, failed, lost atomic.Uint64
	_                                           [64]byte // one loop's counters are not on another's line
}

// share numbers the requests of one of several generators: i is number first + i × of. The zero share has all of them.
type share struct{ first, of uint32 }

func (s share) number(id uint32) uint32 {
	if s.of == 0 {
		return id
	}
	return s.first + id*s.of
}

type codeCount struct {
	Code  string `json:"code"`
	Count uint64 `json:"count"`
}

// restartWatch notes the first draw that a restarted daemon answers.
type restartWatch struct {
	armed atomic.Int64 // time since T0 from which on a sending counts; 0: nothing is awaited
	first atomic.Int64 // when it was answered
}

func newDrawLoad(j *journal, t *template, user func(uint32) uint32, watch *restartWatch, seed uint64) *drawLoad {
	return &drawLoad{
		journal: j, template: t, user: user, watch: watch, rng: rand.New(rand.NewPCG(seed, 0x6a6974746572)),
		byPrize: make([]uint64, len(j.rules.Prizes)), patience: patience{"jitter", maxAttempts},
	}
}

// tally is what has been counted so far. It is asked on the loop's thread.
func (l *drawLoad) tally() tally {
	p := &l.progress
	return tally{
		logged: p.wins.Load() + p.misses.Load(), won: p.wins.Load(), denied: p.denied.Load(), refused: p.refused.Load(),
		errors: p.failed.Load() + p.lost.Load(), byPrize: slices.Clone(l.byPrize),
	}
}

// AppendRequest implements load.Workload.
func (l *drawLoad) AppendRequest(dst []byte, id uint32, again bool) []byte {
	l.journal.state[id] = unknownOutcome
	return l.template.appendTo(dst, l.share.number(id), l.user(id), again)
}

// Lost implements load.Workload.
func (l *drawLoad) Lost(_ uint32, attempt int) time.Duration {
	l.progress.lost.Add(1)
	if attempt >= l.patience.attempts {
		return load.Done
	}
	return afterCut
}

// Answer implements load.Workload.
func (l *drawLoad) Answer(id uint32, a *load.Answer) (load.Class, time.Duration) {
	class := classOf(a.Status)
	switch class {
	case load.Decided:
		l.decided(id, a)
		return class, load.Done
	case load.Denied:
		l.progress.denied.Add(1)
		l.journal.state[id] = deniedRequest
		l.codes = bump(l.codes, a.Body)
		if !bytes.Contains(a.Body, []byte(`"effect":"none"`)) {
			l.effects++
		}
		return class, load.Done
	case load.Refused:
		l.progress.refused.Add(1)
		l.shed = bump(l.shed, a.Body)
		if a.Status != 504 && a.Attempt == 0 {
			l.journal.state[id] = openRequest // effect none, and never sent before
		}
	default:
		l.progress.failed.Add(1)
		l.remark(a)
		if a.Status != 500 { // an internal error may have been decided: ask again
			l.journal.state[id] = brokenOff
			return class, load.Done
		}
	}
	if a.Attempt >= l.patience.attempts {
		return class, load.Done
	}
	return class, l.backoff(a.Attempt)
}

func (l *drawLoad) decided(id uint32, a *load.Answer) {
	win, err := l.journal.acknowledge(id, a.Body)
	if err != nil {
		l.journal.state[id] = brokenOff
		l.remark(a)
		return
	}
	if win {
		l.progress.wins.Add(1)
		if prize := l.journal.prize[id]; prize >= 0 {
			l.byPrize[prize]++
		}
	} else {
		l.progress.misses.Add(1)
	}
	if a.Has(replayedHeader) {
		l.replayed++
	}
	if armed := l.watch.armed.Load(); armed != 0 && int64(a.Sent) >= armed {
		l.watch.first.CompareAndSwap(0, int64(a.Received))
		l.watch.armed.Store(0)
	}
}

const replayedHeader = "Idempotent-Replayed: true"

// backoff is exponential with full jitter: what a well-behaved front server does.
func (l *drawLoad) backoff(attempt int) time.Duration {
	if l.patience.policy == "none" {
		return afterCut
	}
	most := min(20*time.Millisecond<<min(attempt, 10), maxBackoff)
	return time.Millisecond + time.Duration(l.rng.Int64N(int64(most)))
}

func (l *drawLoad) remark(a *load.Answer) {
	if len(l.odd) < maxOddAnswers {
		l.odd = append(l.odd, string(a.Head)+"\r\n\r\n"+string(a.Body[:min(len(a.Body), 1000)]))
	}
}

// bump counts the problem's code.
func bump(counts []codeCount, body []byte) []codeCount {
	rest, _ := after(body, `"code":"`)
	end := max(bytes.IndexByte(rest, '"'), 0)
	for i := range counts {
		if string(rest[:end]) == counts[i].Code {
			counts[i].Count++
			return counts
		}
	}
	return append(counts, codeCount{string(rest[:end]), 1})
}

// addCodes merges counts of codes.
func addCodes(sum, more []codeCount) []codeCount {
next:
	for _, c := range more {
		for i := range sum {
			if sum[i].Code == c.Code {
				sum[i].Count += c.Count
				continue next
			}
		}
		sum = append(sum, c)
	}
	return sum
}

// again sends a chosen part of the requests once more, each with its own key: ids[i] is the i-th.
type again struct {
	*drawLoad
	ids []uint32
}

// AppendRequest implements load.Workload.
func (g *again) AppendRequest(dst []byte, i uint32, _ bool) []byte {
	return g.drawLoad.AppendRequest(dst, g.ids[i], true)
}

// Answer implements load.Workload.
func (g *again) Answer(i uint32, a *load.Answer) (load.Class, time.Duration) {
	return g.drawLoad.Answer(g.ids[i], a)
}

// Lost implements load.Workload.
func (g *again) Lost(i uint32, attempt int) time.Duration { return g.drawLoad.Lost(g.ids[i], attempt) }
