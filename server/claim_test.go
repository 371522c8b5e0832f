package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/drawd/drawd/storage"
)

// An award is claimed and delivered over both planes, and stands where it stood after a restart.
func TestAwardsOnANode(t *testing.T) {
	fs := storage.NewCrashFS()
	n := startNode(t, fs, nil)
	file := strings.NewReplacer("denominator: 1000", "denominator: 500", "stock: 5", "stock: 5, award: {claim_within: 100d}", "weight: 300", "weight: 0").Replace(flashFile)
	saved, _ := n.want(201, "PUT", n.admin("/admin/v1/campaigns/flash/draft"), file, "If-None-Match: *")
	n.want(200, "POST", n.admin("/admin/v1/campaigns/flash:publish"), fmt.Sprintf(`{"draft_etag":%q}`, saved["etag"]))
	var draws []string
	for _, user := range []string{"u1", "u2", "u3"} {
		won, _ := n.want(200, "POST", n.api("/v1/campaigns/flash/draws"), fmt.Sprintf(`{"user":%q}`, user), "Idempotency-Key: k")
		draws = append(draws, won["draw"].(string))
	}
	n.want(200, "POST", n.api("/v1/campaigns/flash/users/u1/draws/"+draws[0]+":claim"), "")
	n.want(200, "POST", n.api("/v1/campaigns/flash/users/u2/draws/"+draws[1]+":claim"), "")
	n.want(200, "POST", n.admin("/admin/v1/draws/"+draws[0]+":deliver"), `{"reason":"payout 1"}`)
	n.want(200, "POST", n.admin("/admin/v1/campaigns/flash:end"), `{"reason":"over"}`)
	look := func() {
		t.Helper()
		for i, state := range []string{"delivering", "claimed", "won"} {
			if _, raw := n.want(200, "GET", n.api("/v1/draws/"+draws[i]), ""); !strings.Contains(raw, `"award":{"state":"`+state+`",`) {
				t.Errorf("%s: %s", state, raw)
			}
		}
	}
	look()
	n.stop()
	n = startNode(t, fs, nil)
	defer n.stop()
	look()
	n.want(200, "POST", n.admin("/admin/v1/draws/"+draws[0]+":delivered"), `{}`)
	n.want(200, "POST", n.api("/v1/campaigns/flash/users/u3/draws/"+draws[2]+":claim"), "")
}
