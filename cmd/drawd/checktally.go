package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"golang.org/x/term"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// tally recounts campaigns from their records, in log order.
type tally struct {
	engine    *engine.Engine
	record    engine.Record
	campaigns map[engine.CampaignRef]*campaignTally
	pools     map[poolKey]*poolTally
	draws     uint64
	others    uint64
	faults    []string
}

type campaignTally struct {
	seq   uint64                     // of the last record
	units map[string]engine.Quantity // given out, by prize
	wins  map[string]uint64          // by prize
}

func newTally(e *engine.Engine) *tally {
	return &tally{engine: e, campaigns: make(map[engine.CampaignRef]*campaignTally), pools: make(map[poolKey]*poolTally)}
}

func (t *tally) of(ref engine.CampaignRef) *campaignTally {
	c := t.campaigns[ref]
	if c == nil {
		c = &campaignTally{units: make(map[string]engine.Quantity), wins: make(map[string]uint64)}
		t.campaigns[ref] = c
	}
	return c
}

func (t *tally) fault(at engine.Location, format string, args ...any) {
	const most = 20
	if len(t.faults) < most {
		t.faults = append(t.faults, fmt.Sprintf("record %d of log entry %d: ", at.Ordinal, at.Index)+fmt.Sprintf(format, args...))
	}
}

// add counts the first record in b and returns its length.
func (t *tally) add(at engine.Location, b []byte) (int, error) {
	r := &t.record
	n, err := engine.DecodeRecord(b, r)
	if err != nil {
		return 0, fmt.Errorf("record %d of log entry %d: %w", at.Ordinal, at.Index, err)
	}
	if r.Kind >= engine.RecordPool && r.Kind <= engine.RecordPoolFence {
		t.addPool(at, r)
	} else if r.Seq != 0 {
		c := t.of(r.Campaign)
		if r.Seq != c.seq+1 {
			t.fault(at, "seq %d follows %d", r.Seq, c.seq)
		}
		c.seq = r.Seq
	}
	if r.Kind == engine.RecordAward {
		c := t.of(r.Campaign)
		c.units[string(r.Name)] += r.Total
	}
	if r.Kind == engine.RecordVoid && len(r.Name) > 0 {
		c := t.of(r.Campaign)
		c.units[string(r.Name)] -= r.Total
	}
	if r.Kind != engine.RecordDraw {
		t.others++
		return n, nil
	}
	t.draws++
	campaign, ok := t.engine.CampaignByRef(r.Campaign)
	if !ok {
		return 0, fmt.Errorf("record %d of log entry %d: there is no campaign %d", at.Ordinal, at.Index, r.Campaign)
	}
	version := campaign.VersionNumber(r.Version)
	if version == nil || r.Prize >= len(version.Prizes) {
		return 0, fmt.Errorf("record %d of log entry %d: there is no prize %d in version %d of %s", at.Ordinal, at.Index, r.Prize, r.Version, campaign.ID())
	}
	moves, _ := r.Pity()
	for _, prize := range [...]int{r.Prize, moves.Extra} {
		if prize == engine.NoPrize || prize >= len(version.Prizes) {
			continue
		}
		p := &version.Prizes[prize]
		c := t.of(r.Campaign)
		books := version.CellID(prize, int(t.record.Session)-1)
		c.wins[books]++
		c.units[books] += engine.Quantity(p.Units)
	}
	t.checkCaps(at, campaign, version)
	t.checkKey(at, campaign)
	return n, nil
}

// checkCaps: no accepted draw moves a counter past the limit in force.
func (t *tally) checkCaps(at engine.Location, campaign *engine.Campaign, version *engine.Version) {
	i := 0
	for j := range version.Caps {
		k := &version.Caps[j]
		if k.Scope != engine.ScopeUser || i >= len(t.record.Used) {
			continue
		}
		if k.Counts == engine.CountDraws && t.record.Used[i] > k.Limit {
			t.fault(at, "user %s of %s stands at %d of cap %s, its limit is %d", t.record.User, campaign.ID(), t.record.Used[i], k.ID, k.Limit)
		}
		i++
	}
}

// checkKey: one idempotency key, one outcome. The engine must know the key by the place of its first record.
func (t *tally) checkKey(at engine.Location, campaign *engine.Campaign) {
	r := &t.record
	if r.Part != 0 || t.engine.LogTime() >= campaign.EndsAt()+engine.KeyRetention {
		return
	}
	first, code := t.engine.FindKey(campaign, campaign.Namespace().Keyer().User(r.User), r.Digest)
	if code != problem.OK {
		t.fault(at, "the engine says %v of its idempotency key", code)
	} else if first != at {
		t.fault(at, "its idempotency key belongs to record %d of log entry %d", first.Ordinal, first.Index)
	}
}

// report writes what was found.
func (x *audit) report(a *app) error {
	if a.output == "json" {
		return writeJSON(a.stdout, x)
	}
	w := a.stdout
	point := "none"
	if x.Point > 0 {
		point = fmt.Sprintf("log index %d, of %s", x.Point, when(x.manifest.At))
	}
	err := table(w,
		[]string{"data", x.Dir},
		[]string{"log", fmt.Sprintf("entries %d to %d, %d bytes", x.First, x.Last, x.LogBytes)},
		[]string{"checkpoint", point},
		[]string{"replay", fmt.Sprintf("%s after the checkpoint, %d compared with their records, %d without (the next start writes them)", entries(x.Replayed), x.Compared, x.Missing)},
		[]string{"records", count(int(x.Draws), "draw") + ", " + count(int(x.Others), "other")},
		[]string{"running hash", x.Running})
	if err != nil {
		return err
	}
	if len(x.Prizes) > 0 {
		rows := [][]string{{"CAMPAIGN", "PRIZE", "TOTAL", "ISSUED", "COUNTED", "WINS"}}
		for _, p := range x.Prizes {
			rows = append(rows, []string{p.Campaign, p.Prize, stockText(int64(p.Total)), number(p.Issued), number(p.Counted), strconv.FormatUint(p.Wins, 10)})
		}
		fmt.Fprintln(w)
		if err := table(w, rows...); err != nil {
			return err
		}
	}
	fmt.Fprintln(w)
	if x.Clean {
		_, err := fmt.Fprintln(w, "clean")
		return err
	}
	var all []error
	for _, fault := range x.Faults {
		_, err := fmt.Fprintln(w, "FAULT", fault)
		all = append(all, err)
	}
	_, err = fmt.Fprintf(w, "not clean: %s. %s\n", count(len(x.Faults), "fault"), remedyCheck)
	return errors.Join(append(all, err)...)
}

func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return strconv.Itoa(n) + " entries"
}

func number(q engine.Quantity) string { return strconv.FormatInt(int64(q), 10) }

// progressLine returns a function that shows a line now and then, on a terminal only.
func (a *app) progressLine() func(format string, args ...any) {
	f, ok := a.stderr.(interface {
		io.Writer
		Fd() uintptr
	})
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func(string, ...any) {}
	}
	calls, next := 0, time.Now().Add(time.Second)
	return func(format string, args ...any) {
		if calls++; calls%4096 != 0 || time.Now().Before(next) {
			return
		}
		next = time.Now().Add(time.Second)
		fmt.Fprintf(f, format+"\n", args...)
	}
}
