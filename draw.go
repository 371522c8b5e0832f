package drawd

import (
	"context"
	"encoding/base32"
	"net/netip"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
)

// DrawRequest asks for a draw.
type DrawRequest struct {
	User string // 1 to 128 of A-Z a-z 0-9 . _ ~ : @ = + -
	// Key is the idempotency key, 1 to 64 visible ASCII characters: the same key gives the same answer, and one draw. Empty
	// lets the DB make one, which stands in the outcome or in the error.
	Key string
	// Retry says that the request was sent before, and the answer is not known: it is then not denied before the log has
	// said whether it was drawn.
	Retry bool

	Times      int        // sub-draws, up to 10, all or nothing; 0 for one
	Channel    string     // of a campaign with channels
	Device     string     // what caps by device count; empty for none
	IP         netip.Addr // what caps by address count
	Attributes []Attribute

	ExpectVersion int // the draw must be of this version; 0 for any
	MaxPrice      int // the draw must not cost more chances; 0 for any
}

// Attribute is a fact about a user that a campaign's audience asks for.
type Attribute struct {
	Name  string
	Value any // string, bool, or an integer
}

// stampTries is how often a draw is evaluated again because a version was published meanwhile.
const stampTries = 4

// Draw draws, once for the request's key. A miss is an outcome; a denial is an *Error that consumed nothing.
func (c *Campaign) Draw(ctx context.Context, q DrawRequest) (Outcome, error) {
	db := c.db
	if q.Key == "" {
		key, err := db.keyFor()
		if err != nil {
			return Outcome{}, err
		}
		q.Key = key
	}
	if err := db.check(&q); err != nil {
		err.Campaign, err.User, err.Key = c.ID(), q.User, q.Key
		return Outcome{}, err
	}
	k := db.begin()
	defer db.end(k)
	c.fill(k, &q)
	for try := 1; ; try++ {
		if err := c.stamp(k, &q); err != nil {
			err.Campaign, err.User, err.Key = c.ID(), q.User, q.Key
			return Outcome{}, err
		}
		if db.log.peeks() {
			if out, err, known := c.known(k, &q); known {
				return out, err
			}
		}
		k.batch.Reset()
		k.batch.AddDraw(&k.draw)
		if err := db.decide(ctx, k, c.ID(), q.User, q.Key); err != nil {
			return Outcome{}, err
		}
		r := &k.batch.Results[0]
		if r.StaleStamp() && try < stampTries {
			continue
		}
		return c.outcome(k, &q, r)
	}
}

// check reports what is wrong with a request.
func (db *DB) check(q *DrawRequest) *Error {
	switch {
	case !names.Key(q.Key):
		return invalid("Key must be 1 to %d visible ASCII characters", engine.MaxIdempotencyKeyBytes)
	case q.Times < 0 || q.Times > engine.MaxTimes:
		return invalid("Times is %d: it must be at most %d", q.Times, engine.MaxTimes)
	case q.Channel != "" && !names.Channel(q.Channel):
		return invalid("Channel must be at most %d of the characters A-Z a-z 0-9 . _ ~ : @ = + -", engine.MaxChannelBytes)
	case q.Device != "" && !names.Subject(q.Device):
		return invalid("Device must be at most %d of the characters A-Z a-z 0-9 . _ ~ : @ = + -", engine.MaxUserBytes)
	case q.ExpectVersion < 0 || q.ExpectVersion > 1<<31 || q.MaxPrice < 0 || q.MaxPrice > 1<<31:
		return invalid("ExpectVersion and MaxPrice must be 0 to 2^31")
	}
	return db.checkUser(q.User)
}

// fill makes the command. Its slices are k's.
func (c *Campaign) fill(k *call, q *DrawRequest) {
	k.user, k.key, k.channel = append(k.user[:0], q.User...), append(k.key[:0], q.Key...), append(k.channel[:0], q.Channel...)
	keyer := &c.db.keyer
	user := keyer.User(k.user)
	k.draw = engine.Draw{
		Campaign: c.c.Ref(), User: user, UserID: k.user, Digest: keyer.Digest(engine.DigestDraw, c.c.Ref(), user, k.key),
		Channel: k.channel, Times: uint8(max(1, q.Times)), Listed: q.Times > 0,
		ExpectVersion: uint32(q.ExpectVersion), MaxPrice: uint32(q.MaxPrice),
	}
	if q.Device != "" {
		k.device = append(k.device[:0], q.Device...)
		k.draw.Device, k.draw.HasDevice = keyer.Device(k.device), true
	}
	if q.IP.IsValid() {
		k.draw.IP, k.draw.HasIP = keyer.IP(q.IP), true
	}
}

// stamp asks the live version's audience about the request. A library takes no tickets.
func (c *Campaign) stamp(k *call, q *DrawRequest) *Error {
	version, slots := c.c.Gate()
	audience := version.Audience
	if audience == nil {
		k.draw.Eligibility = engine.Eligibility{}
		return nil
	}
	if err := c.values(k, audience, q.Attributes); err != nil {
		return err
	}
	eligible, _ := audience.Eligible(&k.values)
	e := engine.Eligibility{Stamp: engine.Stamp{
		Version: version.Number, Eligible: eligible, Digest: c.db.keyer.Attributes(audience, &k.values),
	}}
	e.By, e.HasBy = c.attributeKeys(k, audience, slots)
	k.draw.Eligibility = e
	return nil
}

