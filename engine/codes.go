package engine

import (
	"fmt"
	"slices"

	"github.com/drawd/drawd/engine/problem"
)

// Codes of prizes. A prize hands out unique codes, which are imported, each once and in the order of the import, in the
// same step as the win; or one shared code, which stands in the version. The stock of a prize with unique codes is its
// codes: an import raises it, and nothing else does. A code that was handed out is never handed out again, also when its
// draw is voided: its unit is withdrawn.

// Bounds of codes.
const (
	MaxCodeBytes    = 64
	MaxCodes        = 1 << 18 // unique codes of one campaign over its life
	MaxCodesEver    = 1 << 22 // unique codes of all campaigns of the cluster: they are in every checkpoint
	MaxImportCodes  = 1000    // in one command
	sealedCodeLeast = nonceBytes + 1 + 16
	sealedCodeMost  = nonceBytes + MaxCodeBytes + 16
)

// PrizeCodes says which codes a prize hands out.
type PrizeCodes struct {
	Prize    int16  // index into Version.Prizes
	Shared   string // the one code for all; empty for unique codes
	LowWater uint32 // of unique codes: so many left are noted in a record; 0 for none
}

// SealedCode is a code as it is proposed and kept. Print tells codes of one prize apart.
type SealedCode struct {
	Print  Key
	Sealed []byte
}

// codeBook is the unique codes of one prize id. It lives as long as the campaign.
type codeBook struct {
	prize  string
	prints []Key    // of every code, in the order of the import
	sealed [][]byte // of those that are left, in order
	low    bool     // that few are left was noted, or is to be
	noted  bool
	known  map[Key]struct{}
}

func (b *codeBook) left() int { return len(b.sealed) }

// codePlan is a prize's codes, made ready for the ladder.
type codePlan struct {
	book     int // index into Campaign.codes; -1 for a prize without unique codes
	lowWater int
}

// codesOf returns what the version says of a prize's codes, nil for none.
func (v *Version) codesOf(prize int) *PrizeCodes {
	for i := range v.Codes {
		if int(v.Codes[i].Prize) == prize {
			return &v.Codes[i]
		}
	}
	return nil
}

// CodesOf returns what the version says of a prize's codes. ok is false when it hands out none.
func (v *Version) CodesOf(prize int) (c PrizeCodes, ok bool) {
	if p := v.codesOf(prize); p != nil {
		return *p, true
	}
	return c, false
}

// unique reports whether the prize hands out unique codes.
func (v *Version) unique(prize int) bool {
	c := v.codesOf(prize)
	return c != nil && c.Shared == ""
}

func (v *Version) validateCodes() error {
	for i := range v.Codes {
		c := &v.Codes[i]
		if c.Prize < 0 || int(c.Prize) >= len(v.Prizes) || i > 0 && c.Prize <= v.Codes[i-1].Prize {
			return invalid("prize of codes")
		}
		p := &v.Prizes[c.Prize]
		switch {
		case p.Kind != KindCoupon && p.Kind != KindCode, c.Shared != "" && !ValidCode(c.Shared), c.Shared != "" && c.LowWater != 0:
			return invalid("codes of prize " + p.ID)
		case c.Shared == "" && (p.Stock != StockUnstated && p.Stock < 0 || p.Units != 1):
			return invalid("stock of a prize with codes: " + p.ID)
		}
		for _, r := range v.Releases {
			if r.Prize == c.Prize && c.Shared == "" {
				return invalid("release of a prize with codes: " + p.ID)
			}
		}
		for _, set := range v.Sets {
			for _, s := range set {
				if s.Prize == c.Prize && s.Stock != StockShared && c.Shared == "" {
					return invalid("stock of a session's prize with codes: " + p.ID)
				}
			}
		}
	}
	return nil
}

