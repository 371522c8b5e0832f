package drawtest

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/drawd/drawd/engine"
)

// ClusterKey is the cluster key of every engine that runs generated commands.
var ClusterKey = [32]byte{'k', 'e', 'y'}

// world makes commands. It runs a reference of its own beside, so that it knows which instants are interesting, what the
// stock is and which keys are still remembered.
type world struct {
	rng              *rand.Rand
	ref              *Reference
	keyer            engine.Keyer
	now              engine.UnixMilli
	zone, policyZone int // in zones; a campaign or a policy keeps its zone
	script           []Command
	sent             []*engine.Draw             // to be sent again
	still            int                        // commands for which time stands still
	fresh            int                        // number of the next idempotency key
	caps             map[string]definition      // by campaign/cap
	sets             map[string]engine.Quantity // units of sessions, by campaign/set/prize
	totals           []engine.AggregateCap      // definitions of the aggregate caps; only limits change
	modes            map[string]int             // where a campaign's chances come from, -1 for nowhere
	givers           map[string]engine.ChanceSource
	doors            map[string]int             // of campaigns: what kind of audience
	coded            map[string]bool            // by campaign/prize: it hands out codes, unique ones or one for all
	guarded          map[string]bool            // campaigns with a guard
	ordered          []*Stock                   // holds and takes that were asked for
	stocks           bool                       // whether the script has pools
	minted           int                        // number of the last code
	drips            map[string]bool            // campaigns that release prizes by schedules
	schedules        map[string]engine.Schedule // by campaign/prize
	styles           map[string]engine.ModeKind // of campaigns
	given            []*engine.Grant
	listings         []guest // entries of lists that expire
	guest            *guest  // whose entry expires about now
	named            int     // campaigns so far
	events           int     // number of the last event that granted chances
}

// Generate returns n commands: campaigns with small stocks and tight caps, few users who fight for them, a third of the
// draws sent again, and time that jumps to the edges of windows.
func Generate(rng *rand.Rand, n int) []Command {
	w := &world{rng: rng, zone: rng.IntN(len(zones)), caps: map[string]definition{}, sets: map[string]engine.Quantity{}, modes: map[string]int{}, givers: map[string]engine.ChanceSource{}, styles: map[string]engine.ModeKind{}, doors: map[string]int{}, drips: map[string]bool{}, coded: map[string]bool{}, guarded: map[string]bool{}, schedules: map[string]engine.Schedule{}}
	w.policyZone = w.zone
	if w.chance(50) {
		w.policyZone = rng.IntN(len(zones))
	}
	a, err := NewApplier(1, 0) // an engine tells the keys of users
	if err != nil {
		panic("BUG: " + err.Error())
	}
	n0, _ := a.Engine.Namespace("default")
	w.keyer = n0.Keyer()
	w.now = w.firstInstant()
	w.ref = NewReference(w.now)
	w.totals = w.aggregateCaps()
	w.stocks = w.chance(35)
	if w.chance(30) {
		w.do(w.policy())
	}
	for range 1 + rng.IntN(3) {
		w.do(w.newCampaign())
	}
	for len(w.ref.campaigns) == 0 { // all were refused: reserves beyond the stock
		w.do(w.newCampaign())
	}
	if rng.IntN(2) == 0 {
		w.do(w.policy())
	}
	for len(w.script) < n {
		w.now = w.nextInstant()
		w.do(w.next())
	}
	return w.script
}

func (w *world) do(c Command) {
	c.Stamp = w.now
	if w.chance(5) {
		c.Stamp -= engine.UnixMilli(w.rng.IntN(5000)) // a clock that goes back: log time does not
	}
	w.script = append(w.script, c)
	w.ref.Apply(&c)
}

// chance is true in so many of a hundred cases.
func (w *world) chance(percent int) bool { return w.rng.IntN(100) < percent }

