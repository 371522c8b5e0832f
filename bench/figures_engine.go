package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/runfile"
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/internal/hugepage"
)

const (
	entryDraws  = 256     // draws of an entry, in P7
	engineRound = 500_000 // draws of a round
)

// engineShape is what an engine is filled with.
type engineShape struct {
	users             uint64
	campaigns, prizes int
	pity              bool // draws move the counter of a pity
	unexpected        bool // nobody said how many users would come: pages are split as they do
}

// engineCampaign is P7's: three caps, so many prizes, stock that lasts.
func engineCampaign(id string, prizes int, users uint64, pity bool) *engine.Version {
	v := &engine.Version{
		Campaign: id, TimeZone: "UTC", StartsAt: 1_000, EndsAt: 10_000_000_000, Denominator: 1_000_000, UserExhausted: engine.Miss, ExpectedUsers: users,
		Caps: []engine.Cap{
			{ID: "day", Window: engine.Window{Kind: engine.WindowDay}, Limit: 1_000_000, Prize: -1},
			{ID: "hour", Window: engine.Window{Kind: engine.WindowHour}, Limit: 1_000_000, Prize: -1},
			{ID: "wins", Counts: engine.CountWins, Window: engine.Window{Kind: engine.WindowCampaign}, Limit: 1_000_000, Prize: -1},
		},
	}
	for i := range prizes {
		v.Prizes = append(v.Prizes, engine.Prize{ID: fmt.Sprintf("p%d", i), Weight: uint32(500_000 / prizes), Stock: 1 << 40, Units: 1, Fallback: -1, Slot: -1})
	}
	if pity {
		v.Pity = []engine.Pity{{ID: "row", Within: 1000, Group: []int16{0}, List: []engine.PityPrize{{Prize: 0, Reserve: 1 << 30}}}}
	}
	return v
}

// engineLoad is an engine in this process with entries of random users and fresh keys: no log, no network.
type engineLoad struct {
	engine    *engine.Engine
	users     uint64
	campaigns uint64
	inTurn    bool // users draw one after the other
	turn      uint64
	state     uint64
	index     engine.LogIndex
	batch     engine.Batch
	out       engine.Outcome
}

func newEngineLoad(s engineShape, alloc func(int) []byte) (*engineLoad, error) {
	e, err := engine.New(engine.Options{Alloc: alloc})
	if err != nil {
		return nil, fmt.Errorf("bench: engine: %w", err)
	}
	x := &engineLoad{engine: e, users: s.users, campaigns: uint64(s.campaigns), state: 1}
	x.batch.AddInit(&engine.Init{Namespace: engine.NewNamespace{Name: "default"}})
	x.batch.AddPolicy(&engine.PutPolicy{Namespace: 1, Expect: engine.AnyRevision, Policy: &engine.NamespacePolicy{TimeZone: "UTC", MaxUsers: 1 << 40, MaxKeys: 1 << 40}})
	expected := s.users / uint64(s.campaigns)
	if s.unexpected {
		expected = 0
	}
	for i := range s.campaigns {
		x.batch.AddPublish(&engine.Publish{
			Namespace: 1, Version: engineCampaign(fmt.Sprint("bench", i), s.prizes, expected, s.pity),
			SealedSeed: engine.SealSeed([32]byte{}, [12]byte{}, [16]byte{byte(i), byte(i >> 8)}),
		})
	}
	return x, x.apply(x.entry(2_000))
}

// entry is what the batch holds, as the log has it.
func (x *engineLoad) entry(at engine.UnixMilli) []byte {
	return append(engine.AppendEntryHeader(nil, &engine.EntryHeader{Stamp: at, Count: uint32(x.batch.Len())}), x.batch.Commands()...)
}

// apply applies an entry in which nothing may be refused.
func (x *engineLoad) apply(entry []byte) error {
	x.index++
	if err := x.engine.Apply(x.index, entry, &x.out); err != nil {
		return fmt.Errorf("bench: engine: %w", err)
	}
	for i := range x.out.Results {
		if x.out.Results[i].Code != 0 {
			return fmt.Errorf("bench: engine: command %d of entry %d was refused: %+v", i, x.index, x.out.Results[i])
		}
	}
	return nil
}

// random is splitmix64.
func (x *engineLoad) random() uint64 {
	x.state += 0x9E3779B97F4A7C15
	return mixed(x.state)
}