// placeCodes refuses unique codes for a prize that has units without a code.
func (x *publication) placeCodes(v *Version) error {
	for i := range v.Codes {
		if !v.unique(int(v.Codes[i].Prize)) {
			continue
		}
		id, left := v.Prizes[v.Codes[i].Prize].ID, Quantity(0)
		at := x.books.find(id)
		if at < 0 {
			return fmt.Errorf("prize %q with codes has no stock of its own", id)
		}
		if x.campaign != nil {
			if b := x.campaign.codeBook(id); b != nil {
				left = Quantity(b.left())
			}
		}
		if c := &x.books[at]; c.Unlimited || c.Available+c.Unreleased+c.Reserved > left {
			return fmt.Errorf("prize %q has units without a code: give the prize with codes a new id, without stock, and import the codes", id)
		}
	}
	return nil
}

func (c *Campaign) codeBook(prize string) *codeBook {
	for i := range c.codes {
		if c.codes[i].prize == prize {
			return &c.codes[i]
		}
	}
	return nil
}

// openCodes begins the books that the version needs. Every shard is locked.
func (c *Campaign) openCodes(v *Version) {
	for i := range v.Codes {
		if id := v.Prizes[v.Codes[i].Prize].ID; v.unique(int(v.Codes[i].Prize)) && c.codeBook(id) == nil {
			c.codes = append(c.codes, codeBook{prize: id, known: map[Key]struct{}{}})
		}
	}
}

// compileCodes resolves the version's unique codes; nil for none.
func (c *Campaign) compileCodes(v *Version) []codePlan {
	var all []codePlan
	for i := range v.Codes {
		k := &v.Codes[i]
		if k.Shared != "" {
			continue
		}
		if all == nil {
			all = make([]codePlan, len(v.Prizes))
			for j := range all {
				all[j].book = -1
			}
		}
		at := slices.IndexFunc(c.codes, func(b codeBook) bool { return b.prize == v.Prizes[k.Prize].ID })
		all[k.Prize] = codePlan{at, int(k.LowWater)}
	}
	return all
}

// takeCode hands out the next code of a prize that was just given, if it has unique ones. The first and a second prize of
// a sub-draw follow each other in t.code.
func (t *tx) takeCode(c *Campaign, prize int) {
	p := t.plan.codes[prize]
	if p.book < 0 {
		t.code = append(t.code, 0)
		return
	}
	b := &c.codes[p.book]
	if b.left() == 0 {
		panic("BUG: a prize with a unit and without a code: " + b.prize)
	}
	t.code = append(t.code, byte(len(b.sealed[0])))
	t.code = append(t.code, b.sealed[0]...)
	b.sealed = b.sealed[1:]
	if b.left() <= p.lowWater && p.lowWater > 0 && !b.low {
		b.low = true
		t.world.due.Store(int64(t.now)) // noted before the next command
	}
}

// recordCodes appends the section of a draw's record with the codes that it handed out: of each prize u8 length (0: it has
// none) and the sealed code.
func (t *tx) recordCodes() {
	if slices.Max(t.code) == 0 {
		return
	}
	t.more = append(t.more, recordCode, byte(len(t.code)))
	t.more = append(t.more, t.code...)
}

// Codes returns the sealed codes that a draw handed out: of its prize, and of a prize on top; nil for none.
func (r *Record) Codes() (prize, extra []byte) {
	b, ok := r.section(recordCode)
	if !ok || !soundCodes(b) {
		return nil, nil
	}
	n := 1 + int(b[0])
	prize = b[1:n]
	if rest := b[n:]; len(rest) > 0 {
		extra = rest[1:]
	}
	return prize, extra
}

func soundCodes(b []byte) bool {
	for n := 0; n < 2 && len(b) > 0; n++ {
		size := int(b[0])
		if size != 0 && (size < sealedCodeLeast || size > sealedCodeMost) || len(b) < 1+size {
			return false
		}
		b = b[1+size:]
	}
	return len(b) == 0
}

// noteLowCodes writes a record for each prize that has run low on codes. Every shard is locked.
func (t *tx) noteLowCodes() {
	for _, c := range *t.world.campaigns.Load() {
		for i := range c.codes {
			b := &c.codes[i]
			if !b.low || b.noted {
				continue
			}
			b.noted = true
			t.note(Record{
				Kind: RecordCodes, Campaign: c.ref, Version: c.Version().Number, Name: []byte(b.prize), Total: Quantity(b.left()), Flags: CodesLow,
			}, Result{})
		}
	}
}

