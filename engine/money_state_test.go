package engine

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// purseful is a campaign with every kind of amount, bound and way out.
func purseful(edit ...func(v *Version)) *Version {
	return simple(append([]func(v *Version){func(v *Version) {
		prize := func(id string, kind PrizeKind, weight uint32, stock Quantity) Prize {
			return Prize{ID: id, Kind: kind, Weight: weight, Stock: stock, Units: 1, Fallback: -1, Slot: -1}
		}
		v.Prizes = []Prize{
			prize("fixed", KindCash, 10, 60), prize("uniform", KindCash, 25, Unlimited), prize("packet", KindCash, 20, 80),
			prize("dealt", KindPoints, 15, 25), prize("mug", KindPhysical, 10, 40),
		}
		v.Prizes[0].Amount = 70
		v.Amounts = []Amount{
			{Prize: 0, Split: SplitFixed, Budget: 3500},
			{Prize: 1, Split: SplitUniform, Least: 5, Most: 90},
			{Prize: 2, Split: SplitDoubleMean, Least: 3, Most: 60, Budget: 1999},
			{Prize: 3, Split: SplitDeck, Budget: 2000, Cards: []Card{{20, 20}, {200, 3}, {500, 2}}},
		}
		v.Budget = Budget{Campaign: 20_000, Day: 4000, User: 900}
		v.Prizes[2].Unavailable, v.Prizes[4].Unavailable, v.Prizes[4].Fallback = OnRedistribute, OnFallback, 1
		v.Boosts = []Boost{{2, 2 * FullPPM}}
		v.UserExhausted, v.Exhausted = Miss, Miss
		v.Caps = []Cap{
			{ID: "cash", Counts: CountAmount, Window: Window{Kind: WindowDay}, Limit: 400, Prize: -1},
			{ID: "points", Counts: CountAmount, Limit: 600, Prize: 3},
		}
	}}, edit...)...)
}

// The same commands give the same records and the same state, in any batches and with a snapshot anywhere; no budget is
// ever exceeded, and nobody gets less than the least.
func TestMoneyIsDeterministic(t *testing.T) {
	for name, version := range map[string]func() *Version{
		"weighted": func() *Version { return purseful() },
		"paced": func() *Version {
			return purseful(func(v *Version) { v.Mode = Mode{Kind: ModePace, Entries: 3000, MaxBoost: 5 * FullPPM} })
		},
		"deck": func() *Version {
			return purseful(func(v *Version) {
				v.Mode, v.Boosts, v.Prizes[2].Unavailable = Mode{Kind: ModeDeck, Entries: 2500}, nil, OnMiss
				v.Prizes[1].Stock = 900
				for i := range v.Prizes {
					v.Prizes[i].Weight = 0
				}
			})
		},
	} {
		random := rand.New(rand.NewPCG(21, 22))
		x, y := newTable(t), newTable(t)
		cx := x.mustPublish(version())
		y.mustPublish(version())
		for round := range 120 {
			var b Batch
			for i := range 1 + random.IntN(20) {
				d := x.request(userName(random.IntN(150)), fmt.Sprint(round, i), times(uint8(1+random.IntN(4))))
				b.AddDraw(&d)
			}
			if round%17 == 3 {
				b.AddAdjust(&Adjust{Campaign: 1, Prize: "mug", Delta: Quantity(random.IntN(9) - 4), Digest: Key{byte(round), 1}})
			}
			x.now += UnixMilli(random.IntN(3 * hourMilli))
			y.now = x.now
			x.apply(&b)
			one := Batch{}
			for commands := b.Commands(); len(commands) > 0; { // one entry each
				_, _, rest, _ := nextCommand(commands)
				one.commands, one.count = commands[:len(commands)-len(rest)], 1
				y.apply(&one)
				commands = rest
			}
			if round%31 == 5 {
				y.Engine = reload(t, y.Engine)
			}
			x.holdBudgets(cx)
		}
		if x.StateHash() != y.StateHash() {
			t.Errorf("%s: another state", name)
		}
		if cx.money.spent == 0 {
			t.Errorf("%s: nothing was paid", name)
		}
	}
}

