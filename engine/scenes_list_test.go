package engine

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// Commands beside draws.
var (
	aControl = func(s *stage) {
		s.b.AddControl(&Control{Campaign: 1, Action: []Action{ActionPause, ActionResume, ActionResume}[s.rng.IntN(3)], ExtendByPause: true, Actor: "op"})
	}
	anEnd = func(s *stage) {
		if s.rng.IntN(8) == 0 {
			s.b.AddControl(&Control{Campaign: 1, Action: ActionEnd, Actor: "op"})
		}
	}
	anAdjust = func(s *stage) {
		s.b.AddAdjust(&Adjust{Campaign: 1, Prize: "p", Delta: Quantity(1 - 2*s.rng.IntN(2)), Digest: s.request(s.user, "adjust"+s.key).Digest, Actor: "op"})
	}
	aSwitch = func(s *stage) {
		scopes := []SwitchScope{{Kind: SwitchPrize, Campaign: 1, Prize: "p"}, {Kind: SwitchCampaign, Campaign: 1}, {Kind: SwitchNamespace}, {Kind: SwitchGlobal}}
		s.b.AddSwitch(&SetSwitch{Namespace: 1, Scope: scopes[s.rng.IntN(len(scopes))], On: s.rng.IntN(3) > 0, Actor: "op"})
	}
	aPolicy = func(s *stage) {
		s.b.AddPolicy(&PutPolicy{Namespace: 1, Expect: AnyRevision, Policy: tired(uint32(2 + s.rng.IntN(9)))})
	}
	aListing = func(s *stage) {
		s.b.AddList(&PutList{Namespace: 1, Campaign: 1, List: ListDeny, Remove: s.rng.IntN(2) == 0, Actor: "op", Entries: []ListEntry{
			{User: s.keys.User([]byte(s.user)), UserID: []byte(s.user), Reason: []byte("bot")}}})
	}
	aGrant = func(s *stage) {
		s.b.AddGrant(&Grant{Campaign: 1, User: s.keys.User([]byte(s.user)), UserID: []byte(s.user), Source: "shop", Event: strconv.Itoa(s.rng.IntN(40)), Amount: 2, Priority: SourcePriority})
	}
	aRevoke = func(s *stage) {
		s.b.AddRevoke(&Revoke{Campaign: 1, User: s.keys.User([]byte(s.user)), UserID: []byte(s.user), Source: "shop", Event: strconv.Itoa(s.rng.IntN(40))})
	}
	aHelp = func(s *stage) {
		h := s.helpOf(s.user, userName(s.rng.IntN(6)), s.key)
		s.b.AddHelp(&h)
	}
	aHit = func(s *stage) {
		n := s.Namespaces()[0]
		if push, ok := n.FatigueCap([]byte("push")); ok {
			u := s.keys.User([]byte(s.user))
			s.b.AddHit(&Hit{Namespace: 1, Cap: push, User: u, UserID: []byte(s.user), Digest: s.keys.Hit(push, u, []byte(s.key)), Quantity: 1})
		}
	}
	aVoid = func(s *stage) {
		for i := len(s.mine) - 1; i >= 0; i-- {
			o := &s.mine[i]
			if o.commands != nil && o.result.Code == problem.OK && o.records[0] == byte(RecordDraw) {
				s.b.AddVoid(&Void{Campaign: o.result.Campaign, Draw: o.own(), At: o.result.At, Fault: VoidFault(1 + s.rng.IntN(2)), Actor: "op", Reason: "r"})
				return
			}
		}
	}
	aHold = func(s *stage) {
		s.b.AddHold(s.holdRequest(s.user, s.key, Item{1, Quantity(1 + s.rng.IntN(2))}))
	}
	aTake = func(s *stage) {
		u := s.keys.User([]byte(s.user))
		s.b.AddTake(&Take{Namespace: 1, Pool: 1, Units: 1, Owner: u, OwnerID: []byte(s.user), Digest: s.keys.Take(1, u, []byte(s.key))})
	}
	aResolution = func(s *stage) {
		for i := len(s.mine) - 1; i >= 0; i-- {
			o := &s.mine[i]
			var rec Record
			if _, err := DecodeRecord(o.records, &rec); err != nil || o.commands == nil || o.result.Code != problem.OK {
				continue
			}
			m, ok := rec.Moves()
			if !ok || rec.Kind != RecordHold && rec.Kind != RecordDraw {
				continue
			}
			switch h := (HoldRef{o.result.At, m.Home}); s.rng.IntN(4) {
			case 0:
				s.b.AddConfirm(&ConfirmHold{Namespace: 1, Hold: h, Reacquire: s.rng.IntN(2) == 0})
			case 1:
				s.b.AddExtend(&ExtendHold{Namespace: 1, Hold: h, TTL: 3000})
			default:
				s.b.AddRelease(&ReleaseHold{Namespace: 1, Hold: h})
			}
			return
		}
	}
	aRestock = func(s *stage) {
		s.b.AddPoolAdjust(&AdjustPool{Namespace: 1, Pool: 1, Delta: Quantity(1 - 2*s.rng.IntN(2)), Digest: s.keys.PoolAdjust(1, "op", []byte(s.key)), Actor: "op"})
	}
)

