package control

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine/problem"
)

const dripFile = `{"campaign":"drip","time_zone":"UTC","starts_at":"2026-11-11T00:00:00Z","ends_at":"2026-11-11T04:00:00Z","denominator":100,
"prizes":[{"id":"a","kind":"coupon","weight":10,"stock":20,"release":{"windows":"hourly","avoid_whole_hour":true}}]}`

type released struct {
	Hash, Salt, Seed string
	Revealed         bool
	Items            []struct {
		Prize    string
		StartsAt time.Time `json:"starts_at"`
		EndsAt   time.Time `json:"ends_at"`
		Units    int
		Instants []time.Time
	}
	Next string `json:"next_cursor"`
}

// The instants are told once the campaign is over, with what proves that they were fixed before it began.
func TestReleaseIsRevealedAfterTheEnd(t *testing.T) {
	w := newWorld(t)
	const path = "/admin/v1/campaigns/drip/release"
	w.refused(problem.CampaignNotFound, "GET", path, "")
	published := w.publish("drip", dripFile).text("hash")
	read := func(query string) (r released) {
		t.Helper()
		a := w.want(200, "GET", path+query, "")
		if err := json.Unmarshal(a.body, &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	before := read("")
	if before.Revealed || before.Salt != "" || before.Seed != "" || len(before.Items) != 4 || len(before.Hash) != 64 {
		t.Fatalf("before the end: %+v", before)
	}
	for _, x := range before.Items {
		if x.Prize != "a" || x.Units != 5 || x.Instants != nil || x.EndsAt.Sub(x.StartsAt) != time.Hour {
			t.Errorf("before the end: %+v", x)
		}
	}
	w.at(time.Date(2026, 11, 11, 3, 59, 0, 0, time.UTC))
	w.want(200, "POST", "/admin/v1/campaigns/drip:end", `{"reason":"over"}`)
	after := read("?limit=3")
	if !after.Revealed || after.Hash != before.Hash || len(after.Items) != 3 || after.Next == "" {
		t.Fatalf("after the end: %+v", after)
	}
	for _, x := range append(after.Items, read("?limit=3&cursor="+after.Next).Items...) {
		if len(x.Instants) != x.Units {
			t.Errorf("%d instants for %d units", len(x.Instants), x.Units)
		}
		for _, at := range x.Instants {
			if at.Before(x.StartsAt.Add(2*time.Minute)) || !at.Before(x.EndsAt.Add(-2*time.Minute)) {
				t.Errorf("instant %v of the window from %v", at, x.StartsAt)
			}
		}
	}
	proof := []byte{0x06}
	for _, part := range []string{after.Salt, after.Seed, published} {
		b, err := hex.DecodeString(part)
		if err != nil {
			t.Fatal(err)
		}
		proof = append(proof, b...)
	}
	if sum := sha256.Sum256(proof); hex.EncodeToString(sum[:]) != before.Hash {
		t.Error("salt, seed and version do not give the hash that was published")
	}
	if w.publish("flash", flashFile); strings.Contains(string(w.want(200, "GET", "/admin/v1/campaigns/flash/release", "").body), "hash") {
		t.Error("a campaign without schedules has no hash")
	}
}
