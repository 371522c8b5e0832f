//go:build linux

package bench

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/oracle"
	"github.com/drawd/drawd/bench/runfile"
)

// reportOf is a report of a run against the fake.
func reportOf(t *testing.T, lie string) *DrawReport {
	t.Helper()
	proof, work := runFake(t, lie, 10)
	h := load.NewHistogram()
	_ = h.RecordValues(2000, 500)
	so := work.tally()
	return &DrawReport{
		Scenario: "flash", Self: true, Proof: proof, Needed: 100, Enough: true, Wins: so.won, Misses: so.logged - so.won, Options: []runfile.Option{},
		Logged: Rate{Count: so.logged}, Latency: Latencies{LoggedDue: percentilesOf(h)}, Lag: percentilesOf(h), hlog: []byte("log"),
	}
}

func TestFinishTellsWhatAScriptMustKnow(t *testing.T) {
	for _, row := range []struct {
		lie, expect string
		result      runfile.Result
		wrong       bool
		little      string
	}{
		{"", "p99<5ms,oversell==0,faults==0,errors<0.1%", runfile.OK, false, ""},
		{"", "p99<1ms,oversell==0", runfile.Missed, false, "not as expected: p99<1ms: it is 2.00 ms"},
		{"", "P1.ratio>0.7", runfile.Missed, false, "P1.ratio>0.7: this scenario does not measure P1.ratio"},
		{"oversells", "p99<5ms", runfile.Wrong, true, ""},
		{"oversells", "oversell==0", runfile.Wrong, true, "oversell==0: it is"},
	} {
		r := reportOf(t, row.lie)
		conditions, err := runfile.ParseExpectations(row.expect)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		o := Outputs{JSON: filepath.Join(dir, "run.json"), HDR: filepath.Join(dir, "run.hlog"), Expect: conditions}
		d, err := o.Finish(r, r.failure())
		var wrong *VerdictError
		var little *ThresholdError
		if d.Result != row.result || errors.As(err, &wrong) != row.wrong || errors.As(err, &little) != (row.little != "") {
			t.Errorf("%q %s: %s, %v", row.lie, row.expect, d.Result, err)
		}
		if row.little != "" && !strings.Contains(err.Error(), row.little) {
			t.Errorf("%q %s: %v", row.lie, row.expect, err)
		}
		if row.wrong && !strings.Contains(err.Error(), "prize phone: ") {
			t.Errorf("the prize is not named: %v", err)
		}
		back, err := runfile.ReadFile(o.JSON)
		if err != nil || back.Result != row.result || (back.Prizes[0].Oversold > 0) != row.wrong {
			t.Errorf("%q %s: the file says %+v, %v", row.lie, row.expect, back, err)
		}
		var text strings.Builder
		if err := WriteExpectations(&text, d); err != nil || strings.Contains(text.String(), "NOT MET") != (row.little != "") {
			t.Errorf("%q %s: %s %v", row.lie, row.expect, text.String(), err)
		}
	}
}

func TestFinishSaysWhatItCannotWrite(t *testing.T) {
	o := Outputs{HDR: filepath.Join(t.TempDir(), "x.hlog")}
	if _, err := o.Finish(&CalibrateReport{Scenario: "calibrate"}, nil); err == nil || !strings.Contains(err.Error(), "keeps no histograms") {
		t.Error(err)
	}
	o = Outputs{JSON: filepath.Join(t.TempDir(), "no", "such", "folder")}
	if _, err := o.Finish(&CalibrateReport{Scenario: "calibrate"}, nil); err == nil {
		t.Error("the file cannot have been written")
	}
}

// Every report has a document that can be read back: what a scenario puts into it fits the schema's types.
func TestDocumentsOfAllReports(t *testing.T) {
	machine := Machine{Commit: "x"}
	for _, r := range []Report{
		reportOf(t, ""), &CalibrateReport{Scenario: "calibrate", Machine: machine}, &CrashLoopReport{Scenario: "crashloop", Faults: &oracle.Verdict{}},
		&FiguresReport{Scenario: "figures", Figures: []Figure{{ID: "P1", Samples: []Sample{{Rate: 1, EmptyRate: 2}}}, {ID: "P2", Note: "n"}}},
	} {
		d := r.Document()
		d.Close()
		var b strings.Builder
		if err := d.Write(&b); err != nil {
			t.Fatal(err)
		}
		back, err := runfile.Read(strings.NewReader(b.String()))
		if err != nil || back.Scenario == "" || strings.Contains(b.String(), "null") {
			t.Errorf("%T: %v\n%s", r, err, b.String())
		}
	}
}
