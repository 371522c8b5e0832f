//go:build linux

package bench

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/drawd/drawd/bench/load"
)

// recountFake lets a workload without a journal draw from a server that lies as told, and recounts.
func recountFake(t *testing.T, lie string, most uint64) (*recount, *Proof, error) {
	t.Helper()
	f, s := startFake(t, lie)
	host := strings.TrimPrefix(s.URL, "http://")
	r := newRecount(newControl(s.URL, s.URL, ""), host, nil, &console{})
	r.most = most
	r.courses = []*course{{rules: f.rules, version: 1}}
	work := newSteadyLoad(host, "fake", 250)
	r.hear(work, "fake", "a campaign that nobody published")
	if _, err := load.Run(t.Context(), load.Options{Addr: host, Connections: 16}, load.Schedule{Requests: 600}, func(int) load.Workload { return work }); err != nil {
		t.Fatal(err)
	}
	if lie == "has fewer draws than it acknowledged" {
		r.hear(boast(700), "fake")
	}
	if err := r.judge(t.Context()); err != nil {
		t.Fatal(err)
	}
	proof, err := r.result()
	return r, proof, err
}

// boast is a workload that says it was answered with so many draws.
type boast uint64

func (b boast) acknowledged() []uint64   { return []uint64{uint64(b)} }
func (b boast) some(int, uint64) []drawn { return nil }

func TestRecountOfAnHonestServer(t *testing.T) {
	r, proof, err := recountFake(t, "", recountMost)
	v := proof.Verdict
	if err != nil || !v.Right() {
		t.Fatal(err, v.Faults)
	}
	if v.Acknowledged < 300 || v.Draws != v.Acknowledged || proof.Campaigns != 1 || proof.Replays != v.Acknowledged || proof.ReplaysSame != proof.Replays || v.Found != v.Draws {
		t.Errorf("%+v, verdict %+v", proof, v)
	}
	d := (&TableReport{Proof: proof}).Document()
	if d.Verdict.Status != "right" || d.Verdict.Draws != v.Draws {
		t.Errorf("%+v", d.Verdict)
	}
	var text strings.Builder
	p := &page{w: &text}
	writeRecount(p, proof, "")
	writeRecount(p, nil, "nobody drew")
	for _, says := range []string{"VERDICT   right", "draws of 1 campaigns", "fewer than the 100,000", "no verdict: nobody drew"} {
		if !strings.Contains(text.String(), says) {
			t.Errorf("%q is not in\n%s", says, &text)
		}
	}
	// What was judged is not judged again.
	before := proof.FeedItems
	if err := r.judge(t.Context()); err != nil || proof.FeedItems != before || proof.Campaigns != 1 {
		t.Errorf("%v, %+v", err, proof)
	}
}

// TestRecountOfALongCampaign: of a campaign with more draws than are recounted the first ones are judged, and it is said.
func TestRecountOfALongCampaign(t *testing.T) {
	_, proof, err := recountFake(t, "", 100)
	if v := proof.Verdict; err != nil || v.Found == 0 || v.Found > 100 || v.Draws != v.Acknowledged ||
		!slices.ContainsFunc(v.NotJudged, func(s string) bool { return strings.Contains(s, "the first 100 were recounted") }) {
		t.Errorf("%v %+v", err, v)
	}
}

func TestRecountOfLyingServers(t *testing.T) {
	for lie, want := range map[string]struct{ rule, says string }{
		"draws again":                          {"changed", "409 capped"},
		"changes an answer":                    {"lost", "another id in the feed"},
		"exceeds a cap":                        {"cap", "cap all"},
		"oversells":                            {"stock", "prize phone"},
		"forgets a draw":                       {"lost", "not in the feed"},
		"has fewer draws than it acknowledged": {"lost", "draws were acknowledged, its records have"},
	} {
		_, proof, err := recountFake(t, lie, recountMost)
		if !slices.ContainsFunc(proof.Verdict.Faults, func(f faultOf) bool { return f.Rule == want.rule && strings.Contains(f.Detail, want.says) }) {
			t.Errorf("a server that %s: faults %v", lie, proof.Verdict.Faults)
		}
		if wrong := (*VerdictError)(nil); !errors.As(err, &wrong) {
			t.Errorf("a server that %s: %v", lie, err)
		}
	}
}

func TestNothingDrawnHasNoVerdict(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	r := newRecount(newControl(s.URL, s.URL, ""), "", nil, &console{})
	if err := r.judge(t.Context()); err != nil {
		t.Error(err)
	}
	if proof, err := r.result(); proof != nil || err != nil || proof.verdict() != nil {
		t.Error(proof, err)
	}
}

// TestWorkloadsRememberWhatTheyWereAnswered: the draws that a workload names are those that it sent, and only those that were answered.
func TestWorkloadsRememberWhatTheyWereAnswered(t *testing.T) {
	var h heard
	for id := range uint32(200) {
		h.sent(id, uint64(id)+1000)
		if id%3 == 0 {
			h.decided(id)
			h.decided(id) // twice is once
		}
	}
	if h.count != 67 {
		t.Errorf("%d answers", h.count)
	}
	all, some := h.pick(1000, 1), h.pick(10, 1)
	if len(all) != 67 || len(some) != 10 || !slices.IsSorted(some) {
		t.Errorf("%d of all, %v of some", len(all), some)
	}
	for _, n := range append(all, some...) {
		if (n-1000)%3 != 0 {
			t.Errorf("%d was not answered", n)
		}
	}

	ok := &load.Answer{Status: 200}
	steady := newSteadyLoads("h", []string{"one", "two"}, 1000)
	batch, resp := newBatchLoad("h", "one", 4, 1000, true), newRESPLoad("one", 1000, 3)
	var sent [3][]string
	for id := range uint32(9) {
		for i, w := range []load.Workload{steady, batch, resp} {
			sent[i] = append(sent[i], string(w.AppendRequest(nil, id, false)))
			if id%2 == 0 {
				continue
			}
			if i == 1 {
				batch.heard.decided(id) // the answer's bytes are another test's
			} else {
				w.Answer(id, ok)
			}
		}
	}
	for i, w := range []remembering{steady, batch, resp} {
		var sum uint64
		for _, n := range w.acknowledged() {
			sum += n
		}
		if want := uint64(4 * []int{1, 4, 3}[i]); sum != want {
			t.Errorf("workload %d: %d acknowledged, want %d", i, sum, want)
		}
		got := w.some(100, 1)
		if len(got) != 4 {
			t.Errorf("workload %d: %v", i, got)
		}
		for _, d := range got {
			holds := func(request string) bool {
				return strings.Contains(request, d.key) && strings.Contains(request, string(appendUser(nil, d.user)))
			}
			if k := slices.IndexFunc(sent[i], holds); k%2 != 1 {
				t.Errorf("workload %d: %+v is in request %d", i, d, k)
			}
		}
	}
}
