package engine

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// tree is a money tree: at most 4 invites a day for the owner, one assist a day for the helper, whom his device is counted by too.
func tree(edit ...func(v *Version)) *Version {
	return simple(func(v *Version) {
		v.Caps = []Cap{
			{ID: "draws", Window: Window{Kind: WindowDay}, Limit: 5, Prize: -1},
			{ID: "invites", Counts: CountInvites, Window: Window{Kind: WindowDay}, Limit: 4, Prize: -1},
			{ID: "assists", Counts: CountAssists, Window: Window{Kind: WindowDay}, Limit: 1, Prize: -1},
			{ID: "device", Counts: CountAssists, Scope: ScopeDevice, Window: Window{WindowRolling, 3_600_000}, Limit: 2, Prize: -1},
		}
		for _, f := range edit {
			f(v)
		}
	})
}

func (x *table) helpOf(owner, helper, key string, edit ...func(h *Help)) Help {
	h := Help{
		Campaign: 1, OwnerID: []byte(owner), Owner: x.keys.User([]byte(owner)), HelperID: []byte(helper), Helper: x.keys.User([]byte(helper)),
		HasDevice: true, Device: x.keys.Device([]byte(helper)),
	}
	for _, f := range edit {
		f(&h)
	}
	h.Digest = x.keys.Digest(DigestHelp, h.Campaign, h.Helper, []byte(key))
	return h
}

// help sends a help, and holds what a reader says before it against what the log says.
func (x *table) help(owner, helper, key string, edit ...func(h *Help)) Result {
	x.Helper()
	h := x.helpOf(owner, helper, key, edit...)
	early, ok := x.PeekHelp(&h, x.now)
	r := x.one(func(b *Batch) { b.AddHelp(&h) })
	if ok && (early.Code != r.Code || early.Replayed != r.Replayed || early.At != r.At || early.ResetsAt != r.ResetsAt || early.Cap != r.Cap || early.Value != r.Value) {
		x.Errorf("%s %s %s: a reader said %+v, the log %+v", owner, helper, key, early, r)
	}
	if !ok && r.Replayed {
		x.Errorf("%s %s %s: a reader did not know the key", owner, helper, key)
	}
	return r
}

func device(id string) func(h *Help) {
	return func(h *Help) { h.Device = newKeyer([16]byte{3}).Device([]byte(id)) }
}

