package drawtest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// TestCompare runs seeded scripts through the engine and the reference. DRAWTEST_STEPS makes them longer.
func TestCompare(t *testing.T) {
	steps := fromEnvironment(t, "DRAWTEST_STEPS", 500)
	for seed := range uint64(200) {
		Compare(t, seed, steps)
	}
}

// TestSoak runs scripts for as long as DRAWTEST_SOAK says; without it, one. Their seeds ascend from DRAWTEST_SEED, or from
// a new one that it prints.
func TestSoak(t *testing.T) {
	last, seed := time.Now(), rand.Uint64()
	if s := os.Getenv("DRAWTEST_SOAK"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		last = last.Add(d)
	}
	if s := os.Getenv("DRAWTEST_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	reached := Reached{}
	for n := uint64(0); ; n++ {
		reached.Add(Compare(t, seed+n, 1000))
		if t.Failed() || time.Now().After(last) {
			t.Logf("%d scripts of 1000 commands, seeds from %d on; times per million commands:\n%s", n+1, seed, reached.PerMillion(int(n+1)*1000))
			return
		}
	}
}

// fromEnvironment returns a number that the environment may set; with -short (the race detector is slow), a tenth of the
// usual one.
func fromEnvironment(t *testing.T, name string, usual int) int {
	s := os.Getenv(name)
	switch {
	case s != "":
	case testing.Short():
		return usual / 10
	default:
		return usual
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q: want a number", name, s)
	}
	return n
}

// TestScriptsReachEverything: a generator that never gets to a rung proves nothing about it.
func TestScriptsReachEverything(t *testing.T) {
	codes, causes := map[problem.Code]int{}, map[engine.Cause]int{}
	wins, several, versions := 0, 0, 0
	pities := map[string]int{}
	for seed := range uint64(250) {
		script := Generate(rand.New(rand.NewPCG(seed, 0)), 500)
		ref := NewReference(script[0].Stamp)
		for i := range script {
			d := ref.Apply(&script[i])
			codes[d.Result.Code]++
			if d.Result.Replayed {
				several++
			}
			for j := range d.Pity {
				countPity(pities, &d.Pity[j])
			}
			countChances(pities, &d)
			countModes(pities, ref, &d)
			countGate(pities, ref, &script[i], &d)
			for j := range d.Records {
				causes[d.Records[j].Cause]++
				if p := d.Records[j].AmountPaid; p.AmountMost > p.AmountLeast {
					pities["chosen amount"]++
				}
				if d.Records[j].ExtraAmount.Amount > 0 {
					pities["amount on top"]++
				}
				if d.Records[j].Kind == engine.RecordDraw && d.Records[j].Prize != engine.NoPrize {
					wins++
				}
				if d.Records[j].Kind == engine.RecordPublish && d.Records[j].Version > 1 {
					versions++
				}
			}
		}
		Reached(pities).Add(ref.reached)
	}
	for _, c := range []problem.Code{
		problem.OK, problem.CampaignNotFound, problem.NotStarted, problem.Ended, problem.Paused, problem.Capped,
		problem.Exhausted, problem.NothingLeftForUser, problem.VersionChanged, problem.StockChanged, problem.KeyAbandoned,
		problem.VersionConflict, problem.ScopeValueMissing, problem.IdempotencyMismatch, problem.Capacity,
		problem.PrizeNotFound, problem.InsufficientStock, problem.NoChances, problem.ChancesFull, problem.KeyUnknown,
		problem.InvalidField, problem.Conflict, problem.NotFound, problem.TicketInvalid, problem.NotEligible, problem.Blocked,
	} {
		if codes[c] < 5 {
			t.Errorf("%s came up %d times", c, codes[c])
		}
	}
	t.Log(pities)
	for _, what := range []string{
		"given", "on top", "unfunded", "chosen amount", "amount on top",
		"grant all", "grant daily_limit", "grant late_event", "grant ended", "grant expired", "grant pays debt", "debt", "taken back",
		"free draw with a price", "granted draw", "purse draw", "several lots", "dearer draw", "milestone", "chance prize",
		"deck win", "deck miss", "deck of wins only", "pace win", "pace miss", "share taken", "share missed", "session budget",
		"ticket", "allowed", "restricted", "draw with attributes", "attribute missing", "capped by an attribute", "listed", "unlisted", "list unchanged",
		"release", "release expires", "not released", "release made up",
		"void system", "void user", "void abuse", "void gives stock", "void gives money", "void gives chances", "void gives caps", "void gives pity",
		"void back to a reserve", "void after the session", "award", "award beyond the day's limit", "void gives entry", "void gives grants",
		"code", "code again", "codes low", "import", "guard of wins", "guard of cash", "publish at a time", "published at its time",
		"publish at a time refused then",
		"hold", "take", "confirmed", "confirmed in part", "confirmed late", "gone", "released", "extended", "hold voided", "units come back",
		"demand of one pool summed", "refused hold again", "hold refused: capped", "hold refused: insufficient_stock", "hold refused: not_started",
		"hold refused: ended", "too many unconfirmed", "limit per owner", "owner cools down", "pool low", "pool sold out", "entered", "raffle drawn", "raffle redrawn", "a place gives back",
	} {
		if pities[what] < 5 {
			t.Errorf("%s: %d times", what, pities[what])
		}
	}
	for _, c := range []engine.Cause{
		engine.CauseSoldOut, engine.CauseWinCap, engine.CauseUserPrizeCap, engine.CauseBudget, engine.CauseAmountCap,
		engine.CauseChancesClosed, engine.CauseRestricted,
	} {
		if causes[c] < 10 {
			t.Errorf("cause %s came up %d times", c, causes[c])
		}
	}
	if wins < 500 || several < 100 || versions < 50 {
		t.Errorf("%d wins, %d replays, %d later versions", wins, several, versions)
	}
}

func countGate(n map[string]int, ref *Reference, c *Command, d *Decided) {
	for _, a := range d.Audit {
		switch {
		case a == nil:
		case a.Restricted:
			n["restricted"]++
		case a.Allowed:
			n["allowed"]++
		case a.Ticket != 0:
			n["ticket"]++
		}
	}
	if r := &d.Result; c.Draw != nil && r.Code == problem.Capped && r.Cap&engine.AggregateBit == 0 && ref.campaign(r.Campaign).live().Caps[r.Cap].Scope == engine.ScopeAttribute {
		n["capped by an attribute"]++
	}
	switch {
	case c.Draw != nil && c.Draw.HasBy != 0 && d.Result.Code == problem.OK:
		n["draw with attributes"]++
	case d.Result.Code == problem.ScopeValueMissing && d.Result.Cap >= uint8(engine.ScopeAttribute):
		n["attribute missing"]++
	case c.List != nil && d.Result.AlreadyLive:
		n["list unchanged"]++
	case c.List != nil && c.List.Remove:
		n["unlisted"]++
	case c.List != nil:
		n["listed"]++
	}
}

func countModes(n map[string]int, ref *Reference, d *Decided) {
	for i := range d.Records {
		rec := &d.Records[i]
		c := ref.campaign(rec.Campaign)
		if rec.Kind != engine.RecordDraw {
			continue
		}
		v := c.live()
		what := map[bool]string{true: " win", false: " miss"}[rec.Natural != engine.NoPrize]
		switch v.Mode.Kind {
		case engine.ModeDeck:
			n["deck"+what]++
			if rec.Before+rec.Cards > v.Mode.Entries && rec.Cards > 1 {
				n["deck of wins only"]++
			}
		case engine.ModePace:
			n["pace"+what]++
		}
		if rec.Natural != engine.NoPrize && v.Prizes[rec.Natural].Unavailable == engine.OnRedistribute && rec.Cause != engine.CauseNone {
			n[map[bool]string{true: "share taken", false: "share missed"}[rec.Prize != engine.NoPrize]]++
		}
		if v.Budget.Session > 0 && rec.Cause == engine.CauseBudget {
			n["session budget"]++
		}
	}
}

func countChances(n map[string]int, d *Decided) {
	if g := d.Grant; g != nil && d.Records[0].Kind == engine.RecordGrant {
		what := g.Reason.String()
		if what == "" {
			what = "all"
		}
		n["grant "+what]++
		if g.Debt > 0 {
			n["grant pays debt"]++
		}
	} else if g != nil {
		if g.Debt > 0 {
			n["debt"]++
		}
		if d.Records[0].Delta > 0 {
			n["taken back"]++
		}
	}
	for i := range d.Chances {
		m := &d.Chances[i]
		switch {
		case !m.some || m.price == 0:
		case m.mode == engine.ChancesFree:
			n["free draw with a price"]++
		default:
			n[m.mode.String()+" draw"]++
		}
		if len(m.spent) > 1 {
			n["several lots"]++
		}
		if m.price > 2 {
			n["dearer draw"]++
		}
		for _, w := range m.won {
			if w.of < 0 {
				n["chance prize"]++
			} else {
				n["milestone"]++
			}
		}
	}
}

func countPity(n map[string]int, moves *engine.PityMoves) {
	switch {
	case moves.Extra != engine.NoPrize:
		n["on top"]++
	case moves.Given >= 0:
		n["given"]++
	}
	if moves.Unfunded != 0 {
		n["unfunded"]++
	}
}

// TestShrink plants a command that the engine refuses to decode: of a long script, it alone must be left.
func TestShrink(t *testing.T) {
	script := Generate(rand.New(rand.NewPCG(1, 0)), 300)
	for i := range script {
		if script[i].Draw != nil {
			// A user whose key the engine finds in another shard than its digest cannot be decoded: both fail alike at
			// this command, whatever stands before it.
			bad := *script[i].Draw
			bad.Digest[0] ^= 0xFF
			script[i].Draw = &bad
			difference, at := Run(script)
			if difference == "" || at != i {
				t.Fatalf("difference %q after command %d, want one after %d", difference, at, i)
			}
			short, _ := Shrink(script[:at+1], difference)
			if len(short) != 1 || short[0].Draw == nil {
				t.Errorf("%d commands left, want the draw alone", len(short))
			}
			return
		}
	}
}