func tired(limit uint32) *NamespacePolicy {
	return &NamespacePolicy{
		TimeZone: "UTC", MaxUsers: 1000, MaxKeys: 100_000,
		FatigueCaps:   []FatigueCap{{ID: "push", Window: Window{Kind: WindowDay}, Limit: limit}},
		AggregateCaps: []AggregateCap{{ID: "all", Window: Window{WindowRolling, 40}, Limit: limit}},
	}
}

// published makes versions live, and then does what more is given.
func published(v func() []*Version, more ...func(x *table)) func(x *table) {
	return func(x *table) {
		for i, version := range v() {
			r := x.decide1(start, func(b *Batch) {
				b.AddPublish(&Publish{Namespace: 1, Version: version, SealedSeed: SealSeed([32]byte{}, [12]byte{1}, [16]byte{7})})
			})
			if r.Code != problem.OK {
				x.Fatalf("version %d: %v", i, r.Code)
			}
		}
		for _, f := range more {
			f(x)
		}
	}
}

func only(v func() *Version) func() []*Version { return func() []*Version { return []*Version{v()} } }

// rich has prizes of many kinds, with little of each.
func rich(edit ...func(v *Version)) func() []*Version {
	return only(func() *Version {
		return simple(append([]func(v *Version){func(v *Version) {
			v.Prizes = []Prize{
				{ID: "p", Weight: 50, Stock: 6, Units: 1, Fallback: -1, Slot: -1},
				{ID: "q", Weight: 30, Stock: 4, Units: 1, Unavailable: OnFallback, Fallback: 0, Slot: -1},
				{ID: "r", Weight: 10, Stock: 2, Units: 2, Fallback: -1, Slot: -1},
			}
		}}, edit...)...)
	})
}

func ending(p Policy) func(v *Version) { return func(v *Version) { v.Exhausted = p } }

