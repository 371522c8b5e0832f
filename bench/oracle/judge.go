package oracle

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/drawd/drawd/engine"
)

// Answer is one draw that was acknowledged to a client.
type Answer struct {
	Seq     uint64
	Draw    uint64 // Hash of the id
	User    uint64 // Hash of the user who asked
	Request uint32 // the caller's number of the request
	Prize   int16  // index into Rules.Prizes; Miss, or Unknown for an id that no prize has
}

// Special values of Answer.Prize.
const (
	Miss    = -1
	Unknown = -2
)

// Case is what a Judge is told beforehand.
type Case struct {
	Rules   *Rules
	Version uint32 // the version that the rules are of
	// Answers are the acknowledged draws, in any order; they are sorted in place.
	Answers []Answer
	// Name names a request in a fault: its idempotency key.
	Name func(request uint32) string
	// Alone says that nobody else drew from the campaign, so that each draw in the feed must have been acknowledged,
	// but for Unresolved ones.
	Alone      bool
	Unresolved uint64
	// Aggregates says that the namespace has aggregate caps, or may have some: they turn wins into misses, or into what is behind them.
	Aggregates bool
	Hasher     Hasher
}

// Hasher hashes ids, users and answers: the same in every process, because agents on other machines hash what they hear.
type Hasher struct{}

// NewHasher returns a Hasher.
func NewHasher() Hasher { return Hasher{} }

// Hash returns the 64-bit hash of b.
func (Hasher) Hash(b []byte) uint64 { return xxh3.Hash(b) }

// Judge recounts a campaign from its feed. Feed it items in order, then the books, then ask for the verdict.
type Judge struct {
	Case
	verdict *Verdict
	foreign bool // something that records do not carry may make a prize unavailable
	cal     calendar

	sums    []uint64 // prefix sums of the weights
	surplus uint64   // words below it, scaled, are rejected
	stock   []shelf  // by prize
	caps    []*fatigue
	ofUser  []int // caps of the user's scope, as records carry them

	users   map[uint64]int32
	numbers []uint32 // draws of each user
	keys    map[keyPart]uint64
	next    int // first answer not yet met
	lastSeq uint64
	lastAt  int64
}

// shelf is the recounted stock of one prize.
type shelf struct {
	total, left int64 // engine.Unlimited in total: no bound
	wins, taken int64
	issued      int64 // by the books
	natural     uint64
}

type keyPart struct {
	digest [16]byte
	part   uint8
}

// NewJudge prepares a judge for a campaign whose feed begins with its first record.
func NewJudge(c Case) *Judge {
	j := &Judge{
		Case: c, verdict: &Verdict{Acknowledged: uint64(len(c.Answers))}, foreign: c.Aggregates || c.Rules.foreign(),
		cal: calendar{zone: c.Rules.Zone}, users: map[uint64]int32{}, keys: map[keyPart]uint64{},
	}
	slices.SortFunc(j.Answers, func(a, b Answer) int { return cmp.Compare(a.Seq, b.Seq) })
	denominator := uint64(c.Rules.Denominator)
	j.surplus = -denominator % denominator
	var sum uint64
	for i := range c.Rules.Prizes {
		p := &c.Rules.Prizes[i]
		sum += uint64(p.Weight)
		j.sums = append(j.sums, sum)
		j.stock = append(j.stock, shelf{total: p.Stock, left: max(p.Stock, 0)})
	}
	for i := range c.Rules.Caps {
		k := c.Rules.Caps[i]
		if k.Scope != engine.ScopeUser {
			j.verdict.NotJudged = append(j.verdict.NotJudged, fmt.Sprintf("cap %s counts by %s, which records do not carry", k.ID, k.Scope))
			j.caps = append(j.caps, nil)
			continue
		}
		j.ofUser = append(j.ofUser, i)
		j.caps = append(j.caps, newFatigue(k))
	}
	if c.Aggregates {
		j.verdict.NotJudged = append(j.verdict.NotJudged, "aggregate caps count over other campaigns too: what only they can explain passes")
	}
	return j
}

// Item takes the next item of the feed. Items of other campaigns are ignored.
func (j *Judge) Item(it *Item) {
	if string(it.Campaign) != j.Rules.Campaign {
		return
	}
	j.order(it)
	switch it.Kind {
	case "draw":
		if it.Version != j.Version {
			j.fault("version", "seq %d: the draw names version %d, but version %d was published", it.Seq, it.Version, j.Version)
			return
		}
		j.draw(it)
	case "adjust":
		j.adjust(it)
	case "publish":
		if it.Version != j.Version {
			j.fault("version", "version %d was published too: its rules are not known here", it.Version)
		}
	case "fence":
		j.fault("fence", "the campaign was fenced: %s", it.Name)
	}
}

