package runfile

import (
	"strings"
	"testing"
)

// sampleRun is a run with something of everything.
func sampleRun() *Run {
	return &Run{
		Scenario: "flash", WallSeconds: 10, Options: []Option{{"users", "100"}},
		Environment: Environment{Commit: "abc", Go: "go1.26", CPU: "x", Cores: 2, Durability: "fsync before every answer", Nodes: 1, Target: "http"},
		Verdict:     &Verdict{Status: Right, Draws: 900, FaultCounts: map[string]int{}},
		Latency:     []Latency{{"logged_due", "logged, from due", Percentiles{Count: 900, P50: 800, P99: 4900, Max: 9000}}},
		Outcomes:    []Outcome{{"logged", 900}, {"won", 90}, {"denied", 98}, {"failed", 1}, {"unknown", 1}, {"shed.overloaded", 4}, {"shed.no_leader", 3}},
		Rates:       []Rate{{"logged", 90, 120}, {"answered", 100, 130}},
		Prizes:      []Prize{{ID: "phone", Total: 5, Wins: 5, Taken: 5}, {ID: "watch", Total: 5, Wins: 7, Taken: 7, Oversold: 2}},
		Figures:     []Figure{{ID: "P1", Name: "x", Measures: []Measure{NewMeasure("ratio", "share", Higher, []float64{0.7, 0.8, 0.6})}}, {ID: "recovery", Measures: []Measure{NewMeasure("recovery", "seconds", Lower, []float64{2.5})}}},
	}
}

func TestExpect(t *testing.T) {
	for _, row := range []struct {
		text  string
		met   bool
		value float64
	}{
		{"p99<5ms", true, 4900}, {"p99<4.9ms", false, 4900}, {"p99 <= 4900us", true, 4900}, {"p50>=0.8ms", true, 800}, {"max<1s", true, 9000},
		{"p50<800000ns", false, 800}, {"p50 < 801µs", true, 800},
		{"oversell==0", false, 2}, {"oversell==2", true, 2}, {"faults==0", true, 0}, {"caps!=0", false, 0},
		{"errors<0.1%", false, 0.002}, {"errors<1%", true, 0.002}, {"errors<=2", true, 2}, {"shed==7", true, 7},
		{"logged/s>80", true, 90}, {"logged/s>=0.09k", true, 90}, {"answered/s>0.1k/s", false, 100}, {"logged>0.0009M", false, 900},
		{"P1.ratio>=0.7", true, 0.7}, {"P1.ratio>70%", false, 0.7},
		{"recovery.recovery<=2500ms", true, 2.5}, {"recovery.recovery<2s", false, 2.5}, {"recovery.recovery<3", true, 2.5},
	} {
		r := sampleRun()
		conditions, err := ParseExpectations(row.text)
		if row.text == "answered/s>0.1k/s" {
			if err == nil {
				t.Errorf("%s: two units pass", row.text)
			}
			continue
		}
		if err != nil || len(conditions) != 1 {
			t.Errorf("%s: %v", row.text, err)
			continue
		}
		r.Expect(conditions)
		if e := r.Expectations[0]; e.Met != row.met || e.Value != row.value || e.Missing != "" || e.Expression != row.text {
			t.Errorf("%s: %+v", row.text, e)
		}
	}
}

func TestExpectOfWhatIsNotThere(t *testing.T) {
	conditions, err := ParseExpectations("P9.rate>1, denied.p99<1s, errors<5%, logged<5ms, p99<1s")
	if err != nil {
		t.Fatal(err)
	}
	r := &Run{Outcomes: []Outcome{{"logged", 0}, {"failed", 0}, {"unknown", 0}}}
	r.Expect(conditions)
	for _, e := range r.Expectations {
		if e.Met || e.Missing == "" {
			t.Errorf("%+v", e)
		}
	}
	if r.Close(); r.Result != Missed {
		t.Error(r.Result)
	}
}

func TestConditionsThatAreNone(t *testing.T) {
	_, err := ParseExpectations("p99, <5ms, p98<5ms, denied.p98<5ms, p99.5<1ms, p99<5, p99<fast, oversell=0, nonsense==1")
	if err == nil {
		t.Fatal("they pass")
	}
	for _, says := range []string{`"p99"`, `"<5ms"`, `"p98" is no metric`, `"denied.p98" is no metric`, `"p99.5" is no metric`, `"p99<5": p99 is a time`, `"p99<fast"`, `"oversell=0": the operator`, `"nonsense" is no metric`} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%s is not in %v", says, err)
		}
	}
	if all, err := ParseExpectations(""); err != nil || len(all) != 0 {
		t.Error(all, err)
	}
}

func TestResultIsTheWorst(t *testing.T) {
	missed := []Expectation{{Met: true}, {}}
	for _, row := range []struct {
		r    Run
		want Result
	}{
		{Run{}, OK}, {Run{Expectations: missed[:1]}, OK}, {Run{Expectations: missed}, Missed},
		{Run{Expectations: missed, Verdict: &Verdict{Status: Unproven}}, TooLittle},
		{Run{Invalid: []string{"lag"}, Verdict: &Verdict{Status: Unproven}}, Invalid},
		{Run{Invalid: []string{"lag"}, Expectations: missed, Verdict: &Verdict{Status: Broken}}, Wrong},
		{Run{Verdict: &Verdict{Status: Right}}, OK},
	} {
		if row.r.Close(); row.r.Result != row.want {
			t.Errorf("%+v: %s", row.r, row.want)
		}
	}
}