// holdBudgets checks the records of the last entry and the sums against every bound.
func (x *table) holdBudgets(c *Campaign) {
	x.Helper()
	if err := x.CheckInvariants(); err != nil {
		x.Fatal(err)
	}
	v, k := c.Version(), c.money
	if k.spent > v.Budget.Campaign || k.today > v.Budget.Day {
		x.Fatalf("paid %d, today %d", k.spent, k.today)
	}
	for i := range v.Amounts {
		a := &v.Amounts[i]
		if p := &k.prizes[a.Prize]; a.Budget > 0 && p.sum > a.Budget {
			x.Fatalf("%s paid %d of %d", p.id, p.sum, a.Budget)
		}
	}
	var rec Record
	for at := range x.out.Offsets {
		if _, err := DecodeRecord(x.out.Records[x.out.Offsets[at]:], &rec); err != nil {
			x.Fatal(err)
		}
		if rec.Kind != RecordDraw || rec.Prize == NoPrize || !v.Prizes[rec.Prize].Kind.paysAmount() {
			continue
		}
		a := v.amountOf(rec.Prize)
		least := max(a.Least, 1)
		if rec.Amount < least || a.Most > 0 && rec.Amount > a.Most || rec.Amount < rec.AmountLeast || rec.Amount > rec.AmountMost {
			x.Fatalf("%s paid %d from [%d, %d]", v.Prizes[rec.Prize].ID, rec.Amount, rec.AmountLeast, rec.AmountMost)
		}
		if rec.Used[0] > v.Caps[0].Limit || rec.Used[1] > v.Caps[1].Limit {
			x.Fatalf("caps at %v", rec.Used)
		}
	}
}

// Further words are mapped without bias: what is accepted falls evenly, by the arithmetic of big integers.
func TestFurtherWords(t *testing.T) {
	seed := [16]byte{1}
	two64 := new(big.Int).Lsh(big.NewInt(1), 64)
	for i := range 200 {
		in := newWordInput(&seed, &Key{byte(i)}, uint32(i), &Key{2})
		for _, n := range []uint64{1, 2, 3, 10, 1_000_003, 1 << 40, 1<<63 + 12345} {
			want, rejected := uint64(0), true
			for counter := uint32(purposeAmount << 24); rejected; counter++ {
				product := new(big.Int).Mul(new(big.Int).SetUint64(in.next(counter)), new(big.Int).SetUint64(n))
				low := new(big.Int).Mod(product, two64)
				rejected = low.Cmp(new(big.Int).Mod(two64, new(big.Int).SetUint64(n))) < 0
				want = product.Rsh(product, 64).Uint64()
			}
			if got := in.further(purposeAmount, n); got != want {
				t.Fatalf("%d below %d, want %d", got, n, want)
			}
		}
		var h wordHasher
		first := h.first(&in)
		for _, n := range []uint32{1, 7, 1000, 1 << 31} {
			if _, value := in.scale(first, n); value != in.scaleWide(first, uint64(n)) {
				t.Fatalf("scaleWide differs below %d", n)
			}
		}
	}
	in := newWordInput(&seed, &Key{}, 1, &Key{})
	if in.further(purposeAmount, 1<<60) == in.further(purposeShare, 1<<60) || in.further(purposeAmount, 1<<60) == in.further(purposeExtra, 1<<60) {
		t.Error("two purposes have the same word")
	}
}

