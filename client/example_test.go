package client_test

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/drawd/drawd/client"
)

// A draw: the key exists before the request does, so that whatever happens the caller can ask again.
func Example() {
	n := startNode() // yours is `drawd serve`
	defer n.stop()
	n.publish(flashFile)

	c, err := client.New(client.Options{URLs: []string{n.api()}})
	if err != nil {
		panic(err)
	}
	defer c.Close()
	ctx := context.Background()

	key := client.NewKey() // store it with the order
	drawn, err := c.Draw(ctx, client.DrawRequest{Campaign: "flash", User: "u1", Key: key})
	if err != nil {
		panic(err)
	}
	fmt.Println(drawn.Outcome, drawn.Prize.ID, "left today:", drawn.Remaining.Caps["day"])

	again, err := c.Draw(ctx, client.DrawRequest{Campaign: "flash", User: "u1", Key: key})
	fmt.Println("the same draw:", again.ID == drawn.ID, "replayed:", again.Replayed, err)

	// Output:
	// win phone left today: 1
	// the same draw: true replayed: true <nil>
}

// What a draw can end with.
func Example_errors() {
	n := startNode()
	defer n.stop()
	n.publish(flashFile)
	c, _ := client.New(n.options())
	defer c.Close()

	draw := func(r client.DrawRequest) {
		_, err := c.Draw(context.Background(), r)
		var denial *client.Denial
		switch {
		case err == nil:
			fmt.Println("drawn")
		case errors.Is(err, client.ErrCapped) && errors.As(err, &denial):
			fmt.Printf("capped by %s: %d of %d\n", denial.Cap, denial.Used, denial.Limit)
		case errors.As(err, &denial): // nothing was consumed
			fmt.Println("denied:", denial.Code)
		case client.EffectOf(err) == client.EffectUnknown: // ask again with the same key, later
			fmt.Println("unknown")
		default: // nothing happened
			fmt.Println("failed:", err)
		}
	}
	draw(client.DrawRequest{Campaign: "flash", User: "u1", Key: "k1", Times: 2})
	draw(client.DrawRequest{Campaign: "flash", User: "u1", Key: "k2"})
	draw(client.DrawRequest{Campaign: "flash", User: "u1"})
	// Output:
	// drawn
	// capped by day: 2 of 2
	// failed: drawd: draw flash/u1: idempotency_key_missing
}

// A points shop that was cut off in the middle of a draw, and gives the points back only if nothing was drawn.
func ExampleClient_AbandonKey() {
	n := startNode()
	defer n.stop()
	n.publish(flashFile)
	c, _ := client.New(n.options())
	defer c.Close()

	_, err := c.AbandonKey(context.Background(), "flash", "u1", "order-1")
	fmt.Println("give back:", errors.Is(err, client.ErrKeyAbandoned))
	_, err = c.Draw(context.Background(), client.DrawRequest{Campaign: "flash", User: "u1", Key: "order-1"})
	fmt.Println("a late copy:", errors.Is(err, client.ErrKeyAbandoned))
	// Output:
	// give back: true
	// a late copy: true
}

// Many goroutines draw through one batcher.
func ExampleBatcher() {
	n := startNode()
	defer n.stop()
	n.publish(flashFile)
	c, _ := client.New(n.options())
	defer c.Close()

	b := c.NewBatcher(client.BatcherOptions{})
	var all sync.WaitGroup
	won := make(chan string, 50)
	for i := range 50 {
		all.Go(func() {
			drawn, err := b.Draw(context.Background(), client.DrawRequest{Campaign: "flash", User: fmt.Sprint("u", i), Key: client.NewKey()})
			if err == nil && drawn.Won() {
				won <- drawn.Prize.ID
			}
		})
	}
	all.Wait()
	fmt.Println(len(won), b.Close(context.Background()))
	// Output: 50 <nil>
}
