package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	hotQuota   = 1_000 // requests a second that the hot tenant's key may send
	hotTimes   = 8     // of its quota that it sends
	quietRate  = 300   // requests a second of the quiet tenant
	quietLimit = 20 * time.Millisecond
)

// Tenants lets a tenant far above its quota draw beside a quiet one: what the quiet one sees, alone and beside the other.
func Tenants(ctx context.Context, o TableOptions) (*TableReport, error) {
	method := fmt.Sprintf("two API keys, open loop: a quiet one with %s draws a second and no quota, a hot one with a quota of %s a second that sends %d times as many and asks again for nothing",
		count(quietRate), count(hotQuota), hotTimes)
	return runTable(ctx, "tenants", method, o, func(ctx context.Context, t *tableRun) error {
		campaign, err := t.f.publish(ctx, steadyCampaign(t.o.Users, time.Now()))
		if err != nil {
			return err
		}
		// The first key ends the time in which everybody on this machine may do everything: it must be one that may make others.
		if t.f.ctl.key, err = t.f.ctl.createKey(ctx, "bench", 0, "admin", "draw", "read"); err != nil {
			return err
		}
		quiet, err := t.tenant(ctx, campaign, "quiet", 0)
		if err != nil {
			return err
		}
		hot, err := t.tenant(ctx, campaign, "hot", hotQuota)
		if err != nil {
			return err
		}
		alone, err := quiet.draw(ctx, t, quietRate)
		if err != nil {
			return err
		}
		both, err := beside(ctx, t, []*tenant{quiet, hot}, []float64{quietRate, hotTimes * hotQuota})
		if err != nil {
			return err
		}
		t.report.Rows = append(t.report.Rows, alone.figure("alone", "the quiet tenant alone"), both[0].figure("quiet", "the quiet tenant beside the hot one"), both[1].figure("hot", "the hot tenant"))
		t.report.Rows[1].Goal = fmt.Sprintf("nothing refused; p99 ≤ %s", spanText(quietLimit))
		t.report.Rows[2].Goal = fmt.Sprintf("goodput ≤ 1.1 × %s/s", count(hotQuota))
		for _, p := range []*probed{alone, both[0], both[1]} {
			t.report.Invalid = append(t.report.Invalid, p.invalid...)
		}
		return nil
	})
}

// tenant is who draws under a key of his own.
type tenant struct{ work *steadyLoad }

func (t *tableRun) tenant(ctx context.Context, campaign, name string, rate int) (*tenant, error) {
	key, err := t.f.ctl.createKey(ctx, name, rate, "draw")
	if err != nil {
		return nil, err
	}
	work := &steadyLoad{users: uint32(t.o.Users), templates: []*template{newDrawTemplate(t.f.host, key, campaign)}}
	return &tenant{drawing(t.f, work, campaign)}, nil
}

// draw sends draws at a rate for a turn.
func (n *tenant) draw(ctx context.Context, t *tableRun, rate float64) (*probed, error) {
	p, err := t.f.probe(ctx, n.work, rate, t.span)
	if err != nil {
		return nil, err
	}
	if p.failed > 0 {
		return nil, fmt.Errorf("bench: %d answers that nobody expected", p.failed)
	}
	return p, nil
}

// beside lets tenants draw at the same time.
func beside(ctx context.Context, t *tableRun, all []*tenant, rates []float64) ([]*probed, error) {
	var ended sync.WaitGroup
	results, faults := make([]*probed, len(all)), make([]error, len(all))
	for i, n := range all {
		ended.Go(func() { results[i], faults[i] = n.draw(ctx, t, rates[i]) })
	}
	ended.Wait()
	for _, err := range faults {
		if err != nil {
			return nil, err
		}
	}
	return results, nil
}

// createKey makes an API key and returns its secret; a rate of 0 is none.
func (c *control) createKey(ctx context.Context, name string, rate int, scopes ...string) (string, error) {
	wanted := map[string]any{"name": name, "scopes": scopes}
	if rate > 0 {
		wanted["rate"] = map[string]int{"per_second": rate, "burst": max(1, rate/10)}
	}
	body, err := json.Marshal(wanted)
	if err != nil {
		return "", fmt.Errorf("bench: %w", err)
	}
	text, err := c.do(ctx, http.MethodPost, c.admin+"/admin/v1/keys", map[string]string{"Content-Type": "application/json"}, body)
	if err != nil {
		return "", err
	}
	var made struct {
		Secret string `json:"secret"`
	}
	if err := json.Unmarshal(text, &made); err != nil || made.Secret == "" {
		return "", fmt.Errorf("bench: make a key: %q: %w", text, err)
	}
	return made.Secret, nil
}
