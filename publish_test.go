package drawd

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
)

const plain = `
campaign: plain
time_zone: UTC
starts_at: 2026-01-01T00:00:00Z
ends_at: 2035-01-01T00:00:00Z
denominator: 100
prizes: [{id: pen, kind: physical, weight: `

// still is a clock that stands in the campaign.
type still struct{}

func (still) Now() time.Time           { return time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC) }
func (still) Monotonic() time.Duration { return 0 }

// meanwhile is entropy that does something else once, where a publish has compared and has not decided yet.
type meanwhile struct{ do func() }

func (m *meanwhile) Read(b []byte) (int, error) {
	if do := m.do; do != nil {
		m.do = nil
		do()
	}
	return rand.Read(b)
}

// What was compared with one live version is not published over another.
func TestPublishIsHeldToWhatItWasComparedWith(t *testing.T) {
	from := &meanwhile{}
	db, err := Open(Options{Entropy: from, Clock: still{}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(context.Background())
	ctx := context.Background()
	c, err := db.Publish(ctx, []byte(plain+"10, stock: 5}]"))
	if err != nil {
		t.Fatal(err)
	}
	from.do = func() {
		f, faults := campaignfile.Parse([]byte(plain + "30}]"))
		if len(faults) > 0 {
			t.Error(faults)
		}
		var b engine.Batch
		b.AddPublish(&engine.Publish{Namespace: db.namespace.Ref(), Version: f.Version, Actor: "other"})
		if err := db.log.decide(ctx, &b); err != nil {
			t.Error(err)
		}
	}
	if _, err := db.Publish(ctx, []byte(plain+"20}]")); !errors.Is(err, ErrVersionConflict) || c.Version() != 2 {
		t.Errorf("%v, live %d", err, c.Version())
	}
	if _, err := db.Publish(ctx, []byte(plain+"40}]")); err != nil || c.Version() != 3 {
		t.Errorf("%v, live %d", err, c.Version())
	}
}
