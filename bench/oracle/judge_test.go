package oracle

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
)

// testRules has a prize that runs out, one that falls back, a thanks prize, and caps of every kind of window.
func testRules(t *testing.T) *Rules {
	t.Helper()
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	return &Rules{
		Campaign: "flash", Denominator: 1_000_000, Zone: zone, StartsAt: 1_000, EndsAt: 2_000_000_000_000,
		Caps: []Cap{
			{ID: "day", Prize: -1, Window: engine.Window{Kind: engine.WindowDay}, Limit: 4},
			{ID: "wins", Wins: true, Prize: -1, Window: engine.Window{Kind: engine.WindowCampaign}, Limit: 2},
			{ID: "phones", Wins: true, Prize: 0, Window: engine.Window{Kind: engine.WindowCampaign}, Limit: 1},
			{ID: "calm", Prize: -1, Window: engine.Window{Kind: engine.WindowRolling, Duration: 60_000}, Limit: 3},
		},
		Prizes: []Prize{
			{ID: "phone", Weight: 2_000, Units: 1, Stock: 20, Fallback: 1},
			{ID: "coupon", Weight: 200_000, Units: 2, Stock: 2_400, Fallback: -1},
			{ID: "sticker", Weight: 50_000, Units: 1, Stock: int64(engine.Unlimited), Fallback: -1},
			{ID: "thanks", Weight: 300_000, Units: 1, Stock: int64(engine.Unlimited), Thanks: true, Fallback: -1},
		},
	}
}

// history is a legal run, made with plain maps: the judge's arithmetic is not used.
type history struct {
	rules   *Rules
	items   []Item
	answers []Answer
	books   []Books
	hasher  Hasher
}

func legalHistory(t *testing.T, draws int) *history {
	h := &history{rules: testRules(t), hasher: NewHasher()}
	rng := rand.New(rand.NewPCG(7, 7))
	left := map[string]int64{"phone": 20, "coupon": 2400}
	issued := map[string]int64{}
	userDay, userWins, userPhones, userDraws := map[string]uint32{}, map[string]uint32{}, map[string]uint32{}, map[string]uint32{}
	userTimes := map[string][]int64{}
	at := int64(1_700_000_000_000)
	for len(h.items) < draws {
		at += rng.Int64N(30)
		user := fmt.Sprintf("u%d", rng.IntN(draws/2))
		local := time.UnixMilli(at).In(h.rules.Zone).Format("2006-01-02")
		recent := userTimes[user][:0:0]
		for _, before := range userTimes[user] {
			if before > at-60_000 {
				recent = append(recent, before)
			}
		}
		if userDay[user+local] >= 4 || len(recent) >= 3 || userWins[user] >= 2 {
			continue // a denial: no record
		}
		word := rng.Uint64()
		value, _ := bits.Mul64(word, 1_000_000)
		natural, prize, cause := "", "", ""
		switch {
		case value < 2_000:
			natural, prize = "phone", "phone"
			if left["phone"] < 1 {
				prize, cause = "coupon", "sold_out"
			} else if userPhones[user] > 0 {
				prize, cause = "coupon", "user_prize_cap"
			}
			if prize == "coupon" && left["coupon"] < 2 {
				prize = ""
			}
		case value < 202_000:
			natural, prize = "coupon", "coupon"
			if left["coupon"] < 2 {
				prize, cause = "", "sold_out"
			}
		case value < 252_000:
			natural, prize = "sticker", "sticker"
		case value < 552_000:
			natural = "thanks"
		}
		userDay[user+local]++
		userDraws[user]++
		userTimes[user] = append(recent, at)
		it := Item{
			Kind: "draw", Campaign: []byte("flash"), Version: 1, Seq: uint64(len(h.items) + 1), At: at, Index: uint64(len(h.items)/10 + 5),
			Draw: fmt.Appendf(nil, "d%d", len(h.items)), User: []byte(user), Win: prize != "", Prize: []byte(prize), Natural: []byte(natural),
			Cause: cause, DrawNumber: userDraws[user], Word: word, Times: 1,
		}
		binary.BigEndian.PutUint64(it.Digest[:], rng.Uint64())
		if it.Win {
			units := map[string]int64{"coupon": 2}[prize]
			issued[prize] += max(units, 1)
			userWins[user]++
			if prize == "phone" {
				userPhones[user]++
			}
			if _, finite := left[prize]; finite {
				left[prize] -= max(units, 1)
				it.StockAfter, it.HasStockAfter = left[prize], true
			}
		}
		it.Used = []uint32{userDay[user+local], userWins[user], userPhones[user], uint32(len(userTimes[user]))}
		h.items = append(h.items, it)
		h.answers = append(h.answers, Answer{
			Seq: it.Seq, Draw: h.hasher.Hash(it.Draw), User: h.hasher.Hash(it.User), Request: uint32(it.Seq),
			Prize: int16(h.rules.prize(it.Prize)),
		})
	}
	h.books = []Books{
		{ID: "phone", Total: 20, Available: left["phone"], Issued: issued["phone"]},
		{ID: "coupon", Total: 2400, Available: left["coupon"], Issued: issued["coupon"]},
		{ID: "sticker", Unlimited: true, Issued: issued["sticker"]},
		{ID: "thanks", Unlimited: true},
	}
	return h
}

