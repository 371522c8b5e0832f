package oracle

import "github.com/drawd/drawd/engine"

// MaxFaults is how many faults of one rule are kept in words.
const MaxFaults = 20

// Fault is one broken promise.
type Fault struct {
	Rule   string `json:"rule"` // see the package's table
	Detail string `json:"detail"`
}

// PrizeCount is one prize as recounted.
type PrizeCount struct {
	ID       string  `json:"id"`
	Total    int64   `json:"total"` // engine.Unlimited for no bound
	Wins     int64   `json:"wins"`
	Taken    int64   `json:"taken"`  // units
	Issued   int64   `json:"issued"` // units, by the books
	Natural  uint64  `json:"natural"`
	Expected float64 `json:"expected"` // natural, by the weights
	Sigma    float64 `json:"sigma"`    // deviation of natural
}

// Verdict is what a judge found.
type Verdict struct {
	Draws         uint64         `json:"draws"` // in the feed
	Wins          uint64         `json:"wins"`
	Users         uint64         `json:"users"`
	NaturalMisses uint64         `json:"natural_misses"`
	LastSeq       uint64         `json:"last_seq"`
	Prizes        []PrizeCount   `json:"prizes"`
	Acknowledged  uint64         `json:"acknowledged"` // draws that a client was answered with
	Found         uint64         `json:"found"`        // of them, in the feed with the same id, user and outcome
	Extra         uint64         `json:"extra"`        // draws in the feed that nobody was answered with
	Faults        []Fault        `json:"faults,omitempty"`
	FaultCounts   map[string]int `json:"fault_counts,omitempty"` // by rule
	NotJudged     []string       `json:"not_judged,omitempty"`
}

// Right reports whether every promise was kept.
func (v *Verdict) Right() bool { return len(v.FaultCounts) == 0 }

// Add notes a broken promise.
func (v *Verdict) Add(rule, detail string) {
	if v.FaultCounts == nil {
		v.FaultCounts = map[string]int{}
	}
	if v.FaultCounts[rule]++; v.FaultCounts[rule] <= MaxFaults {
		v.Faults = append(v.Faults, Fault{rule, detail})
	}
}

// Books are one prize's books as the daemon states them.
type Books struct {
	ID                                                                       string
	Unlimited                                                                bool
	Total, Unreleased, Available, Reserved, Held, Issued, Expired, Withdrawn int64
}

// Stock compares the books with the recount. It is called after the last item, with the books' seq.
func (j *Judge) Stock(seq uint64, books []Books) {
	if seq != j.lastSeq {
		j.fault("seq", "the books are at seq %d, the feed ends at %d", seq, j.lastSeq)
	}
	for i := range books {
		b := &books[i]
		prize := j.Rules.prize([]byte(b.ID))
		if prize < 0 {
			continue
		}
		s := &j.stock[prize]
		s.check(j, b)
	}
	for i := range j.Rules.Prizes {
		if !hasBooks(books, j.Rules.Prizes[i].ID) {
			j.fault("books", "prize %s has no books", j.Rules.Prizes[i].ID)
		}
	}
}

func hasBooks(books []Books, id string) bool {
	for i := range books {
		if books[i].ID == id {
			return true
		}
	}
	return false
}

func (s *shelf) check(j *Judge, b *Books) {
	s.issued = b.Issued
	if b.Issued != s.taken {
		j.fault("books", "prize %s: the books say %d issued, the feed has wins for %d", b.ID, b.Issued, s.taken)
	}
	if b.Unlimited != (s.total == int64(engine.Unlimited)) {
		j.fault("books", "prize %s: unlimited in the books or in the file, not in both", b.ID)
	}
	if b.Unlimited {
		return
	}
	parts := b.Unreleased + b.Available + b.Reserved + b.Held + b.Issued + b.Expired + b.Withdrawn
	if parts != b.Total {
		j.fault("books", "prize %s: the parts sum up to %d, the total is %d", b.ID, parts, b.Total)
	}
	if b.Total != s.total || b.Available != s.left {
		j.fault("books", "prize %s: the books have %d of %d left, recounted %d of %d", b.ID, b.Available, b.Total, s.left, s.total)
	}
	if b.Issued > b.Total {
		j.fault("stock", "prize %s: %d units issued of %d", b.ID, b.Issued, b.Total)
	}
	for _, part := range []int64{b.Unreleased, b.Available, b.Reserved, b.Held, b.Issued, b.Expired, b.Withdrawn} {
		if part < 0 {
			j.fault("books", "prize %s: a part of the books is negative: %+v", b.ID, *b)
		}
	}
}

// Exhausted says how many requests were told that nothing is left. It is called after the last item.
func (j *Judge) Exhausted(denials uint64) {
	if denials == 0 {
		return
	}
	for i := range j.Rules.Prizes {
		p, s := &j.Rules.Prizes[i], &j.stock[i]
		if !p.Thanks && (s.total == int64(engine.Unlimited) || s.left >= p.Units) {
			j.fault("denial", "%d requests were told that nothing is left, but of %s there are %d units", denials, p.ID, s.left)
		}
	}
}

// Changed notes that a request was answered with other bytes than before.
func (j *Judge) Changed(request uint32, how string) {
	j.fault("changed", "%s: %s", j.Name(request), how)
}

// Broken notes a promise that the caller saw broken.
func (j *Judge) Broken(rule, detail string) { j.verdict.Add(rule, detail) }

// Verdict closes the books and returns what was found.
func (j *Judge) Verdict() *Verdict {
	v := j.verdict
	for ; j.next < len(j.Answers); j.next++ {
		j.missing(&j.Answers[j.next])
	}
	if j.Alone && v.Extra > j.Unresolved {
		j.fault("extra", "%d draws in the feed were answered to nobody, with %d requests unresolved", v.Extra, j.Unresolved)
	}
	v.Users, v.LastSeq = uint64(len(j.numbers)), j.lastSeq
	v.Prizes = v.Prizes[:0]
	var weights uint64
	for i := range j.Rules.Prizes {
		p, s := &j.Rules.Prizes[i], &j.stock[i]
		weights += uint64(p.Weight)
		odds := float64(p.Weight) / float64(j.Rules.Denominator)
		v.Prizes = append(v.Prizes, PrizeCount{
			ID: p.ID, Total: s.total, Wins: s.wins, Taken: s.taken, Issued: s.issued, Natural: s.natural,
			Expected: odds * float64(v.Draws), Sigma: Sigma(v.Draws, s.natural, odds),
		})
		j.odds("prize "+p.ID, s.natural, odds)
	}
	j.odds("the miss", v.NaturalMisses, 1-float64(weights)/float64(j.Rules.Denominator))
	return v
}

func (j *Judge) odds(what string, hits uint64, odds float64) {
	if n := j.verdict.Draws; !WithinOdds(n, hits, odds) {
		j.fault("odds", "%s: natural %d times in %d draws, expected %.1f (%.1f sigma)", what, hits, n, odds*float64(n), Sigma(n, hits, odds))
	}
}
