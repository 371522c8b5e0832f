package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/client"
	"github.com/drawd/drawd/server/apitest"
)

// operator is a client whose every exchange is held against docs/openapi.yaml.
func operator(t *testing.T, n *node) *client.Client {
	t.Helper()
	o := n.options()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	o.HTTPClient = &http.Client{Transport: apitest.Transport(t, transport)}
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// got fails the test on an error.
func got[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

const wheelFile = `campaign: wheel
title: {en: Wheel}
time_zone: UTC
starts_at: 2020-01-01T00:00:00Z
ends_at: 2029-12-01T00:00:00Z
denominator: 1000
chances: {mode: granted, sources: {share: {daily_limit: 3}}}
prizes:
  - {id: coupon, kind: coupon, title: {en: Coupon}, weight: 1000, stock: 100}
`

// TestCampaignLife is an operator's day: draft, validate, publish, adjust, pause, resume, end, all through the client.
func TestCampaignLife(t *testing.T) {
	n := startNode()
	defer n.stop()
	c := operator(t, n)
	a, ctx := c.Admin(), t.Context()

	_, err := a.Validate(ctx, "flash", client.Document{Body: []byte(strings.Replace(flashFile, "weight: 1000", "weight: 2000", 1))})
	var faulty *client.Problem
	if !errors.As(err, &faulty) || faulty.Code != client.ErrInvalidCampaign || len(faulty.Errors) == 0 || faulty.Errors[0].Line == 0 {
		t.Errorf("a faulty file: %v", err)
	}
	v := got[*client.Validation](t)(a.Validate(ctx, "flash", client.Document{Body: []byte(flashFile)}))
	if len(v.Odds) != 1 || v.Odds[0].Prizes[0].PaysPPB != 1_000_000_000 {
		t.Errorf("%+v", v)
	}
	etag := got[string](t)(a.PutDraft(ctx, "flash", client.Document{Body: []byte(flashFile)}))
	if _, err := a.PutDraft(ctx, "flash", client.Document{Body: []byte(flashFile)}); !errors.Is(err, client.ErrVersionConflict) {
		t.Errorf("a second first draft: %v", err)
	}
	d := got[*client.Document](t)(a.Draft(ctx, "flash"))
	if string(d.Body) != flashFile || d.ETag != etag || !strings.HasPrefix(d.Type, client.TypeYAML) {
		t.Errorf("draft %+v", d)
	}
	p := got[*client.Published](t)(a.Publish(ctx, client.PublishRequest{Campaign: "flash", DraftETag: etag}))
	again := got[*client.Published](t)(a.Publish(ctx, client.PublishRequest{Campaign: "flash", DraftETag: etag}))
	if p.Version != 1 || p.AlreadyLive || !again.AlreadyLive || p.Waits {
		t.Errorf("%+v, again %+v", p, again)
	}
	r := client.AdjustRequest{Campaign: "flash", Prize: "phone", Delta: 5, Reason: "more", Key: "a1"}
	first := got[*client.Adjusted](t)(a.Adjust(ctx, r))
	second := got[*client.Adjusted](t)(a.Adjust(ctx, r))
	if first.Total != 105 || first.Replayed || !second.Replayed || second.Seq != first.Seq {
		t.Errorf("%+v, again %+v", first, second)
	}
	if _, err := a.Adjust(ctx, client.AdjustRequest{Campaign: "flash", Prize: "phone", Delta: 5, Reason: "more"}); !errors.Is(err, client.ErrIdempotencyKeyMissing) {
		t.Errorf("an adjustment without a key: %v", err)
	}
	if s := got[*client.Controlled](t)(a.Pause(ctx, "flash", "lunch")); s.Status != "paused" {
		t.Errorf("%+v", s)
	}
	if _, err := c.Draw(ctx, client.DrawRequest{Campaign: "flash", User: "u1", Key: "k1"}); !errors.Is(err, client.ErrPaused) {
		t.Errorf("a paused draw: %v", err)
	}
	if s := got[*client.Controlled](t)(a.Resume(ctx, "flash", "coffee", true)); s.Status != "running" {
		t.Errorf("%+v", s)
	}
	got[*client.Drawn](t)(c.Draw(ctx, client.DrawRequest{Campaign: "flash", User: "u1", Key: "k1"}))
	if s := got[*client.Controlled](t)(a.End(ctx, "flash", "enough")); s.Status != "ended" {
		t.Errorf("%+v", s)
	}
	for s, err := range a.Campaigns(ctx) {
		if err != nil || s.Campaign != "flash" || s.Status != "ended" {
			t.Errorf("%+v %v", s, err)
		}
	}
	if s := got[*client.CampaignState](t)(a.Campaign(ctx, "flash")); s.Seq == 0 || s.Title["en"] != "Flash sale" {
		t.Errorf("%+v", s)
	}
	readRecords(t, a)
}

// readRecords reads the records in pages of one, goes on in the middle, and follows until its context ends.
func readRecords(t *testing.T, a *client.Admin) {
	t.Helper()
	var kinds []string
	middle := ""
	for r, err := range a.Records(t.Context(), client.RecordsRequest{Campaign: "flash", Page: 1}) {
		if err != nil || !json.Valid(r.JSON) {
			t.Fatal(err)
		}
		kinds = append(kinds, r.Kind)
		if r.Kind == "adjust" {
			middle = r.Cursor
		}
	}
	if fmt.Sprint(kinds) != "[publish adjust control control draw control]" {
		t.Errorf("records %v", kinds)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n := 0
	for r, err := range a.Records(ctx, client.RecordsRequest{Campaign: "flash", Since: middle, Follow: true}) {
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			break
		}
		_ = r
		if n++; n == 4 {
			time.AfterFunc(100*time.Millisecond, cancel) // time for one too many
		}
	}
	if n != 4 {
		t.Errorf("%d records after the adjustment", n)
	}
}

// TestPlayers is what front servers do: grants, draws, reads.
func TestPlayers(t *testing.T) {
	n := startNode()
	defer n.stop()
	n.publish(wheelFile)
	c, ctx := operator(t, n), t.Context()

	grant := client.GrantRequest{Campaign: "wheel", User: "u1", Source: "share", Event: "e1", Amount: 2}
	if g := got[*client.Granted](t)(c.Grant(ctx, grant)); g.Granted != 2 || g.Already || g.Remaining != 2 {
		t.Errorf("%+v", g)
	}
	if g := got[*client.Granted](t)(c.Grant(ctx, grant)); !g.Already {
		t.Errorf("%+v", g)
	}
	if r := got[*client.Revoked](t)(c.Revoke(ctx, client.RevokeRequest{Campaign: "wheel", User: "u1", Source: "share", Event: "e1"})); r.Revoked != 2 {
		t.Errorf("%+v", r)
	}
	_, err := c.Draw(ctx, client.DrawRequest{Campaign: "wheel", User: "u1", Key: "k1"})
	var denial *client.Denial
	if !errors.Is(err, client.ErrNoChances) || !errors.As(err, &denial) || denial.Price != 1 || denial.Remaining != 0 || denial.RequestID == "" {
		t.Errorf("no chances: %v", err)
	}
	grant.Event, grant.Amount = "e2", 3
	if g := got[*client.Granted](t)(c.Grant(ctx, grant)); g.Granted == 0 && g.Reason == "" {
		t.Errorf("%+v", g)
	}
	user := got[*client.User](t)(c.User(ctx, "wheel", "u1"))
	if user.Chances == nil || user.Chances.Mode != "granted" {
		t.Fatalf("%+v", user)
	}
	n.publish(flashFile)
	drawn := got[*client.Drawn](t)(c.Draw(ctx, client.DrawRequest{Campaign: "flash", User: "u2", Key: "k1", Times: 2}))
	if len(drawn.Draws) != 2 || drawn.Index == 0 || drawn.ID != drawn.Draws[0].ID || drawn.At.IsZero() {
		t.Errorf("%+v", drawn)
	}
	if again := got[*client.Drawn](t)(c.LookUpKey(ctx, "flash", "u2", "k1")); len(again.Draws) != 2 || again.Draws[1].ID != drawn.Draws[1].ID {
		t.Errorf("%+v", again)
	}
	if _, err := c.LookUpKey(ctx, "flash", "u2", "k2"); !errors.Is(err, client.ErrKeyUnknown) {
		t.Errorf("an unknown key: %v", err)
	}
	if d := got[*client.Draw](t)(c.GetDraw(ctx, drawn.ID)); d.User != "u2" || !d.Won() {
		t.Errorf("%+v", d)
	}
	count := 0
	for d, err := range c.UserDraws(ctx, "flash", "u2", true) {
		if err != nil || d.Campaign != "flash" {
			t.Fatal(err)
		}
		count++
	}
	stock := got[*client.Stock](t)(c.Stock(ctx, "flash"))
	if count != 2 || stock.Prizes[0].Issued != 2 || *stock.Prizes[0].Total != 100 {
		t.Errorf("%d wins, stock %+v", count, stock)
	}
	page := got[*client.CampaignPage](t)(c.Page(ctx, "flash"))
	if page.Title["en"] != "Flash sale" || page.Caps[0].Limit != 2 || page.Prizes[0].ID != "phone" || page.ETag == "" || page.Unchanged {
		t.Errorf("%+v", page)
	}
	if again := got[*client.CampaignPage](t)(c.PageSince(ctx, "flash", page.ETag)); !again.Unchanged {
		t.Errorf("%+v", again)
	}
	capped := got[*client.User](t)(c.User(ctx, "flash", "u2"))
	if capped.CanDraw || capped.Denial == nil || capped.Denial.Code != client.ErrCapped || capped.Caps[0].Used != 2 {
		t.Errorf("%+v", capped)
	}
	if _, err := c.Draw(ctx, client.DrawRequest{Campaign: "flash", User: "u2", Key: "k9"}); !errors.As(err, &denial) || denial.Cap != "day" ||
		denial.Used != 2 || denial.Limit != 2 || denial.ResetsAt != nil || !strings.Contains(err.Error(), "cap day: 2 of 2, never resets") {
		t.Errorf("capped: %v", err)
	}
}

// TestFatigueAndPolicy: a cap of the policy counts what is no draw. Its window rolls: no midnight ends it between two hits.
func TestFatigueAndPolicy(t *testing.T) {
	n := startNode()
	defer n.stop()
	c, ctx := operator(t, n), t.Context()
	a := c.Admin()
	policy := got[*client.Document](t)(a.Policy(ctx))
	policy.Body, policy.Type = []byte(`{"time_zone":"UTC","fatigue_caps":[{"id":"push","window":{"rolling":"24h"},"limit":2}]}`), client.TypeJSON
	changed, waits, err := a.PutPolicy(ctx, *policy)
	if err != nil || waits != nil || changed.ETag == policy.ETag {
		t.Fatalf("%+v %+v %v", changed, waits, err)
	}
	hit := client.HitRequest{Cap: "push", User: "u1", Key: "h1", Quantity: 2}
	first := got[*client.Fatigue](t)(c.Hit(ctx, hit))
	second := got[*client.Fatigue](t)(c.Hit(ctx, hit))
	if first.Used != 2 || first.Left != 0 || first.Replayed || !second.Replayed || second.Used != 2 {
		t.Errorf("%+v, again %+v", first, second)
	}
	hit.Key = "h2"
	var denial *client.Denial
	if _, err := c.Hit(ctx, hit); !errors.Is(err, client.ErrCapped) || !errors.As(err, &denial) || denial.Used != 2 || denial.ResetsAt == nil {
		t.Errorf("capped: %v", err)
	}
	if f := got[*client.Fatigue](t)(c.Fatigue(ctx, "push", "u1")); f.Used != 2 || f.Limit != 2 {
		t.Errorf("%+v", f)
	}
}

// TestAPIKeys: an operator's key first, then one for front servers; it is refused once it is deleted.
func TestAPIKeys(t *testing.T) {
	n := startNode()
	defer n.stop()
	n.publish(flashFile)
	ctx := t.Context()
	ops := got[*client.CreatedAPIKey](t)(operator(t, n).Admin().CreateKey(ctx, client.NewAPIKey{Name: "ops", Scopes: []string{"admin"}}))
	with := func(secret string) *client.Client {
		o := n.options()
		o.APIKey = secret
		return got[*client.Client](t)(client.New(o))
	}
	a := with(ops.Secret).Admin()
	front := got[*client.CreatedAPIKey](t)(a.CreateKey(ctx, client.NewAPIKey{Name: "front", Scopes: []string{"draw"}, Campaigns: []string{"flash"}}))
	draws := with(front.Secret)
	got[*client.Drawn](t)(draws.Draw(ctx, client.DrawRequest{Campaign: "flash", User: "u1", Key: "k1"}))
	if _, err := draws.Stock(ctx, "flash"); !errors.Is(err, client.ErrForbidden) {
		t.Errorf("stock with the scope draw: %v", err)
	}
	names := ""
	for k, err := range a.Keys(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		names += k.Name + " "
	}
	if !strings.Contains(names, "front") || !strings.Contains(names, "ops") {
		t.Errorf("keys %s", names)
	}
	if err := a.DeleteKey(ctx, front.ID); err != nil {
		t.Error(err)
	}
	_, err := draws.Draw(ctx, client.DrawRequest{Campaign: "flash", User: "u1", Key: "k2"})
	if !errors.Is(err, client.ErrUnauthenticated) || client.EffectOf(err) != client.EffectNone {
		t.Errorf("a deleted key: %v", err)
	}
}