// order checks what holds for every record: seq is dense, log time does not go back.
func (j *Judge) order(it *Item) {
	if it.Seq > 0 {
		switch {
		case it.Seq == j.lastSeq+1:
		case it.Seq > j.lastSeq:
			j.fault("seq", "seq %d follows %d: %d missing", it.Seq, j.lastSeq, it.Seq-j.lastSeq-1)
		default:
			j.fault("seq", "seq %d stands after %d", it.Seq, j.lastSeq)
		}
		j.lastSeq = max(j.lastSeq, it.Seq)
	}
	if it.At < j.lastAt {
		j.fault("time", "seq %d: log time went back by %d ms", it.Seq, j.lastAt-it.At)
	}
	j.lastAt = max(j.lastAt, it.At)
}

// draw recounts one draw.
func (j *Judge) draw(it *Item) {
	v := j.verdict
	v.Draws++
	if it.At < j.Rules.StartsAt || it.At >= j.Rules.EndsAt {
		j.fault("time", "seq %d: drawn outside of the campaign's time", it.Seq)
	}
	userHash := j.Hasher.Hash(it.User)
	user, known := j.users[userHash]
	if !known {
		user = int32(len(j.numbers))
		j.users[userHash] = user
		j.numbers = append(j.numbers, 0)
	}
	if j.numbers[user]++; it.DrawNumber != j.numbers[user] {
		j.fault("number", "user %s, seq %d: draw number %d, but it is his draw %d in the feed", it.User, it.Seq, it.DrawNumber, j.numbers[user])
		j.numbers[user] = it.DrawNumber
	}
	k := keyPart{it.Digest, it.Part}
	if before, twice := j.keys[k]; twice {
		j.fault("key", "key digest %x has two outcomes: seq %d and seq %d", it.Digest, before, it.Seq)
	} else {
		j.keys[k] = it.Seq
	}
	natural := j.natural(it)
	prize := Miss
	if it.Win {
		if prize = j.Rules.prize(it.Prize); prize < 0 {
			j.fault("outcome", "seq %d: won %q, which is no prize of the version", it.Seq, it.Prize)
			return
		}
	}
	j.outcome(it, user, natural, prize)
	j.countCaps(it, user, prize)
	if prize >= 0 {
		v.Wins++
		j.take(it, prize)
	}
	j.meet(it, userHash, prize)
}

// natural checks that the word names the recorded natural prize, and counts it.
func (j *Judge) natural(it *Item) int {
	natural := Miss
	if len(it.Natural) > 0 {
		natural = j.Rules.prize(it.Natural)
	}
	named, sure := j.scale(it.Word)
	if sure && natural != named {
		j.fault("word", "seq %d: word %016x names %s, recorded is %q", it.Seq, it.Word, j.prizeName(named), it.Natural)
	}
	if natural >= 0 {
		j.stock[natural].natural++
	} else {
		j.verdict.NaturalMisses++
	}
	return natural
}

// outcome checks that what was given follows from the natural prize, the stock and the user's caps before the draw.
func (j *Judge) outcome(it *Item, user int32, natural, prize int) {
	want, cause := j.give(user, natural, it.At)
	if j.foreign && j.behind(want, prize) {
		return
	}
	switch {
	case prize == want && it.Cause == cause:
	case prize == want:
		j.fault("outcome", "seq %d: the cause is %q, it should be %q", it.Seq, it.Cause, cause)
	case prize < 0:
		j.fault("outcome", "seq %d: a miss (cause %q) where prize %s was due", it.Seq, it.Cause, j.prizeName(want))
	default:
		j.fault("outcome", "seq %d: won %s where %s (cause %q) was due", it.Seq, j.prizeName(prize), j.prizeName(want), cause)
	}
}

// give walks from the natural prize along the fallbacks to what can be given.
func (j *Judge) give(user int32, natural int, at int64) (prize int, cause string) {
	for n := natural; n >= 0; n = j.Rules.Prizes[n].Fallback {
		p := &j.Rules.Prizes[n]
		if p.Thanks {
			return Miss, cause
		}
		why := j.unavailable(user, n, at)
		if why == "" {
			return n, cause
		}
		if cause == "" {
			cause = why
		}
	}
	return Miss, cause
}

// behind reports whether a prize, or the miss, is given where want is due and anything from there on may be unavailable for a reason that
// records do not carry.
func (j *Judge) behind(want, prize int) bool {
	for n := want; n >= 0; n = j.Rules.Prizes[n].Fallback {
		if n == prize {
			return true
		}
	}
	return prize < 0
}

func (j *Judge) unavailable(user int32, prize int, at int64) string {
	if s := &j.stock[prize]; s.total != int64(engine.Unlimited) && s.left < j.Rules.Prizes[prize].Units {
		return engine.CauseSoldOut.String()
	}
	for i, f := range j.caps {
		k := &j.Rules.Caps[i]
		if f == nil || !k.Wins || k.Prize >= 0 && k.Prize != prize || f.used(user, at, &j.cal) < k.Limit {
			continue
		}
		if k.Prize >= 0 {
			return engine.CauseUserPrizeCap.String()
		}
		return engine.CauseWinCap.String()
	}
	return ""
}
