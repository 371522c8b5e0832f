package drawtest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime/debug"
	"strings"
	"testing"
	"unicode"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// Compare runs a generated script of n commands through the engine and the reference and fails t at the first difference,
// with the shortest script that still shows one. It returns what the script came to.
func Compare(t testing.TB, seed uint64, n int) Reached {
	t.Helper()
	script := Generate(rand.New(rand.NewPCG(seed, 0)), n)
	difference, at, reached := run(script)
	if difference == "" {
		return reached
	}
	short, difference := Shrink(script[:at+1], difference)
	var lines strings.Builder
	for i := range short {
		fmt.Fprintf(&lines, "%3d  %s\n", i+2, &short[i])
	}
	t.Errorf("seed %d: engine and reference differ after command %d of %d; shortest script (numbers are log indexes):\n%s%s",
		seed, at+1, n, lines.String(), difference)
	return reached
}

// Run runs a script through both and returns the first difference and the command after which it showed.
func Run(script []Command) (difference string, at int) {
	difference, at, _ = run(script)
	return difference, at
}

func run(script []Command) (difference string, at int, reached Reached) {
	p, err := newPair(script[0].Stamp)
	if err != nil {
		return err.Error(), 0, nil
	}
	for i := range script {
		if d := p.step(&script[i]); d != "" {
			return d, i, p.ref.reached
		}
	}
	return "", len(script), p.ref.reached
}

// Shrink removes commands for as long as a difference in the same thing remains.
func Shrink(script []Command, difference string) ([]Command, string) {
	thing := func(d string) string {
		line, _, _ := strings.Cut(d, "\n")
		return strings.Map(func(r rune) rune {
			if unicode.IsDigit(r) {
				return -1 // times and counts change as commands go
			}
			return r
		}, line)
	}
	for size := len(script) / 2; size > 0; {
		removed := false
		for from := 0; from+size <= len(script); {
			rest := append(append([]Command(nil), script[:from]...), script[from+size:]...)
			if len(rest) == 0 {
				break
			}
			if d, at := Run(rest); d != "" && thing(d) == thing(difference) {
				script, difference, removed = rest[:at+1], d, true
			} else {
				from += size
			}
		}
		if !removed || size > len(script) {
			size /= 2
		}
	}
	return script, difference
}

// pair is an engine and a reference that get the same commands.
type pair struct {
	*Applier
	ref   *Reference
	steps int
}

func newPair(at engine.UnixMilli) (*pair, error) {
	a, err := NewApplier(4, at)
	return &pair{Applier: a, ref: NewReference(at)}, err
}

// step gives both one command and returns how they differ.
func (p *pair) step(c *Command) (difference string) {
	defer func() {
		if panicked := recover(); panicked != nil {
			difference = fmt.Sprintf("panic: %v\n%s", panicked, debug.Stack())
		}
	}()
	var peeked engine.Result
	var told bool
	if c.Draw != nil {
		peeked, told = p.Engine.Peek(c.Draw, max(c.Stamp, p.Engine.LogTime()))
	}
	out, err := p.Apply(c.Stamp, c)
	if err != nil {
		return "Apply: " + err.Error()
	}
	want := p.ref.Apply(c)
	got, records := out[0].Result, out[0].Records
	settle(&want, &got, records)
	if d := same("result", got, want.Result) + diffDecided(records, &want); d != "" {
		return d
	}
	if d := diffRecords(p.aside, want.Aside); d != "" {
		return "besides: " + d
	}
	if told && !agrees(peeked, got) {
		return fmt.Sprintf("Peek said %+v, the log %+v", peeked, got)
	}
	p.steps++
	d := p.observe(c)
	if d == "" && p.steps%64 == 0 {
		if err := p.Engine.CheckInvariants(); err != nil {
			d = "CheckInvariants: " + err.Error()
		}
	}
	return d
}

// agrees reports whether what Peek said without the log stands: a first answer is that answer, and a denial is denied.
// Which denial may differ: the log sees a start or an end that Peek must not count on yet.
func agrees(peeked, decided engine.Result) bool {
	if peeked.Code == problem.OK {
		return decided.Replayed && peeked.At == decided.At
	}
	return decided.Code != problem.OK
}

