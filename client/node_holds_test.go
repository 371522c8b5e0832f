package client_test

import (
	"errors"
	"testing"
	"time"

	"github.com/drawd/drawd/client"
)

// TestOrderFlow is an order service's day: hold and confirm, hold and release, two pools of which one is short, each asked twice; and
// what is found again by the order's id.
func TestOrderFlow(t *testing.T) {
	n := startNode()
	defer n.stop()
	c, ctx := operator(t, n), t.Context()
	for pool, total := range map[string]int64{"phones": 3, "cases": 1} {
		made := got[*client.PoolTerms](t)(c.Admin().PutPool(ctx, client.PutPoolRequest{Pool: pool, Total: &total}))
		if made.Total != total || made.Stock.Available != total || made.ETag == "" || made.Approval != nil {
			t.Errorf("%+v", made)
		}
	}
	both := []client.Item{{Pool: "phones"}, {Pool: "cases", Quantity: 1}}
	r := client.HoldRequest{Owner: "o1", Key: "order-1", TTL: time.Minute, Ref: "order-1", Items: both}
	h := got[*client.Hold](t)(c.Hold(ctx, r))
	again := got[*client.Hold](t)(c.Hold(ctx, r))
	if h.State != "held" || h.Replayed || !again.Replayed || again.ID != h.ID || h.ExpiresAt == nil || len(h.Items) != 2 {
		t.Errorf("%+v, again %+v", h, again)
	}
	r.Owner, r.Key, r.Ref = "o2", "order-2", "order-2"
	var denial *client.Denial
	for range 2 { // a refused hold is remembered under its key
		if _, err := c.Hold(ctx, r); !errors.Is(err, client.ErrInsufficientStock) || !errors.As(err, &denial) || !denial.MayReturn {
			t.Errorf("a short pool: %v", err)
		}
	}
	if _, err := c.LookUpHold(ctx, "o2", "order-2"); !errors.Is(err, client.ErrInsufficientStock) {
		t.Errorf("the refusal, looked up: %v", err)
	}
	if found := got[*client.Hold](t)(c.LookUpHold(ctx, "o1", "order-1")); found.ID != h.ID {
		t.Errorf("%+v", found)
	}
	extended := got[*client.Hold](t)(c.Extend(ctx, h.ID, h.ExpiresAt.Add(time.Minute)))
	if extended.ExpiresAt == nil || !extended.ExpiresAt.After(*h.ExpiresAt) {
		t.Errorf("extended %+v", extended)
	}
	confirmed := got[*client.Hold](t)(c.Confirm(ctx, h.ID))
	twice := got[*client.Hold](t)(c.Confirm(ctx, h.ID))
	if confirmed.State != "confirmed" || confirmed.Already || !twice.Already {
		t.Errorf("%+v, again %+v", confirmed, twice)
	}
	if _, err := c.Release(ctx, h.ID, "too late"); !errors.Is(err, client.ErrHoldFinished) || !errors.As(err, &denial) || denial.State != "confirmed" {
		t.Errorf("a release of what was confirmed: %v", err)
	}
	for found, err := range c.Holds(ctx, client.HoldQuery{Ref: "order-1"}) {
		if err != nil || found.ID != h.ID || found.State != "confirmed" || found.Owner != "o1" {
			t.Errorf("by the order's id: %+v %v", found, err)
		}
	}
	second := got[*client.Hold](t)(c.Hold(ctx, client.HoldRequest{Owner: "o3", Key: client.NewKey(), Items: []client.Item{{Pool: "phones", Quantity: 1}}}))
	if released := got[*client.Hold](t)(c.Release(ctx, second.ID, "changed his mind")); released.State != "released" {
		t.Errorf("%+v", released)
	}
	takes(t, c)
}

// takes takes at once, and takes it back; then the books.
func takes(t *testing.T, c *client.Client) {
	t.Helper()
	ctx := t.Context()
	r := client.TakeRequest{Pool: "phones", Owner: "o4", Key: "take-1", Quantity: 2}
	taken := got[*client.Take](t)(c.Take(ctx, r))
	again := got[*client.Take](t)(c.Take(ctx, r))
	if taken.Quantity != 2 || taken.Replayed || !again.Replayed || again.ID != taken.ID {
		t.Errorf("%+v, again %+v", taken, again)
	}
	if found := got[*client.Take](t)(c.LookUpTake(ctx, "phones", "o4", "take-1")); found.ID != taken.ID {
		t.Errorf("%+v", found)
	}
	if p := got[*client.Pool](t)(c.Pool(ctx, "phones")); p.Total != 3 || p.Issued != 3 || p.Available != 0 || !p.SoldOut {
		t.Errorf("%+v", p)
	}
	if voided := got[*client.Take](t)(c.VoidTake(ctx, taken.ID, "system", "a fault of ours")); voided.State != "voided" {
		t.Errorf("%+v", voided)
	}
	if read := got[*client.Take](t)(c.GetTake(ctx, taken.ID)); read.State != "voided" || read.Owner != "o4" {
		t.Errorf("%+v", read)
	}
	operate(t, c.Admin())
}

// operate changes a pool as its operator does.
func operate(t *testing.T, a *client.Admin) {
	t.Helper()
	ctx := t.Context()
	restock := client.AdjustPoolRequest{Pool: "phones", Key: client.NewKey(), Delta: 4, Reason: "a delivery"}
	first := got[*client.PoolAdjusted](t)(a.AdjustPool(ctx, restock))
	second := got[*client.PoolAdjusted](t)(a.AdjustPool(ctx, restock))
	if first.Total != 7 || first.Replayed || !second.Replayed || second.Seq != first.Seq {
		t.Errorf("%+v, again %+v", first, second)
	}
	terms := got[*client.PoolTerms](t)(a.PoolTerms(ctx, "phones"))
	change := client.PutPoolRequest{Pool: "phones", ETag: terms.ETag, PoolPolicy: terms.PoolPolicy}
	change.HoldTTL = client.Interval(90 * time.Second)
	changed := got[*client.PoolTerms](t)(a.PutPool(ctx, change))
	if time.Duration(changed.HoldTTL) != 90*time.Second || changed.Revision <= terms.Revision || changed.Total != 7 {
		t.Errorf("%+v", changed)
	}
	if _, err := a.PutPool(ctx, change); !errors.Is(err, client.ErrVersionConflict) {
		t.Errorf("the same change again: %v", err)
	}
	ids := ""
	for p, err := range a.Pools(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		ids += p.Pool + " "
	}
	if ids != "cases phones " {
		t.Errorf("pools %s", ids)
	}
}
