package drawd_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/drawd/drawd"
	"github.com/drawd/drawd/drawdtest"
)

// A lottery: a campaign file is published, users draw, and a key that is sent again draws nothing again.
func Example_lottery() {
	ctx := context.Background()
	// A test's clock and entropy, so that this example always prints the same: a program leaves Options empty.
	db, err := drawd.Open(drawd.Options{Clock: drawdtest.NewClock(), Stepped: true, Entropy: drawdtest.Entropy(1)})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close(ctx)
	wheel, err := db.Publish(ctx, []byte(`
campaign: wheel
time_zone: Asia/Shanghai
starts_at: 2026-01-01T00:00:00+08:00
ends_at: 2026-02-01T00:00:00+08:00
denominator: 100
caps:
  - {id: daily, counts: draws, scope: user, window: day, limit: 2}
prizes:
  - {id: phone, kind: physical, weight: 40, stock: 10}
  - {id: thanks, kind: thanks, weight: 60}
`))
	if err != nil {
		log.Fatal(err)
	}
	for _, key := range []string{"click-1", "click-1", "click-2", "click-3"} {
		out, err := wheel.Draw(ctx, drawd.DrawRequest{User: "ann", Key: key})
		var denied *drawd.Error
		switch {
		case errors.As(err, &denied) && errors.Is(err, drawd.ErrCapped):
			fmt.Println(key, "denied by", denied.Cap, "until", denied.ResetsAt.Format(time.RFC3339))
		case err != nil:
			log.Fatal(err)
		default:
			left, _ := out.Remaining("daily")
			fmt.Println(key, "landed on", out.Landed, "won:", out.Won, "again:", out.Replayed, "left today:", left)
		}
	}
	// Output:
	// click-1 landed on thanks won: false again: false left today: 1
	// click-1 landed on thanks won: false again: true left today: 1
	// click-2 landed on phone won: true again: false left today: 0
	// click-3 denied by daily until 2026-01-01T16:00:00Z
}

// A stock authority: units are held while the customer pays, on a directory that survives the process.
func Example_stock() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "drawd")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	clock := drawdtest.NewClock()
	db, err := drawd.Open(drawd.Options{Dir: dir, Clock: clock, Stepped: true})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close(ctx)
	seats, err := db.PutPool(ctx, "seats", 10, drawd.PoolPolicy{HoldTTL: 15 * time.Minute, LimitPerOwner: 4})
	if err != nil {
		log.Fatal(err)
	}
	show := func(what string) {
		s := seats.Stock()
		fmt.Println(what, "available", s.Available, "held", s.Held, "issued", s.Issued)
	}
	paid, err := db.Hold(ctx, drawd.HoldRequest{Owner: "ann", Key: "order-1", Items: []drawd.Item{{Pool: "seats", Units: 2}}, Ref: "order-1"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := db.Hold(ctx, drawd.HoldRequest{Owner: "bob", Key: "order-2", Items: []drawd.Item{{Pool: "seats", Units: 4}}}); err != nil {
		log.Fatal(err)
	}
	show("two hold: ")
	if _, err := db.Confirm(ctx, paid.ID); err != nil {
		log.Fatal(err)
	}
	show("ann paid: ")
	clock.Advance(16 * time.Minute)
	if err := db.Tick(ctx); err != nil {
		log.Fatal(err)
	}
	show("bob left: ")
	_, err = db.Take(ctx, drawd.TakeRequest{Owner: "ann", Key: "order-3", Pool: "seats", Units: 3})
	fmt.Println(errors.Is(err, drawd.ErrCapped), err)
	// Output:
	// two hold:  available 4 held 6 issued 0
	// ann paid:  available 4 held 4 issued 2
	// bob left:  available 8 held 0 issued 2
	// true drawd: capped: cap limit_per_owner has counted 2 of 4 (pool seats); this answer stands under its key, ask again with a new one
}

// Caps only: how often may a user be notified? No draw, no stock.
func Example_caps() {
	ctx := context.Background()
	db, err := drawd.Open(drawd.Options{Clock: drawdtest.NewClock(), Stepped: true})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close(ctx)
	if err := db.SetPolicy(ctx, []byte(`
time_zone: UTC
fatigue_caps:
  - {id: push, window: day, limit: 2}
`)); err != nil {
		log.Fatal(err)
	}
	for _, message := range []string{"m1", "m1", "m2", "m3"} {
		hit, err := db.Hit(ctx, drawd.HitRequest{Cap: "push", User: "ann", Key: message})
		switch {
		case errors.Is(err, drawd.ErrCapped):
			fmt.Println(message, "not today")
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println(message, "sent as", hit.Used, "of", hit.Limit, "again:", hit.Replayed)
		}
	}
	// Output:
	// m1 sent as 1 of 2 again: false
	// m1 sent as 1 of 2 again: true
	// m2 sent as 2 of 2 again: false
	// m3 not today
}

// Codes of a partner are imported once, and each win hands one out.
func ExampleCampaign_ImportCodes() {
	ctx := context.Background()
	db, err := drawd.Open(drawd.Options{Clock: drawdtest.NewClock(), Stepped: true, Entropy: drawdtest.Entropy(1)})
	if err != nil {
		panic(err)
	}
	defer db.Close(ctx)
	c, err := db.Publish(ctx, []byte(`
campaign: partner
time_zone: UTC
starts_at: 2026-01-01T00:00:00Z
ends_at: 2026-02-01T00:00:00Z
denominator: 1
prizes: [{id: voucher, kind: code, weight: 1, codes: unique}]
`))
	if err != nil {
		panic(err)
	}
	added, err := c.ImportCodes(ctx, "voucher", "AAA-1", "AAA-2", "AAA-1")
	fmt.Println(added, "codes", err)
	out, err := c.Draw(ctx, drawd.DrawRequest{User: "ann", Key: "order-1"})
	fmt.Println(out.Prize.ID, out.Prize.Code, err)
	_, left, _ := c.Codes("voucher")
	fmt.Println(left, "left")
	// Output:
	// 2 codes <nil>
	// voucher AAA-1 <nil>
	// 1 left
}