func mixed(z uint64) uint64 {
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// draws makes one entry.
func (x *engineLoad) draws(n int) []byte {
	x.batch.Reset()
	var id [8]byte
	for range n {
		user := x.random() % x.users
		if x.inTurn {
			user = x.turn % x.users
			x.turn++
		}
		d := engine.Draw{Campaign: 1, Times: 1}
		if x.campaigns > 1 {
			d.Campaign = engine.CampaignRef(1 + x.random()%x.campaigns)
		}
		binary.LittleEndian.PutUint64(d.User[:], mixed(user*2+1))
		binary.LittleEndian.PutUint64(d.User[8:], mixed(user*2+2))
		binary.LittleEndian.PutUint64(d.Digest[:], x.random())
		binary.LittleEndian.PutUint64(d.Digest[8:], x.random())
		// A key lies in its user's shard, by its first ten bits.
		d.Digest[0] = d.User[0]
		d.Digest[1] = d.User[1]&0xC0 | d.Digest[1]&0x3F
		binary.LittleEndian.PutUint64(id[:], user)
		d.UserID = id[:]
		x.batch.AddDraw(&d)
	}
	return x.entry(3_000)
}

// run applies draws and returns the processor time of one, in nanoseconds, and what was allocated for it. Entries are made
// beforehand, a few at a time, so that their bytes are as warm as the log leaves them.
func (x *engineLoad) run(ctx context.Context, draws int) (ns, allocations float64, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var (
		entries       [64][]byte
		before, after runtime.MemStats
		used, mallocs uint64
		done          int
	)
	for done < draws {
		for i := range entries {
			entries[i] = x.draws(entryDraws)
		}
		runtime.ReadMemStats(&before)
		began := load.ThreadCPU()
		for _, e := range entries {
			if err := x.apply(e); err != nil {
				return 0, 0, err
			}
		}
		used += uint64(load.ThreadCPU() - began)
		runtime.ReadMemStats(&after)
		mallocs += after.Mallocs - before.Mallocs
		done += len(entries) * entryDraws
		if err := ctx.Err(); err != nil {
			return 0, 0, err
		}
	}
	return float64(used) / float64(done), float64(mallocs) / float64(done), nil
}

// engineDraw is P7: one draw in the engine, on one core; and the same without a pity.
func (f *figures) engineDraw(ctx context.Context) (rows []Figure, err error) {
	for _, what := range []struct {
		name, goal string
		pity       bool
		goals      []goal
	}{
		{"three caps, a pity, 8 prizes", "≤ 300 ns, 0 allocations", true, []goal{{"cpu", atMost, 0.3}, {"allocations", atMost, 0.01}}},
		{"the same without the pity", "reported", false, nil},
	} {
		f.say.now("P7: %s users draw once …", count(f.o.Users))
		ns, allocations, err := f.engineRounds(ctx, engineShape{users: uint64(f.o.Users), campaigns: 1, prizes: 8, pity: what.pity})
		if err != nil {
			return nil, err
		}
		rows = append(rows, Figure{
			ID: "P7", Name: fmt.Sprintf("engine, one core: a draw in entries of %d, %s users, %s", entryDraws, count(f.o.Users), what.name), Goal: what.goal, goals: what.goals,
			Measures: []runfile.Measure{runfile.NewMeasure("cpu", "us", runfile.Lower, ns), runfile.NewMeasure("allocations", "count", runfile.Lower, allocations)},
		})
	}
	return rows, nil
}

// engineRows is P7: the engine alone, and the library around it with two goroutines against one, in turn.
func (f *figures) engineRows(ctx context.Context) ([]Figure, error) {
	rows, err := f.engineDraw(ctx)
	if err != nil {
		return nil, err
	}
	fig := Figure{ID: "P7", Name: "library in memory: draws/s of 2 goroutines ÷ of 1", Goal: "≥ 1.8 ×", goals: []goal{{"ratio", atLeast, 1.8}}}
	if f.o.OpenLibrary == nil {
		fig.goals, fig.Note = nil, "the library was not brought along"
		return append(rows, fig), nil
	}
	lib, err := f.o.OpenLibrary("")
	if err != nil {
		return nil, fmt.Errorf("bench: library: %w", err)
	}
	both, err := f.goroutines(ctx, lib)
	if err = errors.Join(err, lib.Close()); err != nil {
		return nil, err
	}
	one, two := samplesOf(both, "one", "rate"), samplesOf(both, "two", "rate")
	ratios := make([]float64, len(one))
	for i := range one {
		ratios[i] = two[i] / one[i]
	}
	fig.Measures = []runfile.Measure{
		runfile.NewMeasure("ratio", "share", runfile.Higher, ratios), runfile.NewMeasure("one", "per_second", runfile.Higher, one), runfile.NewMeasure("two", "per_second", runfile.Higher, two),
	}
	fig.Beside = fmt.Sprintf("1: %s/s, %s; 2: %s/s, %s a draw", measureCell(&both[0], "rate"), measureCell(&both[0], "cpu"), measureCell(&both[1], "rate"), measureCell(&both[1], "cpu"))
	return append(rows, fig), nil
}

// goroutines lets one and two goroutines draw in turn.
func (f *figures) goroutines(ctx context.Context, lib Library) ([]runfile.Figure, error) {
	file := steadyCampaign(f.o.Users, time.Now())
	text, err := file.encode()
	if err != nil {
		return nil, err
	}
	if err := lib.Publish(ctx, text); err != nil {
		return nil, fmt.Errorf("bench: library: %w", err)
	}
	l := &libraryLoad{lib: lib, campaign: file.Campaign, users: uint64(f.o.Users)}
	by := func(id string, callers int) contender {
		return contender{id: id, name: fmt.Sprintf("P7: library, goroutines: %d", callers), measure: func(ctx context.Context, span time.Duration) (sample, error) {
			l.callers = callers
			return l.measure(ctx, span)
		}}
	}
	return contest(ctx, f.say, f.o.Pairs, time.Duration(f.o.Seconds)*time.Second, []contender{by("one", 1), by("two", 2)})
}

// engineRounds warms an engine up with a draw for each user and measures a round for each pair. Times are in µs.
func (f *figures) engineRounds(ctx context.Context, s engineShape) (micros, allocations []float64, err error) {
	var huge hugepage.Allocator
	x, err := newEngineLoad(s, huge.Alloc)
	if err != nil {
		return nil, nil, err
	}
	if _, _, err = x.run(ctx, int(s.users)); err != nil {
		return nil, nil, err
	}
	for range f.o.Pairs {
		ns, mallocs, err := x.run(ctx, engineRound)
		if err != nil {
			return nil, nil, err
		}
		micros, allocations = append(micros, ns/1e3), append(allocations, mallocs)
	}
	return micros, allocations, nil
}

// engineMemory is P8: what the engine's tables have taken when every user has drawn once, under three caps and a pity.
func (f *figures) engineMemory(ctx context.Context) ([]Figure, error) {
	grown, taken, err := f.filledTables(ctx, true)
	if err != nil {
		return nil, err
	}
	laid, _, err := f.filledTables(ctx, false)
	if err != nil {
		return nil, err
	}
	row := func(name string, most float64, of func(engine.TableBytes) float64) Figure {
		fig := Figure{ID: "P8", Name: fmt.Sprintf("memory of %s, %s users", name, count(f.o.Users)), Goal: fmt.Sprintf("≤ %.0f B", most)}
		fig.take("bytes", of(grown), most)
		fig.Beside = fmt.Sprintf("%.1f B where expected_users laid out the pages beforehand", of(laid))
		return fig
	}
	rows := []Figure{
		row("a user's row with three caps and a pity", 72, func(b engine.TableBytes) float64 { return float64(b.OfUsers) / float64(max(b.Users, 1)) }),
		row("a young key", 28, func(b engine.TableBytes) float64 { return float64(b.OfKeys) / float64(max(b.Keys, 1)) }),
	}
	rows[0].Beside += fmt.Sprintf("; arenas took %.0f B for a user and his key, room that is not used yet included", float64(taken)/float64(f.o.Users))
	return rows, nil
}

// filledTables lets every user draw once, and says what the tables take, and what was taken for them.
func (f *figures) filledTables(ctx context.Context, unexpected bool) (b engine.TableBytes, taken int64, err error) {
	f.say.now("P8: %s users draw once …", count(f.o.Users))
	s := engineShape{users: uint64(f.o.Users), campaigns: 1, prizes: 8, pity: true, unexpected: unexpected}
	x, err := newEngineLoad(s, func(n int) []byte { taken += int64(n); return make([]byte, n) })
	if err != nil {
		return b, 0, err
	}
	x.inTurn = true
	if _, _, err := x.run(ctx, f.o.Users); err != nil {
		return b, 0, err
	}
	return x.engine.Namespaces()[0].Campaigns()[0].TableBytes(), taken, nil
}

// engineScale is P11 in the engine: P7's draw with more users, campaigns and prizes, one thing at a time, against ten thousand
// users in one campaign with eight prizes.
func (f *figures) engineScale(ctx context.Context) ([]Figure, error) {
	base, _, err := f.engineRounds(ctx, engineShape{users: 10_000, campaigns: 1, prizes: 8})
	if err != nil {
		return nil, err
	}
	var all []Figure
	for _, c := range []struct{ users, campaigns, prizes int }{{f.o.Users, 1, 8}, {10_000, 1, 1}, {10_000, 1, 256}, {f.o.Users, 1000, 8}} {
		f.say.now("P11: %s users, %s campaigns, %d prizes …", count(c.users), count(c.campaigns), c.prizes)
		got, _, err := f.engineRounds(ctx, engineShape{users: uint64(c.users), campaigns: c.campaigns, prizes: c.prizes})
		if err != nil {
			return nil, err
		}
		ratios := slices.Clone(got)
		for i := range ratios {
			ratios[i] /= base[i]
		}
		all = append(all, Figure{
			ID: "P11", Name: fmt.Sprintf("engine, cost of a draw: %s users, %s campaigns, %d prizes", count(c.users), count(c.campaigns), c.prizes), Goal: "≤ 2 × (10,000 users, 1, 8)",
			Measures: []runfile.Measure{runfile.NewMeasure("ratio", "share", runfile.Lower, ratios), runfile.NewMeasure("cpu", "us", runfile.Lower, got)}, goals: []goal{{"ratio", atMost, 2}},
		})
	}
	return all, nil
}
