package dataplane

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/drawd/drawd/server/access"
	"github.com/drawd/drawd/server/ticket"
)

const channeledFile = `
campaign: shops
time_zone: UTC
starts_at: 2026-11-01T00:00:00Z
ends_at: 2026-12-01T00:00:00Z
denominator: 10
tickets: {required: true}
channels:
  - {id: app, prizes: [phone]}
  - {id: web, prizes: [pen]}
prizes:
  - {id: phone, kind: physical, weight: 10, stock: 1000}
  - {id: pen, kind: physical, weight: 0, stock: 1000}
`

// Who comes by a ticket alone draws in the channel that it names: the review's fourth finding.
func TestTicketsNameTheChannel(t *testing.T) {
	g := newGatedRig(t)
	g.publish(channeledFile)
	auth := []string{"Authorization", "Bearer " + g.addKey()}
	body := func(nonce, channel, sent string) string {
		text := g.sign(nonce, func(c *ticket.Claims) { c.Campaign, c.Channel = "shops", channel })
		if sent != "" {
			sent = `,"channel":"` + sent + `"`
		}
		return `{"user":"u1","ticket":"` + text + `"` + sent + `}`
	}
	for _, row := range []struct {
		name, signed, sent string
		alone, keyed       int // status
		code               string
	}{
		{"one that the ticket does not name", "", "app", 403, 200, ""},
		{"another than the ticket's", "web", "app", 403, 403, "ticket_invalid"},
		{"the ticket's", "app", "app", 200, 200, ""},
		{"the ticket's, unsaid", "app", "", 200, 200, ""},
		{"none", "", "", 422, 422, "unknown_channel"},
		{"one that the campaign does not have", "radio", "", 422, 422, "unknown_channel"},
	} {
		before := g.engine.StateHash()
		a := g.do("POST", "/v1/campaigns/shops/draws", body(row.name[:3]+row.signed+row.sent+"a", row.signed, row.sent))
		if a.status != row.alone || a.status == 200 && !strings.Contains(string(a.body), `"phone"`) {
			t.Errorf("%s: alone %d: %s", row.name, a.status, a.body)
		}
		if a.status != 200 && g.engine.StateHash() != before {
			t.Errorf("%s: a refusal changed the state", row.name)
		}
		a = g.do("POST", "/v1/campaigns/shops/draws", body(row.name[:3]+row.signed+row.sent+"k", row.signed, row.sent), auth...)
		g.want(row.name+", with a key", a, row.keyed, row.code)
		if row.code == "ticket_invalid" && !a.pointsAt("/ticket", "other_channel") {
			t.Errorf("%s: %s", row.name, a.body)
		}
	}
	// The channel that the ticket names is the draw's: a replay that says it is the same request.
	first := g.do("POST", "/v1/campaigns/shops/draws", body("same", "app", ""))
	again := g.do("POST", "/v1/campaigns/shops/draws", body("same", "app", "app"))
	if first.status != 200 || string(first.body) != string(again.body) || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("%d %s\n%d %s", first.status, first.body, again.status, again.body)
	}
}

// Requests that only a ticket admits are counted by user and by address on this node; those with a key are not.
func TestTicketAloneIsPaced(t *testing.T) {
	ask := func(g *gatedRig, user string, i int, auth ...string) answer {
		text := g.sign(fmt.Sprint(user, i), func(c *ticket.Claims) { c.User = user; c.Attributes["region"] = "BJ" })
		return g.do("POST", "/v1/campaigns/closed/draws", `{"user":"`+user+`","ticket":"`+text+`"}`, auth...)
	}
	limited := func(a answer) bool {
		t.Helper()
		if a.status != 429 {
			return false
		}
		if after, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || after < 1 || after > 60 || a.json["public_code"] != "try_again" || a.json["effect"] != "none" {
			t.Errorf("%v %s", a.header, a.body)
		}
		return true
	}
	for _, row := range []struct {
		name          string
		edit          func(o *Options)
		mine, another int // how many get through
	}{
		{"by user", func(o *Options) { o.UserRate = access.Rate{PerSecond: 1, Burst: 3} }, 3, 3},
		{"by address", func(o *Options) { o.AddressRate = access.Rate{PerSecond: 1, Burst: 3} }, 3, 0},
		{"by default", func(*Options) {}, DefaultUserBurst, DefaultUserBurst},
	} {
		g := newGatedRig(t, row.edit)
		auth := []string{"Authorization", "Bearer " + g.addKey()}
		for _, part := range []struct {
			user string
			want int
		}{{"u1", row.mine}, {"u2", row.another}} {
			through := 0
			for i := range 15 {
				if !limited(ask(g, part.user, i)) {
					through++
				}
			}
			if through != part.want {
				t.Errorf("%s: %d of %s got through, want %d", row.name, through, part.user, part.want)
			}
		}
		for i := range 20 {
			if a := ask(g, "u1", i, auth...); a.status == 429 {
				t.Errorf("%s: with a key: %s", row.name, a.body)
			}
		}
		g.clock.Add(1000)
		if limited(ask(g, "u1", 99)) {
			t.Errorf("%s: still limited a second later", row.name)
		}
	}
	// Nobody uses up another's rate without his ticket.
	g := newGatedRig(t, func(o *Options) { o.UserRate = access.Rate{PerSecond: 1, Burst: 1} })
	g.addKey()
	for range 5 {
		g.do("POST", "/v1/campaigns/closed/draws", `{"user":"u1","ticket":"junk"}`)
	}
	if limited(ask(g, "u1", 1)) {
		t.Error("refused for what others sent")
	}
}