// The forms of money, modes, shares and raffles are on disk and in the log.
func TestGoldenMoney(t *testing.T) {
	x := newTable(t)
	v := purseful(func(v *Version) { v.Mode = Mode{Kind: ModePace, Entries: 1000, MaxBoost: 2 * FullPPM} })
	c := x.mustPublish(v)
	var w writer
	w.section(versionMode, func(w *writer) { w.mode(&v.Mode) })
	w.section(versionAmounts, func(w *writer) { w.amounts(v) })
	w.section(versionWays, func(w *writer) { w.boosts(v.Boosts) })
	golden(t, "money-version", w.b)
	for i := range 12 {
		x.draw(userName(i), "k")
	}
	x.index, x.now = 100, start+7
	x.draw("u", "golden", times(4))
	golden(t, "money-records", x.out.Records)

	var b Batch
	b.AddEntrants(&AddEntrants{Campaign: 1, Raffle: "tv", Users: []string{"b", "a", "c"}, Actor: "op"})
	b.AddRaffle(&DrawRaffle{Campaign: 1, Raffle: "tv", Winners: 1, Alternates: 2, Prize: "mug", Actor: "op", Reason: "party"})
	b.AddRedraw(&RedrawRaffle{Campaign: 1, Raffle: "tv", Absent: []string{"a"}, Actor: "op", Reason: "gone"})
	golden(t, "raffle-commands", b.Commands())
	x.apply(&b)
	golden(t, "raffle-records", x.out.Records)
	w = writer{}
	w.section(campaignMode, func(w *writer) { w.modeState(c.mode) })
	w.section(campaignAmounts, func(w *writer) { w.money(c.money) })
	w.section(campaignRaffles, func(w *writer) { w.raffles(c.Raffles()) })
	golden(t, "money-state", w.b)
}

// A budget of a session begins again with the next one, and that of the campaign goes on.
func TestBudgetOfASession(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(packets(Unlimited, Amount{Split: SplitUniform, Least: 10, Most: 30}, func(v *Version) {
		v.Budget = Budget{Session: 100, Campaign: 150}
		v.Sets = []PrizeSet{{{Prize: 0, Weight: 100, Stock: StockShared}}}
		for i, id := range []string{"am", "pm"} {
			from := start + UnixMilli(i)*6*hourMilli
			v.Sessions = append(v.Sessions, Session{ID: id, StartsAt: from, EndsAt: from + 5*hourMilli})
		}
	}))
	am, causes := x.paidOut(20)
	if sum := sumOf(am); sum > 100 || sum <= 90 || len(causes) == 0 || causes[0] != CauseBudget {
		t.Errorf("in the morning %d of 100, %v", sum, causes)
	}
	x.Engine = reload(t, x.Engine)
	x.now += 6 * hourMilli
	pm, _ := x.paidOut(20)
	if sum := sumOf(pm) + sumOf(am); sum > 150 || sum <= 140 || sumOf(pm) == 0 {
		t.Errorf("in the afternoon %d, together %d of 150", sumOf(pm), sum)
	}
	if v := c.Version(); v.Budget.Session != 100 {
		t.Error("the version changed")
	}
	bad := packets(Unlimited, Amount{Split: SplitUniform, Least: 1, Most: 2}, func(v *Version) { v.Budget.Session = 5 })
	if bad.Validate() == nil {
		t.Error("a budget of sessions without sessions")
	}
}