func (w *world) next() Command {
	if c := w.anyCampaign(); c.paused && c.live().Guard != nil && w.chance(30) { // somebody looks at once
		return Command{Control: &engine.Control{Campaign: c.ref, Action: engine.ActionResume, Actor: "op", Reason: "looked"}}
	}
	if w.stocks && w.chance(35) {
		return w.order()
	}
	switch n := w.rng.IntN(1000); {
	case n < 15:
		return w.nextVersion()
	case n < 18 || w.allEnded() && len(w.ref.campaigns) < 10 && w.chance(20):
		return w.newCampaign()
	case n < 45:
		return w.adjust()
	case n < 65:
		return w.control()
	case n < 75:
		return w.policy()
	case n < 90:
		return w.abandon()
	case n < 95:
		return Command{}
	case n < 103:
		return w.turn()
	case n < 118:
		return w.list()
	case n < 140:
		return w.void()
	case n < 148:
		return w.award()
	case n < 156 || n < 166 && w.holdsCodes():
		return w.importing()
	case n < 174:
		return w.later()
	case n < 176:
		return w.withdraw()
	case n < 188:
		return w.gamble()
	case n < 282 && w.counted():
		return w.grant()
	case n < 302 && len(w.given) > 0:
		return w.revoke()
	}
	return Command{Draw: w.draw()}
}

func (w *world) holdsCodes() bool {
	for _, c := range w.ref.campaigns {
		if len(c.boxes) > 0 {
			return true
		}
	}
	return false
}

func (w *world) allEnded() bool {
	for _, c := range w.ref.campaigns {
		if w.ref.now < c.endsAt() {
			return false
		}
	}
	return true
}

func (w *world) anyCampaign() *campaign { return w.ref.campaigns[w.rng.IntN(len(w.ref.campaigns))] }

// playable returns a campaign, mostly one that runs.
func (w *world) playable() *campaign {
	c := w.anyCampaign()
	for range 3 {
		if w.ref.status(c) == engine.StatusRunning {
			break
		}
		c = w.anyCampaign()
	}
	return c
}

// hashed makes a 128-bit key of some words: keys are only compared.
func hashed(words ...any) (k engine.Key) {
	sum := sha256.Sum256(fmt.Append(nil, words...))
	copy(k[:], sum[:])
	return k
}

func (w *world) user(id string) engine.Key { return w.keyer.User([]byte(id)) }

// digest makes the key of a draw: like every Keyer.Digest it begins with the ten bits that choose its subject's shard.
func digest(user engine.Key, n int) engine.Key {
	return digestOf("draw", user, n)
}

func digestOf(what string, user engine.Key, n any) engine.Key {
	k := hashed(what, n)
	k[0], k[1] = user[0], user[1]&0xC0|k[1]&0x3F
	return k
}

func (w *world) draw() *engine.Draw {
	if len(w.sent) > 0 && w.chance(30) {
		return w.again()
	}
	c := w.playable()
	user := fmt.Sprint("u", w.rng.IntN(5))
	if g := w.guest; g != nil && w.chance(70) {
		user = g.user
		if other := w.ref.campaign(g.campaign); other != nil {
			c = other
		}
	}
	w.fresh++
	d := &engine.Draw{
		Campaign: c.ref, User: w.user(user), UserID: []byte(user), Digest: digest(w.user(user), w.fresh), Times: 1,
	}
	if w.chance(25) {
		d.Times = uint8(1 + w.rng.IntN(engine.MaxTimes))
	}
	d.Listed = d.Times > 1 || w.chance(10)
	if w.chance(90) {
		d.HasDevice, d.Device = true, hashed("device", w.rng.IntN(3))
	}
	if w.chance(90) {
		d.HasIP, d.IP = true, hashed("ip", w.rng.IntN(2))
	}
	if all := c.live().Channels; len(all) > 0 && w.chance(85) {
		d.Channel = []byte(all[w.rng.IntN(len(all))].ID)
	} else if w.chance(20) {
		d.Channel = []byte([]string{"h5", "app"}[w.rng.IntN(2)])
	}
	w.arrive(c, d)
	if w.chance(5) {
		d.ExpectVersion = uint32(1 + w.rng.IntN(len(c.versions)))
	}
	if w.chance(5) || c.live().Chances != nil && w.chance(20) {
		d.MaxPrice = 1 + uint32(w.rng.IntN(2))
	}
	if w.chance(1) {
		d.Campaign = 99
	}
	w.sent = append(w.sent, d)
	return d
}

