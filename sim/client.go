package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/internal/drawtest"
	"github.com/drawd/drawd/sim/check"
)

// client is one caller: it does one thing after the other, and repeats what it was not told the outcome of.
type client struct {
	world  *World
	number int
	rng    *rand.Rand
	made   int // intents and tries so far
	sent   []intent
	holds  []held
	at     string // the node that it talks to
	http   *caller
}

// held is a hold that the client was given.
type held struct {
	at     engine.Location
	owner  engine.Key
	digest engine.Key
}

func newClient(w *World, number int) *client {
	c := &client{world: w, number: number, rng: rand.New(rand.NewPCG(w.options.Seed, 1000+uint64(number)))}
	c.http = newCaller(c)
	return c
}

func (c *client) fresh() int {
	c.made++
	return c.number*1_000_000 + c.made
}

// overHTTP is how many of the sends that can go through the data plane do so, in percent. The others ask the node itself, and
// see more of what it answers.
const overHTTP = 60

// shop goes on until over.
func (c *client) shop(over <-chan struct{}) {
	defer c.http.hangUp()
	for {
		timer := time.NewTimer(min(time.Duration(c.rng.ExpFloat64()*float64(c.world.options.Think)), 10*c.world.options.Think))
		select {
		case <-timer.C:
		case <-over:
			timer.Stop()
			return
		}
		if c.chance(5) {
			c.read(over)
			continue
		}
		c.pursue(c.next(), over)
	}
}

func (c *client) chance(percent int) bool { return c.rng.IntN(100) < percent }

// insist is pursue for what must be.
func (c *client) insist(i intent) bool {
	code := problem.KeyUnknown
	inner := i.settled
	i.settled = func(r *engine.Result) {
		code = r.Code
		if inner != nil {
			inner(r)
		}
	}
	over := make(chan struct{})
	timer := time.AfterFunc(settleLimit, func() { close(over) })
	defer timer.Stop()
	c.pursue(i, over)
	return code == problem.OK
}

// pursue tries an intent until its outcome is known. Now and then the client lets go of one whose outcome it does not
// know: the log must tell. After over it tries a few times more.
func (c *client) pursue(i intent, over <-chan struct{}) {
	for tries := 0; ; tries++ {
		a, res := c.try(&i)
		switch {
		case a == check.Decided:
			if i.settled != nil {
				i.settled(res)
			}
			return
		case a == check.Unknown && c.chance(8):
			return
		}
		pause := time.Duration(20+c.rng.IntN(400)) * time.Millisecond
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-over:
			timer.Stop()
			if tries > 3 {
				return
			}
			time.Sleep(pause)
		}
	}
}

// try sends an intent once.
func (c *client) try(i *intent) (check.Outcome, *engine.Result) {
	if i.order != nil && c.chance(overHTTP) {
		return c.http.draw(i.order), nil
	}
	command := i.make(fmt.Sprintf("try %d", c.fresh()))
	var b engine.Batch
	if i.names != nil {
		command.Stock.AddWith(&b, *i.names)
	} else {
		command.AddTo(&b)
	}
	a := c.world.journal.begin(c.number, i.key, command, b.Commands())
	outcome, r := c.send(&b)
	if outcome != check.Decided {
		c.world.journal.end(a, outcome, nil)
		return outcome, nil
	}
	c.world.journal.end(a, outcome, func() { told(a, &b) })
	if a.Result.Code == problem.OK && a.Result.Records > 0 {
		c.records(r, a)
	}
	return outcome, &a.Result
}

// records reads the records of an outcome from the node that told of it, if it has applied it: of one that was told again
// as a front does to render it, of others to see that they are stored.
func (c *client) records(r *run, a *check.Attempt) {
	at := a.Result.At
	if r.node.Status().Applied < uint64(at.Index) {
		return
	}
	all, err := r.store.State().Records(nil, uint64(at.Index), at.Ordinal, int(a.Result.Records))
	switch {
	case r.dead.Load():
	case err != nil && a.Result.Replayed && !r.complete():
	case err != nil:
		c.world.fault("records", "%s: %s was told, and its record at %v: %v", r, a, at, err)
	case a.Result.Replayed:
		a.Records = all
	case !bytes.Equal(a.Records, all):
		c.world.fault("records", "%s: %s was told %x, stored is %x", r, a, a.Records, all)
	}
}