// settle lets the engine have its way where the design says nothing and both ways are honest.
func settle(want *Decided, got *engine.Result, records []engine.Record) {
	if got.Replayed {
		// A fault of the engine that is known: an adjust sent again is answered with the total of now, not of then.
		want.Result.Value = got.Value
	}
	// Of a request with several sub-draws, each record may show the counters of draws as the request left them.
	last := len(want.Records) - 1
	for i := range min(len(records), last) {
		for j := range want.Records[i].Used {
			if j < len(records[i].Used) && records[i].Used[j] == want.Records[last].Used[j] {
				want.Records[i].Used[j] = records[i].Used[j]
			}
		}
	}
}

// diffDecided compares the engine's records with what the reference decided.
func diffDecided(got []engine.Record, want *Decided) string {
	for i := range min(len(got), len(want.Records)) {
		what := fmt.Sprintf("record %d", i)
		if d := diffMoves(what, &got[i], want.Pity, i); d != "" {
			return d
		}
		if d := diffAudit(what, &got[i], want.Audit, i); d != "" {
			return d
		}
		if d := diffChances(what, &got[i], want, i); d != "" {
			return d
		}
		if d := diffStock(what, &got[i], want); d != "" {
			return d
		}
		if prize, extra := got[i].Codes(); i < len(want.Codes) && (!bytes.Equal(prize, want.Codes[i].prize) || !bytes.Equal(extra, want.Codes[i].extra)) {
			return fmt.Sprintf("%s codes: engine %x and %x, reference %x", what, prize, extra, want.Codes[i])
		}
		got[i].Sections = nil // what is in them was decoded
	}
	return diffRecords(got, want.Records)
}

func diffRecords(got, want []engine.Record) string {
	if len(got) != len(want) {
		return fmt.Sprintf("engine wrote %d records, reference %d\n", len(got), len(want))
	}
	for i := range got {
		what := fmt.Sprintf("record %d", i)
		if reflect.DeepEqual(got[i], want[i]) {
			continue
		}
		if d := diff(what, got[i], want[i]); d != "" {
			return d
		}
	}
	return ""
}

// diffMoves compares what pities did.
func diffMoves(what string, got *engine.Record, want []engine.PityMoves, i int) string {
	moves, some := got.Pity()
	switch {
	case i >= len(want) || want[i].Count == 0:
		if some {
			return fmt.Sprintf("%s: the engine moved pities, the reference has none", what)
		}
		return ""
	case !some:
		return fmt.Sprintf("%s: the engine moved no pity, the reference %+v", what, want[i])
	}
	return same(what+" pity", moves, want[i])
}

// same compares values that need no names for their fields: most of all comparisons, so it is cheap.
func same[T comparable](what string, got, want T) string {
	if got == want {
		return ""
	}
	return diff(what, got, want)
}

// diff names the fields in which two structs of the same type differ. Nil and empty slices are alike.
func diff(what string, got, want any) string {
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	var out strings.Builder
	for i := range g.NumField() {
		a, b := g.Field(i), w.Field(i)
		if a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0 {
			continue
		}
		if !reflect.DeepEqual(a.Interface(), b.Interface()) {
			fmt.Fprintf(&out, "%s.%s: engine %s, reference %s\n", what, g.Type().Field(i).Name, show(a), show(b))
		}
	}
	return out.String()
}

func show(v reflect.Value) string {
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
		return fmt.Sprintf("%q", v.Interface())
	}
	return fmt.Sprintf("%v", v.Interface())
}

// observeAll is after how many commands everything is compared that can be read; the campaign that a command names is
// compared after every one.
const observeAll = 16

