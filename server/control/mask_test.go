package control

import (
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/engine/problem"
)

// Codes are shown to admins; whoever reads is shown that they are there.
func TestReadersSeeNoCodes(t *testing.T) {
	w := newWorld(t)
	_, admin := w.newKey("", operatorBody)
	_, reader := w.newKey(admin, `{"name":"reader","scopes":["read"]}`)
	file := strings.Replace(flashFile, "weight: 300, stock: 100}", `weight: 300, stock: 100, codes: {shared: "SECRET\"1"}}`, 1)
	put := func(source string, precondition string) string {
		return w.do("PUT", "/admin/v1/campaigns/flash/draft", source, precondition, admin).header.Get("ETag")
	}
	tag := put(file, "If-None-Match: *")
	w.want(200, "POST", "/admin/v1/campaigns/flash:publish", publishBody(tag), admin)
	w.at(start.Add(2 * time.Hour))
	id := ""
	for i := 0; id == ""; i++ {
		if draw, r := w.drawn("flash", "u"+itoa(i), "k"); r.Prize == 1 {
			id = draw
		}
	}
	doors := []string{
		"/admin/v1/campaigns/flash/draft", "/admin/v1/campaigns/flash/versions/1", "/admin/v1/campaigns/flash/versions", "/admin/v1/campaigns/flash",
		"/admin/v1/records", "/admin/v1/draws/" + id + ":explain", "/admin/v1/campaigns/flash/users/u0:explain", "/admin/v1/pending", "/admin/v1/switches",
	}
	for _, path := range doors {
		if a := w.want(200, "GET", path, "", reader); strings.Contains(string(a.body), "SECRET") {
			t.Errorf("%s shows a code to a reader: %s", path, a.body)
		}
	}
	for _, path := range doors[:2] {
		if a := w.want(200, "GET", path, "", admin); !strings.Contains(string(a.body), `SECRET\"1`) {
			t.Errorf("%s shows no code to an admin: %s", path, a.body)
		}
		if a := w.want(200, "GET", path, "", reader); !strings.Contains(string(a.body), `"codes":{"shared":"********"}`) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	// The masked file can be read and compared, and is not published by mistake.
	masked := w.want(200, "GET", doors[0], "", reader)
	if masked.header.Get("ETag") != tag {
		t.Errorf("ETag %s, want %s", masked.header.Get("ETag"), tag)
	}
	if _, faults := campaignfile.Parse(masked.body); len(faults) > 0 {
		t.Errorf("the masked file cannot be read: %v", faults)
	}
	tag = put(string(masked.body), "If-Match: "+tag)
	a := w.refused(problem.InvalidCampaign, "POST", "/admin/v1/campaigns/flash:publish", publishBody(tag), admin)
	expect(t, "publish", string(a.body), `"pointer":"/prizes/1/codes"`)
	w.refused(problem.InvalidCampaign, "POST", "/admin/v1/campaigns/flash:validate", "", reader)
	// A draft with faults may hold codes anywhere.
	tag = put(strings.Replace(file, "weight: 300", "weight: 9000", 1), "If-Match: "+tag)
	w.refused(problem.Forbidden, "GET", doors[0], "", reader)
	w.want(200, "GET", doors[0], "", admin)
	put("campaign: flash\nnothing: else\n", "If-Match: "+tag)
	w.want(200, "GET", doors[0], "", reader)
}

// An award of what nobody knows the value of would pass any limit.
func TestAwardsWithoutAValue(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", strings.Replace(flashFile, "stock: 5}", "stock: 5, value: 300}", 1))
	w.at(start.Add(2 * time.Hour))
	w.want(200, "PUT", "/admin/v1/policy", `{"time_zone":"UTC","award_daily_value":500}`, `If-Match: "0"`)
	const path, award = "/admin/v1/campaigns/flash/prizes/", `{"user":"u1","ticket":"T-1","reason":"x"}`
	w.decide(func(b *engine.Batch) { b.AddTick() })
	before := w.engine.StateHash()
	a := w.refused(problem.Conflict, "POST", path+"coupon:award", award)
	expect(t, "no value", string(a.body), `"code":"value_unknown"`)
	if w.engine.StateHash() != before {
		t.Error("a refusal changed the state")
	}
	w.want(200, "POST", path+"phone:award", award)
	a = w.refused(problem.Conflict, "POST", path+"phone:award", strings.Replace(award, "T-1", "T-2", 1))
	expect(t, "beyond", string(a.body), `"code":"award_limit"`)
}