// lowCodes reports whether some prize has run low and that is not noted yet.
func (c *Campaign) lowCodes() bool {
	return slices.ContainsFunc(c.codes, func(b codeBook) bool { return b.low && !b.noted })
}

// CodesLow marks a record of codes that says that few are left.
const CodesLow = 1

// ImportCodes adds codes to a prize. A code that the prize ever had is not added again, so repeating it is safe.
type ImportCodes struct {
	Campaign CampaignRef
	Prize    string
	Codes    []SealedCode // at most MaxImportCodes
	Actor    string
	Reason   string
}

// applyImport adds codes, and as many units. The answer's Value is how many were new.
func (t *tx) applyImport(c *ImportCodes) Result {
	a := t.world.campaign(c.Campaign)
	if a == nil {
		return refuse(problem.CampaignNotFound)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	v := a.Version()
	prize := v.prize(c.Prize)
	if prize < 0 {
		return Result{Code: problem.PrizeNotFound, Campaign: a.ref}
	}
	if !v.unique(prize) {
		return Result{Code: problem.Conflict, Campaign: a.ref}
	}
	if a.over(t.now) {
		return Result{Code: problem.Ended, Campaign: a.ref, Now: t.now}
	}
	if broken := a.unbalanced(); broken != "" {
		return t.fence(a, broken)
	}
	b, kept := a.codeBook(c.Prize), a.codesEver()
	if kept+len(c.Codes) > MaxCodes || t.world.codesEver()+len(c.Codes) > MaxCodesEver {
		return Result{Code: problem.Capacity, Campaign: a.ref}
	}
	added := Quantity(0)
	for _, code := range c.Codes {
		if _, known := b.known[code.Print]; known {
			continue
		}
		b.known[code.Print] = struct{}{}
		b.prints = append(b.prints, code.Print)
		b.sealed = append(b.sealed, clone(code.Sealed))
		added++
	}
	if added == 0 {
		return Result{Campaign: a.ref, AlreadyLive: true}
	}
	if k := v.codesOf(prize); b.left() > int(k.LowWater) {
		b.low, b.noted = false, false
	}
	cell := &a.books[a.books.find(c.Prize)]
	cell.adjust(added)
	a.recount()
	a.mu.seq++
	return t.note(Record{
		Kind: RecordCodes, Campaign: a.ref, Version: v.Number, Seq: a.mu.seq, Name: []byte(c.Prize), Actor: []byte(c.Actor),
		Reason: []byte(c.Reason), Delta: int64(added), Total: cell.Total,
	}, Result{Campaign: a.ref, Value: uint64(added)})
}

// coded reports whether the live version hands out unique codes with the units of a cell.
func (c *Campaign) coded(cell string) bool {
	v := c.Version()
	i := v.prize(cell)
	return i >= 0 && v.unique(i)
}

// codesEver counts the codes that the campaign ever had. A draw never changes that, so every shard is lock enough.
func (c *Campaign) codesEver() (n int) {
	for i := range c.codes {
		n += len(c.codes[i].prints)
	}
	return n
}

func (w *world) codesEver() (n int) {
	for _, c := range *w.campaigns.Load() {
		n += c.codesEver()
	}
	return n
}

// CodeStock returns how many codes a prize ever had and how many are left. ok is false for a prize that never had unique
// codes. It takes a lock.
func (c *Campaign) CodeStock(prize string) (imported, left int, low, ok bool) {
	mu := &c.world.shards[0].mu // whoever begins a book holds every shard
	mu.Lock()
	defer mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.codeBook(prize); b != nil {
		return len(b.prints), b.left(), b.low, true
	}
	return 0, 0, false, false
}

// ValidCode reports whether s can be a code: 1 to MaxCodeBytes of visible ASCII.
func ValidCode(s string) bool {
	if len(s) == 0 || len(s) > MaxCodeBytes {
		return false
	}
	for i := range len(s) {
		if s[i] < '!' || s[i] > '~' {
			return false
		}
	}
	return true
}