func (h *history) judge() *Verdict {
	j := NewJudge(Case{
		Rules: h.rules, Version: 1, Answers: h.answers, Alone: true, Hasher: h.hasher,
		Name: func(request uint32) string { return fmt.Sprintf("key k%d", request) },
	})
	for i := range h.items {
		j.Item(&h.items[i])
	}
	last := uint64(0)
	if n := len(h.items); n > 0 {
		last = h.items[n-1].Seq
	}
	j.Stock(last, h.books)
	return j.Verdict()
}

// find returns the first draw that fits.
func (h *history) find(t *testing.T, fits func(it *Item) bool) *Item {
	t.Helper()
	for i := range h.items {
		if fits(&h.items[i]) {
			return &h.items[i]
		}
	}
	t.Fatal("no such draw in the history")
	return nil
}

// drop takes the item with the seq out of the feed; later ones move up when closing is set.
func (h *history) drop(seq uint64, closing bool) {
	i := int(seq - 1)
	h.items = append(h.items[:i], h.items[i+1:]...)
	for ; closing && i < len(h.items); i++ {
		h.items[i].Seq--
	}
}

func TestLegalHistoryIsRight(t *testing.T) {
	h := legalHistory(t, 20_000)
	v := h.judge()
	if !v.Right() {
		t.Fatalf("faults: %v", v.Faults)
	}
	if v.Draws != 20_000 || v.Found != 20_000 || v.Extra != 0 || v.Acknowledged != 20_000 {
		t.Fatalf("verdict: %+v", v)
	}
	causes := map[string]bool{}
	for i := range h.items {
		causes[h.items[i].Cause] = true
	}
	if !causes["sold_out"] || !causes[""] || v.Wins == 0 || h.books[1].Available != 0 {
		t.Fatalf("the history is too tame: causes %v, books %+v", causes, h.books)
	}
}

