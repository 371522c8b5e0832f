//go:build upgrade

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
)

// TestUpgradeFrom: UPGRADE_FROM is the drawd of another revision. Three of its processes are replaced by this build under
// draws, one of them once back again while they are mixed; no call fails, nothing is drawn twice, all nodes tell the same
// records and hashes, and an answer of before is given again.
func TestUpgradeFrom(t *testing.T) {
	from, err := filepath.Abs(os.Getenv("UPGRADE_FROM"))
	if err != nil || os.Getenv("UPGRADE_FROM") == "" {
		t.Fatal("UPGRADE_FROM must be the drawd to begin with: make upgrade-test FROM=ref", err)
	}
	c := newCrewOf(t, 3, map[string]string{"n1": from, "n2": from, "n3": from})
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	all := callersOf(t, ctx, c, 4)
	c.nodes["n1"].client(0, "campaign", "publish", "-f", flashSale)
	first := c.drawSomewhere("before")
	for _, step := range []struct{ id, path string }{{"n1", ""}, {"n2", ""}, {"n1", from}, {"n1", ""}, {"n3", ""}} {
		all.more(200)
		c.replace(step.id, step.path)
		all.going.Lock()
		c.alike()
		if again := c.drawAt(step.id, "before"); again != first {
			t.Errorf("%s answers\n%s\nit was\n%s", step.id, again, first)
		}
		all.going.Unlock()
	}
	all.more(200)
	all.end()
	checkNothingTwice(t, ctx, all.client, all.all)
	c.alike()
	feed := c.records("n1")
	for _, id := range []string{"n2", "n3"} {
		if !bytes.Equal(c.records(id), feed) {
			t.Errorf("%s has other records than n1", id)
		}
	}
	t.Logf("%d draws through five replacements; the level is %d", all.answered.Load(), c.view("n1").Level)
	c.stop()
	for _, id := range c.founded {
		out, _ := runs(t, 0, "check", "--data", c.path(id))
		want(t, out, "clean\n")
	}
}
