package mtls

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// What a stream registers is what docs/metrics.md lists under "Between nodes", each with its labels.
func TestMetricsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n## Between nodes\n")
	if !found {
		t.Fatal(`docs/metrics.md has no section "Between nodes"`)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	r := newRig(t)
	n := r.listen(r.issue(r.ca, "n1", time.Now(), NodeLife), nil)
	names := n.metrics.ListMetricNames()
	if len(names) != int(refusals)+1 {
		t.Errorf("registered: %q", names)
	}
	for _, name := range names {
		row := regexp.MustCompile(`drawd_peer_([a-z_]+)(?:\{why="([a-z]+)"\})?`).FindStringSubmatch(name)
		if row == nil || !strings.Contains(section, "| `"+row[1]+"`") || row[2] != "" && !strings.Contains(section, "`"+row[2]+"`") {
			t.Errorf("%s is not documented", name)
		}
	}
}