// theScenes are the fights. What needs a switch, a list or a version takes every shard; it is there for what the others make of it.
func theScenes() map[string]scene {
	grants := []func(s *stage){aGrant, aGrant, aRevoke, aHelp}
	chances := func(v *Version) {
		v.Chances = &Chances{Mode: ChancesGranted, Price: 1, Lots: 4, Sources: []ChanceSource{{ID: "shop", Priority: 5, DailyLimit: 9}}, Milestones: []Milestone{{ID: "m", Draws: 2, Amount: 1}}}
		v.Helps, v.Caps = &Helps{Owner: HelpGrant{"shop", 1}}, []Cap{{ID: "invites", Counts: CountInvites, Limit: 5, Prize: -1}}
	}
	caps := func(v *Version) {
		v.Caps = []Cap{
			{ID: "cool", Window: Window{WindowCooldown, 3}, Limit: 1, Prize: -1},
			{ID: "wins", Counts: CountWins, Limit: 3, Prize: -1},
			{ID: "one", Counts: CountWins, Limit: 1, Prize: 0},
			{ID: "roll", Window: Window{WindowRolling, 20}, Limit: 3, Prize: -1},
		}
	}
	return map[string]scene{
		"the last units, denied":   {set: published(rich(ending(Deny))), other: []func(s *stage){anAdjust, aVoid}, step: 1},
		"the last units, missed":   {set: published(rich(ending(Miss))), other: []func(s *stage){anAdjust, aSwitch}, step: 1},
		"the last units, the end":  {set: published(rich(ending(End))), other: []func(s *stage){anAdjust, aControl}, step: 1},
		"several at once, the end": {set: published(rich(ending(End))), draw: func(d *Draw, rng *rand.Rand) { d.Times, d.Listed = uint8(1+rng.IntN(4)), true }, step: 1},
		"pauses and an end":        {set: published(rich(ending(Deny))), other: []func(s *stage){aControl, anEnd, aListing}, step: 1},
		"caps":                     {set: published(rich(caps, ending(Deny))), other: []func(s *stage){aPolicy, aHit, aHit, aVoid}, step: 2},
		"pity": {set: published(rich(ending(End), func(v *Version) {
			v.Denominator = 200
			v.Pity = []Pity{{ID: "y", Within: 3, Group: []int16{0, 1}, List: []PityPrize{{0, 3}}}}
		})), other: []func(s *stage){anAdjust, aVoid}, step: 1},
		"a deck": {set: published(only(func() *Version { return deckOf(14, 4, 6, ending(End)) })), other: []func(s *stage){aControl}, step: 1},
		"paced":  {set: published(rich(ending(End), func(v *Version) { v.Mode = Mode{Kind: ModePace, Entries: 30, MaxBoost: 2_000_000} })), other: []func(s *stage){anAdjust}, step: 1},
		"weights that are shared": {set: published(rich(ending(Deny), func(v *Version) {
			v.Prizes[1].Unavailable, v.Prizes[1].Fallback, v.Boosts = OnRedistribute, -1, []Boost{{1, 3_000_000}}
		})), other: []func(s *stage){anAdjust}, step: 1},
		"a budget": {set: published(rich(ending(Miss), func(v *Version) {
			v.Prizes[0].Kind, v.Prizes[0].Amount, v.Budget = KindCash, 10, Budget{Campaign: 45, User: 20}
		})), other: []func(s *stage){aVoid}, step: 1},
		"chances, the end":         {set: published(rich(ending(End), chances)), other: grants, step: 1},
		"a guard that pauses":      {set: published(rich(chances, func(v *Version) { v.Guard = &Guard{Wins: 2} })), other: append([]func(s *stage){aControl}, grants...), step: 1},
		"a guard that defends":     {set: published(rich(chances, func(v *Version) { v.Guard = &Guard{Wins: 2, Then: GuardDefensive} }), defended(chances)), other: grants, step: 1},
		"books that do not add up": {set: published(rich(chances), func(x *table) { x.mustCampaign().books[2].Issued++ }), other: grants, step: 1, weird: true},
		"an end by time":           {set: published(rich(ending(Deny), func(v *Version) { v.EndsAt = start + 10_000; chances(v) })), other: grants, step: 700},
		"a version at a time":      {set: published(rich(ending(End), chances), comingSoon(chances)), other: grants, step: 1},
		"sessions and releases":    {set: published(only(turning)), other: []func(s *stage){aControl}, step: 10 * 60_000, after: open - start - 10*60_000},
		"a pool":                   {set: pooled(ending(Deny)), other: []func(s *stage){aHold, aTake, aResolution, aResolution, aRestock}, draw: either, step: 400},
		"a pool, missed":           {set: pooled(ending(Miss)), other: []func(s *stage){aHold, aTake, aResolution, aResolution, aSwitch}, draw: either, step: 400},
		"chances for another, ended": {set: published(func() []*Version {
			return append(rich(ending(End), chances)(), simple(func(v *Version) {
				v.Campaign, v.Chances = "d", &Chances{Mode: ChancesFree, Prizes: []ChancePrize{{0, "c"}}}
				v.Prizes[0].Kind, v.Prizes[0].Amount, v.Prizes[0].Stock = KindChance, 1, Unlimited
			}))
		}), draw: either, other: []func(s *stage){aGrant, aGrant, aControl}, step: 1},
	}
}

