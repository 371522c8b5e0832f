package resp

import (
	"bytes"
	"net/netip"
	"strconv"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
)

const maxVersion = 1<<31 - 1

// drawOptions are what a DRAW may name besides campaign, user and key.
type drawOptions struct {
	times   uint8
	listed  bool
	retry   bool
	values  [engine.MaxAttributes]struct{ name, text []byte }
	given   int
	ip      netip.Addr
	device  []byte
	channel []byte
	version uint32
	price   uint32
}

func (o *drawOptions) read(a *arguments) {
	o.times = 1
	for {
		switch name := a.option(); name {
		case "":
			return
		case "TIMES":
			o.times, o.listed = uint8(a.number("TIMES", a.value(name), 1, engine.MaxTimes)), true
		case "CHANNEL":
			if o.channel = a.value(name); !names.Channel(o.channel) {
				a.wrong("CHANNEL must be 1 to 32 of the characters A-Z a-z 0-9 . _ ~ : @ = + -")
			}
		case "DEVICE":
			if o.device = a.value(name); !names.Subject(o.device) {
				a.wrong("DEVICE must be 1 to 128 of the characters A-Z a-z 0-9 . _ ~ : @ = + -")
			}
		case "IP":
			var err error
			if o.ip, err = netip.ParseAddr(string(a.value(name))); err != nil || o.ip.Zone() != "" {
				a.wrong("IP must be an IPv4 or IPv6 address")
			}
		case "ATTR":
			o.attribute(a)
		case "VERSION":
			o.version = uint32(a.number("VERSION", a.value(name), 1, maxVersion))
		case "MAXPRICE":
			o.price = uint32(a.number("MAXPRICE", a.value(name), 1, engine.MaxPrice))
		case "RETRY":
			o.retry = true
		default:
			a.wrong("DRAW has the options TIMES CHANNEL DEVICE IP ATTR VERSION MAXPRICE RETRY")
		}
	}
}

func (o *drawOptions) attribute(a *arguments) {
	name, text := a.value("ATTR"), a.value("ATTR")
	if o.given == len(o.values) {
		a.wrong("at most " + strconv.Itoa(len(o.values)) + " attributes")
		return
	}
	for i := range o.values[:o.given] {
		if bytes.Equal(o.values[i].name, name) {
			a.wrong("ATTR names an attribute twice")
			return
		}
	}
	o.values[o.given].name, o.values[o.given].text = name, text
	o.given++
}

// draw takes DRAW campaign user key and its options.
func draw(c *conn, a *arguments) {
	campaign, ok := c.campaign(a)
	if !ok {
		return
	}
	user, key := c.user(a), a.key()
	var o drawOptions
	o.read(a)
	if !c.sound(a) {
		return
	}
	keyer := campaign.Namespace().Keyer()
	d := engine.Draw{
		Campaign: campaign.Ref(), User: keyer.User(user), UserID: user, Channel: o.channel, Times: o.times, Listed: o.listed,
		ExpectVersion: o.version, MaxPrice: o.price,
	}
	d.Digest = keyer.Digest(engine.DigestDraw, d.Campaign, d.User, key)
	if o.device != nil {
		d.Device, d.HasDevice = keyer.Device(o.device), true
	}
	if o.ip.IsValid() {
		d.IP, d.HasIP = keyer.IP(o.ip), true
	}
	c.facts.Campaign, c.facts.User = d.Campaign, prefix(&d.User)
	if !c.stamp(&d, &o, campaign, &keyer) || c.known(&d, &o, campaign) {
		return
	}
	c.room(int(o.times))
	c.batch.AddDraw(&d)
	c.wait(waiting{reply: drawn, campaign: campaign, user: prefix(&d.User), times: o.times})
}

// prefix is what a request id keeps of a user.
func prefix(user *engine.Key) uint16 { return uint16(user[0])<<8 | uint16(user[1]) }