// The rungs of a help, in order. A refusal leaves everything as it was.
func TestHelpLadder(t *testing.T) {
	x := newTable(t)
	x.unchanged("no campaign", func() { x.wantCode("", x.help("a", "b", "k"), problem.CampaignNotFound) })
	x.mustPublish(tree())
	x.mustPublish(simple(func(v *Version) { v.Campaign = "plain" }))
	x.mustPublish(simple(func(v *Version) { v.Campaign, v.StartsAt, v.Caps = "later", start+dayMilli, tree().Caps }))
	x.wantCode("first", x.help("a", "b", "k1", device("d1")), problem.OK)
	x.unchanged("refusals", func() {
		if r := x.help("a", "b", "k1", device("d1")); !r.Replayed {
			t.Errorf("again: %+v", r)
		}
		x.wantCode("another owner under the key", x.help("c", "b", "k1"), problem.IdempotencyMismatch)
		x.wantCode("another event under the key", x.help("a", "b", "k1", func(h *Help) { h.Event = []byte("e") }), problem.IdempotencyMismatch)
		x.wantCode("not started", x.help("a", "c", "k", func(h *Help) { h.Campaign = 3 }), problem.NotStarted)
		x.wantCode("a campaign without helps", x.help("a", "c", "k", func(h *Help) { h.Campaign = 2 }), problem.Conflict)
		x.wantCode("himself", x.help("c", "c", "k"), problem.InvalidField)
		r := x.help("a", "c", "k", func(h *Help) { h.HasDevice = false })
		if x.wantCode("no device", r, problem.ScopeValueMissing); r.Cap != uint8(ScopeDevice) {
			t.Errorf("no device: %+v", r)
		}
		r = x.help("c", "b", "k2")
		if x.wantCode("the helper's cap", r, problem.Capped); x.CapName(&r) != "assists" || r.Value == HelpOwner || r.ResetsAt != start+dayMilli || r.Used != 1 {
			t.Errorf("the helper's cap: %q %+v", x.CapName(&r), r)
		}
	})
	x.wantCode("the device's second", x.help("a", "c", "k", device("d1")), problem.OK)
	x.unchanged("the device", func() {
		r := x.help("a", "d", "k", device("d1"))
		if x.wantCode("the device's cap", r, problem.Capped); x.CapName(&r) != "device" || r.Value == HelpOwner {
			t.Errorf("the device's cap: %q %+v", x.CapName(&r), r)
		}
	})
	x.wantCode("third", x.help("a", "d", "k"), problem.OK)
	x.wantCode("fourth", x.help("a", "e", "k"), problem.OK)
	x.unchanged("the owner", func() {
		r := x.help("a", "f", "k")
		if x.wantCode("the owner's cap", r, problem.Capped); x.CapName(&r) != "invites" || r.Value != HelpOwner || r.Used != 4 || r.Limit != 4 {
			t.Errorf("the owner's cap: %q %+v", x.CapName(&r), r)
		}
	})
	x.wantCode("he can still help", x.help("b", "a", "k"), problem.OK)
	x.list("bad", nil)
	x.unchanged("lists", func() {
		if r := x.help("bad", "g", "k"); r.Code != problem.Blocked || r.Value != HelpOwner {
			t.Errorf("a blocked owner: %+v", r)
		}
		if r := x.help("g", "bad", "k"); r.Code != problem.Blocked || r.Value == HelpOwner {
			t.Errorf("a blocked helper: %+v", r)
		}
	})
	x.now += dayMilli
	x.wantCode("the next day", x.help("a", "b", "k2"), problem.OK)
	x.wantCode("a draw counts by itself", x.draw("a", "k"), problem.OK)
	c, _ := x.CampaignByRef(1)
	u := x.UserState(c, x.keys.User([]byte("a")), x.now)
	if u.Caps[0].Used != 1 || u.Caps[1].Used != 1 || u.Caps[2].Used != 0 || u.Caps[1].Counts != CountInvites {
		t.Errorf("the owner's caps: %+v", u.Caps)
	}
	x.one(func(b *Batch) { b.AddControl(&Control{Campaign: 1, Action: ActionPause}) })
	x.unchanged("paused", func() { x.wantCode("", x.help("g", "h", "k"), problem.Paused) })
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

// Relations can be walked from both sides, newest first.
func TestHelpsAreListedFromBothSides(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(tree(func(v *Version) { v.Caps = v.Caps[:2]; v.Caps[1].Limit = 99 }))
	kept := map[Location]Record{}
	for i, pair := range []string{"ab", "ac", "ba", "ad", "cb", "bc"} {
		r := x.help(pair[:1], pair[1:], fmt.Sprint(i), func(h *Help) { h.Event = []byte(fmt.Sprint("e", i)) })
		x.wantCode(pair, r, problem.OK)
		rec := x.records(r)[0]
		rec.Name, rec.Actor, rec.Sections = bytes.Clone(rec.Name), bytes.Clone(rec.Actor), bytes.Clone(rec.Sections)
		kept[r.At] = rec
	}
	walk := func(user string, owner bool) (all string) {
		at, helped := x.LastHelps(c, x.keys.User([]byte(user)))
		if !owner {
			at = helped
		}
		for !at.IsZero() {
			rec := kept[at]
			n, ok := rec.Help()
			if !ok {
				t.Fatal("no note at", at)
			}
			all += string(rec.Name) + string(rec.Actor) + string(n.Event) + " "
			if at = n.HelperLast; owner {
				at = n.OwnerLast
			}
		}
		return all
	}
	for want, got := range map[string]string{ // order: each alone
		"ade3 ace1 abe0 ": walk("a", true), "bae2 ": walk("a", false),
		"bce5 bae2 ": walk("b", true), "cbe4 abe0 ": walk("b", false), "": walk("d", true),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	last, _ := x.LastHelps(c, x.keys.User([]byte("b")))
	rec := kept[last]
	n, _ := rec.Help()
	used, ok := n.Used(1)
	if _, draws := n.Used(0); !ok || used != 2 || draws {
		t.Errorf("counters: %d %v", used, ok)
	}
}

// What a help grants goes to both, within the daily limits of its sources, or the help is refused as a whole.
func TestHelpsGrantChances(t *testing.T) {
	x := newTable(t)
	x.mustPublish(tree(func(v *Version) {
		v.Caps = v.Caps[:2]
		v.Chances = &Chances{Mode: ChancesGranted, Price: 1, Lots: 1, Sources: []ChanceSource{{ID: "invite", DailyLimit: 5}, {ID: "assist"}}}
		v.Helps = &Helps{Owner: HelpGrant{"invite", 3}, Helper: HelpGrant{"assist", 1}}
	}))
	r := x.help("a", "b", "k")
	x.wantCode("", r, problem.OK)
	n, _ := x.records(r)[0].Help()
	if n.OwnerGranted != 3 || n.HelperGranted != 1 {
		t.Errorf("granted %+v", n)
	}
	r = x.help("a", "c", "k")
	if n, _ = x.records(r)[0].Help(); n.OwnerGranted != 2 || n.HelperGranted != 1 {
		t.Errorf("beyond the daily limit: %+v", n)
	}
	x.wantCode("a draw", x.draw("b", "k"), problem.OK)
	x.wantCode("no more", x.draw("b", "l"), problem.NoChances)
	for i := range 5 {
		x.wantCode("", x.draw("a", fmt.Sprint(i)), problem.OK)
	}
	x.one(func(b *Batch) {
		b.AddGrant(&Grant{Campaign: 1, User: x.keys.User([]byte("full")), UserID: []byte("full"), Source: "assist", Event: "e", Amount: 1, ExpiresAt: x.now + 5000})
	})
	x.unchanged("no lot is free", func() {
		if r := x.help("full", "d", "k"); r.Code != problem.ChancesFull || r.Value != HelpOwner {
			t.Errorf("the owner has no room: %+v", r)
		}
		if r := x.help("d", "full", "k"); r.Code != problem.ChancesFull || r.Value == HelpOwner {
			t.Errorf("the helper has no room: %+v", r)
		}
	})
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
	x.snapshot()
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
	if c, _ := x.CampaignByRef(1); c.Version().Helps.Owner.Amount != 3 {
		t.Errorf("restored: %+v", c.Version().Helps)
	}
}

func TestHelpsThatCannotBePublished(t *testing.T) {
	for name, edit := range map[string]func(v *Version){ // order: each alone
		"invites by device":        func(v *Version) { v.Caps[1].Scope = ScopeDevice },
		"invites of a prize":       func(v *Version) { v.Caps[1].Prize = 0 },
		"assists that deny":        func(v *Version) { v.Caps[2].DenyWhenReached = true },
		"no source":                func(v *Version) { v.Helps = &Helps{Owner: HelpGrant{"", 1}} },
		"no chances":               func(v *Version) { v.Helps = &Helps{Owner: HelpGrant{"invite", 1}} },
		"a source without chances": func(v *Version) { v.Helps = &Helps{Owner: HelpGrant{"invite", 0}} },
		"another source": func(v *Version) {
			v.Chances = &Chances{Mode: ChancesGranted, Price: 1, Lots: 1, Sources: []ChanceSource{{ID: "share"}}}
			v.Helps = &Helps{Helper: HelpGrant{"invite", 1}}
		},
	} {
		x := newTable(t)
		x.unchanged(name, func() { x.wantCode(name, x.publish(tree(edit)), problem.InvalidCampaign) })
	}
	x := newTable(t)
	x.unchanged("a namespace", func() {
		x.wantCode("", x.putPolicy(&NamespacePolicy{AggregateCaps: []AggregateCap{{ID: "a", Counts: CountInvites, Window: Window{Kind: WindowDay}, Limit: 1}}}), problem.InvalidField)
	})
	x.mustPublish(tree())
	x.wantCode("", x.help("a", "b", "k"), problem.OK)
	v := tree(func(v *Version) { v.Caps[1].Limit, v.Prizes[0].Stock = 9, StockUnstated })
	x.mustPublish(v)
	x.wantCode("", x.help("a", "c", "k"), problem.OK)
	c, _ := x.CampaignByRef(1)
	if u := x.UserState(c, x.keys.User([]byte("a")), x.now); u.Caps[1].Used != 2 || u.Caps[1].Limit != 9 {
		t.Errorf("counters over versions: %+v", u.Caps)
	}
}

// randomHelp is one among few users, so that helps meet.
func (x *table) randomHelp(rng *rand.Rand, key string) Help {
	owner := rng.IntN(40)
	helper := (owner + 1 + rng.IntN(39)) % 40
	return x.helpOf(userName(owner), userName(helper), key, func(h *Help) {
		h.Device = x.keys.Device([]byte{byte(rng.IntN(15))})
	})
}

func growing() *Version {
	return tree(func(v *Version) {
		v.Caps[2].Limit, v.Caps[3].Limit = 3, 5
		v.Chances = &Chances{Mode: ChancesGranted, Price: 1, Lots: 4, Sources: []ChanceSource{{ID: "invite", DailyLimit: 5}, {ID: "assist", ExpiresAfter: 7_200_000}}}
		v.Helps = &Helps{Owner: HelpGrant{"invite", 2}, Helper: HelpGrant{"assist", 1}}
	})
}

// What helps count does not depend on how they share entries, on shards, or on a restore in the middle.
func TestHelpsDoNotDependOnEntries(t *testing.T) {
	for seed := range uint64(3) {
		var first []byte
		var hash [16]byte
		for run, per := range []int{1, 7, 200, 64} {
			x := newTable(t)
			x.mustPublish(growing())
			rng := rand.New(rand.NewPCG(seed, 5))
			var seen bytes.Buffer
			for from := 0; from < 1200; from += per {
				if run == 3 && from == 640 {
					x.snapshot()
				}
				var b Batch
				for i := range min(per, 1200-from) {
					if (from+i)%4 == 0 {
						d := x.request(userName(rng.IntN(40)), fmt.Sprint("k", from+i))
						b.AddDraw(&d)
						continue
					}
					h := x.randomHelp(rng, fmt.Sprint("k", rng.IntN(40)))
					b.AddHelp(&h)
				}
				for _, r := range x.apply(&b) {
					fmt.Fprintln(&seen, r.Code, r.Replayed, r.Cap, r.Used, r.Limit, r.Value)
					if r.Records > 0 && r.Code == problem.OK && !r.Replayed {
						n, _ := x.records(r)[0].Help()
						fmt.Fprintln(&seen, n.OwnerGranted, n.HelperGranted, n.used)
					}
				}
			}
			if err := x.CheckInvariants(); err != nil {
				t.Fatal(err)
			}
			if run == 0 {
				first, hash = seen.Bytes(), x.StateHash()
				if c, _ := x.CampaignByRef(1); c.Seq() < 100 || bytes.Count(first, []byte("capped")) < 100 {
					t.Fatalf("%d draws, %d helps refused: too few", c.Seq(), bytes.Count(first, []byte("capped")))
				}
			} else if x.StateHash() != hash || !bytes.Equal(first, seen.Bytes()) {
				t.Errorf("seed %d: entries of %d give something else", seed, per)
			}
		}
	}
}

// Many goroutines help as a library, two users in two shards each; the same commands in the order of their positions give
// the same state.
func TestGoroutinesDoNotMatterToHelps(t *testing.T) {
	setup := func() *table {
		x := newTable(t)
		x.Engine, _ = New(Options{Shards: 8})
		var b Batch
		b.AddInit(&Init{IDKey: [16]byte{2}, Namespace: NewNamespace{Name: "default", Secret: [16]byte{3}}})
		b.AddPublish(&Publish{Namespace: 1, Version: growing(), SealedSeed: SealSeed([32]byte{}, [12]byte{1}, [16]byte{7})})
		if err := x.Decide(&b, start); err != nil {
			t.Fatal(err)
		}
		return x
	}
	x := setup()
	acts := x.together(1000, func(b *Batch, rng *rand.Rand, w, i int) UnixMilli {
		if h := x.randomHelp(rng, fmt.Sprint("k", rng.IntN(400))); i%3 != 0 {
			b.AddHelp(&h)
		} else {
			d := x.request(userName(rng.IntN(40)), fmt.Sprint(w, i))
			b.AddDraw(&d)
		}
		return start + UnixMilli(i)*200_000
	})
	if len(acts) < 300 {
		t.Fatalf("only %d were decided", len(acts))
	}
	setup().again(x, acts, start+5*dayMilli, whole)
}

func TestHelpForms(t *testing.T) {
	x := newTable(t)
	x.Engine, _ = New(Options{})
	var b Batch
	b.AddInit(&Init{ClusterID: [16]byte{1}, IDKey: [16]byte{2}, Namespace: NewNamespace{Name: "default", Secret: [16]byte{3}}})
	b.AddPublish(&Publish{Namespace: 1, Actor: "op", SealedSeed: SealSeed([32]byte{}, [12]byte{5}, [16]byte{6}), Version: growing()})
	b.AddHelp(&Help{
		Campaign: 1, Owner: Key{8}, OwnerID: []byte("u1"), Helper: Key{9}, HelperID: []byte("u2"), Digest: Key{9, 1}, Event: []byte("e"),
		HasDevice: true, Device: Key{10}, HasIP: true, IP: Key{11}, By: [MaxAttributeScopes]Key{1: {12}}, HasBy: 2,
	})
	entry := entryOf(&b, start)
	golden(t, "help-entry", entry)
	if err := x.Apply(1, entry, &x.out); err != nil || x.out.Results[2].Code != problem.OK {
		t.Fatal(err, x.out.Results)
	}
	golden(t, "help-records", x.out.Records)
	c, err := x.Capture(true)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "help-meta", c.Meta())
	c.Abort()
	_, commands, _ := ParseEntryHeader(entry)
	for range 2 {
		_, _, commands, _ = nextCommand(commands)
	}
	_, body, _, _ := nextCommand(commands)
	for at := range body {
		var h Help
		if parseHelp(body[:at], &h) == nil {
			t.Errorf("cut to %d bytes: accepted", at)
		}
	}
}

// Two new users of one page: the second row that a help adds may move the first.
func TestHelpsOfNewUsersInOnePage(t *testing.T) {
	x := newTable(t)
	x.Engine, _ = New(Options{Shards: 1})
	x.one(func(b *Batch) {
		b.AddInit(&Init{IDKey: [16]byte{2}, Namespace: NewNamespace{Name: "default", Secret: [16]byte{3}}})
	})
	c := x.mustPublish(growing())
	for i := range 3000 {
		owner, helper := fmt.Sprint("o", i), fmt.Sprint("h", i)
		h := x.helpOf(owner, helper, "k")
		r := x.one(func(b *Batch) { b.AddHelp(&h) })
		o, none := x.LastHelps(c, h.Owner)
		also, helped := x.LastHelps(c, h.Helper)
		if r.Code != problem.OK || o != r.At || helped != r.At || !none.IsZero() || !also.IsZero() {
			t.Fatalf("help %d at %v: owner %v %v, helper %v %v", i, r, o, none, also, helped)
		}
		owned, assisted := x.UserState(c, h.Owner, x.now), x.UserState(c, h.Helper, x.now)
		if owned.Caps[1].Used != 1 || owned.Caps[2].Used != 0 || assisted.Caps[1].Used != 0 || assisted.Caps[2].Used != 1 || owned.Chances.Remaining != 2 || assisted.Chances.Remaining != 1 {
			t.Fatalf("help %d: owner %+v, helper %+v", i, owned, assisted)
		}
	}
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
}
