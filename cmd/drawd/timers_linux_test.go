package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestDaemonRelaxesItsTimers: a daemon that was started with the kernel's default gives itself the slack that it wants, and
// keeps its name. With the mark of one that was started again it stays as it is, so that nothing goes round for ever.
func TestDaemonRelaxesItsTimers(t *testing.T) {
	said := func() any {
		d := launch(t, t.TempDir())
		slack := d.event("starting")["timer_slack"]
		mine, err := os.ReadFile("/proc/self/comm")
		its, err2 := os.ReadFile(fmt.Sprintf("/proc/%d/comm", d.cmd.Process.Pid))
		if string(mine) != string(its) || err != nil || err2 != nil {
			t.Errorf("the process shows as %q, not as %q; %v, %v", its, mine, err, err2)
		}
		return slack
	}
	if want := max(slackNow(), timerSlack).String(); said() != want {
		t.Errorf("the daemon starts with a timer slack that is not %v", want)
	}
	name, value, _ := strings.Cut(timersRelaxed, "=")
	t.Setenv(name, value)
	if want := slackNow().String(); said() != want {
		t.Errorf("a daemon that was started again has a timer slack that is not %v", want)
	}
}