// either draws from one of the two campaigns.
func either(d *Draw, rng *rand.Rand) { d.Campaign = CampaignRef(1 + rng.IntN(2)) }

func turning() *Version {
	return rounds(func(v *Version) {
		v.Sets[0][0].Stock, v.Sets[1][0].Stock, v.Prizes[1].Stock = 6, 4, 3
		v.Schedules = []Schedule{{Windows: []ReleaseWindow{{open, open + 4*hourMilli, 5}}}}
		v.Releases = []Release{{0, 0}}
	})
}

func unstated(v *Version) {
	for i := range v.Prizes {
		v.Prizes[i].Stock = StockUnstated
	}
}

// defended sets a defensive version by which grants are cut, too.
func defended(edit ...func(v *Version)) func(x *table) {
	return func(x *table) {
		v := rich(append(edit, unstated, func(v *Version) { v.Prizes[0].Weight, v.Chances.Sources[0].DailyLimit = 5, 1 })...)()[0]
		if r := x.decide1(start, func(b *Batch) {
			b.AddSetDefensive(&SetDefensive{Campaign: 1, Version: v, Against: 1, Actor: "ann", Reason: "r"})
		}); r.Code != problem.OK {
			x.Fatal(r.Code)
		}
	}
}

// comingSoon lets another version become live in a few ms.
func comingSoon(edit ...func(v *Version)) func(x *table) {
	return func(x *table) {
		v := rich(append(edit, unstated, func(v *Version) { v.Prizes[0].Weight, v.Chances.Sources[0].DailyLimit = 5, 1 })...)()[0]
		if r := x.decide1(start, func(b *Batch) { b.AddPublishAt(&Publish{Namespace: 1, Version: v}, start+6) }); r.Code != problem.OK {
			x.Fatal(r.Code)
		}
	}
}

// pooled has a pool that two campaigns share with holds and takes: one gives its units at once, the other as holds.
func pooled(edit ...func(v *Version)) func(x *table) {
	return func(x *table) {
		x.decide1(start, func(b *Batch) {
			b.AddPool(&PutPool{Namespace: 1, ID: "sku", Total: 7, Policy: PoolPolicy{HoldTTL: 1000, LimitPerOwner: 6, LowStock: 2, ReturnJitter: 1000}})
		})
		published(func() []*Version {
			return []*Version{
				simple(append(edit, fromPool("c", "sku"))...),
				simple(append(edit, fromPool("d", "sku", heldFor(1000)), func(v *Version) {
					v.Prizes = append(v.Prizes, Prize{ID: "own", Stock: 2, Units: 1, Fallback: -1, Slot: -1})
					v.Prizes[0].Unavailable, v.Prizes[0].Fallback = OnFallback, 1
				})...),
			}
		})(x)
	}
}

// Goroutines decide every kind of command over what ends, turns, trips and runs out under them; the same commands as entries in the
// order of their positions give the same records and the same state. DRAWD_SCENES runs each scene in so many rounds.
func TestWhatACrowdDecidesFollowsFromItsPositions(t *testing.T) {
	rounds := 25
	if n, err := strconv.Atoi(os.Getenv("DRAWD_SCENES")); err == nil {
		rounds = n
	}
	for name, s := range theScenes() {
		t.Run(name, func(t *testing.T) { s.run(t, rounds, 10) })
	}
}