// observe compares what can be read after the command.
func (p *pair) observe(c *Command) string {
	if got, want := p.Engine.LogTime(), p.ref.now; got != want {
		return fmt.Sprintf("log time: engine %d, reference %d", got, want)
	}
	ns, ok := p.Engine.Namespace("default")
	if !ok {
		return "the engine has no default namespace"
	}
	if got, want := ns.Keys(), p.ref.keysOf(1); got != want {
		return fmt.Sprintf("keys: engine %d, reference %d", got, want)
	}
	whole := p.steps%observeAll == 0 || c.campaign() == 0 && c.Stock == nil
	if whole {
		if got, want := ns.Users(), p.ref.users(1); got != want {
			return fmt.Sprintf("users: engine %d, reference %d", got, want)
		}
	}
	if got := len(ns.Campaigns()); got != len(p.ref.campaigns) {
		return fmt.Sprintf("campaigns: engine %d, reference %d", got, len(p.ref.campaigns))
	}
	if next := p.ref.nextChange(); next != 0 {
		if due, ok := p.Engine.NextDue(); !ok || due > next {
			return fmt.Sprintf("next due: engine %d, reference %d", due, next)
		}
	}
	if d := p.observeStock(c.Stock, whole); d != "" {
		return d
	}
	if d := p.observeWaiting(ns); d != "" {
		return d
	}
	for _, rc := range p.ref.campaigns {
		if !whole && rc.ref != c.campaign() {
			continue
		}
		if d := p.observeCampaign(rc); d != "" {
			return fmt.Sprintf("campaign %d: %s", rc.ref, d)
		}
	}
	if d := p.observeGrant(c); d != "" {
		return d
	}
	if v := c.Void; v != nil {
		if e := p.ref.find(v.Digest, v.Part); e != nil {
			ec, _ := p.Engine.CampaignByRef(e.campaign.ref)
			fault, _, ok := ec.Voided(e.seq)
			if want := e.campaign.voided[e.seq]; fault != want || ok != (want != 0) {
				return fmt.Sprintf("void of %d: engine %v, reference %v", e.seq, fault, want)
			}
			return p.observeDrawer(e.draw)
		}
	}
	if c.Draw == nil {
		return ""
	}
	return p.observeDrawer(c.Draw)
}

// observeDrawer compares what the two know of the user of a draw.
func (p *pair) observeDrawer(d *engine.Draw) string {
	// Once a campaign is over its sessions stand still in the engine; what users have left in them is of no use any more.
	if rc := p.ref.campaign(d.Campaign); rc != nil && (len(rc.live().Sessions) == 0 || !p.ref.over(rc)) {
		return p.observeUser(d)
	}
	return ""
}

func (p *pair) observeCampaign(rc *campaign) string {
	ec, ok := p.Engine.CampaignByRef(rc.ref)
	if !ok {
		return "unknown to the engine"
	}
	if got, want := ec.Status(p.ref.now), p.ref.shown(rc); got != want {
		return fmt.Sprintf("status: engine %s, reference %s", got, want)
	}
	if got, want := ec.EndsAt(), rc.endsAt(); got != want {
		return fmt.Sprintf("ends at: engine %d, reference %d", got, want)
	}
	if got, want := ec.Exhausted(), p.ref.exhausted(rc); got != want && !p.ref.over(rc) { // afterwards nobody asks
		return fmt.Sprintf("exhausted: engine %v, reference %v", got, want)
	}
	if s, ok := ec.ChanceSums(p.ref.now); ok != (rc.lots > 0) || folded(s) != folded(p.ref.sums(account{campaign: rc})) {
		return fmt.Sprintf("chances: engine %+v %v, reference %+v", s, ok, p.ref.sums(account{campaign: rc}))
	}
	seq, stock := ec.Stock()
	if seq != rc.seq || ec.Seq() != rc.seq {
		return fmt.Sprintf("seq: engine %d (in the books %d), reference %d", ec.Seq(), seq, rc.seq)
	}
	if len(stock) != len(rc.stock) {
		return fmt.Sprintf("the engine has books of %d prizes, the reference of %d", len(stock), len(rc.stock))
	}
	for i := range stock {
		b := rc.stock[stock[i].CellID()]
		if b == nil {
			return "books of " + stock[i].ID + ": not in the reference"
		}
		id := stock[i].ID
		if paid := p.ref.paid(rc, func(_ *event, w *winning) bool { return w.prize == id }); stock[i].Money && stock[i].Paid != paid {
			return fmt.Sprintf("%s paid: engine %d, reference %d", id, stock[i].Paid, paid)
		}
		stock[i].Paid, stock[i].Budget, stock[i].Money, stock[i].Session = 0, 0, false, ""
		want := engine.PrizeStock{ID: id, Total: b.total(), Unreleased: b.unreleased, Available: b.available, Reserved: b.reserved, Issued: b.issued, Expired: b.expired, Withdrawn: b.withdrawn}
		if d := same("books of "+want.ID, stock[i], want); d != "" {
			return d
		}
	}
	if d := observeRaffles(ec, rc); d != "" {
		return d
	}
	for _, b := range rc.boxes {
		imported, left, low, ok := ec.CodeStock(b.prize)
		if !ok || imported != len(b.all) || left != b.left() || low != b.low {
			return fmt.Sprintf("codes of %s: engine %d, %d left, low %v; reference %d, %d, %v", b.prize, imported, left, low, len(b.all), b.left(), b.low)
		}
	}
	return p.observeReleases(ec, rc)
}

