package check

import (
	"bytes"
	"slices"
	"testing"

	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// tell tells a decided draw over HTTP instead.
func (m *maker) tell(a *Attempt) *Attempt {
	at, count := a.Result.At, int(a.Result.Records)
	a.Answer = &Answer{Status: 200, Replayed: a.Result.Replayed, Retry: a.Result.Replayed}
	if a.Result.Code != problem.OK {
		a.Outcome, a.Index = None, 0
		a.Answer.Code, a.Answer.Status = a.Result.Code, a.Result.Code.Info().Status
		a.Result, a.Records = m.h.Attempts[0].Result, nil // a caller sees none
		return a
	}
	c, _ := m.engine.CampaignByRef(1)
	r := render.Answer{IDs: m.engine, Campaign: c, At: at, Records: a.Records, Count: count}
	if a.Result.Replayed {
		first := m.find(func(x *Attempt) bool { return x.Key == a.Key && x != a })
		a.Answer.Body, a.Index = slices.Clone(first.Answer.Body), first.Index
	} else if body, err := r.AppendJSON(nil); err != nil {
		m.t.Fatal(err)
	} else {
		a.Answer.Body = body
	}
	a.Result, a.Records = m.h.Attempts[0].Result, nil
	return a
}

// web is a history over HTTP: two draws, the first asked for again, in the log and by facts; then a user at his cap, who is denied
// by the log and by facts, and one whom a node without a leader turns away.
func web(t *testing.T) (m *maker, all map[string]*Attempt) {
	m, all = newMaker(t), map[string]*Attempt{}
	told := func(name string, a *Attempt) {
		m.decide(a)
		all[name] = m.tell(a)
	}
	refused := func(name string, a *Attempt, code problem.Code) {
		a.Outcome, a.Returned, a.Answer = None, m.next(), &Answer{Status: code.Info().Status, Code: code}
		all[name] = a
	}
	told("first", m.draw(1, "a", 1))
	told("second", m.draw(2, "b", 2))
	told("again", m.draw(1, "a", 3))
	known := m.draw(1, "a", 4)
	known.Outcome, known.Returned, known.Index = Decided, m.next(), all["first"].Index
	known.Answer = &Answer{Status: 200, Replayed: true, Body: slices.Clone(all["first"].Answer.Body)}
	all["known"] = known
	for i := range 6 {
		m.decide(m.draw(3, string(rune('c'+i)), 10+i))
	}
	told("denied", m.draw(3, "z", 20))
	refused("denied by facts", m.draw(3, "y", 21), problem.Capped)
	refused("turned away", m.draw(1, "a", 22), problem.NoLeader)
	return m, all
}

func TestLegalHistoryOverHTTPStands(t *testing.T) {
	m, all := web(t)
	v := m.h.Judge(2)
	for _, f := range v.Faults {
		t.Error(f)
	}
	if all["denied"].Answer.Code != problem.Capped || v.Decided != 12 || len(all["first"].Records) == 0 {
		t.Errorf("%+v", v)
	}
}

// TestIllegalHistoriesOverHTTP breaks one promise at a time.
func TestIllegalHistoriesOverHTTP(t *testing.T) {
	for _, test := range []struct {
		name, rule string
		spoil      func(m *maker, all map[string]*Attempt)
	}{
		{"a body of other bytes", "changed", func(_ *maker, all map[string]*Attempt) {
			b := all["first"].Answer.Body
			copy(b, bytes.Replace(b, []byte(`"seq":1`), []byte(`"seq":2`), 1))
		}},
		{"a replay of other bytes", "changed", func(_ *maker, all map[string]*Attempt) { all["again"].Answer.Body[30] ^= 1 }},
		{"a replay from facts of other bytes", "changed", func(_ *maker, all map[string]*Attempt) { all["known"].Answer.Body = all["second"].Answer.Body }},
		{"a replay that does not say so", "changed", func(_ *maker, all map[string]*Attempt) { all["again"].Answer.Replayed = false }},
		{"another index", "changed", func(_ *maker, all map[string]*Attempt) { all["known"].Index++ }},
		{"a draw that the log denied", "changed", func(m *maker, all map[string]*Attempt) {
			m.decide(m.draw(4, "z", 30))
			m.h.Attempts[len(m.h.Attempts)-1].Key = all["denied"].Key
			all["denied"].Outcome, all["denied"].Answer.Status = Decided, 200
		}},
		{"a draw that the log does not have", "lost", func(m *maker, all map[string]*Attempt) {
			a := m.draw(4, "nowhere", 31)
			a.Outcome, a.Returned, a.Index, a.Answer = Decided, m.next(), 5, all["first"].Answer
		}},
		{"the second of two sends that the log does not have", "lost", func(m *maker, all map[string]*Attempt) {
			a := m.draw(1, "a", 32)
			a.Outcome, a.Returned, a.Index, a.Answer = Decided, m.next(), all["first"].Index, &Answer{Status: 200, Body: all["first"].Answer.Body}
		}},
		{"no effect, and a draw", "effect", func(_ *maker, all map[string]*Attempt) {
			all["second"].Outcome, all["second"].Answer = None, &Answer{Status: 503, Code: problem.Overloaded}
		}},
		{"a denial for another reason", "effect", func(_ *maker, all map[string]*Attempt) { all["denied"].Answer.Code = problem.Paused }},
		{"a denial of what was told", "forgotten", func(m *maker, _ map[string]*Attempt) {
			a := m.draw(1, "a", 33)
			a.Outcome, a.Returned, a.Answer = None, m.next(), &Answer{Status: 409, Code: problem.Capped, Retry: true}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, all := web(t)
			test.spoil(m, all)
			v := m.h.Judge(2)
			if !slices.ContainsFunc(v.Faults, func(f Fault) bool { return f.Rule == test.rule }) {
				t.Errorf("found %v, want %s", v.Faults, test.rule)
			}
		})
	}
}