// values takes the attributes of a request.
func (c *Campaign) values(k *call, audience *engine.Audience, attributes []Attribute) *Error {
	k.values = engine.Values{}
	for i := range attributes {
		if err := take(k, audience, &attributes[i]); err != nil {
			return err
		}
	}
	return nil
}

// attributeKeys returns the keys of those attributes that caps count by, by slot, with a bit for each.
func (c *Campaign) attributeKeys(k *call, audience *engine.Audience, slots *[engine.MaxAttributes]int8) (by [engine.MaxAttributeScopes]engine.Key, has uint8) {
	for i := range audience.Attributes {
		if slot := slots[i]; slot >= 0 && k.values[i].Type != 0 {
			by[slot] = c.db.keyer.Attribute(audience.Attributes[i].Name, &k.values[i])
			has |= 1 << slot
		}
	}
	return by, has
}

// take puts one attribute into its place.
func take(k *call, audience *engine.Audience, a *Attribute) *Error {
	for i := range audience.Attributes {
		declared := &audience.Attributes[i]
		if declared.Name != a.Name {
			continue
		}
		if declared.FromTicket {
			return invalid("attribute %s: only a signed ticket can say this, and a library takes none", a.Name)
		}
		v, ok := valueOf(a.Value)
		if !ok || v.Type != declared.Type {
			return invalid("attribute %s must be of the type %s", a.Name, declared.Type)
		}
		k.values[i] = v
		return nil
	}
	return &Error{Code: problem.UnknownField, Detail: "the campaign declares no attribute " + a.Name}
}

func valueOf(v any) (engine.Value, bool) {
	const most = 1 << 53
	whole := func(n int64) (engine.Value, bool) {
		return engine.Value{Type: engine.TypeInt, Int: n}, n <= most && n >= -most
	}
	switch v := v.(type) {
	case string:
		return engine.Value{Type: engine.TypeText, Text: []byte(v)}, len(v) <= engine.MaxAttributeText
	case bool:
		b := engine.Value{Type: engine.TypeBool}
		if v {
			b.Int = 1
		}
		return b, true
	case int:
		return whole(int64(v))
	case int64:
		return whole(v)
	case int32:
		return whole(int64(v))
	case uint32:
		return whole(int64(v))
	}
	return engine.Value{}, false
}

// known answers a draw from committed facts, if they decide it.
func (c *Campaign) known(k *call, q *DrawRequest) (out Outcome, err error, known bool) {
	r, ok := c.db.engine.Peek(&k.draw, c.db.now())
	switch {
	case !ok || r.StaleStamp():
		return out, nil, false
	case r.Replayed:
		if out, err = c.outcome(k, q, &r); err != nil {
			return out, nil, false // its record is being stored at this moment: the log answers
		}
		return out, nil, true
	case q.Retry && r.Code != problem.IdempotencyMismatch && r.Code != problem.KeyAbandoned:
		return out, nil, false
	}
	return out, c.db.denied(&r, c.ID(), q.User, q.Key), true
}

// Find returns what was drawn under a key; ErrKeyUnknown when nothing was, ErrKeyAbandoned when nothing ever will be.
func (c *Campaign) Find(user, key string) (Outcome, error) {
	if !names.Subject(user) || !names.Key(key) {
		return Outcome{}, invalid("not a user and a key that a draw could have had")
	}
	k := c.db.begin()
	defer c.db.end(k)
	q := DrawRequest{User: user, Key: key}
	c.fill(k, &q)
	at, code := c.db.engine.FindKey(c.c, k.draw.User, k.draw.Digest)
	if code != problem.OK {
		return Outcome{}, &Error{Code: code, Campaign: c.ID(), User: user, Key: key}
	}
	return c.outcome(k, &q, &engine.Result{Replayed: true, At: at})
}

// Abandon returns what was drawn under a key. If nothing was, nothing ever will be: ErrKeyAbandoned. So a caller can let go
// of a draw whose outcome he does not know.
func (c *Campaign) Abandon(ctx context.Context, user, key string) (Outcome, error) {
	if !names.Subject(user) || !names.Key(key) {
		return Outcome{}, invalid("not a user and a key that a draw could have had")
	}
	k := c.db.begin()
	defer c.db.end(k)
	q := DrawRequest{User: user, Key: key}
	c.fill(k, &q)
	k.batch.AddAbandon(&engine.Abandon{Campaign: c.c.Ref(), User: k.draw.User, Digest: k.draw.Digest, UserID: k.user, Actor: c.db.options.Actor})
	r, err := c.db.one(ctx, k, c.ID(), user, key)
	if err != nil {
		return Outcome{}, err
	}
	return c.outcome(k, &q, r)
}

// idempotencyKey is 24 characters of base32.
func idempotencyKey(b [15]byte) string { return base32.HexEncoding.EncodeToString(b[:]) }