// Each row breaks one promise; the judge must name the rule and the thing.
func TestIllegalHistories(t *testing.T) {
	isWinOf := func(prize string) func(*Item) bool {
		return func(it *Item) bool { return string(it.Prize) == prize }
	}
	for _, row := range []struct {
		name, rule string
		says       []string // all of these, in one fault of the rule
		spoil      func(t *testing.T, h *history)
	}{
		{"oversold by one", "stock", []string{"prize coupon", "oversold by"}, func(t *testing.T, h *history) {
			it := h.find(t, func(it *Item) bool { return string(it.Natural) == "coupon" && !it.Win })
			it.Win, it.Prize, it.Cause, it.StockAfter, it.HasStockAfter = true, []byte("coupon"), "", -2, true
			it.Used[1]++
		}},
		{"the books issue one more than was won", "books", []string{"prize phone", "21 issued", "20"}, func(t *testing.T, h *history) {
			h.books[0].Issued++
		}},
		{"the books do not add up", "books", []string{"prize coupon", "sum up"}, func(t *testing.T, h *history) { h.books[1].Expired = 1 }},
		{"the books have another total", "books", []string{"prize phone", "0 of 25"}, func(t *testing.T, h *history) {
			h.books[0].Total, h.books[0].Expired = 25, 5
		}},
		{"stock_after is off", "stock", []string{"prize phone"}, func(t *testing.T, h *history) {
			h.find(t, isWinOf("phone")).StockAfter++
		}},
		{"a cap on draws exceeded by one", "cap", []string{"cap day", "number 5 of 4"}, func(t *testing.T, h *history) {
			it := h.find(t, func(it *Item) bool { return it.Used[0] == 4 && it.Seq < 15_000 })
			for seq := it.Seq; ; seq++ { // the next draw that the same day and prize still allow becomes his fifth
				to := &h.items[seq]
				if len(to.Natural) == 0 && to.At-it.At < 3_600_000 && to.DrawNumber == 1 {
					to.User, to.DrawNumber, to.Used = it.User, it.DrawNumber+1, append([]uint32{5}, it.Used[1:]...)
					h.answers[seq].User = h.hasher.Hash(it.User)
					return
				}
			}
		}},
		{"a cap on wins exceeded by one", "cap", []string{"cap wins", "number 3 of 2"}, func(t *testing.T, h *history) {
			h.rules.Caps[1].Limit = 2
			it := h.find(t, func(it *Item) bool { return it.Used[1] == 2 && it.Win && it.Seq < 10_000 })
			for seq := it.Seq; ; seq++ {
				if to := &h.items[seq]; string(to.Prize) == "sticker" && to.DrawNumber == 1 {
					to.User, to.DrawNumber = it.User, it.DrawNumber+1
					h.answers[seq].User = h.hasher.Hash(it.User)
					return
				}
			}
		}},
		{"a rolling cap exceeded", "cap", []string{"cap calm", "number 3 of 2"}, func(t *testing.T, h *history) { h.rules.Caps[3].Limit = 2 }},
		{"a counter recorded wrongly", "cap", []string{"cap day", "recorded 9 used, recounted 1"}, func(t *testing.T, h *history) {
			h.find(t, func(it *Item) bool { return it.Used[0] == 1 }).Used[0] = 9
		}},
		{"an acknowledged draw is lost", "lost", []string{"key k777", "not in the feed"}, func(t *testing.T, h *history) { h.drop(777, false) }},
		{"the last acknowledged draw is lost", "lost", []string{"key k20000", "not in the feed"}, func(t *testing.T, h *history) {
			h.items = h.items[:len(h.items)-1]
		}},
		{"an acknowledged draw has another outcome", "lost", []string{"key k", "another outcome"}, func(t *testing.T, h *history) {
			h.answers[h.find(t, isWinOf("coupon")).Seq-1].Prize = Miss
		}},
		{"an acknowledged draw has another id", "lost", []string{"key k10", "another id"}, func(t *testing.T, h *history) { h.answers[9].Draw++ }},
		{"an acknowledged draw went to another user", "lost", []string{"key k10", "another user"}, func(t *testing.T, h *history) { h.answers[9].User++ }},
		{"changed bytes", "changed", []string{"key k5", "other bytes"}, nil},
		{"a key with two outcomes", "key", []string{"key digest", "seq 100 and seq 200"}, func(t *testing.T, h *history) {
			h.items[199].Digest = h.items[99].Digest
		}},
		{"two requests answered with one draw", "key", []string{"key k300", "seq 300"}, func(t *testing.T, h *history) {
			twin := h.answers[299]
			twin.Request = 301
			h.answers = append(h.answers, twin)
		}},
		{"a gap in seq", "seq", []string{"seq 501 follows 499", "1 missing"}, func(t *testing.T, h *history) {
			h.drop(500, false)
		}},
		{"a seq twice", "seq", []string{"seq 499 stands after 499"}, func(t *testing.T, h *history) { h.items[499].Seq = 499 }},
		{"the books are ahead of the feed", "seq", []string{"the books are at seq 20000", "ends at 19999"}, nil},
		{"log time goes back", "time", []string{"seq 50", "went back"}, func(t *testing.T, h *history) { h.items[49].At = h.items[48].At - 1 }},
		{"drawn before the start", "time", []string{"outside"}, func(t *testing.T, h *history) { h.rules.StartsAt = h.items[3].At + 1 }},
		{"a draw nobody asked for", "extra", []string{"1 draws"}, func(t *testing.T, h *history) { h.answers = h.answers[1:] }},
		{"a user's draw is missing", "number", []string{"draw number"}, func(t *testing.T, h *history) {
			it := h.find(t, func(it *Item) bool { return it.DrawNumber == 2 && it.Seq > 100 && len(it.Prize) == 0 })
			it.DrawNumber = 3
		}},
		{"the word names another prize", "word", []string{"names phone"}, func(t *testing.T, h *history) {
			h.find(t, func(it *Item) bool { return len(it.Natural) == 0 }).Word = 1 << 20
		}},
		{"a miss where a prize was due", "outcome", []string{"where prize sticker was due"}, func(t *testing.T, h *history) {
			it := h.find(t, isWinOf("sticker"))
			it.Win, it.Prize = false, nil
		}},
		{"a cause that is not true", "outcome", []string{`cause is "sold_out"`}, func(t *testing.T, h *history) {
			h.find(t, isWinOf("coupon")).Cause = "sold_out"
		}},
		{"a prize that the word did not name", "outcome", []string{"won sticker where the miss"}, func(t *testing.T, h *history) {
			it := h.find(t, func(it *Item) bool { return len(it.Natural) == 0 })
			it.Win, it.Prize = true, []byte("sticker")
		}},
		{"a prize of another version", "outcome", []string{"car"}, func(t *testing.T, h *history) {
			h.find(t, isWinOf("sticker")).Prize = []byte("car")
		}},
		{"another version", "version", []string{"version 2"}, func(t *testing.T, h *history) { h.items[10].Version = 2 }},
		{"a fence", "fence", []string{"stock of phone"}, func(t *testing.T, h *history) {
			h.items = append(h.items, Item{Kind: "fence", Campaign: []byte("flash"), Name: []byte("stock of phone"), At: 1 << 60})
			h.items[len(h.items)-1].Seq = 0
		}},
		{"odds off", "odds", []string{"prize sticker", "sigma"}, func(t *testing.T, h *history) {
			// The file promised 9 % where the lottery was run at 5 %.
			h.rules.Prizes[2].Weight, h.rules.Prizes[3].Weight = 90_000, 260_000
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := legalHistory(t, 20_000)
			var v *Verdict
			switch {
			case row.spoil != nil:
				row.spoil(t, h)
				v = h.judge()
			case row.rule == "changed":
				j := NewJudge(Case{Rules: h.rules, Version: 1, Hasher: h.hasher, Name: func(r uint32) string { return fmt.Sprint("key k", r) }})
				j.Changed(5, "other bytes")
				v = j.Verdict()
			default:
				books := h.books
				j := NewJudge(Case{Rules: h.rules, Version: 1, Hasher: h.hasher})
				for i := range h.items[:19_999] {
					j.Item(&h.items[i])
				}
				j.Stock(20_000, books)
				v = j.Verdict()
			}
			if v.Right() {
				t.Fatal("the judge saw nothing wrong")
			}
			for _, f := range v.Faults {
				if f.Rule == row.rule && containsAll(f.Detail, row.says) {
					return
				}
			}
			t.Fatalf("no fault %q with %q in %v", row.rule, row.says, v.Faults)
		})
	}
}

