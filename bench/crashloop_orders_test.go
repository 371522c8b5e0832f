package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/drawd/drawd/bench/oracle"
)

// unitServer answers holds and takes, and forgets something of what it answered.
type unitServer struct {
	forgets string // "keys", "refusals", "ends", "units", or nothing
	mu      struct {
		sync.Mutex
		made    int
		answers map[string]string // by key
		ended   map[string]bool   // by hold
		shown   map[string]int64  // units held and issued, by pool
		died    bool              // it was started again
	}
}

func (s *unitServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // what is wanted stands in the path
	s.mu.Lock()
	defer s.mu.Unlock()
	key, path := r.Header.Get("Idempotency-Key"), r.URL.Path
	switch {
	case r.Method == http.MethodPut:
	case r.Method == http.MethodGet:
		pool := strings.TrimPrefix(path, "/v1/pools/")
		total, held, issued := orderPools[pool], s.mu.shown[pool+"/held"], s.mu.shown[pool+"/issued"]
		if s.forgets == "units" {
			held = 0
		}
		fmt.Fprintf(w, `{"total":%d,"available":%d,"held":%d,"issued":%d}`, total, total-held-issued, held, issued)
	case strings.Contains(path, ":confirm"), strings.Contains(path, ":release"):
		hold, what, _ := strings.Cut(strings.TrimPrefix(path, "/v1/holds/"), ":")
		already := s.mu.ended[hold]
		if !already {
			s.mu.ended[hold] = !(s.forgets == "ends" && !s.mu.died)
			s.mu.shown["seats/held"]--
			if what == "confirm" {
				s.mu.shown["seats/issued"]++
			}
		}
		fmt.Fprintf(w, `{"hold":%q,"state":%q,"already":%v}`, hold, map[string]string{"confirm": "confirmed", "release": "released"}[what], already)
	case s.mu.answers[key] != "" && !(s.forgets == "keys" && s.mu.died && !strings.Contains(s.mu.answers[key], "code")) &&
		!(s.forgets == "refusals" && s.mu.died && strings.Contains(s.mu.answers[key], "code")):
		w.Header().Set("Idempotent-Replayed", "true")
		s.answer(w, s.mu.answers[key])
	default:
		s.mu.made++
		text := fmt.Sprintf(`{"hold":"h%d"}`, s.mu.made)
		if strings.Contains(path, ":take") && s.mu.made%2 == 0 && !s.mu.died {
			text = `{"code":"insufficient_stock"}`
		} else if strings.Contains(path, ":take") {
			s.mu.shown["rare/issued"]++
		} else {
			s.mu.shown["seats/held"]++
		}
		s.mu.answers[key] = text
		s.answer(w, text)
	}
}

func (s *unitServer) answer(w http.ResponseWriter, text string) {
	if strings.Contains(text, "code") {
		w.WriteHeader(http.StatusConflict)
	}
	fmt.Fprint(w, text)
}

// What a restart forgot of holds, takes, their refusals and their ends is told, each by its rule; a daemon that forgets nothing is right.
func TestOrdersAfterARestart(t *testing.T) {
	for forgets, rule := range map[string]string{"": "", "keys": "changed", "refusals": "changed", "ends": "lost", "units": "units"} {
		t.Run("forgets "+forgets, func(t *testing.T) { restartOrders(t, forgets, rule) })
	}
}

func restartOrders(t *testing.T, forgets, rule string) {
	s := &unitServer{forgets: forgets}
	s.mu.answers, s.mu.ended, s.mu.shown = map[string]string{}, map[string]bool{}, map[string]int64{}
	srv := httptest.NewServer(s)
	defer srv.Close()
	o, err := newOrders(context.Background(), newControl(srv.URL, srv.URL, ""))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 24 { // every kind: one seat held and left, confirmed or released, and takes
		x := &order{key: fmt.Sprint("k", i), path: "/v1/holds", units: map[string]int64{"seats": 1}, state: unknownOutcome, endState: unknownOutcome}
		x.end = []string{"", "confirm", "release"}[i%3]
		if i%4 == 3 {
			x.take, x.path, x.units, x.end = true, "/v1/pools/rare:take", map[string]int64{"rare": 1}, ""
		}
		o.all = append(o.all, x)
		if i < 20 && !o.first(t.Context(), x) { // the others were never answered
			t.Fatal("no answer")
		}
	}
	s.mu.Lock()
	s.mu.died = true
	s.mu.Unlock()
	var seen OrderCounts
	v := &oracle.Verdict{}
	if err := o.settle(t.Context(), &seen, v.Add); err != nil {
		t.Fatal(err)
	}
	if err := o.judge(t.Context(), &seen, v); err != nil {
		t.Fatal(err)
	}
	if rule == "" && (!v.Right() || seen.Same != seen.Acknowledged || seen.Same < 10 || seen.Refused == 0 || seen.EndedSame != seen.Ended || seen.Ended < 5 || seen.Unanswered != 4) {
		t.Errorf("%+v: %v", seen, v.Faults)
	}
	if rule != "" && v.FaultCounts[rule] == 0 {
		t.Errorf("%+v: %v", seen, v.Faults)
	}
}