// stamp asks the audience of the live version about the attributes, or refuses.
func (c *conn) stamp(d *engine.Draw, o *drawOptions, campaign *engine.Campaign, keyer *engine.Keyer) bool {
	version, slots := campaign.Gate()
	audience := version.Audience
	if audience == nil {
		return true // attributes that nobody asks for are no fault, as over HTTP
	}
	var values engine.Values
	for i := range o.values[:o.given] {
		at := -1
		for j := range audience.Attributes {
			if audience.Attributes[j].Name == string(o.values[i].name) {
				at = j
			}
		}
		switch {
		case at < 0:
			c.refuse(problem.InvalidField, "The campaign has no such attribute.")
			return false
		case audience.Attributes[at].FromTicket:
			c.refuse(problem.InvalidField, "The attribute "+audience.Attributes[at].Name+" comes out of a signed ticket only, and those over HTTP.")
			return false
		}
		value, ok := engine.ParseValue(audience.Attributes[at].Type, o.values[i].text)
		if !ok {
			c.refuse(problem.InvalidField, "The attribute "+audience.Attributes[at].Name+" is no "+audience.Attributes[at].Type.String()+".")
			return false
		}
		values[at] = value
	}
	eligible, _ := audience.Eligible(&values)
	d.Stamp = engine.Stamp{Version: version.Number, Eligible: eligible, Digest: keyer.Attributes(audience, &values)}
	for i := range audience.Attributes {
		if slot := slots[i]; slot >= 0 && values[i].Type != 0 {
			d.By[slot] = keyer.Attribute(audience.Attributes[i].Name, &values[i])
			d.HasBy |= 1 << slot
		}
	}
	return true
}

// known answers a draw from committed facts, if they decide it. With others of the pipeline still before it the log does:
// what they will have done is not committed yet.
func (c *conn) known(d *engine.Draw, o *drawOptions, campaign *engine.Campaign) bool {
	if len(c.waiting) > 0 {
		return false
	}
	r, ok := c.server.options.Engine.Peek(d, engine.UnixMilli(c.now.UnixMilli()))
	switch {
	case !ok || r.StaleStamp():
		return false
	case r.Replayed:
		return c.replay(campaign, &r, int(o.times)) == nil
	case (o.retry || c.outdated()) && r.Code != problem.IdempotencyMismatch && r.Code != problem.KeyAbandoned:
		return false // the first send may still be in the log: only the log can deny it
	}
	c.server.figures.facts.Inc()
	c.deny(&r)
	return true
}

// maxFactAge is up to what age facts deny a draw without the log, as over HTTP.
const maxFactAge = 2 * time.Second

func (c *conn) outdated() bool {
	age := c.server.options.Age
	return age != nil && age() > maxFactAge
}

// replay replies with the first answer to a key. An error means that nothing was said.
func (c *conn) replay(campaign *engine.Campaign, r *engine.Result, times int) (err error) {
	c.records, err = c.server.options.Records.Records(c.records[:0], uint64(r.At.Index), r.At.Ordinal, times)
	if err != nil {
		return err
	}
	if err = c.show(campaign, r.At, c.records, times); err == nil {
		c.server.figures.replays.Inc()
	}
	return err
}

// show replies with recorded sub-draws.
func (c *conn) show(campaign *engine.Campaign, at engine.Location, records []byte, n int) (err error) {
	a := &c.answer
	a.Campaign, a.At, a.Records, a.Count = campaign, at, records, n
	start := len(c.out)
	if c.out, err = a.AppendRESP(c.out); err != nil {
		c.out = c.out[:start]
	}
	return err
}

// drawn replies with what the log decided of a draw.
func drawn(c *conn, w *waiting, r *engine.Result) {
	var err error
	switch {
	case r.StaleStamp():
		c.problemOf(problem.Overloaded, "The campaign was published again while this draw was evaluated: send it again.")
	case r.Code != problem.OK:
		c.server.figures.logged.Inc()
		c.deny(r)
	case r.Replayed:
		err = c.replay(w.campaign, r, int(w.times))
	default:
		if err = c.show(w.campaign, r.At, c.batch.Records[r.Offset:r.Offset+r.Length], int(r.Records)); err == nil {
			c.count()
		}
	}
	if err != nil {
		c.failed(err)
	}
}

// count counts the sub-draws that were shown last.
func (c *conn) count() {
	f, a := c.server.figures, &c.answer
	f.wins.Add(a.Wins)
	f.misses.Add(a.Count - a.Wins)
	f.unfunded.Add(a.Unfunded)
}
