//go:build linux

package bench

import (
	"encoding/json"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawd/drawd/bench/oracle"
	"github.com/drawd/drawd/engine"
)

// fakeDrawd is the plainest possible server of the paths that a run needs, with one lock and no disk. Told to, it lies.
type fakeDrawd struct {
	lie   string
	rules *oracle.Rules
	mu    struct {
		sync.Mutex
		rng     *rand.Rand
		answers map[string][]byte // by user and key
		byID    map[string][]byte
		feed    []string
		left    int
		issued  int
		draws   map[string]int
		shed    int
	}
}

// fakeRules are half a chance on a phone, fifty of them, and two draws a user.
func fakeRules() *oracle.Rules {
	return &oracle.Rules{
		Campaign: "fake", Denominator: 1000, Zone: time.UTC, EndsAt: 1 << 50,
		Caps:   []oracle.Cap{{ID: "all", Prize: -1, Window: engine.Window{Kind: engine.WindowCampaign}, Limit: 2}},
		Prizes: []oracle.Prize{{ID: "phone", Weight: 500, Units: 1, Stock: 50, Fallback: -1}},
	}
}

func startFake(t *testing.T, lie string) (*fakeDrawd, *httptest.Server) {
	t.Helper()
	f := &fakeDrawd{lie: lie, rules: fakeRules()}
	f.mu.rng = rand.New(rand.NewPCG(3, 4))
	f.mu.answers, f.mu.byID, f.mu.draws = map[string][]byte{}, map[string][]byte{}, map[string]int{}
	f.mu.left = 50
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/campaigns/fake/draws", f.draw)
	mux.HandleFunc("GET /v1/draws/{draw}", f.read)
	mux.HandleFunc("GET /v1/campaigns/fake/stock", f.stock)
	mux.HandleFunc("GET /admin/v1/policy", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"aggregate_caps":[]}`) })
	mux.HandleFunc("GET /admin/v1/records", f.records)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return f, s
}

func problemOf(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"type":"x","status":%d,"code":%q,"effect":"none"}`, status, code)
}

func (f *fakeDrawd) draw(w http.ResponseWriter, r *http.Request) {
	var body struct{ User string }
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		problemOf(w, 400, "bad_json")
		return
	}
	key := body.User + " " + r.Header.Get("Idempotency-Key")
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.shed++; f.mu.shed%7 == 0 {
		problemOf(w, 503, "overloaded")
		return
	}
	if answer, known := f.mu.answers[key]; known && f.lie != "draws again" {
		w.Header().Set("Idempotent-Replayed", "true")
		if f.lie == "changes an answer" {
			answer = []byte(strings.Replace(string(answer), `"seq":7,`, `"seq":8,`, 1))
		}
		_, _ = w.Write(answer)
		return
	}
	if f.mu.draws[body.User] >= 2 && f.lie != "exceeds a cap" {
		problemOf(w, 409, "capped")
		return
	}
	answer := f.decideLocked(body.User)
	f.mu.answers[key] = answer
	if f.lie == "cuts the line" && f.mu.shed%5 == 0 {
		panic(http.ErrAbortHandler) // decided, and nobody hears of it: no lie, the client must ask again
	}
	_, _ = w.Write(answer)
}

// decideLocked draws once more and returns the answer.
func (f *fakeDrawd) decideLocked(user string) []byte {
	f.mu.draws[user]++
	word := f.mu.rng.Uint64()
	value, _ := bits.Mul64(word, 1000)
	seq := len(f.mu.feed) + 1
	id := fmt.Sprintf("d%026d", seq)
	outcome, prize, natural, cause, after := "miss", "", "", "", ""
	if value < 500 {
		natural = `,"natural":"phone"`
		if f.mu.left > 0 || f.lie == "oversells" {
			f.mu.left--
			f.mu.issued++
			outcome, prize, after = "win", `,"prize":"phone"`, fmt.Sprintf(`,"stock_after":%d`, f.mu.left)
		} else {
			cause = `,"cause":"sold_out"`
		}
	}
	const at = "2026-11-11T02:00:00.123Z"
	f.mu.feed = append(f.mu.feed, fmt.Sprintf(`{"kind":"draw","draw":%q,"campaign":"fake","version":1,"seq":%d,"at":%q,"user":%q,"outcome":%q%s%s%s,`+
		`"draw_number":%d,"word":"%016x","key_digest":"%032x","part":0,"times":1,"used":[%d]%s,"index":%d,"ordinal":0}`,
		id, seq, at, user, outcome, prize, natural, cause, f.mu.draws[user], word, seq, f.mu.draws[user], after, seq))
	answer := fmt.Appendf(nil, `{"draw":%q,"campaign":"fake","version":1,"user":%q,"seq":%d,"at":%q,"outcome":%q`, id, user, seq, at, outcome)
	if outcome == "win" {
		answer = append(answer, `,"prize":{"id":"phone","kind":"physical"}`...)
	}
	answer = fmt.Appendf(answer, `,"remaining":{"caps":{"all":%d}}}`, 2-f.mu.draws[user])
	f.mu.byID[id] = answer
	return answer
}

func (f *fakeDrawd) read(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	answer, known := f.mu.byID[r.PathValue("draw")]
	if !known || f.lie == "loses a draw by id" && r.PathValue("draw") == fmt.Sprintf("d%026d", 9) {
		problemOf(w, 404, "draw_not_found")
		return
	}
	_, _ = w.Write(answer)
}

func (f *fakeDrawd) stock(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fmt.Fprintf(w, `{"campaign":"fake","seq":%d,"prizes":[{"id":"phone","total":50,"unreleased":0,"available":%d,"reserved":0,"held":0,"issued":%d,"expired":0,"withdrawn":0}]}`,
		len(f.mu.feed), f.mu.left, f.mu.issued)
}

// records serves the feed in small pages, with records of other campaigns and empty pages among them.
func (f *fakeDrawd) records(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	from, _ := strconv.Atoi(r.URL.Query().Get("since"))
	fmt.Fprintln(w, `{"kind":"document","at":"2026-11-11T02:00:00Z","name":"x","index":1,"ordinal":0}`)
	to := min(from+100, len(f.mu.feed))
	for i := from; i < to; i++ {
		if f.lie == "forgets a draw" && i == 11 {
			continue
		}
		fmt.Fprintln(w, f.mu.feed[i])
	}
	fmt.Fprintf(w, "{\"next_cursor\":%q}\n", strconv.Itoa(to))
}