func containsAll(s string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}

func TestExhaustedWithStockLeft(t *testing.T) {
	j := NewJudge(Case{Rules: testRules(t), Version: 1, Hasher: NewHasher()})
	j.Exhausted(3)
	v := j.Verdict()
	if v.FaultCounts["denial"] == 0 || !strings.Contains(v.Faults[0].Detail, "phone") {
		t.Fatalf("faults %v", v.Faults)
	}
}

func TestUnresolvedRequestsMayHaveDrawn(t *testing.T) {
	h := legalHistory(t, 2_000)
	h.answers = h.answers[2:]
	j := NewJudge(Case{Rules: h.rules, Version: 1, Answers: h.answers, Alone: true, Unresolved: 2, Hasher: h.hasher})
	for i := range h.items {
		j.Item(&h.items[i])
	}
	if v := j.Verdict(); !v.Right() || v.Extra != 2 {
		t.Fatalf("extra %d, faults %v", v.Extra, v.Faults)
	}
}

func TestFaultsAreCountedBeyondThoseKept(t *testing.T) {
	var v Verdict
	for range 3 * MaxFaults {
		v.Add("x", "y")
	}
	if v.FaultCounts["x"] != 3*MaxFaults || len(v.Faults) != MaxFaults {
		t.Fatalf("%d counted, %d kept", v.FaultCounts["x"], len(v.Faults))
	}
}

// TestAggregateCapsExplainOnlyLess: where the namespace may have aggregate caps, a prize may be withheld for a reason that records do not
// carry, and what is behind it given; nothing else may differ.
func TestAggregateCapsExplainOnlyLess(t *testing.T) {
	withheld := func(h *history, natural string) *Item {
		return h.find(t, func(it *Item) bool { return string(it.Natural) == natural && it.Win && string(it.Prize) == natural })
	}
	for _, row := range []struct {
		name  string
		legal bool
		spoil func(h *history)
	}{
		{"nothing", true, func(*history) {}},
		{"a sticker is withheld", true, func(h *history) {
			it := withheld(h, "sticker")
			it.Win, it.Prize, it.Cause = false, nil, "win_cap"
		}},
		{"a coupon in place of a phone", true, func(h *history) { withheld(h, "phone").Prize = []byte("coupon") }},
		{"a phone in place of a sticker", false, func(h *history) { withheld(h, "sticker").Prize = []byte("phone") }},
		{"a win in place of a miss", false, func(h *history) {
			it := h.find(t, func(it *Item) bool { return len(it.Natural) == 0 })
			it.Win, it.Prize = true, []byte("sticker")
		}},
	} {
		h := legalHistory(t, 3_000)
		row.spoil(h)
		j := NewJudge(Case{Rules: h.rules, Version: 1, Aggregates: true, Hasher: h.hasher, Name: func(uint32) string { return "" }})
		for i := range h.items {
			j.Item(&h.items[i])
		}
		if got := j.Verdict().FaultCounts["outcome"] == 0; got != row.legal {
			t.Errorf("%s: %v", row.name, j.Verdict().Faults)
		}
	}
}