// patience is how long a client waits for an answer.
func (c *client) patience() time.Duration {
	if c.chance(10) {
		return time.Duration(1+c.rng.IntN(300)) * time.Millisecond
	}
	return 7 * time.Second
}

// send hands a batch to a node and says what became of it.
func (c *client) send(b *engine.Batch) (check.Outcome, *run) {
	r := c.choose()
	if r == nil {
		return check.None, nil
	}
	ctx, cancel := context.WithTimeout(r.ctx, c.patience())
	defer cancel()
	err := r.node.DecideContext(ctx, b)
	if r.dead.Load() {
		c.at = ""
		return check.Unknown, r // no answer came
	}
	var refused *problem.Error
	switch {
	case err == nil:
		return check.Decided, r
	case errors.As(err, &refused) && refused.Code.Info().Effect != problem.None:
		return check.Unknown, r
	}
	c.at = ""
	return check.None, r
}

// choose returns the node that the client talks to: one that says that it takes commands, or any.
func (c *client) choose() *run {
	runs := c.world.running()
	if len(runs) == 0 {
		return nil
	}
	any := runs[c.rng.IntN(len(runs))]
	if c.chance(25) {
		return any // which forwards what it does not decide
	}
	for _, r := range runs {
		if r.machine.id == c.at {
			return r
		}
	}
	for _, r := range runs {
		if r.node.Status().Ready {
			c.at = r.machine.id
			return r
		}
	}
	return any
}

// read reads the books of a campaign, behind a barrier.
func (c *client) read(over <-chan struct{}) {
	if c.chance(overHTTP) {
		c.http.stock(flash, "flash")
		return
	}
	a := c.world.journal.begin(c.number, "", nil, nil)
	var b engine.Batch
	outcome, r := c.send(&b)
	if outcome != check.Decided {
		c.world.journal.end(a, outcome, nil)
		return
	}
	ref := flash
	if c.chance(30) {
		ref = perks
	}
	campaign, ok := r.engine.CampaignByRef(ref)
	if !ok {
		c.world.fault("read", "%s does not know campaign %d behind a barrier at %d", r, ref, b.Index)
		return
	}
	seq, prizes := campaign.Stock()
	c.world.journal.end(a, outcome, func() {
		a.Index, a.Read = b.Index, &check.Books{Campaign: ref, Seq: seq, Prizes: prizes}
	})
}

// next decides what to do: mostly draws, a third of them again. In a world of days some of those are of any age.
func (c *client) next() intent {
	if n := len(c.sent); c.world.options.Days > 0 && n > 0 && c.chance(20) {
		if old := c.sent[c.rng.IntN(n)]; old.order != nil {
			return old
		}
	}
	if len(c.sent) > 0 && c.chance(30) {
		return c.sent[max(0, len(c.sent)-1-c.rng.IntN(min(len(c.sent), 12)))]
	}
	i := c.fancy()
	c.sent = append(c.sent, i)
	return i
}

func (c *client) fancy() intent {
	switch n := c.rng.IntN(1000); {
	case n < 520:
		return c.draw(flash)
	case n < 640:
		return c.draw(perks)
	case n < 720:
		return c.grant()
	case n < 820:
		return c.hold()
	case n < 900 && len(c.holds) > 0:
		return c.resolve()
	case n < 940:
		return c.take()
	default:
		return c.operate()
	}
}

func (c *client) user() (id []byte, key engine.Key) {
	id = fmt.Appendf(nil, "u%d", c.rng.IntN(c.world.users()))
	return id, c.world.shop.keyer.User(id)
}

func (c *client) draw(ref engine.CampaignRef) intent {
	id, user := c.user()
	key := fmt.Sprintf("draw-%d", c.fresh())
	times := uint8(1)
	if c.chance(8) {
		times = 2
	}
	k := c.world.shop.keyer
	o := &order{campaign: "flash", ref: ref, user: string(id), key: key}
	if ref == perks {
		o.campaign = "perks"
	}
	if times > 1 {
		o.times = int(times)
	}
	return intent{key: "draw/" + key, order: o, make: func(mark string) *drawtest.Command {
		return &drawtest.Command{Draw: &engine.Draw{
			Campaign: ref, User: user, UserID: id, Digest: k.Digest(engine.DigestDraw, ref, user, []byte(key)), Times: times, Listed: times > 1,
			HasIP: true, IP: k.Device([]byte(mark)), // what a retry may change
		}}
	}}
}