// again sends an earlier draw once more, mostly as it was, sometimes changed. A key is kept until its campaign's end and
// 72 hours; nothing is promised after that, so older ones are not asked for.
func (w *world) again() *engine.Draw {
	from := 0
	if w.chance(60) {
		from = max(0, len(w.sent)-10)
	}
	d := *w.sent[from+w.rng.IntN(len(w.sent)-from)]
	if c := w.ref.campaign(d.Campaign); c == nil || w.now >= c.endsAt()+engine.KeyRetention {
		w.fresh++
		d.Digest = digest(d.User, w.fresh)
	}
	if w.chance(15) { // other facts under the same key are facts of the first send: no mismatch
		d.HasDevice, d.HasIP, d.ExpectVersion = !d.HasDevice, !d.HasIP, uint32(w.rng.IntN(2))
	}
	if w.chance(15) {
		switch w.rng.IntN(3) {
		case 0:
			d.Times, d.Listed = uint8(1+w.rng.IntN(engine.MaxTimes)), true
		case 1:
			d.Channel = []byte("tv")
		case 2:
			d.MaxPrice = 2 + uint32(w.rng.IntN(5))
		}
	}
	return &d
}

func (w *world) adjust() Command {
	c := w.anyCampaign()
	prizes := c.live().Prizes
	a := &engine.Adjust{
		Campaign: c.ref, Prize: prizes[w.rng.IntN(len(prizes))].ID, Delta: engine.Quantity(w.rng.IntN(9) - 3),
		Digest: hashed("adjust", c.ref, w.rng.IntN(200)), Actor: "op", Reason: "more",
	}
	if w.chance(5) {
		a.Prize = "no-such-prize"
	}
	if a.Delta == 0 || c.stock[a.Prize] != nil && c.stock[a.Prize].unlimited {
		a.Delta = 1
	}
	return Command{Adjust: a}
}

func (w *world) control() Command {
	k := &engine.Control{Campaign: w.anyCampaign().ref, Actor: "op", Reason: "why"}
	switch {
	case w.chance(4):
		k.Action = engine.ActionEnd
	case w.ref.campaign(k.Campaign).paused:
		k.Action, k.ExtendByPause = engine.ActionResume, w.chance(50)
	default:
		k.Action = engine.ActionPause
		if w.chance(10) {
			k.Action = engine.ActionResume
		}
	}
	return Command{Control: k}
}

func (w *world) turn() Command {
	c := w.anyCampaign()
	s := &engine.SetSwitch{Namespace: 1, On: w.chance(60), Actor: "op", Reason: "why"}
	s.Scope.Kind = engine.SwitchGlobal + engine.SwitchKind(w.rng.IntN(4))
	if w.chance(50) {
		s.Scope.Kind = engine.SwitchPrize
	}
	if s.Scope.Kind >= engine.SwitchCampaign {
		s.Scope.Campaign = c.ref
	}
	if s.Scope.Kind == engine.SwitchPrize {
		s.Scope.Prize = c.live().Prizes[w.rng.IntN(len(c.live().Prizes))].ID
	}
	if s.Scope.Kind < engine.SwitchPrize && (w.ref.killedBy(c) != 0 || w.chance(70)) {
		s.On = true // so that not much of a script is killed
	}
	return Command{Switch: s}
}

func (w *world) abandon() Command {
	var d *engine.Draw
	if len(w.sent) > 0 && w.chance(50) {
		d = w.again()
	} else {
		d = w.draw()
	}
	return Command{Abandon: &engine.Abandon{Campaign: d.Campaign, User: d.User, Digest: d.Digest, UserID: d.UserID, Actor: "caller"}}
}

// instant is an RFC 3339 time, for tables.
func instant(s string) engine.UnixMilli {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return engine.UnixMilli(t.UnixMilli())
}