// As a library, with many at once, a deck gives out exactly what there is, and all of the money.
func TestDeckAsALibrary(t *testing.T) {
	const guests, workers = 400, 8
	e, err := New(Options{Shards: 8})
	if err != nil {
		t.Fatal(err)
	}
	var b Batch
	b.AddInit(&Init{IDKey: [16]byte{2}, Namespace: NewNamespace{Name: "default", Secret: [16]byte{3}}})
	b.AddPublish(&Publish{Namespace: 1, SealedSeed: SealSeed([32]byte{}, [12]byte{1}, [16]byte{7}), Version: packets(150, Amount{Split: SplitDoubleMean, Least: 5, Budget: 7777}, func(v *Version) {
		v.Mode, v.Prizes[0].Weight, v.Exhausted = Mode{Kind: ModeDeck, Entries: guests}, 0, Miss
	})})
	if err := e.Decide(&b, start); err != nil {
		t.Fatal(err)
	}
	n, _ := e.Namespace("default")
	wins, done := make([]int, workers), make(chan error, workers)
	for w := range workers {
		go func() {
			var b Batch
			var rec Record
			for i := w; i < guests; i += workers {
				b.Reset()
				d := Draw{Campaign: 1, UserID: []byte(userName(i)), Times: 1}
				d.User = n.Keyer().User(d.UserID)
				d.Digest = n.Keyer().Digest(DigestDraw, 1, d.User, []byte("k"))
				b.AddDraw(&d)
				if err := e.Decide(&b, start+UnixMilli(i)); err != nil || b.Results[0].Code != problem.OK {
					done <- fmt.Errorf("%v, %v", err, b.Results)
					return
				}
				if _, err := DecodeRecord(b.Records, &rec); err == nil && rec.Prize != NoPrize {
					wins[w]++
				}
			}
			done <- nil
		}()
	}
	for range workers {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	total := 0
	for _, n := range wins {
		total += n
	}
	c, _ := e.CampaignByRef(1)
	if _, stock := c.Stock(); total != 150 || stock[0].Available != 0 || stock[0].Paid != 7777 {
		t.Errorf("%d wins, stock %+v", total, stock[0])
	}
	if err := e.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

// FuzzMoneyForms: no bytes make a decoder of money, modes, shares or raffles panic, what it takes can be validated, and
// encodes to the same bytes.
func FuzzMoneyForms(f *testing.F) {
	v := purseful(func(v *Version) { v.Mode = Mode{Kind: ModePace, Entries: 9, MaxBoost: FullPPM} })
	k := &money{spent: 9, day: 1, today: 2, prizes: []paid{{id: "p", sum: 9, dealt: []Card{{3, 1}, {6, 1}}}}}
	raffles := []*Raffle{{ID: "r", Entrants: []string{"a", "b"}, Drawn: true, Winners: 1, Absent: []string{"b"}}}
	forms := []func(w *writer){
		func(w *writer) { w.amounts(v) }, func(w *writer) { w.mode(&v.Mode) }, func(w *writer) { w.boosts(v.Boosts) },
		func(w *writer) { w.money(k) }, func(w *writer) { w.modeState(&modeState{7, []uint32{1, 2}}) }, func(w *writer) { w.raffles(raffles) },
	}
	for i, form := range forms {
		var w writer
		form(&w)
		f.Add(byte(i), w.b)
	}
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		var w writer
		r := reader{b: b}
		v := purseful()
		switch which % 6 {
		case 0:
			v.Amounts, v.Budget = nil, Budget{}
			r.amounts(v)
			w.amounts(v)
		case 1:
			v.Mode = r.mode()
			w.mode(&v.Mode)
		case 2:
			v.Boosts = r.boosts()
			w.boosts(v.Boosts)
		case 3:
			k := r.money()
			k.balanced()
			w.money(k)
		case 4:
			w.modeState(r.modeState())
		case 5:
			w.raffles(r.raffles())
		}
		if r.done() != nil {
			return
		}
		if string(w.b) != string(b) {
			t.Errorf("form %d: %x is taken and written as %x", which%6, b, w.b)
		}
		if v.Validate() == nil && which%6 < 3 {
			e, _ := New(Options{Shards: 1})
			var batch Batch
			batch.AddInit(&Init{Namespace: NewNamespace{Name: "default"}})
			batch.AddPublish(&Publish{Namespace: 1, Version: v, SealedSeed: SealSeed([32]byte{}, [12]byte{}, [16]byte{})})
			batch.AddDraw(&Draw{Campaign: 1, UserID: []byte("u"), Times: MaxTimes, Listed: true})
			if err := e.Decide(&batch, start); err != nil {
				t.Fatal(err)
			}
			if err := e.CheckInvariants(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
