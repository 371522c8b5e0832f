package main

import (
	"strings"
	"testing"
)

// TestDaemonRelaxesItsTimers: a daemon that was started with the kernel's default gives itself the slack that it wants. With the
// mark of one that was started again it stays as it is, so that nothing goes round for ever.
func TestDaemonRelaxesItsTimers(t *testing.T) {
	said := func() any { return launch(t, t.TempDir()).event("starting")["timer_slack"] }
	if want := max(slackNow(), timerSlack).String(); said() != want {
		t.Errorf("the daemon starts with a timer slack that is not %v", want)
	}
	name, value, _ := strings.Cut(timersRelaxed, "=")
	t.Setenv(name, value)
	if want := slackNow().String(); said() != want {
		t.Errorf("a daemon that was started again has a timer slack that is not %v", want)
	}
}