// observeUser compares what the two know about the user of a draw, and whether he could draw again.
func (p *pair) observeUser(d *engine.Draw) string {
	rc := p.ref.campaign(d.Campaign)
	ec, _ := p.Engine.CampaignByRef(rc.ref)
	got := p.Engine.UserState(ec, d.User, p.ref.now)
	mine := p.ref.drawsOf(rc, d.User)
	if got.Known != (len(mine) > 0) || int(got.Draws) != len(mine) {
		return fmt.Sprintf("user %s: engine knows %v, %d draws; reference %d draws", d.UserID, got.Known, got.Draws, len(mine))
	}
	who := &subject{campaign: rc, user: d.User}
	shown := map[string]engine.CapUse{}
	for _, u := range got.Caps {
		shown[u.ID] = u
	}
	for _, k := range p.ref.rules(rc) {
		if k.scope != engine.ScopeUser {
			continue
		}
		name := k.id
		if k.aggregate {
			name = "ns/" + k.id
		}
		want := engine.CapUse{ID: name, Counts: k.counts, Used: p.ref.used(&k, who), Limit: k.limit}
		if limit := p.ref.limit(&k, who, 1); limit != nil {
			want.ResetsAt = limit.resetsAt
		} else {
			want.ResetsAt = shown[name].ResetsAt // of a cap with room it is not said what it means
		}
		if d := same("cap "+name, shown[name], want); d != "" {
			return d
		}
		delete(shown, name)
	}
	if len(shown) > 0 {
		return fmt.Sprintf("user %s: the engine shows caps %v, the reference has none of them", d.UserID, shown)
	}
	if d := diffUse(got.Chances, p.ref.use(rc, d.User)); d != "" {
		return d
	}
	return p.observeKey(ec, d)
}

func (p *pair) observeKey(ec *engine.Campaign, d *engine.Draw) string {
	location, code := p.Engine.FindKey(ec, d.User, d.Digest)
	a := p.ref.keys[d.Digest]
	switch {
	case a == nil && code == problem.KeyUnknown, a != nil && a.abandoned && code == problem.KeyAbandoned:
		return ""
	case a != nil && !a.abandoned && code == problem.OK && location == a.at:
		return ""
	}
	return fmt.Sprintf("FindKey: engine %v %v, reference %+v", code, location, a)
}

// observeWaiting compares the versions that are to become live.
func (p *pair) observeWaiting(ns *engine.Namespace) string {
	got := ns.Pending()
	if len(got) != len(p.ref.waiting) {
		return fmt.Sprintf("versions that wait: engine %v, reference %d", got, len(p.ref.waiting))
	}
	for i, w := range p.ref.waiting {
		if got[i].Campaign != w.Version.Campaign || got[i].At != w.At || got[i].Actor != w.Actor || got[i].Reason != w.Reason {
			return fmt.Sprintf("version that waits: engine %+v, reference %+v", got[i], w.PublishAt)
		}
	}
	return ""
}
